# A placeholder: what the machine does on its first boot is written elsewhere.
locals {
  user_data = base64gzip("#cloud-config\n")
}
