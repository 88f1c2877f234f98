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

# One run for inputs of their own: each costs a start of the provider.
run "unknown_target_region_in_words_and_account_of_eleven_digits_are_refused" {
  command = plan

  variables {
    target     = "gcp"
    region     = "Frankfurt"
    account_id = "12345678901"
  }

  expect_failures = [var.target, var.region, var.account_id]
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

run "no_repository_no_role" {
  command = plan

  assert {
    condition     = length(module.github_oidc) == 0 && output.github_role_arn == null
    error_message = "Without a repository nothing is made for GitHub."
  }
}

run "null_is_no_repository" {
  command = plan

  variables {
    github = null
  }

  assert {
    condition     = length(module.github_oidc) == 0 && output.github_role_arn == null
    error_message = "Null says the same as nothing."
  }
}

run "repository_gets_a_role" {
  variables {
    environment = { project = "course", name = "stag", expires = "2028-02-28" }
    github = {
      role_name = "course.stag.github"
      subjects  = ["repo:ana/course:environment:stag", "repo:ana@1001/course@2002:environment:stag"]
    }
  }

  assert {
    condition     = output.github_role_arn == module.github_oidc[0].role_arn && output.github_role_arn != ""
    error_message = "The role's ARN comes out."
  }

  assert {
    condition     = strcontains(module.github_oidc[0].policy, "2028-02-29T00:00:00Z") && strcontains(module.github_oidc[0].policy, "aws:SecureTransport")
    error_message = "The role ends with the environment, and takes TLS only."
  }
}

run "local_role_has_no_conditional_deny" {
  command = plan

  variables {
    target      = "local"
    environment = { project = "course", name = "stag", expires = "2028-02-28" }
    github      = { role_name = "course.stag.github", subjects = ["repo:ana/course:ref:refs/heads/stag"] }
  }

  assert {
    condition     = !strcontains(module.github_oidc[0].policy, "Deny")
    error_message = "The emulator takes every condition as met and would refuse everything."
  }
}

run "subjects_without_a_role_are_refused" {
  command = plan

  variables {
    github = { subjects = ["repo:ana/course:environment:stag"] }
  }

  expect_failures = [var.github]
}
