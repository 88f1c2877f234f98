locals {
  # The layout every environment has. Policies of the member module are written against these names.
  folders = toset(["dataset/", "dvc/", "members/", "mlflow/"])

  # Written out instead of taken from the bucket, so that a plan shows the policy before the bucket exists.
  arn = "arn:${var.partition}:s3:::${var.bucket}"

  tls_policy = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.arn, "${local.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: A log of each access needs a second bucket, to be kept, paid for and emptied; who can do what is settled by each member's one policy.
  #checkov:skip=CKV_AWS_144: A copy in another region doubles the bill of a course; versions bring back what was deleted, and `down --archive` copies all.
  #checkov:skip=CKV_AWS_145: Encrypted with S3's own key, which costs nothing; one in KMS costs by month and call, and every policy would have to allow its use.
  #checkov:skip=CKV2_AWS_62: Nothing here waits for events of the bucket.
  bucket = var.bucket

  # Emptying is the caller's work: it archives first, and is many times faster than the provider.
  # Without that, destroy stops at a bucket that still holds somebody's data.
  force_destroy = false
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  count = var.tls_only ? 1 : 0

  bucket = aws_s3_bucket.this.id
  policy = jsonencode(local.tls_policy)

  # S3 refuses two changes of one bucket's access settings at the same moment.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  count = var.expiry_rules ? 1 : 0

  bucket = aws_s3_bucket.this.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    # What is left of a deleted object once its last version is gone.
    expiration {
      expired_object_delete_marker = true
    }
  }

  # Rules for noncurrent versions mean nothing on a bucket that keeps none yet.
  depends_on = [aws_s3_bucket_versioning.this]
}

# What a console user makes with "Create folder": an empty object that makes the prefix visible.
resource "aws_s3_object" "folder" {
  for_each = local.folders

  bucket       = aws_s3_bucket.this.id
  key          = each.key
  content_type = "application/x-directory"

  # An object written before versioning is on has no version that destroy could remove.
  depends_on = [aws_s3_bucket_versioning.this]
}
