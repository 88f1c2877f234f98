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
  allowed_cidrs   = ["203.0.113.0/24", "2001:db8::/32"]
  challenge_cidrs = ["0.0.0.0/0"]
}

run "machine_is_closed_but_for_what_it_serves" {
  assert {
    condition = {
      for rule in aws_vpc_security_group_ingress_rule.this : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port}" => join(" ", compact([rule.cidr_ipv4, rule.cidr_ipv6]))...
      } == {
      "tcp 443-443" = ["2001:db8::/32", "203.0.113.0/24"]
      "tcp 80-80"   = ["0.0.0.0/0"]
    }
    error_message = "443 is open to the networks named, each as what it is; 80 to whoever checks the certificate; nothing else is."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.this : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port}"]) == toset(["tcp 80-80", "tcp 443-443"])
    error_message = "It goes out by HTTP and HTTPS, and in no other way."
  }

  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required" && aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "Its role's credentials need a token, and no container or proxy gets one."
  }

  assert {
    condition     = aws_instance.this.vpc_security_group_ids == toset([aws_security_group.this.id])
    error_message = "It is in its own security group, and in no other."
  }
}

run "data_outlives_the_machine" {
  assert {
    condition     = aws_ebs_volume.data.encrypted && aws_ebs_volume.data.type == "gp3" && aws_ebs_volume.data.size == 20
    error_message = "The data volume is an encrypted gp3 volume of its own."
  }

  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_instance.this.root_block_device[0].delete_on_termination && length(aws_instance.this.ebs_block_device) == 0
    error_message = "What goes with the machine is its encrypted system alone."
  }

  assert {
    condition     = aws_volume_attachment.data.stop_instance_before_detaching && aws_volume_attachment.data.force_detach == null
    error_message = "The volume is let go of in order."
  }

  assert {
    condition     = aws_instance.this.user_data_replace_on_change
    error_message = "A change of what is done on the first boot makes a new machine."
  }

  assert {
    condition     = aws_ebs_volume.data.availability_zone == "eu-west-1b" && aws_instance.this.subnet_id == "subnet-b"
    error_message = "Both are in the first zone that has a default subnet and machines of this type."
  }

  assert {
    condition     = aws_ec2_instance_state.this.state == "running"
    error_message = "What was stopped runs again."
  }
}

run "zone_stays_whatever_becomes_of_the_others" {
  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
  }

  variables {
    volume_gb = 40
  }

  assert {
    condition     = aws_ebs_volume.data.availability_zone == "eu-west-1b" && aws_instance.this.subnet_id == "subnet-b" && aws_ebs_volume.data.size == 40
    error_message = "The volume grows where it is, and the machine stays beside it."
  }
}

run "type_that_is_not_to_be_had_beside_the_volume_is_refused" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = ["eu-west-1a"] }
  }

  expect_failures = [aws_instance.this]
}

