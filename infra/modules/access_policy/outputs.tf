output "json" {
  description = "The policy as JSON: all that this member can do."
  value       = jsonencode(local.policy)
}
