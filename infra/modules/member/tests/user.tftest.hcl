mock_provider "aws" {}

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

run "user_is_found_without_any_state" {
  command = plan

  assert {
    condition     = aws_iam_user.this.name == "course.stag.anna" && aws_iam_user.this.path == "/course/stag/"
    error_message = "The user stands on the environment's path."
  }

  assert {
    condition = aws_iam_user.this.tags == tomap({
      "bootstrap:member"  = "anna"
      "bootstrap:role"    = "student"
      "bootstrap:team"    = "red"
      "bootstrap:expires" = "2028-02-28"
    })
    error_message = "Tags say who it is."
  }

  assert {
    condition     = aws_iam_user_policy.this.user == "course.stag.anna"
    error_message = "The policy is this user's own."
  }

  assert {
    condition     = output.policy == module.access_policy.json && strcontains(output.policy, "/dvc/red/*") && strcontains(output.policy, "2028-02-29T00:00:00Z")
    error_message = "The policy is what access_policy renders for this member."
  }
}

run "every_input_reaches_the_policy" {
  command = plan

  variables {
    partition          = "aws-cn"
    dvc_delete         = true
    conditional_denies = false
  }

  assert {
    condition     = !strcontains(output.policy, "Deny") && !strcontains(output.policy, "arn:aws:")
    error_message = "The partition and the wish for no conditional Deny are passed on."
  }

  assert {
    condition = [
      for s in jsondecode(output.policy).Statement : s.Sid if contains(flatten([s.Action]), "s3:DeleteObject")
    ] == ["Dvc", "Own"]
    error_message = "dvc_delete is passed on."
  }
}

run "no_date_no_tag" {
  command = plan

  variables {
    expires = ""
  }

  assert {
    condition     = !contains(keys(aws_iam_user.this.tags), "bootstrap:expires")
    error_message = "An empty tag would read as a date that nobody set."
  }
}

run "outputs_name_the_user_and_hold_no_key" {
  assert {
    condition     = keys(output.user) == ["arn", "user_name"] && output.user.user_name == "course.stag.anna"
    error_message = "The user comes out with arn and user_name."
  }
}
