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
  description = <<-EOT
    The machine that MLflow runs on. Null or left out: none.
    name: its name, and that of its IAM role: unique in the account.
    path: the role's IAM path. Default: the environment's, /<project>/<env>/.
    parameter_path: below this lie the environment's parameters in SSM. Default: /<project>/<env>/.
    instance_type: its size, for instance t3.small, or t4g.small with Arm processors.
    domain: the name under which it answers. Empty: <address-with-hyphens>.sslip.io.
    allowed_cidrs: networks that may open it, 1 to 50.
    challenge_cidrs: networks that may reach port 80, for the certificate's challenge. Default: all of IPv4, as a public authority asks from addresses that it does not publish.
    volume_gb: size of the volume with its databases; it can grow.
    image_parameter: public parameter of SSM's that names the image to begin with. Empty: Debian 12. Otherwise only for an emulator, which knows Amazon's images alone.
    daily_snapshots: whether that volume is copied every day. False only on an emulator, which has no Data Lifecycle Manager.
  EOT
  type = object({
    name            = optional(string, "")
    path            = optional(string, "")
    parameter_path  = optional(string, "")
    instance_type   = optional(string, "t3.small")
    domain          = optional(string, "")
    allowed_cidrs   = optional(set(string), [])
    challenge_cidrs = optional(set(string), ["0.0.0.0/0"])
    volume_gb       = optional(number, 20)
    image_parameter = optional(string, "")
    daily_snapshots = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.mlflow.name != "" || (length(var.mlflow.allowed_cidrs) == 0 && var.mlflow.path == "" && var.mlflow.domain == "")
    error_message = "mlflow.name is missing."
  }

  validation {
    condition     = var.mlflow.name == "" || length(var.mlflow.allowed_cidrs) >= 1
    error_message = "mlflow.allowed_cidrs is missing: without a network nobody could open MLflow."
  }

  validation {
    condition     = var.mlflow.name == "" || var.target == "aws"
    error_message = "mlflow is for target aws; on target local the server runs on the laptop."
  }
}

variable "budget" {
  description = <<-EOT
    What the environment may cost in a month; its owner gets mails before that. Null or left out: none.
    name: the budget's name, unique in the account.
    limit_usd: US dollars a month. 0: no budget.
    email: whom AWS writes to.
    project: counts what carries it as its tag `bootstrap:project`. Default: the environment's.
    env: and as its tag `bootstrap:env`. Default: the environment's name.
    rehearsal: true only on an emulator, which makes a budget and cannot read it back: then there is none.
  EOT
  type = object({
    name      = optional(string, "")
    limit_usd = optional(number, 0)
    email     = optional(string, "")
    project   = optional(string, "")
    env       = optional(string, "")
    rehearsal = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.budget.limit_usd == 0 || (var.budget.name != "" && var.budget.email != "")
    error_message = "budget needs a name, and an email to write to."
  }

  validation {
    condition     = var.budget.limit_usd == 0 || var.target == "aws"
    error_message = "budget is for target aws; a laptop sends no bill."
  }
}
