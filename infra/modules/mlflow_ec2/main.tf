locals {
  # Processor and image have to agree. The letter g behind the generation stands for Graviton, as does a1.
  # https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
  architecture = can(regex("^(a1|[a-z]+\\d+g[a-z]*)[.]", var.instance_type)) ? "arm64" : "amd64"

  # Debian's own accounts publish the newest image of a release under this name.
  # https://wiki.debian.org/Cloud/AmazonEC2Image
  image_parameter = coalesce(var.image_parameter, "/aws/service/debian/release/12/latest/${local.architecture}")

  hostname       = var.domain != "" ? var.domain : "${replace(aws_eip.this.public_ip, ".", "-")}.sslip.io"
  data_volume_id = aws_ebs_volume.data.id

  # The snapshots' policy finds the data volume by this, and by nothing else: one match of several would do.
  backup_tag = { "bootstrap:backup" = var.name }
}

data "aws_ssm_parameter" "image" {
  name = local.image_parameter
}

# --- where it stands: a default subnet in whose zone there are machines of this type ---

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }

  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

data "aws_subnet" "default" {
  for_each = toset(data.aws_subnets.default.ids)

  id = each.key
}

data "aws_ec2_instance_type_offerings" "zones" {
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = [var.instance_type]
  }
}

locals {
  subnets = {
    for id, subnet in data.aws_subnet.default : subnet.availability_zone => id
    if contains(data.aws_ec2_instance_type_offerings.zones.locations, subnet.availability_zone)
  }

  # The first one, but for the first time only: a volume cannot leave its zone, so from then on the machine follows it.
  first_zone = try(sort(keys(local.subnets))[0], "")
  subnet     = lookup(local.subnets, aws_ebs_volume.data.availability_zone, "")
}

# --- what is kept: the volume with both databases, and the address ---

resource "aws_ebs_volume" "data" {
  #checkov:skip=CKV_AWS_189: AWS's own key encrypts it; one of the account's own costs extra every month and outlives a teardown by days.
  availability_zone = local.first_zone
  type              = "gp3"
  size              = var.volume_gb
  encrypted         = true

  tags = merge({ Name = var.name }, local.backup_tag)

  lifecycle {
    # A new zone, or a subnet that was deleted, would otherwise make a new and empty volume.
    ignore_changes = [availability_zone]

    precondition {
      condition     = local.first_zone != ""
      error_message = "${var.instance_type} is to be had in none of the zones in which the default VPC of ${var.region} has a default subnet."
    }
  }
}

resource "aws_eip" "this" {
  domain = "vpc"

  tags = { Name = var.name }
}

# The machine begins with an address that its subnet gives it, if any, and has this one a few seconds later. What it
# loads on its first boot has to try again.
resource "aws_eip_association" "this" {
  allocation_id = aws_eip.this.id
  instance_id   = aws_instance.this.id
}

# --- who may come in, and where it may go ---

resource "aws_security_group" "this" {
  # Not the name alone: EC2 refuses what begins with sg-, as a project may.
  name        = "bootstrap.${var.name}"
  description = "MLflow, from the networks that may open it"
  vpc_id      = data.aws_vpc.default.id

  tags = { Name = var.name }
}

locals {
  everywhere = ["0.0.0.0/0", "::/0"]

  ingress = merge(
    { for cidr in var.allowed_cidrs : "443 from ${cidr}" => { port = 443, cidr = cidr } },
    { for cidr in var.challenge_cidrs : "80 from ${cidr}" => { port = 80, cidr = cidr } },
  )
  # Packages of Debian's and Python's, S3, SSM and the certificate's authority. What a machine asks of its own network
  # (names, time, credentials) passes no security group:
  # https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Security.html
  egress = { for pair in setproduct([80, 443], local.everywhere) : "${pair[0]} to ${pair[1]}" => { port = pair[0], cidr = pair[1] } }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = local.ingress

  security_group_id = aws_security_group.this.id
  description       = each.value.port == 443 ? "MLflow" : "The certificate's challenge, and the way to 443"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.cidr, ":") ? null : each.value.cidr
  cidr_ipv6         = strcontains(each.value.cidr, ":") ? each.value.cidr : null

  tags = { Name = var.name }
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.egress

  security_group_id = aws_security_group.this.id
  description       = "Packages, S3, parameters, certificates"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.cidr, ":") ? null : each.value.cidr
  cidr_ipv6         = strcontains(each.value.cidr, ":") ? each.value.cidr : null

  tags = { Name = var.name }
}

# --- the machine ---

data "aws_default_tags" "this" {}

# An image for one kind of processor does not start on the other, and a machine cannot change its image.
resource "terraform_data" "architecture" {
  input = local.architecture
}

resource "aws_instance" "this" {
  #checkov:skip=CKV_AWS_126: One value every five minutes is enough; one every minute costs two dollars a month more.
  ami                  = data.aws_ssm_parameter.image.insecure_value
  instance_type        = var.instance_type
  iam_instance_profile = aws_iam_instance_profile.this.name

  subnet_id              = local.subnet
  vpc_security_group_ids = [aws_security_group.this.id]

  # What is different in it was done on the first boot only, so a change needs a new machine; the data stays. Of a machine
  # that is imported the provider knows this argument alone: with user_data_base64 it would make a new one. It takes text
  # that is base64 already for what it is.
  user_data                   = local.user_data
  user_data_replace_on_change = true

  ebs_optimized = true

  # Credentials of the role only for who can send a PUT from the machine itself, not through a proxy or a container.
  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # The system and MLflow take 3 GB, swap 2, and an artifact of up to 4 GB is a file here on its way to the bucket.
  root_block_device {
    volume_type           = "gp3"
    volume_size           = 16
    encrypted             = true
    delete_on_termination = true

    # The common ones written out: else they would be taken from the volume of a machine that is imported.
    tags = merge(data.aws_default_tags.this.tags, { Name = var.name })
  }

  tags = { Name = var.name }

  # The first boot needs the network and all that the role may do.
  depends_on = [aws_iam_role_policy.this, aws_vpc_security_group_egress_rule.this]

  lifecycle {
    # Debian publishes a new image every few weeks. A machine that runs keeps its own and updates itself; the newest
    # one is taken whenever a machine is made anew.
    ignore_changes       = [ami]
    replace_triggered_by = [terraform_data.architecture]

    precondition {
      condition     = local.subnet != ""
      error_message = "The data volume is in ${aws_ebs_volume.data.availability_zone}, where ${var.instance_type} is not to be had or the default subnet is gone. Choose another instance_type, or make that subnet again (aws ec2 create-default-subnet)."
    }

    precondition {
      # EC2 takes 16 KB before they are encoded, the provider as many characters as they are here.
      # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
      condition     = length(local.user_data) <= 16384
      error_message = "The machine's user data is larger than 12 KB, of which the AWS provider takes no more."
    }
  }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.this.id

  # A machine that is replaced writes its databases to the end and lets go of the volume by itself.
  stop_instance_before_detaching = true
}

# Somebody may stop it by hand to save money, and a `down` that was interrupted has stopped it: it runs again after the
# next apply.
resource "aws_ec2_instance_state" "this" {
  instance_id = aws_instance.this.id
  state       = "running"

  depends_on = [aws_volume_attachment.data, aws_eip_association.this]
}
