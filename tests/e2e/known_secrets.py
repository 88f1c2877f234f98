"""Every secret that a run knows, every place that it has written to, and which of the first is in which of the second.

A kind of environment that brings a secret of its own adds it to `secrets_on`, or to `secrets_in` if it is kept in AWS;
the tests that walk then look for it everywhere.
"""

from __future__ import annotations

import base64
import configparser
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from bootstrap.adapters.aws.session import Aws

from .course import Course

# What a shell hands over, and what `.env` and the files of DVC and the AWS tools call a secret.
_IN_ENVIRONMENT = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DAGSHUB_USER_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
_SECRET_NAME = re.compile(r"(?i).*(secret|password|token).*")
# Shorter ones would be found by accident.
_LEAST = 10


def secrets_on(course: Course) -> dict[str, str]:
    """Return name → secret for all that a laptop holds where it belongs, and for what its shell hands over."""
    found = {name: course.env[name] for name in _IN_ENVIRONMENT if name in course.env}
    for file in (course.home / ".aws" / "credentials", course.folder / ".dvc" / "config.local"):
        found |= {f"{name} of {file.name}": value for name, value in _in_ini(file)}
    if (course.folder / ".env").is_file():
        found |= {f"{name} of .env": value for name, value in course.dotenv().items() if _SECRET_NAME.fullmatch(name)}
    for folder in sorted(course.work.glob("envs/*/mlflow")):
        env = folder.parent.name
        found |= {f"{name} of {env}": value for name, value in _in_ini(folder / "basic_auth.ini")}
        found[f"what signs MLflow's sessions of {env}"] = (folder / "flask_secret_key").read_text().strip()
    operator = course.work / "local" / "operator.json"
    if operator.is_file():
        found["the operator's key"] = json.loads(operator.read_text())["secret"]
    for file in course.home.rglob("receipt-key.pem"):
        found["what signs receipts"] = "".join(file.read_text().splitlines()[1:-1])
    return found


def _in_ini(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the secrets in a file of sections, each with its section's name in front."""
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(file, encoding="utf-8")
    for section in parsed.sections():
        yield from (
            (f"{section}: {option}", value)
            for option, value in parsed[section].items()
            if _SECRET_NAME.fullmatch(option) and not option.endswith("_file")
        )


def secrets_in(account: Aws) -> dict[str, str]:
    """Return name → secret for all that Systems Manager keeps sealed in an account."""
    pages = account.client("ssm").get_paginator("get_parameters_by_path")
    found = pages.paginate(Path="/", Recursive=True, WithDecryption=True)
    return {one["Name"]: one["Value"] for page in found for one in page["Parameters"] if one["Type"] == "SecureString"}


def places_of(course: Course, *accounts: Aws) -> dict[str, bytes]:
    """Return name → content of every place that the commands on a laptop can have written to.

    That is all they have said, the command lines of what runs, every file, git's objects, and in S3 every version of
    every object, Terraform's states among them.
    """
    found = {f"what was said ({number})": text.encode() for number, text in enumerate(course.heard)}
    found |= {f"a command line: {argv}": argv.encode() for argv in course.argv_of_processes()}
    found |= contents(course.folder.parent)
    objects = course.start("git", "cat-file", "--batch-all-objects", "--batch", "--unordered").wait().out
    found["git's objects"] = objects.encode()
    for account in accounts:
        found |= versions(account)
    return found


def versions(account: Aws) -> dict[str, bytes]:
    """Return every version of every object in an account; of an archive, what is in it."""
    s3 = account.client("s3")
    found: dict[str, bytes] = {}
    for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for one in (one for page in pages for one in page.get("Versions", [])):
            body = s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
            found |= _opened(f"s3://{bucket}/{one['Key']}?{one['VersionId']}", body)
    return found


def contents(top: Path) -> dict[str, bytes]:
    """Return every file below a folder; of an archive, as Terraform's plans are, what is in it."""
    found: dict[str, bytes] = {}
    for folder, _, names in os.walk(top):
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.name.startswith("terraform-provider-aws"):
                found |= _opened(str(path), path.read_bytes())
    return found


def _opened(name: str, content: bytes) -> dict[str, bytes]:
    found = {name: content}
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found |= {f"{name}!{inner}": archive.read(inner) for inner in archive.namelist()}
    return found


def found_in(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """Return which secret is in which place: as it is, as it stands in an address, or in base64."""
    assert [name for name, secret in secrets.items() if len(secret) < _LEAST] == []
    forms = {
        name: {secret.encode(), quote(secret, safe="").encode(), base64.b64encode(secret.encode())}
        for name, secret in secrets.items()
    }
    return {
        (name, place)
        for place, content in places.items()
        for name, texts in forms.items()
        if any(text in content for text in texts)
    }
