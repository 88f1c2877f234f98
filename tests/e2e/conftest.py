"""What the end-to-end tests share: laptops, and the provider if this machine has to download it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.adapters.terraform_mirror import VARIABLE, find_mirror
from bootstrap.assets import INFRA

from .course import Course, laptop


@pytest.fixture(scope="session", autouse=True)
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the AWS provider is nowhere on this machine, download it once and not for every laptop."""
    terraform = shutil.which("terraform")
    versions = (INFRA / "environment" / "versions.tf").read_text()
    pin = re.search(r'version += "= ([\d.]+)"', versions)
    assert pin is not None, "the root pins one version of the provider"
    nowhere = tmp_path_factory.mktemp("nowhere")
    if terraform is None or find_mirror(os.environ, nowhere, nowhere, pin[1]) is not None:
        yield  # the command looks for itself
        return
    folder = tmp_path_factory.mktemp("provider")
    (folder / "versions.tf").write_text(versions.replace('backend "s3" {}', ""))
    subprocess.run([terraform, "init", "-input=false"], cwd=folder, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder / ".terraform" / "providers"))
        yield


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    """Return a laptop with nothing on it."""
    with laptop(tmp_path) as found:
        yield found
