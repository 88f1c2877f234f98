output "bucket" {
  description = "The bucket, once all its settings are in force: name, arn and region."
  value = {
    name   = aws_s3_bucket.this.bucket
    arn    = aws_s3_bucket.this.arn
    region = aws_s3_bucket.this.region
  }

  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_policy.tls_only,
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "policy" {
  description = "The bucket's own policy as JSON; empty where it has none."
  value       = join("", aws_s3_bucket_policy.tls_only[*].policy)
}
