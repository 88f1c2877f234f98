"""What every test stands on: a home of its own, and no word of the developer's accounts in the environment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine draws examples says nothing about the project: no test fails on a slow or a busy one.
settings.register_profile("any-machine", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


# Started in the background by a shell, this process would not hear a Ctrl-C, nor would any that it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that at the end no worker waits for another."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


pytest_plugins = ["tests.turns"]

_THEIRS = ("AWS_", "MLFLOW_", "BOOTSTRAP_", "GH_", "GITHUB_", "GIT_", "XDG_")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; nothing of the developer's accounts and settings leaks in."""
    folder = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(_THEIRS)]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    # Without credentials, boto3 would ask a server on the network whether this is an EC2 machine.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return folder
