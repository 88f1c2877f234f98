# An account whose default VPC has three subnets, in a region where one zone lacks the machine.
override_data {
  target = data.aws_ssm_parameter.image
  values = { insecure_value = "ami-0123456789abcdef0" }
}

override_data {
  target = data.aws_vpc.default
  values = { id = "vpc-1" }
}

override_data {
  target = data.aws_subnets.default
  values = { ids = ["subnet-b", "subnet-c", "subnet-a"] }
}

override_data {
  target = data.aws_subnet.default["subnet-a"]
  values = { availability_zone = "eu-west-1a" }
}

override_data {
  target = data.aws_subnet.default["subnet-b"]
  values = { availability_zone = "eu-west-1b" }
}

override_data {
  target = data.aws_subnet.default["subnet-c"]
  values = { availability_zone = "eu-west-1c" }
}

override_data {
  target = data.aws_ec2_instance_type_offerings.zones
  values = { locations = ["eu-west-1c", "eu-west-1b"] }
}

override_resource {
  target = aws_eip.this
  values = { public_ip = "198.51.100.7" }
}

override_resource {
  target = aws_iam_role.snapshots
  values = { arn = "arn:aws:iam::123456789012:role/course/stag/course.stag.mlflow.snapshots" }
}
