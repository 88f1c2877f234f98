terraform {
  required_version = ">= 1.11"

  # Partial on purpose: the caller names bucket, key and region with -backend-config.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "= 5.100.0"
    }
  }
}
