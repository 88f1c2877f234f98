mock_provider "aws" {}

variables {
  bucket = "course--stag--123456789012"
}

run "bucket_is_private_encrypted_and_versioned" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == "course--stag--123456789012" && aws_s3_bucket.this.force_destroy == false
    error_message = "The bucket has the name asked for, and is not deleted with data in it."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Versioning is on."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.bucket_key_enabled && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    ])
    error_message = "Objects are encrypted."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "All four doors to the public are shut."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "The bucket's owner owns every object, and ACLs are off."
  }
}

run "layout_is_visible" {
  command = plan

  assert {
    condition     = toset([for folder in aws_s3_object.folder : folder.key]) == toset(["dataset/", "dvc/", "members/", "mlflow/"])
    error_message = "The four prefixes show up in a listing, and no other."
  }

  assert {
    condition     = alltrue([for folder in aws_s3_object.folder : folder.content == null && folder.source == null])
    error_message = "A folder is an empty object."
  }
}

run "aws_refuses_requests_without_tls" {
  command = plan

  assert {
    condition = jsondecode(output.policy).Statement == [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::course--stag--123456789012", "arn:aws:s3:::course--stag--123456789012/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The bucket's policy says one thing: no request without TLS, neither for the bucket nor for what is in it."
  }
}

run "arns_follow_the_partition" {
  command = plan

  variables {
    partition = "aws-cn"
  }

  assert {
    condition     = jsondecode(output.policy).Statement[0].Resource[0] == "arn:aws-cn:s3:::course--stag--123456789012"
    error_message = "The policy speaks of the partition asked for."
  }
}

run "aws_cleans_up" {
  command = plan

  variables {
    noncurrent_days = 12
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.abort_incomplete_multipart_upload[0].days_after_initiation if rule.id == "unfinished-uploads"]) == 7
    error_message = "Unfinished uploads go after seven days."
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "old-versions"]) == 12
    error_message = "Old versions go after noncurrent_days."
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.expiration[0].expired_object_delete_marker if rule.id == "old-versions"])
    error_message = "Delete markers without versions behind them go too."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.status == "Enabled"])
    error_message = "Both rules are on."
  }
}

run "nothing_current_is_ever_expired" {
  assert {
    condition     = alltrue(flatten([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : [for expiration in rule.expiration : coalesce(expiration.days, 0) == 0 && expiration.date == null]]))
    error_message = "No rule ends the life of an object's current version."
  }
}

run "emulator_gets_neither_policy_nor_rules" {
  command = plan

  variables {
    tls_only     = false
    expiry_rules = false
  }

  assert {
    condition     = length(aws_s3_bucket_policy.tls_only) == 0 && output.policy == ""
    error_message = "Where conditions are ignored, a conditional Deny would shut everybody out."
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "Where there is no clock, nothing waits for rules."
  }
}

run "outputs_name_the_bucket" {
  assert {
    condition     = keys(output.bucket) == ["arn", "name", "region"] && output.bucket.name == "course--stag--123456789012"
    error_message = "The bucket comes out with arn, name and region."
  }
}

run "bucket_name_in_capitals_is_refused" {
  command = plan

  variables {
    bucket = "Course--stag"
  }

  expect_failures = [var.bucket]
}

run "bucket_name_of_64_characters_is_refused" {
  command = plan

  variables {
    bucket = join("", [for _ in range(64) : "b"])
  }

  expect_failures = [var.bucket]
}

run "half_a_day_is_refused" {
  command = plan

  variables {
    noncurrent_days = 0.5
  }

  expect_failures = [var.noncurrent_days]
}

run "unknown_partition_is_refused" {
  command = plan

  variables {
    partition = "azure"
  }

  expect_failures = [var.partition]
}
