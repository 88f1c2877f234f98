locals {
  bucket = "arn:${var.partition}:s3:::${var.bucket}"
  users  = "arn:${var.partition}:iam::${var.account_id}:user${var.path}"

  read = ["s3:GetObject"]
  # Clients upload large files in parts, and clean up after themselves when an upload breaks off.
  write  = ["s3:PutObject", "s3:AbortMultipartUpload"]
  delete = ["s3:DeleteObject"]
  # Left out for everybody, so that nothing is lost for good before the bucket's own rules say so:
  # s3:DeleteObjectVersion. Old versions are read and brought back by the operator, not by members.

  # For each role the places it reaches and what it may do there. Everything else is refused.
  places = {
    student = {
      Dataset = { prefixes = ["dataset/*"], actions = local.read }
      Dvc     = { prefixes = ["dvc/${var.team}/*"], actions = concat(local.read, local.write, var.dvc_delete ? local.delete : []) }
      Own     = { prefixes = ["members/${var.name}/*"], actions = concat(local.read, local.write, local.delete) }
    }
    instructor = {
      Own     = { prefixes = ["dataset/*", "dvc/*", "members/${var.name}/*"], actions = concat(local.read, local.write, local.delete) }
      Members = { prefixes = ["members/*"], actions = local.read }
    }
    ci = {
      Dataset = { prefixes = ["dataset/*"], actions = local.read }
      Dvc     = { prefixes = ["dvc/*"], actions = concat(local.read, local.write) }
    }
  }[var.role]

  # Listing follows reading: whoever may not read below a prefix does not learn the names there either.
  listable = {
    student    = ["dataset/*", "dvc/${var.team}/*", "members/${var.name}/*"]
    instructor = ["dataset/*", "dvc/*", "members/*"]
    ci         = ["dataset/*", "dvc/*"]
  }[var.role]

  iam = {
    student = [
      { Sid = "Self", Effect = "Allow", Action = ["iam:GetUser", "iam:ListAccessKeys"], Resource = "${local.users}${var.user_name}" },
    ]
    instructor = [
      { Sid = "Users", Effect = "Allow", Action = ["iam:GetUser", "iam:ListUsers"], Resource = "${local.users}*" },
    ]
    ci = []
  }[var.role]

  # One Deny each instead of a condition on every Allow: it also binds what somebody attaches by hand later,
  # and leaves a policy with the longest legal names inside the 2048 characters that IAM gives to a user.
  tls_only = {
    Sid       = "TlsOnly", Effect = "Deny", Action = "*", Resource = "*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
  expired = {
    Sid = "Expired", Effect = "Deny", Action = "*", Resource = "*"
    Condition = {
      DateGreaterThanEquals = {
        # The first moment of the next day.
        "aws:CurrentTime" = var.expires == "" ? "" : timeadd("${var.expires}T00:00:00Z", "24h")
      }
    }
  }

  policy = {
    Version = "2012-10-17"
    Statement = concat(
      [
        for name, place in local.places :
        { Sid = name, Effect = "Allow", Action = place.actions, Resource = [for prefix in place.prefixes : "${local.bucket}/${prefix}"] }
      ],
      [
        # s3:prefix belongs to listing alone: any other action in these two statements would never be allowed.
        {
          Sid       = "List", Effect = "Allow", Action = "s3:ListBucket", Resource = local.bucket
          Condition = { StringLike = { "s3:prefix" = local.listable } }
        },
        # `aws s3 ls s3://bucket/`: the names of the top folders, and nothing below them.
        {
          Sid       = "Folders", Effect = "Allow", Action = "s3:ListBucket", Resource = local.bucket
          Condition = { StringEquals = { "s3:prefix" = "", "s3:delimiter" = "/" } }
        },
        { Sid = "Location", Effect = "Allow", Action = "s3:GetBucketLocation", Resource = local.bucket },
      ],
      local.iam,
      var.conditional_denies ? [local.tls_only] : [],
      var.conditional_denies && var.expires != "" ? [local.expired] : [],
    )
  }
}
