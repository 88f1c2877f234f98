"""What is in an account beside an environment, and has to be there afterwards just as it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bootstrap.adapters.aws.session import Aws

from .course import ACCOUNT

_TEXT = "theirs"


@dataclass(frozen=True)
class Bystanders:
    """A bucket with a file, a user and a secret of a project whose name begins with `ours`.

    `account` is the account as its operator sees it, whose path and name are `operator`; `staff` are others like it.
    """

    account: Aws
    operator: str
    ours: str = "course"
    staff: tuple[str, ...] = ()

    @property
    def bucket(self) -> str:
        return f"{self.ours}-2--stag--{ACCOUNT}"

    @property
    def users(self) -> list[str]:
        """Path and name of every user who is none of ours."""
        return sorted([f"/{self.ours}-2/stag/{self.ours}-2.stag.ci", self.operator, *self.staff])

    def put(self) -> None:
        """Put them there."""
        s3, iam = self.account.client("s3"), self.account.client("iam")
        s3.create_bucket(Bucket=self.bucket)
        s3.put_object(Bucket=self.bucket, Key="theirs", Body=_TEXT.encode())
        # boto3 asks again where an answer is lost, and then meets what it has made.
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(Path=f"/{self.ours}-2/stag/", UserName=f"{self.ours}-2.stag.ci")
        self.account.client("secretsmanager").create_secret(Name="theirs", SecretString=_TEXT)

    def everybody(self) -> list[str]:
        """Return path and name of every user in the account."""
        return sorted(user["Path"] + user["UserName"] for user in self.account.client("iam").list_users()["Users"])

    def buckets(self) -> list[str]:
        """Return every bucket in the account."""
        return sorted(bucket["Name"] for bucket in self.account.client("s3").list_buckets()["Buckets"])

    def require_alone(self) -> None:
        """See that they are whole, and that nothing else is in the account."""
        assert self.buckets() == [self.bucket]
        body = self.account.client("s3").get_object(Bucket=self.bucket, Key="theirs")["Body"].read()
        assert body == _TEXT.encode()
        assert self.everybody() == self.users
        secrets = self.account.client("secretsmanager")
        assert [secret["Name"] for secret in secrets.list_secrets()["SecretList"]] == ["theirs"]
        assert secrets.get_secret_value(SecretId="theirs")["SecretString"] == _TEXT
        iam = self.account.client("iam")
        assert iam.list_roles()["Roles"] == []
        assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
