output "bucket" {
  description = "The environment's bucket: name, arn and region."
  value       = module.storage.bucket
}

output "github_role_arn" {
  description = "ARN of the role that the repository's workflows take on; null, and so absent from `terraform output`, without one."
  value       = one(module.github_oidc[*].role_arn)
}
