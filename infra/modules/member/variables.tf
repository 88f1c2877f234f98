variable "name" {
  description = "The member's name: a slug, and the name of their folder under members/."
  type        = string
  nullable    = false
}

variable "user_name" {
  description = "Name of the IAM user, unique in the account whatever its path."
  type        = string
  nullable    = false
}

variable "path" {
  description = "IAM path of the environment, /<project>/<env>/."
  type        = string
  nullable    = false
}

variable "role" {
  description = "What the member does: student, instructor or ci."
  type        = string
  nullable    = false
}

variable "team" {
  description = "The member's team: a slug, and the name of its folder under dvc/."
  type        = string
  nullable    = false
}

variable "expires" {
  description = "Last day of access, YYYY-MM-DD in UTC, that day included. Empty: no end."
  type        = string
  default     = ""
  nullable    = false
}

variable "dvc_delete" {
  description = "Whether a student may also delete in their team's DVC remote, which `dvc gc --cloud` needs."
  type        = bool
  default     = false
  nullable    = false
}

variable "bucket" {
  description = "Name of the environment's bucket."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "The AWS account's twelve digits, for the ARNs of users."
  type        = string
  nullable    = false
}

variable "partition" {
  description = "Partition of the ARNs in the policy."
  type        = string
  default     = "aws"
  nullable    = false
}

variable "conditional_denies" {
  description = "Whether the policy refuses requests without TLS or after `expires`. False on the emulator: it takes every condition as met, so a conditional Deny refuses everything."
  type        = bool
  default     = true
  nullable    = false
}
