resource "aws_iam_role" "snapshots" {
  count = var.daily_snapshots ? 1 : 0

  name               = local.snapshots_role
  path               = var.path
  description        = "Data Lifecycle Manager: daily snapshots of the data volume"
  assume_role_policy = jsonencode(local.trust_of["dlm"])

  tags = { Name = var.name }
}

# AWS's own: it is changed when the service comes to need more.
# https://docs.aws.amazon.com/ebs/latest/userguide/managed-policies.html
resource "aws_iam_role_policy_attachment" "snapshots" {
  count = var.daily_snapshots ? 1 : 0

  role       = aws_iam_role.snapshots[0].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

resource "aws_dlm_lifecycle_policy" "daily" {
  count = var.daily_snapshots ? 1 : 0

  # It takes letters, digits, spaces, _ and - only.
  description        = "Daily snapshots of ${replace(var.name, ".", " ")}"
  execution_role_arn = aws_iam_role.snapshots[0].arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = local.backup_tag

    schedule {
      # Under another name the snapshots of this one would be nobody's any more.
      # https://docs.aws.amazon.com/ebs/latest/userguide/modify.html
      name      = "daily"
      copy_tags = true

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["03:30"]
      }

      retain_rule {
        interval      = 7
        interval_unit = "DAYS"
      }
    }
  }

  tags = { Name = var.name }

  depends_on = [aws_iam_role_policy_attachment.snapshots]
}
