mock_provider "aws" {}

variables {
  target      = "aws"
  region      = "eu-central-1"
  account_id  = "123456789012"
  environment = { project = "course", name = "stag", expires = "2028-02-28" }
  bucket      = "course--stag--123456789012"
  members = {
    ci   = { user_name = "course.stag.ci", role = "ci" }
    anna = { user_name = "course.stag.anna", role = "student", team = "red", expires = "2028-01-31" }
    bob  = { user_name = "course.stag.bob", role = "student" }
  }
}

run "everybody_gets_a_user" {
  command = plan

  assert {
    condition     = { for name, member in output.members : name => member.user_name } == { anna = "course.stag.anna", bob = "course.stag.bob", ci = "course.stag.ci" }
    error_message = "Users come out by the member's name."
  }
}

run "team_defaults_to_the_member" {
  command = plan

  assert {
    condition     = strcontains(module.member["anna"].policy, "/dvc/red/*") && strcontains(module.member["bob"].policy, "/dvc/bob/*")
    error_message = "Who names no team is a team of one."
  }
}

run "expiry_defaults_to_the_environments" {
  command = plan

  assert {
    condition     = strcontains(module.member["anna"].policy, "2028-02-01T00:00:00Z") && strcontains(module.member["bob"].policy, "2028-02-29T00:00:00Z")
    error_message = "A member's own date counts; without one the environment's does."
  }
}

run "local_has_no_conditional_deny" {
  command = plan

  variables {
    target = "local"
  }

  assert {
    condition     = alltrue([for member in module.member : !strcontains(member.policy, "Deny")])
    error_message = "The emulator takes every condition as met and would refuse everything."
  }
}

run "nobody_at_all" {
  command = plan

  variables {
    members     = {}
    environment = { project = "course", name = "stag" }
  }

  assert {
    condition     = length(output.members) == 0
    error_message = "An environment without people is a legal one."
  }
}

run "one_user_for_two_members_is_refused" {
  command = plan

  variables {
    members = {
      anna = { user_name = "course.stag.anna", role = "student" }
      bob  = { user_name = "Course.Stag.Anna", role = "student" }
    }
  }

  expect_failures = [var.members]
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

run "project_with_two_hyphens_in_a_row_is_refused" {
  command = plan

  variables {
    environment = { project = "my--course", name = "stag" }
  }

  expect_failures = [var.environment]
}

run "name_of_the_state_bucket_is_refused" {
  command = plan

  variables {
    environment = { project = "course", name = "tfstate" }
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
