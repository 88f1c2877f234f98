"""The workflows of a new project: no word from the linters, and secrets only where they have to be."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.templates.ml_project.rendered import copied
from tests.templates.runner import PROGRAMS, TEMPLATES, evaluate, parsed
from tests.templates.test_lint import lint

WORKFLOWS = ("ci.yml", "train.yml", "drift.yml")
PROJECTS: dict[str, dict[str, object]] = {
    "as it comes": {},
    "in Portuguese": {"lang": "pt-BR", "repository": "ana/laptops"},
    "another environment": {"env": "turma-2026", "package": "precos"},
}


def texts(folder: Path, **answers: object) -> dict[str, str]:
    """Return the workflows of a project: file name → text."""
    copied(folder, **answers)
    return {name: (folder / ".github" / "workflows" / name).read_text(encoding="utf-8") for name in WORKFLOWS}


@pytest.fixture(scope="module")
def workflows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return texts(tmp_path_factory.mktemp("project"))


def jobs(text: str) -> dict[str, Any]:
    found = parsed(text)["jobs"]
    assert isinstance(found, dict)
    return found


def step(job: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in job["steps"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("answers", PROJECTS.values(), ids=PROJECTS.keys())
def test_the_linters_find_nothing(tmp_path: Path, answers: dict[str, object]) -> None:
    for name, text in texts(tmp_path / "project", **answers).items():
        assert re.findall(r"\{%|\{\{ (?:env|package|name) \}\}", text) == []
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert lint(tmp_path / "alone", name, text) == []


def test_actions_are_those_of_the_other_workflows(workflows: dict[str, str]) -> None:
    """One list of digests to renew."""
    known = re.findall(r"uses: (.*)", "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.yml")))
    for text in workflows.values():
        assert set(re.findall(r"uses: (.*)", text)) <= set(known)


def test_a_pull_request_is_judged_without_the_rights_to_write(workflows: dict[str, str]) -> None:
    found = jobs(workflows["ci.yml"])
    assert {name: job["permissions"] for name, job in found.items()} == {
        "check": {"contents": "read"},
        "pipeline": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert "secrets." not in json.dumps(found["check"])
    assert [one["name"] for one in found["pipeline"]["steps"] if "secrets." in json.dumps(one)] == ["Get the data"]
    # What may write runs no code of the pull request: it does not even get it.
    [only] = found["comment"]["steps"]
    assert "uses" not in only
    assert "MLFLOW" not in workflows["ci.yml"]


def test_a_model_that_misses_its_criteria_fails_after_the_comparison(workflows: dict[str, str]) -> None:
    names = [one["name"] for one in jobs(workflows["ci.yml"])["pipeline"]["steps"]]
    assert names[-3:] == ["Run the pipeline", "Compare the metrics with main", "Say how it went"]
    pipeline = jobs(workflows["ci.yml"])["pipeline"]
    assert step(pipeline, "Run the pipeline")["continue-on-error"] == "true"
    assert step(pipeline, "Say how it went")["if"] == "steps.repro.outcome == 'failure'"


def test_a_push_trains_promotes_and_publishes_in_this_order(workflows: dict[str, str]) -> None:
    names = [one["name"] for one in jobs(workflows["train.yml"])["train"]["steps"]]
    order = [
        "Get the data",
        "Train and evaluate",
        "Register the model, and promote it",
        "Keep the data and models",
        "Keep the reports",
        "Build the images",
        "See that the API answers",
        "Publish the images",
    ]
    assert [name for name in names if name in order] == order


BRANCHES = {"stag": ("stag", "staging"), "main": ("prod", "staging champion")}


@pytest.mark.parametrize(("branch", "expected"), BRANCHES.items(), ids=BRANCHES.keys())
def test_a_branch_is_an_environment_and_an_alias(
    workflows: dict[str, str], tmp_path: Path, branch: str, expected: tuple[str, str]
) -> None:
    job = jobs(workflows["train.yml"])["train"]
    assert evaluate(job["environment"], {"github.ref_name": branch}) == expected[0]
    assert branch in parsed(workflows["train.yml"])["on"]["push"]["branches"]
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    python.chmod(0o755)
    subprocess.run(
        [
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step(job, "Register the model, and promote it")["run"],
        ],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PACKAGE": "shop", "GITHUB_REF_NAME": branch},
        check=True,
        timeout=30,
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["-m shop register", *(f"-m shop promote --to {alias}" for alias in expected[1].split())]


@pytest.mark.parametrize(("code", "kept"), [(0, True), (4, True), (1, False)])
def test_the_page_of_a_drift_is_kept_and_the_job_fails(
    workflows: dict[str, str], tmp_path: Path, code: int, kept: bool
) -> None:
    """Bash would end at the first command that fails, and through a pipe it would take the code of the last."""
    programs, project = tmp_path / "bin", tmp_path / "project"
    programs.mkdir()
    (project / "reports").mkdir(parents=True)
    page = "touch reports/drift.html" if kept else "true"
    for name, script in {"python": f"{page}; echo words; exit {code}", "aws": f'echo "$@" > {tmp_path}/sent'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        [
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step(jobs(workflows["drift.yml"])["drift"], "Compare")["run"],
        ],
        cwd=project,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "PACKAGE": "shop",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_REF_NAME": "main",
            "DATA_BUCKET": "data",
        },
        check=False,
        timeout=30,
    )
    assert (done.returncode, (tmp_path / "sent").exists()) == (code, kept)
    assert (tmp_path / "summary").read_text() == "words\n"


def test_what_workflows_make_in_mlflow_is_theirs(tmp_path: Path) -> None:
    """Their login may not touch what is a team's."""
    project = copied(tmp_path)
    before = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    train = (project / ".github" / "workflows" / "train.yml").read_text(encoding="utf-8")
    script = step(jobs(train)["train"], "Use names of workflows in MLflow")["run"]
    subprocess.run(["bash", "-ec", script], cwd=project, check=True, timeout=30)
    after = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    assert after == before | {
        "project": before["project"] | {"experiment": "ci/laptop-pricing", "model": "ci.laptop-pricing"}
    }


def test_before_github_was_told_nothing_fails(workflows: dict[str, str]) -> None:
    found = jobs(workflows["train.yml"])
    told = found["where"]["outputs"]["told"]
    assert evaluate(told, {"vars.DATA_BUCKET": "", "vars.DVC_REMOTE_URL": ""}) != "true"
    assert evaluate(told, {"vars.DATA_BUCKET": "data", "vars.DVC_REMOTE_URL": "s3://data/dvc/ci"}) == "true"
    assert found["train"]["if"] == "needs.where.outputs.told == 'true'"


def test_gitlab_is_asked_for(tmp_path: Path) -> None:
    assert not (copied(tmp_path / "without") / ".gitlab-ci.yml").exists()
    path = copied(tmp_path / "with", gitlab=True) / ".gitlab-ci.yml"
    done = subprocess.run(
        [
            PROGRAMS / "check-jsonschema",
            "--builtin-schema=vendor.gitlab-ci",
            "--data-transform=gitlab-ci",
            "--output-format=text",
            path,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    said = path.read_text(encoding="utf-8")
    for command in ("dvc repro", "register", "promote --to staging", "promote --to champion", "aws s3 sync", "drift"):
        assert command in said
