"""Every name that appears in AWS, in the user's files and on the command line, from one place.

All functions are pure. A slug never holds two hyphens in a row, so `--` between parts keeps names of
different environments apart: project `a` with environment `b-c` and project `a-b` with environment `c` do not
meet.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from bootstrap.core.counts import counted

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
PROJECT_LENGTH = (3, 32)
ENVIRONMENT_LENGTH = (1, 32)
MEMBER_LENGTH = (1, 64)

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_MAX = 63
S3_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
SSM_RESERVED_PREFIXES = ("aws", "ssm")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
IAM_USER_MAX = 64

STATE = "tfstate"
RESERVED_ENVIRONMENTS = frozenset({STATE})
CI_MEMBER = "ci"


def slug_problem(text: str, length: tuple[int, int]) -> str | None:
    """Say why `text` is not a slug of `length` (least, most) characters, or None if it is one."""
    least, most = length
    if not least <= len(text) <= most:
        return f"has {counted(len(text), 'character')}; it takes {least} to {most}"
    if not SLUG.fullmatch(text):
        return "takes lower-case letters, digits and single hyphens between them"
    return None


def project_problem(text: str) -> str | None:
    """Say why `text` cannot be a project's name, or None if it can."""
    problem = slug_problem(text, PROJECT_LENGTH)
    if problem is None and f"{text}--".startswith(S3_RESERVED_PREFIXES):
        return "begins with a word that S3 keeps for itself in bucket names"
    if problem is None and text.startswith(SSM_RESERVED_PREFIXES):
        return "begins with aws or ssm, which AWS keeps for itself in the names of parameters"
    return problem


def environment_problem(text: str) -> str | None:
    """Say why `text` cannot be an environment's name, or None if it can."""
    problem = slug_problem(text, ENVIRONMENT_LENGTH)
    if problem is None and text in RESERVED_ENVIRONMENTS:
        return "is the name of the project's own state bucket"
    return problem


def slugify(text: str, fallback: str = "project") -> str:
    """Make a legal project name of any text, for instance of a folder's name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: PROJECT_LENGTH[1]].strip("-")
    if project_problem(slug) is None:
        return slug
    padded = f"{fallback}-{slug}".strip("-")[: PROJECT_LENGTH[1]].strip("-")
    return padded if project_problem(padded) is None else fallback


def _fitted(name: str, most: int) -> str:
    """Cut `name` to `most` characters; what is cut off lives on in a hash, so two long names stay two."""
    if len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: most - len(digest) - 1].rstrip('-.')}-{digest}"


@dataclass(frozen=True)
class Names:
    """The names of one environment. `account` is AWS's twelve-digit account id."""

    project: str
    env: str
    account: str

    @property
    def bucket(self) -> str:
        """The environment's data bucket, at most 63 characters, with the account id at its end."""
        stem = _fitted(f"{self.project}--{self.env}", BUCKET_MAX - len(self.account) - 2)
        return f"{stem}--{self.account}"

    @property
    def state_bucket(self) -> str:
        """The project's bucket of Terraform states, shared by all its environments."""
        return f"{self.project}--{STATE}--{self.account}"

    @property
    def iam_path(self) -> str:
        """The IAM path of everybody in this environment."""
        return f"/{self.project}/{self.env}/"

    def iam_user(self, member: str) -> str:
        """Return a member's IAM user name, unique in the account as IAM demands, at most 64 characters."""
        return _fitted(f"{self.project}.{self.env}.{member}", IAM_USER_MAX)

    @property
    def github_role(self) -> str:
        """The IAM role that the environment's workflows on GitHub take on, unique in the account as IAM demands."""
        return _fitted(f"{self.project}.{self.env}.github", IAM_USER_MAX)

    @property
    def github_role_arn(self) -> str:
        """That role's ARN."""
        return f"arn:aws:iam::{self.account}:role{self.iam_path}{self.github_role}"

    @property
    def mlflow_server(self) -> str:
        """The name of the machine that MLflow runs on, and of its IAM role: unique in the account as IAM demands."""
        return _fitted(f"{self.project}.{self.env}.mlflow", IAM_USER_MAX)

    @property
    def mlflow_snapshots_role(self) -> str:
        """The IAM role with which that machine's data is copied every day, as infra/modules/mlflow_ec2 names it."""
        name, end = self.mlflow_server, ".snapshots"
        if len(name) + len(end) <= IAM_USER_MAX:
            return f"{name}{end}"
        return f"{name[:43]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}{end}"

    @property
    def parameter_path(self) -> str:
        """Below this lie the environment's parameters in SSM's store, with a slash at both ends."""
        return f"/{self.project}/{self.env}/"

    @property
    def mlflow_password_parameter(self) -> str:
        """The parameter in which the machine leaves the password of MLflow's administrator, for the operator."""
        return f"{self.parameter_path}mlflow/admin-password"

    @property
    def budget(self) -> str:
        """The environment's budget, unique in the account."""
        return f"{self.project}.{self.env}"

    def state_key(self, root: str) -> str:
        """Return where the state of one Terraform root lies in the state bucket."""
        return f"{self.env}/{root}.tfstate"

    @property
    def profile(self) -> str:
        """The AWS CLI profile that `up` writes."""
        return profile(self.project, self.env)

    @property
    def remote(self) -> str:
        """The DVC remote that `up` writes."""
        return self.env

    def dvc_url(self, team: str = CI_MEMBER) -> str:
        """Return the S3 address of a team's DVC remote."""
        return f"s3://{self.bucket}/dvc/{team}"


def profile(project: str, env: str) -> str:
    """Return the AWS CLI profile of an environment."""
    return f"{project}-{env}"
