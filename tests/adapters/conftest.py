"""What moto lacks in this process, put beside it, so that no test asks the network for it."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.adapters.aws.session import Aws
from tests.adapters.lifecycle_manager import LifecycleManager


@pytest.fixture(autouse=True)
def lifecycle_manager(monkeypatch: pytest.MonkeyPatch) -> LifecycleManager:
    """Return the Data Lifecycle Manager that every client of a test speaks to."""
    manager = LifecycleManager()
    client = Aws.client

    def with_manager(aws: Aws, service: str) -> Any:
        made = client(aws, service)
        # On an emulator at an address of its own the real call is made, and answered as that emulator does.
        if service == "dlm" and aws.endpoint_url is None:
            manager.serve(made)
        return made

    monkeypatch.setattr(Aws, "client", with_manager)
    return manager
