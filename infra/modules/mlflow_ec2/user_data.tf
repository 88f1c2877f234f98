module "machine" {
  source = "./machine"

  hostname       = local.hostname
  certificate    = var.certificate
  region         = var.region
  bucket         = var.bucket
  parameter_path = var.parameter_path
  volume_id      = local.data_volume_id
  endpoint_url   = var.endpoint_url
}

locals {
  user_data = module.machine.user_data
}
