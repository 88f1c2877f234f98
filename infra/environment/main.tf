locals {
  local_target = var.target == "local"
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  # The endpoint itself comes from AWS_ENDPOINT_URL.
  s3_use_path_style           = local.local_target || var.custom_endpoint
  skip_credentials_validation = local.local_target
  skip_metadata_api_check     = local.local_target
  skip_region_validation      = local.local_target
  # The provider's usual 25 makes a call that the emulator lacks look like a hang.
  max_retries = local.local_target ? 3 : 25

  default_tags {
    tags = merge(
      {
        "bootstrap:project" = var.environment.project
        "bootstrap:env"     = var.environment.name
      },
      var.environment.owner == "" ? {} : { "bootstrap:owner" = var.environment.owner },
      var.environment.expires == "" ? {} : { "bootstrap:expires" = var.environment.expires },
    )
  }
}

module "storage" {
  source = "../modules/storage"

  bucket          = var.storage.bucket
  partition       = var.partition
  noncurrent_days = var.storage.noncurrent_days
  tls_only        = var.conditional_denies && !local.local_target
  expiry_rules    = !local.local_target
}

module "github_oidc" {
  source = "../modules/github_oidc"
  count  = var.github.role_name == "" ? 0 : 1

  role_name    = var.github.role_name
  path         = coalesce(var.github.path, "/${var.environment.project}/${var.environment.name}/")
  issuer       = var.github.issuer
  provider_arn = var.github.provider_arn
  subjects     = var.github.subjects

  bucket             = var.storage.bucket
  account_id         = var.account_id
  partition          = var.partition
  expires            = var.environment.expires
  conditional_denies = var.conditional_denies && !local.local_target
}

module "mlflow_ec2" {
  source = "../modules/mlflow_ec2"
  count  = var.mlflow.name == "" ? 0 : 1

  name            = var.mlflow.name
  path            = coalesce(var.mlflow.path, "/${var.environment.project}/${var.environment.name}/")
  parameter_path  = coalesce(var.mlflow.parameter_path, "/${var.environment.project}/${var.environment.name}/")
  instance_type   = var.mlflow.instance_type
  domain          = var.mlflow.domain
  allowed_cidrs   = var.mlflow.allowed_cidrs
  challenge_cidrs = var.mlflow.challenge_cidrs
  volume_gb       = var.mlflow.volume_gb
  image_parameter = var.mlflow.image_parameter
  daily_snapshots = var.mlflow.daily_snapshots

  bucket     = var.storage.bucket
  region     = var.region
  account_id = var.account_id
  partition  = var.partition
}

module "budget" {
  source = "../modules/budget"
  count  = var.budget.limit_usd == 0 || var.budget.rehearsal ? 0 : 1

  name      = var.budget.name
  limit_usd = var.budget.limit_usd
  email     = var.budget.email
  project   = coalesce(var.budget.project, var.environment.project)
  env       = coalesce(var.budget.env, var.environment.name)
}
