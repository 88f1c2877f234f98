output "role_arn" {
  description = "ARN of the role that workflows take on, once its policy is in force."
  value       = aws_iam_role.this.arn

  depends_on = [aws_iam_role_policy.this]
}

output "provider_arn" {
  description = "ARN of the identity provider that the role trusts, made here or reused."
  value       = var.provider_arn == "" ? one(aws_iam_openid_connect_provider.this[*].arn) : var.provider_arn
}

output "policy" {
  description = "The role's policy as JSON: all that a workflow can do."
  value       = aws_iam_role_policy.this.policy
}
