mock_provider "aws" {}

variables {
  role_name  = "course.stag.github"
  path       = "/course/stag/"
  bucket     = "course--stag--123456789012"
  account_id = "123456789012"
  subjects   = ["repo:ana/course:environment:stag"]
}

run "no_subject_is_refused" {
  command = plan

  variables {
    subjects = []
  }

  expect_failures = [var.subjects]
}

run "five_subjects_are_refused" {
  command = plan

  variables {
    subjects = [for n in range(5) : "repo:ana/course:environment:e${n}"]
  }

  expect_failures = [var.subjects]
}

run "any_repository_of_an_owner_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/*:environment:stag"]
  }

  expect_failures = [var.subjects]
}

run "any_environment_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:*"]
  }

  expect_failures = [var.subjects]
}

run "question_mark_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:sta?"]
  }

  expect_failures = [var.subjects]
}

run "variable_of_iams_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:$${aws:username}"]
  }

  expect_failures = [var.subjects]
}

run "white_space_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:stag "]
  }

  expect_failures = [var.subjects]
}

run "one_bad_subject_among_good_ones_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:stag", "repo:ana/course:*"]
  }

  expect_failures = [var.subjects]
}

run "subject_of_somebody_else_is_refused" {
  command = plan

  variables {
    subjects = ["project_path:ana/course:ref_type:branch:ref:refs/heads/main"]
  }

  expect_failures = [var.subjects]
}

run "whole_repository_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course"]
  }

  expect_failures = [var.subjects]
}

run "pull_request_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:pull_request"]
  }

  expect_failures = [var.subjects]
}

run "tag_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:ref:refs/tags/v1"]
  }

  expect_failures = [var.subjects]
}

run "environment_without_a_name_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:environment:"]
  }

  expect_failures = [var.subjects]
}

run "branch_without_a_name_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana/course:ref:refs/heads/"]
  }

  expect_failures = [var.subjects]
}

run "owner_alone_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana:environment:stag"]
  }

  expect_failures = [var.subjects]
}

run "id_in_words_is_refused" {
  command = plan

  variables {
    subjects = ["repo:ana@one/course@two:environment:stag"]
  }

  expect_failures = [var.subjects]
}

run "issuer_with_https_is_refused" {
  command = plan

  variables {
    issuer = "https://token.actions.githubusercontent.com"
  }

  expect_failures = [var.issuer]
}

run "issuer_with_a_slash_at_the_end_is_refused" {
  command = plan

  variables {
    issuer = "token.actions.githubusercontent.com/"
  }

  expect_failures = [var.issuer]
}

run "issuer_with_a_port_is_refused" {
  command = plan

  variables {
    issuer = "github.example.org:8443/_services/token"
  }

  expect_failures = [var.issuer]
}

run "issuer_with_a_wildcard_is_refused" {
  command = plan

  variables {
    issuer = "*.example.org"
  }

  expect_failures = [var.issuer]
}

run "provider_of_another_issuer_is_refused" {
  command = plan

  variables {
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/gitlab.com"
  }

  expect_failures = [var.provider_arn]
}

run "provider_of_another_account_is_refused" {
  command = plan

  variables {
    provider_arn = "arn:aws:iam::210987654321:oidc-provider/token.actions.githubusercontent.com"
  }

  expect_failures = [var.provider_arn]
}

run "provider_of_another_partition_is_refused" {
  command = plan

  variables {
    provider_arn = "arn:aws-cn:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  expect_failures = [var.provider_arn]
}

run "role_name_with_a_slash_is_refused" {
  command = plan

  variables {
    role_name = "course/github"
  }

  expect_failures = [var.role_name]
}

run "role_name_of_65_characters_is_refused" {
  command = plan

  variables {
    role_name = join("", [for _ in range(65) : "r"])
  }

  expect_failures = [var.role_name]
}
