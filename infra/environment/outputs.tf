output "bucket" {
  description = "The environment's bucket: name, arn and region."
  value       = module.storage.bucket
}

output "github_role_arn" {
  description = "ARN of the role that the repository's workflows take on; null, and so absent from `terraform output`, without one."
  value       = one(module.github_oidc[*].role_arn)
}

output "mlflow_url" {
  description = "Where MLflow answers; null, and so absent from `terraform output`, without a machine for it."
  value       = one(module.mlflow_ec2[*].url)
}

output "mlflow_ip" {
  description = "The address to which mlflow.domain has to lead; null, and so absent from `terraform output`, without a machine."
  value       = one(module.mlflow_ec2[*].ip)
}

output "mlflow_password_parameter" {
  description = "The parameter with the password of MLflow's administrator; null, and so absent from `terraform output`, without a machine."
  value       = one(module.mlflow_ec2[*].password_parameter)
}
