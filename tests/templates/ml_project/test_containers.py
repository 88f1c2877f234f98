"""The Dockerfile, compose.yaml and the Kubernetes manifest of a new project, as far as that goes without Docker."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.templates.ml_project.rendered import copied
from tests.templates.runner import PROGRAMS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("project"))


def said(*command: object) -> tuple[int, str]:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_hadolint_finds_nothing(project: Path) -> None:
    assert said(PROGRAMS / "hadolint", "--no-color", project / "Dockerfile") == (0, "")


WRONG = {
    "a tag that moves": ("python:3.11.14-slim-bookworm", "python:latest", "DL3007"),
    "a cache in the image": (" --no-cache-dir", "", "DL3042"),
    "a stage that there is not": ("--from=api-packages", "--from=packages", "DL3022"),
}


@pytest.mark.parametrize(("old", "new", "rule"), WRONG.values(), ids=WRONG.keys())
def test_hadolint_would_find_something(project: Path, tmp_path: Path, old: str, new: str, rule: str) -> None:
    (tmp_path / "Dockerfile").write_text((project / "Dockerfile").read_text().replace(old, new))
    code, words = said(PROGRAMS / "hadolint", "--no-color", tmp_path / "Dockerfile")
    assert (code, rule in words) == (1, True)


def test_an_image_has_the_python_that_trains_the_model(project: Path) -> None:
    wanted = (project / ".python-version").read_text().strip()
    bases = {line.split()[1] for line in (project / "Dockerfile").read_text().splitlines() if "FROM python" in line}
    [base] = bases
    assert base.startswith(f"python:{wanted}.")


@pytest.mark.parametrize("part", ["api", "frontend"])
def test_every_package_of_an_image_has_its_version_in_the_requirements(project: Path, part: str) -> None:
    pinned = {line.partition("==")[0] for line in (project / "requirements.txt").read_text().splitlines()}
    wanted = [line for line in (project / "deploy" / f"{part}.txt").read_text().splitlines() if line[0] != "#"]
    assert set(wanted) <= pinned


def test_only_what_is_named_goes_into_an_image(project: Path) -> None:
    """A `.env`, the data or the history of git in an image would be there for everybody who gets the image."""
    lines = [line for line in (project / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines[1:] if line[0] == "!"}
    assert let_in == {
        "deploy/api.txt",
        "deploy/frontend.txt",
        "laptop_pricing",
        "models/.gitkeep",
        "models/model.joblib",
        "models/model.json",
        "requirements.txt",
    }


def test_compose(project: Path) -> None:
    checked = said(PROGRAMS / "check-jsonschema", "--builtin-schema=vendor.compose-spec", project / "compose.yaml")
    assert checked[0] == 0, checked[1]
    services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        # On this machine alone: there is no login in front of it.
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def containers(project: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    documents = yaml.safe_load_all((project / "deploy" / "kubernetes.yaml").read_text())
    pods = [one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Deployment"]
    return [(pod, container) for pod in pods for container in pod["containers"]]


def test_kubernetes(project: Path) -> None:
    checked = said(PROGRAMS / "kubernetes-validate", "--strict", project / "deploy" / "kubernetes.yaml")
    assert checked[0] == 0, checked[1]
    found = containers(project)
    assert len(found) == 2
    for pod, container in found:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert {"livenessProbe", "readinessProbe", "resources"} <= set(container)


def test_a_service_leads_to_its_pods(project: Path) -> None:
    documents = list(yaml.safe_load_all((project / "deploy" / "kubernetes.yaml").read_text()))
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in documents if one["kind"] == "Deployment"]
    assert [one["spec"]["selector"] for one in documents if one["kind"] == "Service"] == pods
