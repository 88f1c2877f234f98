variable "name" {
  description = "The member's name: a slug, and the name of their folder under members/."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 64
    error_message = "name takes 1 to 64 lower-case letters, digits and single hyphens between them."
  }
}

variable "user_name" {
  description = "Name of the IAM user, in which a student's policy names them. For a role that GitHub takes on: the role's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.user_name))
    error_message = "user_name takes 1 to 64 letters, digits and + = , . @ _ -."
  }
}

variable "path" {
  description = "IAM path of the environment, /<project>/<env>/."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^/[a-z0-9-]{3,32}/[a-z0-9-]{1,32}/$", var.path))
    error_message = "path has the form /<project>/<env>/."
  }
}

variable "role" {
  description = "What the member does: student, instructor or ci."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["student", "instructor", "ci"], var.role)
    error_message = "role is student, instructor or ci."
  }
}

variable "team" {
  description = "The member's team: a slug, and the name of its folder under dvc/."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.team)) && length(var.team) <= 64
    error_message = "team takes 1 to 64 lower-case letters, digits and single hyphens between them."
  }
}

variable "expires" {
  description = "Last day of access, YYYY-MM-DD in UTC, that day included. Empty: no end."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.expires == "" || (can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.expires)) && can(timeadd("${var.expires}T00:00:00Z", "24h")))
    error_message = "expires is a day of the calendar, written YYYY-MM-DD, or empty."
  }
}

variable "dvc_delete" {
  description = "Whether a student may also delete in their team's DVC remote, which `dvc gc --cloud` needs."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.dvc_delete && var.role == "ci")
    error_message = "dvc_delete is for students: ci never deletes, and an instructor may anyway."
  }
}

variable "bucket" {
  description = "Name of the environment's bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket takes 3 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit."
  }
}

variable "account_id" {
  description = "The AWS account's twelve digits, for the ARNs of users."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^\\d{12}$", var.account_id))
    error_message = "account_id has twelve digits."
  }
}

variable "partition" {
  description = "Partition of the ARNs in the policy."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition is aws, aws-cn or aws-us-gov."
  }
}

variable "conditional_denies" {
  description = "Whether the policy refuses requests without TLS or after `expires`. False on the emulator: it takes every condition as met, so a conditional Deny refuses everything."
  type        = bool
  default     = true
  nullable    = false
}
