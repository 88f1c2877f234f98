output "user" {
  description = "The member's IAM user, once its policy is in force: user_name and arn."
  value = {
    user_name = aws_iam_user.this.name
    arn       = aws_iam_user.this.arn
  }

  depends_on = [aws_iam_user_policy.this]
}

output "policy" {
  description = "The member's policy as JSON: all that this person can do."
  value       = aws_iam_user_policy.this.policy
}
