"""The user data as Terraform renders it, once for all tests."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.machine.rendering import UserData, render


@pytest.fixture(scope="session")
def user_data(tmp_path_factory: pytest.TempPathFactory) -> UserData:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    return render(program, plain, tmp_path_factory.mktemp("machine"))
