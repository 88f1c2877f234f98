output "url" {
  description = "Where MLflow answers, once its machine has booted."
  value       = "https://${local.hostname}"

  depends_on = [aws_ec2_instance_state.this]
}

output "ip" {
  description = "The machine's address, which stays when the machine is replaced. A `domain` has to lead to it."
  value       = aws_eip.this.public_ip
}

output "password_parameter" {
  description = "The parameter in which the machine leaves the password of MLflow's administrator."
  value       = "${var.parameter_path}mlflow/admin-password"
}

output "policy" {
  description = "The role's policy as JSON: all that the machine may do."
  value       = aws_iam_role_policy.this.policy
}
