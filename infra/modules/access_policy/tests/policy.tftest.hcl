# The table of who may do what, written out. Each comparison is for equality: one right too many fails as one too few does.

variables {
  name       = "anna"
  user_name  = "course.stag.anna"
  path       = "/course/stag/"
  role       = "student"
  team       = "red"
  account_id = "123456789012"

  bucket = "course--stag--123456789012"
}

run "student" {
  command = plan

  assert {
    condition = toset(flatten([
      for s in jsondecode(output.json).Statement : [for pair in setproduct(flatten([s.Action]), flatten([s.Resource])) : join(" ", pair)] if s.Effect == "Allow"
      ])) == toset([
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dvc/red/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/dvc/red/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/dvc/red/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/members/anna/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/members/anna/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/members/anna/*",
      "s3:DeleteObject arn:aws:s3:::course--stag--123456789012/members/anna/*",
      "s3:ListBucket arn:aws:s3:::course--stag--123456789012",
      "s3:GetBucketLocation arn:aws:s3:::course--stag--123456789012",
      "iam:GetUser arn:aws:iam::123456789012:user/course/stag/course.stag.anna",
      "iam:ListAccessKeys arn:aws:iam::123456789012:user/course/stag/course.stag.anna",
    ])
    error_message = "A student reads dataset/, reads and writes the team's remote, owns one folder, and looks at themselves."
  }

  assert {
    condition = [
      for s in jsondecode(output.json).Statement : s.Condition if s.Action == "s3:ListBucket"
      ] == [
      { StringLike = { "s3:prefix" = ["dataset/*", "dvc/red/*", "members/anna/*"] } },
      { StringEquals = { "s3:prefix" = "", "s3:delimiter" = "/" } },
    ]
    error_message = "A student lists what they read, and the names of the top folders."
  }

  assert {
    condition     = !can(regex("mlflow|dvc/\\*|members/\\*", output.json))
    error_message = "Neither mlflow/ nor anybody else's place is named."
  }
}

run "student_who_may_collect_garbage" {
  command = plan

  variables {
    dvc_delete = true
  }

  assert {
    condition = [
      for s in jsondecode(output.json).Statement : s.Resource if contains(flatten([s.Action]), "s3:DeleteObject")
      ] == [
      ["arn:aws:s3:::course--stag--123456789012/dvc/red/*"],
      ["arn:aws:s3:::course--stag--123456789012/members/anna/*"],
    ]
    error_message = "dvc_delete adds deleting in the team's remote, and nothing else."
  }
}

run "instructor" {
  command = plan

  variables {
    name      = "ines"
    user_name = "course.stag.ines"
    team      = "ines"
    role      = "instructor"
  }

  assert {
    condition = toset(flatten([
      for s in jsondecode(output.json).Statement : [for pair in setproduct(flatten([s.Action]), flatten([s.Resource])) : join(" ", pair)] if s.Effect == "Allow"
      ])) == toset([
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:DeleteObject arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:DeleteObject arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/members/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/members/ines/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/members/ines/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/members/ines/*",
      "s3:DeleteObject arn:aws:s3:::course--stag--123456789012/members/ines/*",
      "s3:ListBucket arn:aws:s3:::course--stag--123456789012",
      "s3:GetBucketLocation arn:aws:s3:::course--stag--123456789012",
      "iam:GetUser arn:aws:iam::123456789012:user/course/stag/*",
      "iam:ListUsers arn:aws:iam::123456789012:user/course/stag/*",
    ])
    error_message = "An instructor keeps dataset/ and every remote, reads all members' folders, owns one, and sees this environment's users."
  }

  assert {
    condition = [
      for s in jsondecode(output.json).Statement : s.Condition if s.Action == "s3:ListBucket"
      ] == [
      { StringLike = { "s3:prefix" = ["dataset/*", "dvc/*", "members/*"] } },
      { StringEquals = { "s3:prefix" = "", "s3:delimiter" = "/" } },
    ]
    error_message = "An instructor lists everything but mlflow/."
  }

  assert {
    condition     = !strcontains(output.json, "mlflow")
    error_message = "mlflow/ is the server's alone."
  }
}

run "ci" {
  command = plan

  variables {
    name      = "ci"
    user_name = "course.stag.ci"
    team      = "ci"
    role      = "ci"
  }

  assert {
    condition = toset(flatten([
      for s in jsondecode(output.json).Statement : [for pair in setproduct(flatten([s.Action]), flatten([s.Resource])) : join(" ", pair)] if s.Effect == "Allow"
      ])) == toset([
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dataset/*",
      "s3:GetObject arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:PutObject arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:AbortMultipartUpload arn:aws:s3:::course--stag--123456789012/dvc/*",
      "s3:ListBucket arn:aws:s3:::course--stag--123456789012",
      "s3:GetBucketLocation arn:aws:s3:::course--stag--123456789012",
    ])
    error_message = "ci reads dataset/, reads and writes every remote, and deletes nothing."
  }

  assert {
    condition = [
      for s in jsondecode(output.json).Statement : s.Condition if s.Action == "s3:ListBucket"
      ] == [
      { StringLike = { "s3:prefix" = ["dataset/*", "dvc/*"] } },
      { StringEquals = { "s3:prefix" = "", "s3:delimiter" = "/" } },
    ]
    error_message = "ci lists what it reads, and the names of the top folders."
  }

  assert {
    condition     = !can(regex("iam:|members/|mlflow", output.json))
    error_message = "ci knows nothing of IAM, members' folders or mlflow/."
  }
}

run "only_tls_and_only_until_the_last_day_is_over" {
  command = plan

  variables {
    expires = "2028-02-28"
  }

  assert {
    condition = [
      for s in jsondecode(output.json).Statement : s if s.Effect == "Deny"
      ] == [
      { Sid = "TlsOnly", Effect = "Deny", Action = "*", Resource = "*", Condition = { Bool = { "aws:SecureTransport" = "false" } } },
      # A leap year: the day after is the 29th.
      { Sid = "Expired", Effect = "Deny", Action = "*", Resource = "*", Condition = { DateGreaterThanEquals = { "aws:CurrentTime" = "2028-02-29T00:00:00Z" } } },
    ]
    error_message = "Everything is refused without TLS, and from the first moment after the last day on."
  }
}

run "no_end_without_a_date" {
  command = plan

  assert {
    condition     = [for s in jsondecode(output.json).Statement : s.Sid if s.Effect == "Deny"] == ["TlsOnly"]
    error_message = "Without `expires` access has no end, and TLS is still required."
  }
}

run "emulator_gets_no_conditional_deny" {
  command = plan

  variables {
    expires            = "2028-02-28"
    conditional_denies = false
  }

  assert {
    condition     = alltrue([for s in jsondecode(output.json).Statement : s.Effect == "Allow"])
    error_message = "Where every condition counts as met, a conditional Deny would shut the member out."
  }
}

run "longest_student_fits" {
  command = plan

  variables {
    name       = join("", [for _ in range(64) : "m"])
    team       = join("", [for _ in range(64) : "t"])
    user_name  = join("", [for _ in range(64) : "u"])
    path       = "/${join("", [for _ in range(32) : "p"])}/${join("", [for _ in range(32) : "e"])}/"
    bucket     = join("", [for _ in range(63) : "b"])
    partition  = "aws-us-gov"
    expires    = "2028-02-28"
    dvc_delete = true
  }

  assert {
    condition     = length(replace(output.json, "/\\s/", "")) <= 2048
    error_message = "IAM gives a user's inline policies 2048 characters; this one has ${length(output.json)}."
  }
}

run "longest_instructor_fits" {
  command = plan

  variables {
    role      = "instructor"
    name      = join("", [for _ in range(64) : "m"])
    team      = join("", [for _ in range(64) : "t"])
    user_name = join("", [for _ in range(64) : "u"])
    path      = "/${join("", [for _ in range(32) : "p"])}/${join("", [for _ in range(32) : "e"])}/"
    bucket    = join("", [for _ in range(63) : "b"])
    partition = "aws-us-gov"
    expires   = "2028-02-28"
  }

  assert {
    condition     = length(replace(output.json, "/\\s/", "")) <= 2048
    error_message = "IAM gives a user's inline policies 2048 characters; this one has ${length(output.json)}."
  }
}

run "arns_follow_the_partition" {
  command = plan

  variables {
    partition = "aws-cn"
  }

  assert {
    condition     = alltrue([for s in jsondecode(output.json).Statement : alltrue([for arn in flatten([s.Resource]) : startswith(arn, "arn:aws-cn:")]) if s.Effect == "Allow"])
    error_message = "Every ARN is of the partition asked for."
  }
}
