variable "name" {
  description = "The budget's name, unique in the account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^:\\\\/]{1,100}$", var.name))
    error_message = "name takes 1 to 100 characters, and no colon and no slash of either kind."
  }
}

variable "limit_usd" {
  description = "What a month may cost, in US dollars."
  type        = number
  nullable    = false

  validation {
    condition     = var.limit_usd > 0
    error_message = "limit_usd is above 0."
  }
}

variable "email" {
  description = "Whom AWS writes to at 50, 80 and 100 % of it, and when it expects 100 % by the month's end."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.email))
    error_message = "email is an address to write to."
  }
}

variable "project" {
  description = "The project: what carries it as its tag `bootstrap:project` counts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.project))
    error_message = "project takes lower-case letters, digits and single hyphens between them."
  }
}

variable "env" {
  description = "The environment: what carries it as its tag `bootstrap:env`, too, counts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.env))
    error_message = "env takes lower-case letters, digits and single hyphens between them."
  }
}
