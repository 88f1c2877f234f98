variable "name" {
  description = "Name of the machine, of its IAM role and of all else here; unique in the account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", var.name))
    error_message = "name takes 1 to 64 letters, digits and . _ -, and begins with a letter or digit."
  }
}

variable "path" {
  description = "IAM path of the environment, /<project>/<env>/."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^/[^/*?$]+/[^/*?$]+/$", var.path))
    error_message = "path is /<project>/<env>/."
  }
}

variable "region" {
  description = "AWS region, for the ARNs of the parameters."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "The AWS account's twelve digits, for ARNs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^\\d{12}$", var.account_id))
    error_message = "account_id has twelve digits."
  }
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
  nullable    = false
}

variable "bucket" {
  description = "Name of the environment's bucket; artifacts lie in it below mlflow/."
  type        = string
  nullable    = false
}

variable "parameter_path" {
  description = "Below this lie the environment's parameters, /<project>/<env>/. The machine writes below mlflow/ in it, and nowhere else."
  type        = string
  nullable    = false

  validation {
    # A pattern in it would let the machine read and write what is others'.
    condition     = can(regex("^/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/$", var.parameter_path))
    error_message = "parameter_path is /<project>/<env>/."
  }
}

variable "instance_type" {
  description = "Size of the machine. A type with Graviton processors (t4g.small) gets an Arm image, every other one an x86 image."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[.][a-z0-9-]+$", var.instance_type))
    error_message = "instance_type looks like t3.small."
  }
}

variable "image_parameter" {
  description = "Public parameter of SSM's that names the image to begin with. Empty: Debian 12, for the processor of instance_type. An emulator knows Amazon's images only."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.image_parameter == "" || startswith(var.image_parameter, "/")
    error_message = "image_parameter begins with a slash."
  }
}

variable "domain" {
  description = "Name under which MLflow answers; it has to lead to the address in `ip`. Empty: <address-with-hyphens>.sslip.io, which does by itself."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.domain == "" || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.domain))
    error_message = "domain is a plain name in lower case, such as mlflow.example.org, or empty."
  }
}

variable "allowed_cidrs" {
  description = "Networks that may open MLflow, IPv4 or IPv6. No default: whoever means the whole world writes 0.0.0.0/0."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) >= 1 && length(var.allowed_cidrs) <= 50
    error_message = "allowed_cidrs takes 1 to 50 networks; without one nobody could open MLflow."
  }

  validation {
    # EC2 would write it in its own way, and every plan from then on would want to change it back.
    condition     = alltrue([for cidr in var.allowed_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "allowed_cidrs has networks as they are written: 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/32."
  }
}

variable "challenge_cidrs" {
  description = "Networks that may reach port 80, where only the certificate's challenge is answered and everybody else is sent to 443. A public authority asks from addresses that it does not publish, so a public certificate needs 0.0.0.0/0 here. Empty: port 80 is shut."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.challenge_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "challenge_cidrs has networks as they are written: 0.0.0.0/0 or 203.0.113.0/24."
  }
}

variable "volume_gb" {
  description = "Size of the data volume in GB. It can grow in place, never shrink."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.volume_gb >= 8 && var.volume_gb <= 16384 && floor(var.volume_gb) == var.volume_gb
    error_message = "volume_gb is a whole number from 8 to 16384."
  }
}

variable "daily_snapshots" {
  description = "Whether the data volume is copied every day, each copy kept for 7 days. False on the emulator: it has no Data Lifecycle Manager."
  type        = bool
  default     = true
  nullable    = false
}

variable "certificate" {
  description = "Who signs the server's certificate: public for Let's Encrypt, internal for an authority of the machine's own, which no browser knows."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "internal"], var.certificate)
    error_message = "certificate is public or internal."
  }
}

variable "endpoint_url" {
  description = "Where the machine finds S3 and SSM, for a rehearsal. Empty: AWS."
  type        = string
  default     = ""
  nullable    = false
}
