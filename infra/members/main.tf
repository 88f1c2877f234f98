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

module "member" {
  source   = "../modules/member"
  for_each = var.members

  name       = each.key
  user_name  = each.value.user_name
  path       = "/${var.environment.project}/${var.environment.name}/"
  role       = each.value.role
  team       = coalesce(each.value.team, each.key)
  expires    = try(coalesce(each.value.expires, var.environment.expires), "")
  dvc_delete = each.value.dvc_delete

  bucket             = var.bucket
  account_id         = var.account_id
  partition          = var.partition
  conditional_denies = var.conditional_denies && !local.local_target
}
