output "bucket" {
  description = "The environment's bucket: name, arn and region."
  value       = module.storage.bucket
}

output "github_role_arn" {
  description = "ARN of the role that the repository's workflows take on; null, and so absent from `terraform output`, without one."
  value       = one(module.github_oidc[*].role_arn)
}

output "mlflow_url" {
  description = "Stand-in: where MLflow answers; null without a machine."
  value       = var.mlflow.name == "" ? null : "https://${coalesce(var.mlflow.domain, "192-0-2-7.sslip.io")}"
}

output "mlflow_password_parameter" {
  description = "Stand-in: the parameter with the administrator's password; null without a machine."
  value       = var.mlflow.name == "" ? null : "${var.mlflow.parameter_path}mlflow/admin-password"
}
