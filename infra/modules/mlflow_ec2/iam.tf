locals {
  bucket     = "arn:${var.partition}:s3:::${var.bucket}"
  parameters = "arn:${var.partition}:ssm:${var.region}:${var.account_id}:parameter${var.parameter_path}mlflow/*"

  # All that the machine may do. A SecureString with the account's own key for SSM needs no permission of KMS's:
  # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
  policy = {
    Version = "2012-10-17"
    Statement = [
      { Sid = "Artifacts", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = "${local.bucket}/mlflow/*" },
      {
        Sid       = "List", Effect = "Allow", Action = "s3:ListBucket", Resource = local.bucket
        Condition = { StringLike = { "s3:prefix" = "mlflow/*" } }
      },
      { Sid = "Parameters", Effect = "Allow", Action = ["ssm:PutParameter", "ssm:GetParameter", "ssm:AddTagsToResource"], Resource = local.parameters },
    ]
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  path               = var.path
  description        = "MLflow's machine: its artifacts and its own parameters"
  assume_role_policy = jsonencode(local.trust_of["ec2"])

  tags = { Name = var.name }
}

resource "aws_iam_role_policy" "this" {
  name   = "bootstrap"
  role   = aws_iam_role.this.name
  policy = jsonencode(local.policy)
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  path = var.path
  role = aws_iam_role.this.name

  tags = { Name = var.name }
}

locals {
  trust_of = {
    ec2 = {
      Version   = "2012-10-17"
      Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
    }
    # Not for another account's policies, whose owner might name our role.
    # https://docs.aws.amazon.com/ebs/latest/userguide/service-role.html
    dlm = {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow", Action = "sts:AssumeRole", Principal = { Service = "dlm.amazonaws.com" }
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      }]
    }
  }

  # IAM takes 64 characters; what has to be cut off lives on in a hash.
  snapshots_role = length(var.name) <= 54 ? "${var.name}.snapshots" : "${substr(var.name, 0, 43)}-${substr(sha256(var.name), 0, 10)}.snapshots"
}
