mock_provider "aws" {
  source = "./tests/account"
}

variables {
  name            = "course.stag.mlflow"
  path            = "/course/stag/"
  region          = "eu-west-1"
  account_id      = "123456789012"
  bucket          = "course--stag--123456789012"
  parameter_path  = "/course/stag/"
  allowed_cidrs   = ["203.0.113.0/24"]
  challenge_cidrs = ["0.0.0.0/0"]
}

run "nobody_allowed_is_refused" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  expect_failures = [var.allowed_cidrs]
}

run "address_without_a_size_is_refused" {
  command = plan

  variables {
    allowed_cidrs = ["203.0.113.7"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "network_with_an_address_in_it_is_refused" {
  command = plan

  variables {
    allowed_cidrs = ["203.0.113.7/24"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "ipv6_in_capitals_is_refused" {
  command = plan

  variables {
    allowed_cidrs = ["2001:DB8::/32"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "fifty_one_networks_are_refused" {
  command = plan

  variables {
    allowed_cidrs = [for n in range(51) : "10.0.${n}.0/24"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "challenge_from_a_name_is_refused" {
  command = plan

  variables {
    challenge_cidrs = ["letsencrypt.org"]
  }

  expect_failures = [var.challenge_cidrs]
}

run "name_with_a_slash_is_refused" {
  command = plan

  variables {
    name = "course/stag"
  }

  expect_failures = [var.name]
}

run "name_of_65_letters_is_refused" {
  command = plan

  variables {
    name = join("", [for n in range(65) : "a"])
  }

  expect_failures = [var.name]
}

run "path_of_one_step_is_refused" {
  command = plan

  variables {
    path = "/course/"
  }

  expect_failures = [var.path]
}

run "path_with_a_pattern_is_refused" {
  command = plan

  variables {
    path = "/course/*/"
  }

  expect_failures = [var.path]
}

run "parameters_of_all_projects_are_refused" {
  command = plan

  variables {
    parameter_path = "/*/stag/"
  }

  expect_failures = [var.parameter_path]
}

run "parameters_at_the_top_are_refused" {
  command = plan

  variables {
    parameter_path = "/"
  }

  expect_failures = [var.parameter_path]
}

run "account_in_words_is_refused" {
  command = plan

  variables {
    account_id = "mine"
  }

  expect_failures = [var.account_id]
}

run "type_without_a_size_is_refused" {
  command = plan

  variables {
    instance_type = "t3"
  }

  expect_failures = [var.instance_type]
}

run "image_that_is_no_parameter_is_refused" {
  command = plan

  variables {
    image_parameter = "ami-0123456789abcdef0"
  }

  expect_failures = [var.image_parameter]
}

run "domain_with_a_path_is_refused" {
  command = plan

  variables {
    domain = "example.org/mlflow"
  }

  expect_failures = [var.domain]
}

run "domain_in_capitals_is_refused" {
  command = plan

  variables {
    domain = "MLflow.example.org"
  }

  expect_failures = [var.domain]
}

run "volume_of_4_gb_is_refused" {
  command = plan

  variables {
    volume_gb = 4
  }

  expect_failures = [var.volume_gb]
}

run "volume_of_half_a_gb_more_is_refused" {
  command = plan

  variables {
    volume_gb = 20.5
  }

  expect_failures = [var.volume_gb]
}

run "certificate_of_nobody_is_refused" {
  command = plan

  variables {
    certificate = "none"
  }

  expect_failures = [var.certificate]
}

run "type_that_is_to_be_had_nowhere_is_refused" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = [] }
  }

  expect_failures = [aws_ebs_volume.data]
}
