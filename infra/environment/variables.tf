variable "target" {
  description = "Where this runs: aws, or local for the emulator at AWS_ENDPOINT_URL."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["aws", "local"], var.target)
    error_message = "target is aws or local."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-\\d+$", var.region))
    error_message = "region looks like us-east-1."
  }
}

variable "account_id" {
  description = "The AWS account's twelve digits. With credentials of any other account nothing is planned or changed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^\\d{12}$", var.account_id))
    error_message = "account_id has twelve digits."
  }
}

variable "partition" {
  description = "Partition of the ARNs in policies: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
  nullable    = false
}

variable "custom_endpoint" {
  description = "Whether AWS_ENDPOINT_URL names an endpoint other than AWS's own; buckets are then addressed by path. Always so on target local."
  type        = bool
  default     = false
  nullable    = false
}

variable "conditional_denies" {
  description = "Whether policies refuse requests without TLS or after `expires`. Never on target local; false otherwise only to rehearse target aws on an emulator that takes every condition as met."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = <<-EOT
    The environment that owns everything here; each key becomes a tag `bootstrap:<key>`, `name` the tag `bootstrap:env`.
    project: the project's slug.
    name: the environment's slug, for instance stag.
    owner: who answers for it, for instance an e-mail address. Empty: no tag.
    expires: the last day it is needed, YYYY-MM-DD. Empty: no tag.
  EOT
  type = object({
    project = string
    name    = string
    owner   = optional(string, "")
    expires = optional(string, "")
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.environment.project)) && length(var.environment.project) >= 3 && length(var.environment.project) <= 32
    error_message = "environment.project takes 3 to 32 lower-case letters, digits and single hyphens between them."
  }

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.environment.name)) && length(var.environment.name) <= 32 && var.environment.name != "tfstate"
    error_message = "environment.name takes 1 to 32 lower-case letters, digits and single hyphens between them; tfstate is taken by the state bucket."
  }

  validation {
    condition     = can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", var.environment.owner))
    error_message = "environment.owner takes at most 256 letters, digits, spaces and _ . : / = + - @, as AWS's tags do."
  }

  validation {
    condition     = var.environment.expires == "" || (can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.environment.expires)) && can(timeadd("${var.environment.expires}T00:00:00Z", "24h")))
    error_message = "environment.expires is a day of the calendar, written YYYY-MM-DD, or empty."
  }
}

variable "storage" {
  description = <<-EOT
    The environment's bucket.
    bucket: its name, globally unique.
    noncurrent_days: days for which an overwritten or deleted object can still be brought back; on target aws only.
  EOT
  type = object({
    bucket          = string
    noncurrent_days = optional(number, 30)
  })
  nullable = false
}

variable "github" {
  description = <<-EOT
    The repository whose workflows reach this environment without a stored key. Null or left out: none.
    role_name: name of the IAM role that they take on, unique in the account.
    path: the role's IAM path. Default: the environment's, /<project>/<env>/.
    issuer: who signs their tokens, without https://; on GitHub Enterprise Server HOST/_services/token.
    provider_arn: the issuer's identity provider, if the account has one that is not this environment's own. Empty: one is made.
    subjects: the subjects of the tokens that may take the role on, each written out: 1 to 4.
  EOT
  type = object({
    role_name    = optional(string, "")
    path         = optional(string, "")
    issuer       = optional(string, "token.actions.githubusercontent.com")
    provider_arn = optional(string, "")
    subjects     = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.github.role_name != "" || (length(var.github.subjects) == 0 && var.github.path == "" && var.github.provider_arn == "")
    error_message = "github.role_name is missing."
  }
}

variable "mlflow" {
  description = "Stand-in: the machine's settings; name = \"\" means none."
  type = object({
    name           = optional(string, "")
    path           = optional(string, "")
    parameter_path = optional(string, "")
    instance_type  = optional(string, "t3.small")
    domain         = optional(string, "")
    allowed_cidrs  = optional(list(string), [])
    volume_gb      = optional(number, 20)
  })
  default  = {}
  nullable = false
}
