"""`bootstrap github workflows`: which file is written, and that nobody's change is lost."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from bootstrap.assets import TEMPLATES
from bootstrap.commands.github_workflows import command
from bootstrap.core.github import Scope
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.core.workflow_files import FILES, What, plan_writes, render
from bootstrap.errors import ConfigError, UsageError

TRAIN = (TEMPLATES / "github" / "train.yml").read_text(encoding="utf-8")
CI_PATH, TRAIN_PATH = FILES


def spec(environments: str = "", auth: str = "oidc") -> Spec:
    return parse_spec(f'project = "course"\n{environments}\n[github]\nauth = "{auth}"\n', "bootstrap.toml")


# --- what becomes of a file ---

NOW = render(TRAIN, spec(), "environment")
OLDER = render(TRAIN.replace("timeout-minutes: 360", "timeout-minutes: 60"), spec(auth="keys"), "environment")
TABLE: dict[str, tuple[str | None, What, What]] = {
    # the file there is, what becomes of it, what becomes of it with --force
    "none": (None, "created", "created"),
    "ours": (NOW, "unchanged", "unchanged"),
    "ours, with the line endings of Windows": (NOW.replace("\n", "\r\n"), "unchanged", "unchanged"),
    "ours, of an older version": (OLDER, "updated", "updated"),
    "older, with the line endings of Windows": (OLDER.replace("\n", "\r\n"), "updated", "updated"),
    "ours, changed": (NOW.replace("dvc repro", "python train.py"), "kept", "overwritten"),
    "older, changed": (OLDER.replace("dvc repro", "python train.py"), "kept", "overwritten"),
    "ours, without its first line": (NOW.partition("\n")[2], "kept", "overwritten"),
    "ours, with a line in front": (f"# mine\n{NOW}", "kept", "overwritten"),
    "somebody else's": ("name: train\n", "kept", "overwritten"),
    "empty": ("", "kept", "overwritten"),
}


@pytest.mark.parametrize(("existing", "gently", "by_force"), TABLE.values(), ids=TABLE.keys())
def test_what_becomes_of_a_file(existing: str | None, gently: What, by_force: What) -> None:
    for force, expected in ((False, gently), (True, by_force)):
        [found] = plan_writes({"a.yml": NOW}, {"a.yml": existing}, force=force)
        assert (found.what, found.text) == (expected, NOW)


# --- what cannot be written ---


def test_two_environments_of_one_branch() -> None:
    both = spec('[environments.stag]\nbranch = "work"\n[environments.devl]\nbranch = "Work"')
    with pytest.raises(
        ConfigError, match=r"^bootstrap\.toml:5: environments\.devl\.branch: 'Work' is the branch of 's"
    ):
        render(TRAIN, both, "environment")


@pytest.mark.parametrize("branch", ["a}}b", "${{x}}", "a\u2028b"])
def test_a_branch_that_means_something_to_github(branch: str) -> None:
    with pytest.raises(ConfigError, match=r"^bootstrap\.toml:3: environments\.stag\.branch: "):
        render(TRAIN, spec(f'[environments.stag]\nbranch = "{branch}"'), "environment")


@pytest.mark.parametrize("name", ["2026", "github", "github-x"])
def test_an_environment_that_no_variable_can_be_named_for(name: str) -> None:
    odd = spec(f"[environments.{name}]")
    assert f'    environment: "{name}"\n' in render(TRAIN, odd, "environment")
    with pytest.raises(UsageError, match=name):
        render(TRAIN, odd, "repository")


@pytest.mark.parametrize("folder", ["a b", "it's", "a/b*", "#a"])
def test_a_folder_that_means_something_to_github(folder: str) -> None:
    with pytest.raises(UsageError, match=re.escape(folder)):
        render(TRAIN, spec(), "environment", folder)


SCOPES: dict[Scope, str] = {"environment": "vars.DATA_BUCKET", "repository": "vars.MY_ENV_DATA_BUCKET"}


@pytest.mark.parametrize(("scope", "name"), SCOPES.items(), ids=SCOPES.keys())
def test_variables_are_named_as_sync_names_them(scope: Scope, name: str) -> None:
    assert f"DATA_BUCKET: ${{{{ {name} }}}}\n" in render(TRAIN, spec("[environments.my-env]"), scope)


# --- the command ---


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "course"
    place.mkdir()
    (place / "bootstrap.toml").write_text('project = "course"\n')
    monkeypatch.chdir(place)
    return place


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_written_once_and_kept_once_changed(folder: Path) -> None:
    first = run()
    assert (first[0], first[1].count("created ")) == (0, 2)
    again = run()
    assert (again[0], again[1].count("unchanged ")) == (0, 2)

    train = folder / TRAIN_PATH
    changed = train.read_text().replace("dvc repro", "python train.py")
    train.write_text(changed)
    kept = run()
    assert kept[0] == 1
    assert f"kept         {train}" in kept[1]
    assert "bootstrap-train.yml: kept" in kept[2]
    assert "bootstrap github workflows --force" in kept[2]
    assert train.read_text() == changed

    code, result, _ = run("--json")
    assert code == 1
    assert json.loads(result) == {
        "folder": str(folder),
        "files": [
            {"path": CI_PATH, "what": "unchanged"},
            {"path": TRAIN_PATH, "what": "kept"},
        ],
    }

    forced = run("--force")
    assert (forced[0], "overwritten" in forced[1]) == (0, True)
    assert run()[1].count("unchanged ") == 2


def test_what_the_config_says_now_is_brought_in(folder: Path) -> None:
    run()
    (folder / "bootstrap.toml").write_text('project = "course"\n[environments.prod]\n[github]\nauth = "keys"\n')
    code, said, _ = run("--scope", "repository")
    assert (code, said.count("updated "), said.count("unchanged ")) == (0, 1, 1)
    text = (folder / TRAIN_PATH).read_text()
    assert 'branches: ["main"]' in text
    assert "${{ secrets.PROD_AWS_ACCESS_KEY_ID }}" in text
    assert "id-token" not in text


def test_in_a_folder_of_a_repository(folder: Path) -> None:
    top = folder.parent
    subprocess.run(["git", "init", "--quiet", str(top)], check=True, timeout=30)
    assert run()[0] == 0
    assert not (folder / ".github").exists()
    text = (top / TRAIN_PATH).read_text()
    assert '    working-directory: "course"\n' in text
    assert "hashFiles('course/.python-version')" in text


def test_without_a_bootstrap_toml(folder: Path) -> None:
    (folder / "bootstrap.toml").unlink()
    code, _, story = run()
    assert code == 0
    assert "No bootstrap.toml here" in story
    assert 'branches: ["devl", "stag", "main"]' in (folder / TRAIN_PATH).read_text()
