mock_provider "aws" {}

variables {
  target      = "aws"
  region      = "eu-central-1"
  account_id  = "123456789012"
  environment = { project = "course", name = "stag" }
  storage     = { bucket = "course--stag--123456789012" }
}

run "aws_takes_tls_only" {
  command = plan

  assert {
    condition     = output.bucket.name == "course--stag--123456789012"
    error_message = "The bucket's name comes out as it went in."
  }

  assert {
    condition     = strcontains(module.storage.policy, "aws:SecureTransport")
    error_message = "On AWS the bucket refuses requests without TLS."
  }
}

run "local_has_no_bucket_policy" {
  command = plan

  variables {
    target = "local"
  }

  assert {
    condition     = module.storage.policy == ""
    error_message = "The emulator ignores the condition and would refuse everybody."
  }
}

run "unknown_target_is_refused" {
  command = plan

  variables {
    target = "gcp"
  }

  expect_failures = [var.target]
}

run "region_in_words_is_refused" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "name_of_the_state_bucket_is_refused" {
  command = plan

  variables {
    environment = { project = "course", name = "tfstate" }
  }

  expect_failures = [var.environment]
}

run "project_with_two_hyphens_in_a_row_is_refused" {
  command = plan

  variables {
    environment = { project = "my--course", name = "stag" }
  }

  expect_failures = [var.environment]
}

run "owner_that_no_tag_can_hold_is_refused" {
  command = plan

  variables {
    environment = { project = "course", name = "stag", owner = "ada <ada@example.org>" }
  }

  expect_failures = [var.environment]
}

run "expiry_outside_the_calendar_is_refused" {
  command = plan

  variables {
    environment = { project = "course", name = "stag", expires = "2026-13-01" }
  }

  expect_failures = [var.environment]
}