run "every_day_a_snapshot_for_a_week" {
  assert {
    condition     = aws_dlm_lifecycle_policy.daily[0].state == "ENABLED" && aws_dlm_lifecycle_policy.daily[0].policy_details[0].target_tags == tomap({ "bootstrap:backup" = "course.stag.mlflow" })
    error_message = "The policy finds volumes by one tag."
  }

  assert {
    condition     = aws_ebs_volume.data.tags["bootstrap:backup"] == "course.stag.mlflow" && !contains(keys(aws_instance.this.root_block_device[0].tags), "bootstrap:backup")
    error_message = "The data volume carries that tag, the system's volume does not."
  }

  assert {
    condition = alltrue([
      for one in aws_dlm_lifecycle_policy.daily[0].policy_details[0].schedule :
      one.copy_tags && one.create_rule[0].interval == 24 && one.retain_rule[0].interval == 7 && one.retain_rule[0].interval_unit == "DAYS"
    ])
    error_message = "Each is kept for seven days and carries the volume's tags."
  }

  assert {
    condition     = aws_iam_role.snapshots[0].name == "course.stag.mlflow.snapshots" && aws_iam_role.snapshots[0].path == "/course/stag/"
    error_message = "Its role is on the environment's path."
  }

  assert {
    condition     = jsondecode(aws_iam_role.snapshots[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "No other account's policies act by it."
  }
}

run "role_reaches_its_artifacts_and_its_parameters" {
  assert {
    condition = jsondecode(output.policy).Statement == [
      {
        Sid      = "Artifacts", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        Resource = "arn:aws:s3:::course--stag--123456789012/mlflow/*"
      },
      {
        Sid       = "List", Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::course--stag--123456789012"
        Condition = { StringLike = { "s3:prefix" = "mlflow/*" } }
      },
      {
        Sid      = "Parameters", Effect = "Allow", Action = ["ssm:PutParameter", "ssm:GetParameter", "ssm:AddTagsToResource"]
        Resource = "arn:aws:ssm:eu-west-1:123456789012:parameter/course/stag/mlflow/*"
      },
    ]
    error_message = "That is all."
  }

  assert {
    condition     = aws_iam_instance_profile.this.path == "/course/stag/" && aws_iam_role.this.name == "course.stag.mlflow"
    error_message = "Role and profile lie on the environment's path."
  }
}

run "answers_at_an_address_of_its_own" {
  assert {
    condition     = output.url == "https://198-51-100-7.sslip.io" && output.ip == "198.51.100.7" && output.password_parameter == "/course/stag/mlflow/admin-password"
    error_message = "Without a domain its name says its address."
  }
}

run "answers_under_your_domain" {
  variables {
    domain = "mlflow.example.org"
  }

  assert {
    condition     = output.url == "https://mlflow.example.org" && output.ip == "198.51.100.7"
    error_message = "The domain is taken as it is."
  }
}

run "x86_gets_an_x86_image" {
  command = plan

  assert {
    condition     = data.aws_ssm_parameter.image.name == "/aws/service/debian/release/12/latest/amd64"
    error_message = "t3 has Intel's processors."
  }
}

run "graviton_gets_an_arm_image" {
  command = plan

  variables {
    instance_type = "t4g.small"
  }

  assert {
    condition     = data.aws_ssm_parameter.image.name == "/aws/service/debian/release/12/latest/arm64"
    error_message = "t4g has Arm processors."
  }
}

run "graphics_is_not_graviton" {
  command = plan

  variables {
    instance_type = "g4dn.xlarge"
  }

  assert {
    condition     = data.aws_ssm_parameter.image.name == "/aws/service/debian/release/12/latest/amd64"
    error_message = "Here the g stands for graphics."
  }
}

run "graviton_with_disks_is_graviton" {
  command = plan

  variables {
    instance_type = "m6gd.medium"
  }

  assert {
    condition     = data.aws_ssm_parameter.image.name == "/aws/service/debian/release/12/latest/arm64"
    error_message = "More letters may follow the g."
  }
}

run "emulator_without_lifecycle_manager" {
  command = plan

  variables {
    daily_snapshots = false
    image_parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
  }

  assert {
    condition     = length(aws_dlm_lifecycle_policy.daily) == 0 && length(aws_iam_role.snapshots) == 0 && data.aws_ssm_parameter.image.name == var.image_parameter
    error_message = "No policy, no role for it, and an image that it knows."
  }
}

run "longest_name_leaves_room_for_the_second_role" {
  command = plan

  variables {
    name = "p2345678901234567890123456789012.e234567890123456789-0123456789a"
  }

  assert {
    condition     = length(aws_iam_role.snapshots[0].name) == 64 && endswith(aws_iam_role.snapshots[0].name, ".snapshots")
    error_message = "IAM takes 64 characters."
  }
}

run "port_80_can_be_shut" {
  command = plan

  variables {
    challenge_cidrs = []
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.this : rule.from_port == 443])
    error_message = "Whoever has a certificate of another kind needs no challenge."
  }
}
