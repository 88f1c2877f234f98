variable "bucket" {
  description = "Name of the environment's bucket, globally unique."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket takes 3 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit."
  }
}

variable "partition" {
  description = "Partition of the ARNs in the bucket's policy."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition is aws, aws-cn or aws-us-gov."
  }
}

variable "tls_only" {
  description = "Whether the bucket refuses requests without TLS. False on the emulator: it ignores the condition and would then refuse everybody."
  type        = bool
  default     = true
  nullable    = false
}

variable "expiry_rules" {
  description = "Whether unfinished uploads go after 7 days, and old versions after `noncurrent_days`. False on the emulator: it has no clock, and the provider waits 55 s for these rules on any backend."
  type        = bool
  default     = true
  nullable    = false
}

variable "noncurrent_days" {
  description = "Days for which an overwritten or deleted object can still be brought back."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days is a whole number from 1 to 3650."
  }
}
