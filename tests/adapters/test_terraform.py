"""The adapter that runs Terraform: what reaches it, and what its failures become."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.adapters.process import Jobs, ProcessId
from bootstrap.adapters.terraform import Backend, Terraform, environment_for
from bootstrap.errors import StateLocked, TerraformFailed, ToolMissing

BACKEND = Backend("demo--tfstate--123456789012", "stag/members.tfstate", "us-east-1", custom_endpoint=False)

LOCKED = """Error message: operation error S3: PutObject, PreconditionFailed
Lock Info:
  ID:        6a1b
  Path:      demo--tfstate--123456789012/stag/members.tfstate
  Operation: OperationTypeApply
  Who:       ana@lab-7
  Version:   1.11.4
  Created:   2026-11-21 07:44:00.123456 +0000 UTC
  Info:      """


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("PATH", True),
        ("TF_PLUGIN_CACHE_DIR", True),
        ("TF_CLI_ARGS", False),
        ("TF_CLI_ARGS_plan", False),
        ("TF_VAR_region", False),
        ("TF_WORKSPACE", False),
        ("TF_DATA_DIR", False),
        ("TF_CLI_CONFIG_FILE", False),  # it names a file that is not there
    ],
)
def test_what_disturbs_terraform_does_not_reach_it(name: str, kept: bool) -> None:
    env = environment_for({name: "/nowhere/at/all"}, {})
    assert (env.get(name) == "/nowhere/at/all") is kept


def test_a_cli_config_that_exists_is_the_users_and_stays(tmp_path: Path) -> None:
    config = tmp_path / "terraformrc"
    config.write_text("")
    assert environment_for({"TF_CLI_CONFIG_FILE": str(config)}, {})["TF_CLI_CONFIG_FILE"] == str(config)


def test_the_backend_skips_amazons_checks_only_where_it_is_not_amazon() -> None:
    emulator = Backend(BACKEND.bucket, BACKEND.key, BACKEND.region, custom_endpoint=True)
    assert "use_path_style" not in BACKEND.settings()
    assert emulator.settings()["use_path_style"] == "true"
    assert BACKEND.settings()["use_lockfile"] == emulator.settings()["use_lockfile"] == "true"


@pytest.mark.parametrize("what", ["configuration", "bucket", "binary", "mirror"])
def test_init_runs_again_when_what_it_depends_on_has_changed(what: str, tmp_path: Path) -> None:
    def fingerprint(changed: str) -> str:
        terraform = Terraform(
            binary=tmp_path / ("other" if changed == "binary" else "terraform"),
            environ={},
            mirror=tmp_path if changed == "mirror" else None,
            jobs=Jobs(),
        )
        bucket = "other" if changed == "bucket" else "same"
        backend = Backend(bucket, "key", "us-east-1", custom_endpoint=False)
        return terraform.fingerprint("other" if changed == "configuration" else "same", backend)

    assert fingerprint("nothing") == fingerprint("nothing")
    assert fingerprint(what) != fingerprint("nothing")


def stand_in(folder: Path, *, stdout: str = "", stderr: str = "", code: int = 1) -> Terraform:
    """A program in Terraform's place that says what it is told to: for failures that cannot be had at will."""
    script = folder / "terraform"
    script.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"sys.stdout.write({stdout!r})\nsys.stderr.write({stderr!r})\nsys.exit({code})\n"
    )
    script.chmod(0o755)
    return Terraform(
        script, {}, mirror=None, jobs=Jobs(), looked_in=(folder,), unlock_command="bootstrap unlock --env stag"
    )


def diagnostic(summary: str, detail: str) -> str:
    return json.dumps({"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, "detail": detail}})


def test_a_locked_state_names_its_holder_and_the_way_out(tmp_path: Path) -> None:
    terraform = stand_in(tmp_path, stdout=diagnostic("Error acquiring the state lock", LOCKED))
    with pytest.raises(StateLocked) as caught:
        terraform.plan(tmp_path, tmp_path / "saved.tfplan")
    assert "ana@lab-7" in caught.value.message
    assert "2026-11-21 07:44" in caught.value.message
    assert "bootstrap unlock --env stag" in caught.value.hint
    assert (caught.value.lock_id, caught.value.who) == ("6a1b", "ana@lab-7")
    assert caught.value.created == "2026-11-21 07:44:00.123456 +0000 UTC"


@pytest.mark.parametrize("code", [0, 1])
def test_it_is_told_which_terraform_ended_well(code: int, tmp_path: Path) -> None:
    started: list[ProcessId] = []
    ended: list[ProcessId] = []
    terraform = replace(stand_in(tmp_path, code=code), on_start=started.append, on_success=ended.append)
    with suppress(TerraformFailed):
        terraform.plan(tmp_path, tmp_path / "saved.tfplan")
    assert len(started) == 1
    assert ended == (started if code == 0 else [])


def test_a_failure_carries_what_terraform_said(tmp_path: Path) -> None:
    terraform = stand_in(tmp_path, stdout=diagnostic("creating S3 Bucket", "BucketAlreadyExists") + "\n")
    with pytest.raises(TerraformFailed, match="creating S3 Bucket: BucketAlreadyExists"):
        terraform.apply(tmp_path, tmp_path / "saved.tfplan", lambda _: None)


def test_a_failure_in_plain_text_is_not_lost(tmp_path: Path) -> None:
    terraform = stand_in(tmp_path, stderr="panic: something deep\n")
    with pytest.raises(TerraformFailed, match="panic: something deep"):
        terraform.plan(tmp_path, tmp_path / "saved.tfplan")


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs Terraform")
def test_without_network_or_mirror_it_says_where_it_looked(tmp_path: Path) -> None:
    """Real Terraform; a mirror on a closed loopback port stands in for the registry that cannot be reached."""
    root = tmp_path / "members"
    root.mkdir()
    (root / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    )
    config = tmp_path / "terraformrc"
    config.write_text('provider_installation {\n  network_mirror {\n    url = "https://127.0.0.1:1/"\n  }\n}\n')
    program = shutil.which("terraform")
    assert program is not None
    terraform = Terraform(
        Path(program),
        environment_for({"PATH": "/usr/bin", "TF_CLI_CONFIG_FILE": str(config)}, {}),
        mirror=None,
        jobs=Jobs(),
        looked_in=(tmp_path / "terraform.d" / "plugins",),
    )
    with pytest.raises(ToolMissing) as caught:
        terraform.init(root, None)
    assert str(tmp_path / "terraform.d" / "plugins") in caught.value.message
    assert "BOOTSTRAP_TF_MIRROR" in caught.value.hint
