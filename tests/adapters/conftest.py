"""What moto in this process lacks, put beside it; what it takes a second for, left out; and who makes projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootstrap.adapters.aws import inventory
from bootstrap.adapters.aws.session import Aws
from tests.adapters.lifecycle_manager import LifecycleManager
from tests.adapters.making import Maker


@pytest.fixture
def lifecycle_manager(monkeypatch: pytest.MonkeyPatch) -> LifecycleManager:
    """Return the Data Lifecycle Manager that every client of a test speaks to."""
    manager = LifecycleManager()
    client = Aws.client

    def with_manager(aws: Aws, service: str) -> Any:
        made = client(aws, service)
        if service == "dlm":
            manager.serve(made)
        return made

    monkeypatch.setattr(Aws, "client", with_manager)
    return manager


@pytest.fixture(autouse=True)
def _quick_look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave machines out of every look through an account, but in the tests that ask for the manager above.

    For each test that looks for them, moto makes an EC2 with all its images anew: a second and more.
    """
    if "lifecycle_manager" not in request.fixturenames:
        monkeypatch.setattr(inventory, "_has_machines", lambda _: False)


@pytest.fixture
def maker(home: Path, tmp_path: Path) -> Maker:
    """Return somebody in an empty folder whom git knows."""
    folder = (tmp_path / "work").resolve()
    folder.mkdir()
    someone = Maker(home, folder)
    someone.knows_git()
    return someone
