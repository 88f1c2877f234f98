variable "hostname" {
  description = "The name by which the server is reached over HTTPS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.hostname)) && length(var.hostname) <= 253
    error_message = "hostname takes lower-case letters, digits, dots and hyphens, as names in DNS do."
  }
}

variable "certificate" {
  description = "Where the certificate comes from: public (Let's Encrypt or ZeroSSL, through Caddy), or internal (Caddy's own authority, which no client trusts: for tests)."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "internal"], var.certificate)
    error_message = "certificate is public or internal."
  }
}

variable "region" {
  description = "AWS region of the machine, its bucket and its parameters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.region))
    error_message = "region looks like us-east-1."
  }
}

variable "bucket" {
  description = "The environment's bucket; artifacts go below mlflow/ in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket takes 3 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit."
  }
}

variable "parameter_path" {
  description = "Path of the environment's parameters, /<project>/<env>/; its parts become the tags of the password's parameter."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/$", var.parameter_path))
    error_message = "parameter_path looks like /course/stag/."
  }
}

variable "volume_id" {
  description = "Id of the EBS volume that keeps the data, for instance vol-0123456789abcdef0."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+$", var.volume_id))
    error_message = "volume_id looks like vol-0123456789abcdef0."
  }
}

variable "endpoint_url" {
  description = "An emulator's address instead of AWS's own. Empty on AWS."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.endpoint_url == "" || can(regex("^https?://[A-Za-z0-9.:-]+/?$", var.endpoint_url))
    error_message = "endpoint_url looks like http://127.0.0.1:5000."
  }
}
