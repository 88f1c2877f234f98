"""The AWS of the proof: the emulator with permissions enforced, the bucket, and the machine's role with its keys."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from bootstrap.adapters.emulator import Emulator
from tests.machine.metadata import ROLE, document
from tests.machine.rendering import SAMPLE
from tests.ports import some_port

BUCKET, REGION, PATH = SAMPLE["bucket"], SAMPLE["region"], SAMPLE["parameter_path"]
PASSWORD = f"{PATH}mlflow/admin-password"
# What the machine may do: the least that all of this works with.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:aws:s3:::{BUCKET}/mlflow/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "ssm:PutParameter", "ssm:AddTagsToResource"],
            # On AWS: the environment's parameters. The emulator knows the resource of a request of S3 and no other.
            "Resource": "*",
        },
    ],
}


@dataclass
class Cloud:
    """The emulator, and an operator who may do everything there."""

    emulator: Emulator
    port: int
    key: dict[str, str]

    @classmethod
    def start(cls, folder: Path, keys: Path) -> Cloud:
        """Start it with a bucket and a role, whose keys are written to `keys` as EC2 tells them."""
        emulator, port = Emulator(folder), some_port()
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        server = emulator.start(port, plain)
        cloud = cls(emulator, port, {"aws_access_key_id": "any", "aws_secret_access_key": "any"})
        iam = cloud.client("iam")
        iam.create_user(UserName="operator")
        everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        iam.put_user_policy(UserName="operator", PolicyName="all", PolicyDocument=json.dumps(everything))
        made = iam.create_access_key(UserName="operator")["AccessKey"]
        cloud.key = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
        trust = {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
        }
        role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=ROLE, PolicyName="mlflow", PolicyDocument=json.dumps(POLICY))
        cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        session = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="i-0123456789abcdef0")["Credentials"]
        emulator.enforce_permissions(server)
        keys.write_text(document(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]))
        return cloud

    def client(self, service: str) -> Any:
        """Return the operator's client of a service."""
        # Of a service that is named only when it runs no type checker knows the client.
        client: Any = boto3.client
        return client(service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name=REGION, **self.key)

    def password(self) -> str:
        """Return the administrator's password from where the machine puts it."""
        found: str = self.client("ssm").get_parameter(Name=PASSWORD, WithDecryption=True)["Parameter"]["Value"]
        return found

    def keys_below(self, prefix: str) -> list[str]:
        """Return the keys of all objects whose keys begin with `prefix`."""
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", [])]
