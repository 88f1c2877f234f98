"""Terraform for the tests of infra/: found on PATH, with the provider from a mirror where this machine has one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.terraform import environment_for
from bootstrap.adapters.terraform_mirror import find_mirror
from tests.ports import some_port
from tests.terraform.root import REGION

INFRA = Path(__file__).resolve().parents[2] / "infra"


@pytest.fixture(scope="session")
def terraform() -> str:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    return program


@pytest.fixture(scope="session")
def terraform_environ() -> dict[str, str]:
    """Return the environment that the tool gives Terraform; nobody's settings, credentials or endpoint are in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "AWS_"))}
    return environment_for(kept, {"AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture(scope="session")
def init_options() -> list[str]:
    """Return what `terraform init` needs to find the pinned provider; nothing where it has to download it."""
    pin = re.search(r'version = "= ([\d.]+)"', (INFRA / "environment" / "versions.tf").read_text())
    assert pin is not None, "the root pins one version of the provider"
    mirror = find_mirror(os.environ, Path.home(), Path.cwd(), pin[1])
    return [] if mirror is None else [f"-plugin-dir={mirror}"]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Aws]:
    """The administrator of an empty emulator that enforces permissions."""
    emulator = Emulator(tmp_path / "local")
    server = emulator.start(some_port(), dict(os.environ))
    try:
        anybody = Aws(REGION, server.url, key=KeyPair("anybody", "anything"))
        key = people.create_operator(anybody, "operator", "/bootstrap-local/")
        emulator.enforce_permissions(server)
        yield anybody.with_key(key)
    finally:
        emulator.stop()
