output "bucket" {
  description = "The environment's bucket: name, arn and region."
  value       = module.storage.bucket
}
