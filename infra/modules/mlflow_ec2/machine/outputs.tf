output "user_data" {
  description = "The machine's user data: cloud-config, compressed with gzip, in base64."
  value       = local.user_data

  # Three bytes in four characters. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
  precondition {
    condition     = length(local.user_data) / 4 * 3 <= 16384
    error_message = "The user data is larger than the 16384 bytes that EC2 takes."
  }
}

output "cloud_init" {
  description = "The same as text, to look at and to test."
  value       = local.cloud_init
}
