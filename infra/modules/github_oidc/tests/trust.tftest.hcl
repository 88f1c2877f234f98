# Who may take the role on, written out. Comparisons are for equality: one subject too many fails as one too few does.

mock_provider "aws" {}

variables {
  role_name  = "course.stag.github"
  path       = "/course/stag/"
  bucket     = "course--stag--123456789012"
  account_id = "123456789012"
  subjects = [
    "repo:ana/course:environment:stag",
    "repo:ana@1001/course@2002:environment:stag",
  ]
}

run "both_forms_of_an_environments_subject" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Sid       = "Workflows"
        Effect    = "Allow"
        Action    = "sts:AssumeRoleWithWebIdentity"
        Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub" = [
              "repo:ana/course:environment:stag",
              "repo:ana@1001/course@2002:environment:stag",
            ]
          }
        }
      }]
    }
    error_message = "The role trusts this repository's environment in both forms, the audience, and nothing else."
  }

  assert {
    condition     = !can(regex("[*?]|Like", aws_iam_role.this.assume_role_policy))
    error_message = "There is no wildcard, and nothing that would read one."
  }

  assert {
    condition     = aws_iam_role.this.name == "course.stag.github" && aws_iam_role.this.path == "/course/stag/" && aws_iam_role.this.tags == tomap({ "bootstrap:role" = "ci" })
    error_message = "The role is found by its path and its tag."
  }
}

run "both_forms_of_a_branchs_subject" {
  command = plan

  variables {
    subjects = ["repo:Ana-B/my.course_1:ref:refs/heads/feature/x", "repo:Ana-B@1001/my.course_1@2002:ref:refs/heads/feature/x"]
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = [
          "repo:Ana-B/my.course_1:ref:refs/heads/feature/x",
          "repo:Ana-B@1001/my.course_1@2002:ref:refs/heads/feature/x",
        ]
      }
    }
    error_message = "The role trusts this repository's branch in both forms, letter for letter."
  }
}

run "one_form_alone" {
  command = plan

  variables {
    subjects = ["repo:ana@1001/course@2002:environment:stag"]
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:ana@1001/course@2002:environment:stag"]
    error_message = "One subject is enough."
  }
}

run "provider_is_made_with_the_audience" {
  command = plan

  assert {
    condition     = [for p in aws_iam_openid_connect_provider.this : [p.url, p.client_id_list]] == [["https://token.actions.githubusercontent.com", toset(["sts.amazonaws.com"])]]
    error_message = "One provider, for GitHub's tokens to AWS."
  }
}

run "provider_of_the_account_is_reused" {
  command = plan

  variables {
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0
    error_message = "An account has one provider for an issuer; a second is refused."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Federated = var.provider_arn } && output.provider_arn == var.provider_arn
    error_message = "The role trusts the provider that is there."
  }
}

run "enterprise_signs_its_own_tokens" {
  command = plan

  variables {
    issuer    = "github.example.org/_services/token"
    partition = "aws-us-gov"
  }

  assert {
    condition     = one(aws_iam_openid_connect_provider.this[*].url) == "https://github.example.org/_services/token"
    error_message = "The provider is the server's own."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Federated = "arn:aws-us-gov:iam::123456789012:oidc-provider/github.example.org/_services/token" } &&
      keys(jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals) == ["github.example.org/_services/token:aud", "github.example.org/_services/token:sub"]
    )
    error_message = "The conditions speak of the server's tokens."
  }
}

run "ci_with_a_stored_key" {
  command = plan

  module {
    source = "../member"
  }

  variables {
    name      = "ci"
    user_name = "course.stag.ci"
    role      = "ci"
    team      = "ci"
    expires   = "2028-02-28"
  }
}

run "policy_is_that_of_ci_to_the_letter" {
  command = plan

  variables {
    expires = "2028-02-28"
  }

  assert {
    condition     = output.policy == run.ci_with_a_stored_key.policy
    error_message = "A workflow may do the same with a token as with a key."
  }
}

run "policy_is_that_of_ci_and_has_its_end" {
  command = plan

  variables {
    expires = "2028-02-28"
  }

  assert {
    condition     = aws_iam_role_policy.this.name == "bootstrap" && aws_iam_role_policy.this.role == "course.stag.github"
    error_message = "One inline policy hangs on the role."
  }

  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Sid] == ["Dataset", "Dvc", "List", "Folders", "Location", "TlsOnly", "Expired"]
    error_message = "The role has the ci policy, with both Denies."
  }

  assert {
    condition     = !can(regex("members/|mlflow|iam:|Delete", aws_iam_role_policy.this.policy)) && strcontains(aws_iam_role_policy.this.policy, "2028-02-29T00:00:00Z")
    error_message = "ci deletes nothing, reaches nobody's folder, and ends when the environment does."
  }
}

run "emulator_gets_no_conditional_deny" {
  command = plan

  variables {
    expires            = "2028-02-28"
    conditional_denies = false
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "Deny")
    error_message = "Where every condition counts as met, a conditional Deny would shut the workflows out."
  }
}

run "outputs_name_the_role_and_the_provider" {
  assert {
    condition     = output.role_arn == aws_iam_role.this.arn && output.provider_arn == aws_iam_openid_connect_provider.this[0].arn
    error_message = "Both ARNs come out."
  }
}
