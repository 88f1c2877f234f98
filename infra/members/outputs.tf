output "members" {
  description = "The IAM user of each member, by the member's name: user_name and arn."
  value       = { for name, member in module.member : name => member.user }
}
