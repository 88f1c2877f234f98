locals {
  # What aws-actions/configure-aws-credentials asks GitHub for, unless told otherwise.
  audience = "sts.amazonaws.com"

  # An account holds one provider for an issuer, and a role trusts it by this ARN, whoever made it.
  arn = "arn:${var.partition}:iam::${var.account_id}:oidc-provider/${var.issuer}"

  # StringEquals alone: with StringLike, one `*` would let in every repository or branch there is. The audience is
  # asked for as well, because tokens that GitHub signs for other services carry the same subject.
  # https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
  trust = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Workflows", Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.arn }
      Condition = { StringEquals = {
        "${var.issuer}:aud" = local.audience
        "${var.issuer}:sub" = var.subjects
      } }
    }]
  }
}

module "access_policy" {
  source = "../access_policy"

  role      = "ci"
  name      = "ci"
  team      = "ci"
  user_name = var.role_name
  path      = var.path
  expires   = var.expires

  bucket             = var.bucket
  account_id         = var.account_id
  partition          = var.partition
  conditional_denies = var.conditional_denies
}

# No thumbprints: AWS checks GitHub's certificate against the authorities it trusts anyway, and works out a thumbprint
# by itself for an issuer with one of its own.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
resource "aws_iam_openid_connect_provider" "this" {
  count = var.provider_arn == "" ? 1 : 0

  url            = "https://${var.issuer}"
  client_id_list = [local.audience]
}

resource "aws_iam_role" "this" {
  #checkov:skip=CKV_AWS_393: The subjects are not known before a plan; the validations of `subjects` let through whole ones only, of one repository with an environment or a branch.
  name               = var.role_name
  path               = var.path
  assume_role_policy = jsonencode(local.trust)

  tags = { "bootstrap:role" = "ci" }

  # IAM refuses a trust in a provider that is not there.
  depends_on = [aws_iam_openid_connect_provider.this]
}

resource "aws_iam_role_policy" "this" {
  name   = "bootstrap"
  role   = aws_iam_role.this.name
  policy = module.access_policy.json
}
