locals {
  settings = {
    MACHINE_HOST               = var.hostname
    MACHINE_CERTIFICATE        = var.certificate
    MACHINE_PORT               = "5000"
    MACHINE_BUCKET             = var.bucket
    MACHINE_PASSWORD_PARAMETER = "${var.parameter_path}mlflow/admin-password"
    MACHINE_VOLUME_ID          = var.volume_id
    MACHINE_DATA               = "/srv/data/mlflow"
    AWS_REGION                 = var.region
    AWS_DEFAULT_REGION         = var.region
  }
  endpoint = var.endpoint_url == "" ? {} : { AWS_ENDPOINT_URL = var.endpoint_url }

  units = "/etc/systemd/system"
  # Where each file of this folder goes on the machine.
  places = {
    "/opt/mlflow-machine/requirements.txt"                  = "requirements.txt"
    "/opt/mlflow-machine/setup.sh"                          = "setup.sh"
    "/opt/mlflow-machine/serve.py"                          = "serve.py"
    "/opt/mlflow-machine/backup.py"                         = "backup.py"
    "/opt/mlflow-machine/database.py"                       = "database.py"
    "/opt/mlflow-machine/Caddyfile"                         = "Caddyfile"
    "${local.units}/mlflow-setup.service"                   = "mlflow-setup.service"
    "${local.units}/mlflow.service"                         = "mlflow.service"
    "${local.units}/mlflow.service.d/hardening.conf"        = "hardening.conf"
    "${local.units}/mlflow-backup.service"                  = "mlflow-backup.service"
    "${local.units}/mlflow-backup.service.d/hardening.conf" = "hardening.conf"
    "${local.units}/mlflow-backup.timer"                    = "mlflow-backup.timer"
    "${local.units}/caddy.service.d/mlflow.conf"            = "caddy.conf"
    "/etc/systemd/journald.conf.d/mlflow.conf"              = "journald.conf"
    "/etc/apt/apt.conf.d/20auto-upgrades"                   = "unattended-upgrades.conf"
  }
  files = merge(
    { for place, name in local.places : place => {
      mode    = endswith(name, ".sh") ? "0755" : "0644"
      content = file("${path.module}/${name}")
    } },
    { "/etc/mlflow/machine.env" = {
      mode    = "0644"
      content = join("", [for name, value in merge(local.settings, local.endpoint) : "${name}=\"${value}\"\n"])
    } },
  )

  cloud_init = templatefile("${path.module}/cloud-init.yaml.tftpl", { files = local.files })
  user_data  = base64gzip(local.cloud_init)
}
