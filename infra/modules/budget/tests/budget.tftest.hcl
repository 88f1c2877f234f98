mock_provider "aws" {}

variables {
  name      = "course.stag"
  limit_usd = 20.5
  email     = "ada@example.org"
  project   = "course"
  env       = "stag"
}

run "a_month_in_dollars" {
  command = plan

  assert {
    condition = (
      output.name == "course.stag" &&
      aws_budgets_budget.this.budget_type == "COST" && aws_budgets_budget.this.time_unit == "MONTHLY" &&
      aws_budgets_budget.this.limit_amount == "20.5" && aws_budgets_budget.this.limit_unit == "USD"
    )
    error_message = "The budget is what a month may cost, under the name asked for."
  }

  assert {
    condition     = aws_budgets_budget.this.cost_types[0].include_credit == false
    error_message = "A credit does not hide what is spent."
  }
}

run "counts_what_carries_both_tags" {
  command = plan

  assert {
    condition = [for filter in aws_budgets_budget.this.cost_filter : [filter.name, toset(filter.values)]] == [
      ["TagKeyValue", toset(["user:bootstrap:project$course", "user:bootstrap:env$stag"])],
    ]
    error_message = "The filter names project and environment, as tags of the user's own."
  }
}

run "mails_before_and_at_the_limit" {
  command = plan

  assert {
    condition = toset([
      for one in aws_budgets_budget.this.notification : "${one.notification_type} ${one.threshold} ${one.threshold_type}"
      ]) == toset([
      "ACTUAL 50 PERCENTAGE", "ACTUAL 80 PERCENTAGE", "ACTUAL 100 PERCENTAGE", "FORECASTED 100 PERCENTAGE",
    ])
    error_message = "At 50, 80 and 100 % of what was spent, and at 100 % of what is expected."
  }

  assert {
    condition = alltrue([
      for one in aws_budgets_budget.this.notification :
      one.comparison_operator == "GREATER_THAN" && one.subscriber_email_addresses == toset(["ada@example.org"])
    ])
    error_message = "Each goes to the owner."
  }
}

run "no_name_is_refused" {
  command = plan

  variables {
    name = ""
  }

  expect_failures = [var.name]
}

run "slash_in_the_name_is_refused" {
  command = plan

  variables {
    name = "course/stag"
  }

  expect_failures = [var.name]
}

run "nothing_to_spend_is_refused" {
  command = plan

  variables {
    limit_usd = 0
  }

  expect_failures = [var.limit_usd]
}

run "name_for_an_address_is_refused" {
  command = plan

  variables {
    email = "Ada Lovelace"
  }

  expect_failures = [var.email]
}

run "project_that_no_tag_of_ours_has_is_refused" {
  command = plan

  variables {
    project = "My Course"
  }

  expect_failures = [var.project]
}

run "environment_that_no_tag_of_ours_has_is_refused" {
  command = plan

  variables {
    env = "stag$prod"
  }

  expect_failures = [var.env]
}
