"""Every workflow that can come out: YAML, nothing left to fill in, and no word from actionlint or zizmor."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bootstrap.core.github import Scope
from tests.templates.runner import ONE, PROGRAMS, THREE, evaluate, parsed, rendered

SCOPES: tuple[Scope, ...] = ("environment", "repository")
CASES = [*itertools.product(("ci.yml", "train.yml", "expire.yml"), ("oidc", "keys"), SCOPES, (ONE, THREE), ("", "a/b"))]
SECRET_STEPS = {"Sign in to AWS", "Train"}


def lint(folder: Path, name: str, text: str) -> list[str]:
    """Return what the two linters find, zizmor in its strictest mode that means what it says."""
    path = folder / ".github" / "workflows" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    shape = subprocess.run(
        [PROGRAMS / "actionlint", "-shellcheck=", "-pyflakes=", "-oneline", "-no-color", path],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    safety = subprocess.run(
        [PROGRAMS / "zizmor", "--offline", "--no-progress", "--persona=pedantic", "--format=json-v1", path],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shape.returncode in (0, 1), shape.stderr
    found = json.loads(safety.stdout)
    return shape.stdout.splitlines() + [finding["ident"] for finding in found]


@pytest.mark.parametrize(
    ("template", "auth", "scope", "environments", "folder"),
    CASES,
    ids=[f"{case[0]}-{case[1]}-{case[2]}-{case[3].count('[')}-{case[4] or 'top'}" for case in CASES],
)
def test_the_linters_find_nothing(
    tmp_path: Path, template: str, auth: str, scope: Scope, environments: str, folder: str
) -> None:
    text = rendered(template, auth, scope, environments, folder)
    assert re.findall(r"@@|#@", text) == []
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert isinstance(parsed(text)["jobs"], dict)
    assert lint(tmp_path, template, text) == []


WRONG = {
    "an action by its tag": (r"@[0-9a-f]{40} # v6\.0\.2", "@v6", "unpinned-uses"),
    "credentials left in the folder": ("persist-credentials: false", "fetch-depth: 1", "artipacked"),
    "somebody's words in a script": ("run: dvc push", "run: echo ${{ github.event.head_commit.message }}", "template"),
    "all permissions": (r"permissions: \{\}", "permissions: write-all", "excessive-permissions"),
    "a function that there is not": ("hashFiles", "hashFile", "hashFile"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=WRONG.keys())
def test_the_linters_would_find_something(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = rendered("train.yml", "oidc", "environment")
    assert any(said in one for one in lint(tmp_path, "train.yml", re.sub(old, new, text)))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    [job] = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


@pytest.mark.parametrize("auth", ["oidc", "keys"])
def test_secrets_reach_two_steps_and_no_more(auth: str) -> None:
    workflow = parsed(rendered("train.yml", auth, "repository"))
    assert {step["name"] for step in steps(workflow) if "secrets." in json.dumps(step)} <= SECRET_STEPS
    [job] = workflow["jobs"].values()
    assert "secrets." not in json.dumps({key: value for key, value in job.items() if key != "steps"})
    assert "secrets." not in rendered("ci.yml", auth, "repository")
    assert "secrets." not in rendered("expire.yml", auth, "repository")


@pytest.mark.parametrize("scope", SCOPES)
def test_permissions(scope: Scope) -> None:
    without = parsed(rendered("train.yml", "keys", scope))["jobs"]["train"]["permissions"]
    with_oidc = parsed(rendered("train.yml", "oidc", scope))["jobs"]["train"]["permissions"]
    assert without == {"contents": "read"}
    assert with_oidc == {"contents": "read", "id-token": "write"}
    assert parsed(rendered("ci.yml", "oidc", scope))["permissions"] == {"contents": "read"}
    looking = parsed(rendered("expire.yml", "oidc", scope))
    assert (looking["permissions"], looking["jobs"]["expire"]["permissions"]) == ({}, {"contents": "read"})


def test_every_action_is_pinned() -> None:
    for template in ("ci.yml", "train.yml", "expire.yml"):
        uses = re.findall(r"uses: (.*)", rendered(template, "oidc", "environment"))
        assert uses
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in uses)


REFS = {
    "refs/heads/devl": ("true", "devl", "of devl"),
    "refs/heads/stag": ("true", "stag", ""),
    "refs/heads/main": ("true", "prod", "of prod"),
    "refs/heads/feature": ("false", "", ""),
    "refs/tags/main": ("false", "", ""),
}


@pytest.mark.parametrize(("ref", "expected"), REFS.items(), ids=REFS.keys())
def test_each_branch_gets_its_own(ref: str, expected: tuple[str, str, str]) -> None:
    """`stag` has no bucket here: it gets nobody else's, and not the word `false`."""
    [job] = parsed(rendered("train.yml", "oidc", "repository"))["jobs"].values()
    known = {"github.ref": ref, "vars.DEVL_DATA_BUCKET": "of devl", "vars.PROD_DATA_BUCKET": "of prod"}
    found = [evaluate(text, known) for text in (job["if"], job["env"]["ENVIRONMENT"], job["env"]["DATA_BUCKET"])]
    assert tuple(found) == expected


def test_where_github_has_environments_the_job_says_which() -> None:
    one = parsed(rendered("train.yml", "oidc", "environment", ONE))["jobs"]["train"]
    three = parsed(rendered("train.yml", "oidc", "environment", THREE))["jobs"]["train"]
    assert one["environment"] == "stag"
    assert evaluate(three["environment"], {"github.ref": "refs/heads/main"}) == "prod"
    assert three["env"]["DATA_BUCKET"] == "${{ vars.DATA_BUCKET }}"
    assert "environment" not in parsed(rendered("train.yml", "oidc", "repository"))["jobs"]["train"]


@pytest.mark.parametrize(
    ("branch", "pattern"), [("c++", r"c\+\+"), ("!x", r"\!x"), ("it's", "it's"), ("a/b#c", "a/b#c"), ("ção", "ção")]
)
def test_a_branch_with_an_odd_name(tmp_path: Path, branch: str, pattern: str) -> None:
    text = rendered("train.yml", "oidc", "environment", f'{ONE}branch = "{branch}"\n[environments.prod]\n')
    workflow = parsed(text)
    assert workflow["on"]["push"]["branches"] == [pattern, "main"]
    [job] = workflow["jobs"].values()
    assert evaluate(job["environment"], {"github.ref": f"refs/heads/{branch}"}) == "stag"
    assert lint(tmp_path, "train.yml", text) == []
