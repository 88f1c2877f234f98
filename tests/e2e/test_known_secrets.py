"""The walk that looks for secrets finds them: one that it passed over would prove nothing elsewhere."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.adapters.aws.session import Aws, KeyPair

from .course import REGION, Course
from .known_secrets import contents, found_in, secrets_in, secrets_on, versions

SECRET = "s3cr+t/of=ana's"
FORMS = {
    "plain": f'{{"password": "{SECRET}"}}'.encode(),
    "in an address": b"GET /login?password=s3cr%2Bt%2Fof%3Dana%27s HTTP/1.1",
    "in base64": b"Authorization: " + base64.b64encode(SECRET.encode()),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_a_secret_in_a_file_or_in_a_plan_is_found(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "envs" / "stag").mkdir(parents=True)
    log, plan = tmp_path / "envs" / "apply.jsonl", tmp_path / "envs" / "stag" / "plan"
    log.write_bytes(b"before\n" + content)
    with zipfile.ZipFile(plan, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", content * 2)
    found = found_in({"hers": SECRET, "his": "of-somebody-else"}, contents(tmp_path))
    assert found == {("hers", str(log)), ("hers", f"{plan}!tfstate")}


def test_a_secret_in_a_version_that_was_overwritten_or_deleted_is_found() -> None:
    with mock_aws():
        account = Aws(REGION, key=KeyPair("a", "b"))
        s3 = account.client("s3")
        s3.create_bucket(Bucket="states")
        s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Enabled"})
        for key, body in (("a.tfstate", SECRET), ("a.tfstate", "clean"), ("b.tfstate", SECRET)):
            s3.put_object(Bucket="states", Key=key, Body=body.encode())
        s3.delete_object(Bucket="states", Key="b.tfstate")
        found = found_in({"hers": SECRET}, versions(account))
    assert sorted(place.partition("?")[0] for _, place in found) == ["s3://states/a.tfstate", "s3://states/b.tfstate"]


def test_what_systems_manager_keeps_sealed_is_known() -> None:
    with mock_aws():
        account = Aws(REGION, key=KeyPair("a", "b"))
        ssm = account.client("ssm")
        ssm.put_parameter(Name="/course/stag/mlflow/admin-password", Value=SECRET, Type="SecureString")
        ssm.put_parameter(Name="/course/stag/mlflow/url", Value="https://example.org", Type="String")
        assert secrets_in(account) == {"/course/stag/mlflow/admin-password": SECRET}


def test_every_secret_of_a_laptop_is_known(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "course"
    files = {
        home / ".aws/credentials": "[course-stag]\naws_access_key_id = AKIA\naws_secret_access_key = the-key-of-ci\n",
        home / ".local/share/bootstrap/receipt-key.pem": "-----BEGIN--\nthe-signing-key\n-----END--\n",
        folder / ".env": "# ours\nMLFLOW_TRACKING_USERNAME=ci\nMLFLOW_TRACKING_PASSWORD=the-password\n",
        folder
        / ".dvc/config.local": "['remote \"stag\"']\n    secret_access_key = the-token-of-dvc\n    profile = x\n",
        folder / ".bootstrap/envs/stag/mlflow/basic_auth.ini": "[mlflow]\nadmin_password = of-the-administrator\n",
        folder / ".bootstrap/envs/stag/mlflow/flask_secret_key": "what-flask-signs-with",
        folder / ".bootstrap/local/operator.json": '{"id": "AKIA", "secret": "of-the-operator"}',
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    course = Course(folder, home, {"GITHUB_TOKEN": "ghp_0123456789", "DAGSHUB_USER_TOKEN": "dags-hub-token", "A": "b"})
    assert set(secrets_on(course).values()) == {
        *("the-key-of-ci", "the-signing-key", "the-password", "the-token-of-dvc", "of-the-administrator"),
        *("what-flask-signs-with", "of-the-operator", "ghp_0123456789", "dags-hub-token"),
    }
