mock_provider "aws" {}

variables {
  target      = "aws"
  region      = "eu-central-1"
  account_id  = "123456789012"
  environment = { project = "course", name = "stag" }
  storage     = { bucket = "course--stag--123456789012" }
}

# An account with one default subnet, for the machine.
override_data {
  target = module.mlflow_ec2[0].data.aws_subnets.default
  values = { ids = ["subnet-a"] }
}

override_data {
  target = module.mlflow_ec2[0].data.aws_subnet.default["subnet-a"]
  values = { availability_zone = "eu-central-1a" }
}

override_data {
  target = module.mlflow_ec2[0].data.aws_ec2_instance_type_offerings.zones
  values = { locations = ["eu-central-1a"] }
}

override_resource {
  target = module.mlflow_ec2[0].aws_eip.this
  values = { public_ip = "198.51.100.7" }
}

override_resource {
  target = module.mlflow_ec2[0].aws_iam_role.snapshots
  values = { arn = "arn:aws:iam::123456789012:role/course/stag/course.stag.mlflow.snapshots" }
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

run "no_machine_unless_asked_for" {
  command = plan

  assert {
    condition     = length(module.mlflow_ec2) == 0 && output.mlflow_url == null && output.mlflow_ip == null && output.mlflow_password_parameter == null
    error_message = "Without a name nothing is made for MLflow."
  }
}

run "null_is_no_machine" {
  command = plan

  variables {
    mlflow = null
  }

  assert {
    condition     = length(module.mlflow_ec2) == 0
    error_message = "Null says the same as nothing."
  }
}

run "machine_belongs_to_the_environment" {
  variables {
    mlflow = { name = "course.stag.mlflow", allowed_cidrs = ["203.0.113.0/24"] }
  }

  assert {
    condition     = output.mlflow_url == "https://198-51-100-7.sslip.io" && output.mlflow_ip == "198.51.100.7" && output.mlflow_password_parameter == "/course/stag/mlflow/admin-password"
    error_message = "Where it answers and where its password is come out."
  }

  assert {
    condition     = strcontains(module.mlflow_ec2[0].policy, "course--stag--123456789012/mlflow/*") && strcontains(module.mlflow_ec2[0].policy, "eu-central-1:123456789012:parameter/course/stag/mlflow/*")
    error_message = "It works in the environment's bucket and below its parameters."
  }
}

run "machine_that_nobody_may_open_is_refused" {
  command = plan

  variables {
    mlflow = { name = "course.stag.mlflow" }
  }

  expect_failures = [var.mlflow]
}

run "networks_without_a_machine_are_refused" {
  command = plan

  variables {
    mlflow = { allowed_cidrs = ["203.0.113.0/24"] }
  }

  expect_failures = [var.mlflow]
}

run "machine_on_the_laptop_is_refused" {
  command = plan

  variables {
    target = "local"
    mlflow = { name = "course.stag.mlflow", allowed_cidrs = ["203.0.113.0/24"] }
  }

  expect_failures = [var.mlflow]
}

run "no_budget_unless_asked" {
  command = plan

  assert {
    condition     = length(module.budget) == 0
    error_message = "Without a limit no budget is made."
  }
}

run "null_is_no_budget" {
  command = plan

  variables {
    budget = null
  }

  assert {
    condition     = length(module.budget) == 0
    error_message = "Null says the same as nothing."
  }
}

run "budget_is_the_environments" {
  command = plan

  variables {
    budget = { name = "course.stag", limit_usd = 20, email = "ada@example.org" }
  }

  assert {
    condition     = module.budget[0].name == "course.stag"
    error_message = "A limit and an address make a budget."
  }
}

run "budget_is_left_out_of_a_rehearsal" {
  command = plan

  variables {
    budget = { name = "course.stag", limit_usd = 20, email = "ada@example.org", rehearsal = true }
  }

  assert {
    condition     = length(module.budget) == 0
    error_message = "The emulator could not read it back."
  }
}

run "budget_without_an_address_is_refused" {
  command = plan

  variables {
    budget = { name = "course.stag", limit_usd = 20 }
  }

  expect_failures = [var.budget]
}

run "budget_on_a_laptop_is_refused" {
  command = plan

  variables {
    target = "local"
    budget = { name = "course.stag", limit_usd = 20, email = "ada@example.org" }
  }

  expect_failures = [var.budget]
}
