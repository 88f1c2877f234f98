locals {
  # Of what was spent, then of what AWS expects by the month's end.
  notifications = {
    "50 % spent"       = { type = "ACTUAL", threshold = 50 }
    "80 % spent"       = { type = "ACTUAL", threshold = 80 }
    "100 % spent"      = { type = "ACTUAL", threshold = 100 }
    "100 % forecasted" = { type = "FORECASTED", threshold = 100 }
  }

  # A tag of the user's own is written `user:KEY$VALUE` here:
  # https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html
  tags = {
    "bootstrap:project" = var.project
    "bootstrap:env"     = var.env
  }
}

resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.limit_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [for key, value in local.tags : format("user:%s$%s", key, value)]
  }

  # What is paid is what counts: a credit would hide for months what comes after it.
  cost_types {
    include_credit = false
    include_refund = false
  }

  dynamic "notification" {
    for_each = local.notifications

    content {
      comparison_operator        = "GREATER_THAN"
      notification_type          = notification.value.type
      threshold                  = notification.value.threshold
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = [var.email]
    }
  }
}
