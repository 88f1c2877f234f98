variable "role_name" {
  description = "Name of the IAM role, unique in the account whatever its path."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.role_name))
    error_message = "role_name takes 1 to 64 letters, digits and + = , . @ _ -."
  }
}

variable "path" {
  description = "IAM path of the environment, /<project>/<env>/."
  type        = string
  nullable    = false
}

variable "issuer" {
  description = "Who signs the workflows' tokens, without https://. On GitHub Enterprise Server: HOST/_services/token."
  type        = string
  default     = "token.actions.githubusercontent.com"
  nullable    = false

  validation {
    # AWS takes no port, query or user name in a provider's address, and the trust policy's keys begin with this text.
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(/[A-Za-z0-9_.~-]+)*$", var.issuer)) && length(var.issuer) <= 247
    error_message = "issuer is a host name in lower case and maybe a path, without https://, port or slash at the end: token.actions.githubusercontent.com, or github.example.org/_services/token."
  }
}

variable "provider_arn" {
  description = "ARN of the issuer's identity provider, if the account has one that is not this environment's own. Empty: one is made here."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.provider_arn == "" || var.provider_arn == "arn:${var.partition}:iam::${var.account_id}:oidc-provider/${var.issuer}"
    error_message = "provider_arn is that of the issuer's provider in this account, arn:<partition>:iam::<account_id>:oidc-provider/<issuer>, or empty."
  }
}

variable "subjects" {
  description = "The subjects of the tokens that may take the role on, each written out: 1 to 4."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.subjects) >= 1 && length(var.subjects) <= 4
    error_message = "subjects takes 1 to 4 of them."
  }

  validation {
    # `$` as well: IAM would replace what stands in $${…} by something that the caller brings along.
    condition     = alltrue([for subject in var.subjects : !can(regex("[*?$\\s]", subject))])
    error_message = "A subject is taken to the letter: no * or ?, no $, no white space."
  }

  validation {
    condition     = alltrue([for subject in var.subjects : can(regex("^repo:[A-Za-z0-9_-]+(@\\d+)?/[A-Za-z0-9._-]+(@\\d+)?:(environment:|ref:refs/heads/).", subject))])
    error_message = "A subject is repo:OWNER/REPO or repo:OWNER@ID/REPO@ID, then :environment:NAME or :ref:refs/heads/BRANCH."
  }
}

variable "expires" {
  description = "Last day of access, YYYY-MM-DD in UTC, that day included. Empty: no end."
  type        = string
  default     = ""
  nullable    = false
}

variable "bucket" {
  description = "Name of the environment's bucket."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "The AWS account's twelve digits, for the ARN of the provider."
  type        = string
  nullable    = false
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
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
