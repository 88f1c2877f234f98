variables {
  name       = "anna"
  user_name  = "course.stag.anna"
  path       = "/course/stag/"
  role       = "student"
  team       = "red"
  expires    = "2028-02-28"
  bucket     = "course--stag--123456789012"
  account_id = "123456789012"
}

run "name_with_a_slash_is_refused" {
  command = plan

  variables {
    name = "anna/../bob"
  }

  expect_failures = [var.name]
}

run "name_with_a_wildcard_is_refused" {
  command = plan

  variables {
    name = "*"
  }

  expect_failures = [var.name]
}

run "team_with_a_wildcard_is_refused" {
  command = plan

  variables {
    team = "red*"
  }

  expect_failures = [var.team]
}

run "team_of_65_characters_is_refused" {
  command = plan

  variables {
    team = join("", [for _ in range(65) : "t"])
  }

  expect_failures = [var.team]
}

run "user_name_with_a_slash_is_refused" {
  command = plan

  variables {
    user_name = "course/anna"
  }

  expect_failures = [var.user_name]
}

run "path_of_the_whole_account_is_refused" {
  command = plan

  variables {
    path = "/"
  }

  expect_failures = [var.path]
}

run "unknown_role_is_refused" {
  command = plan

  variables {
    role = "admin"
  }

  # What is looked up by role fails along with it.
  expect_failures = [var.role]
}

run "day_outside_the_calendar_is_refused" {
  command = plan

  variables {
    expires = "2027-02-29"
  }

  expect_failures = [var.expires]
}

run "time_of_day_is_refused" {
  command = plan

  variables {
    expires = "2028-02-28T12:00:00Z"
  }

  expect_failures = [var.expires]
}

run "ci_that_deletes_is_refused" {
  command = plan

  variables {
    role       = "ci"
    dvc_delete = true
  }

  expect_failures = [var.dvc_delete]
}

run "bucket_with_a_wildcard_is_refused" {
  command = plan

  variables {
    bucket = "course-*"
  }

  expect_failures = [var.bucket]
}

run "short_account_id_is_refused" {
  command = plan

  variables {
    account_id = "123"
  }

  expect_failures = [var.account_id]
}

run "unknown_partition_is_refused" {
  command = plan

  variables {
    partition = "azure"
  }

  expect_failures = [var.partition]
}
