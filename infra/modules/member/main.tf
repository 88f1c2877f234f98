module "access_policy" {
  source = "../access_policy"

  role      = var.role
  name      = var.name
  team      = var.team
  user_name = var.user_name
  path      = var.path
  expires   = var.expires

  dvc_delete         = var.dvc_delete
  bucket             = var.bucket
  account_id         = var.account_id
  partition          = var.partition
  conditional_denies = var.conditional_denies
}

resource "aws_iam_user" "this" {
  #checkov:skip=CKV_AWS_273: Students are in no directory that could sign them in, and DVC on a laptop wants a key; this one reaches their own folders, until their last day.
  name = var.user_name
  path = var.path

  tags = merge(
    {
      "bootstrap:member" = var.name
      "bootstrap:role"   = var.role
      "bootstrap:team"   = var.team
    },
    var.expires == "" ? {} : { "bootstrap:expires" = var.expires },
  )
}

resource "aws_iam_user_policy" "this" {
  #checkov:skip=CKV_AWS_40: One policy, written out for one person, says all that this person may do; a group's would need variables, which the emulator does not judge.
  name   = "bootstrap"
  user   = aws_iam_user.this.name
  policy = module.access_policy.json
}
