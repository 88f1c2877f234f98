"""`new` with the real template, real git and, where it is asked what it thinks of it, the real DVC."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bootstrap.adapters import copier, dvc
from bootstrap.commands.new import command
from bootstrap.core.new_project import BRANCHES
from bootstrap.errors import BootstrapError, ToolMissing, UsageError
from bootstrap.workflows.project import open_folder
from tests.adapters.making import ANA, KEY, PASSWORD, STAG, Maker, files, git

# --- without any environment ---


def test_a_project_is_made(maker: Maker) -> None:
    made = maker.new("laptop-pricing")
    assert made.folder == maker.folder / "laptop-pricing"
    assert (made.answers.package, made.answers.author, made.answers.team) == (
        "laptop_pricing",
        "Ana Souza",
        "ana-souza",
    )
    assert [path.name for path in maker.folder.iterdir()] == ["laptop-pricing"]
    folders = ("data/raw", "data/interim", "data/processed", "data/external", "docs", "models", "references", "reports")
    assert [name for name in folders if not (made.folder / name).is_dir()] == []
    # Nothing of the template's own language is left, and no hole where an answer should be.
    texts = {name: content.decode() for name, content in files(made.folder).items()}
    assert [name for name in texts if name.endswith(".jinja") or "{" in name] == []
    assert "# laptop-pricing" in texts["README.md"]
    assert maker.story.notes == []


def test_it_is_in_git_with_a_branch_for_each_environment(maker: Maker) -> None:
    made = maker.new()
    assert git(made.folder, "branch", "--format=%(refname:short) %(objectname)").split() == [
        word for branch in sorted(BRANCHES) for word in (branch, made.commit)
    ]
    assert git(made.folder, "status", "--porcelain", "--branch").strip() == "## main"
    assert git(made.folder, "log", "--format=%an <%ae>").strip() == "Ana Souza <ana@example.org>"
    assert set(git(made.folder, "ls-files").split()) == set(files(made.folder))


def test_the_first_commits_hold_no_data(maker: Maker) -> None:
    made = maker.new()
    committed = git(made.folder, "log", "--all", "--format=", "--name-only").split()
    inside = [name for name in committed if name.startswith(("data/", "models/", "reports/"))]
    assert inside
    assert {Path(name).name for name in inside} <= {".gitkeep", ".gitignore", "README.md"}
    assert [name for name in committed if Path(name).suffix in (".csv", ".joblib", ".pkl", ".parquet")] == []


def test_dvc_takes_it_for_a_repository_of_its_own(maker: Maker, tmp_path: Path) -> None:
    made = maker.new()
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "-q")
    ours = {name for name in files(made.folder) if name.startswith(".dvc")}
    # What `dvc init` would have made, in half a second more and only where DVC is installed.
    assert {name for name in dvc.init(tmp_path / "other", os.environ) if not name.startswith(".dvc/tmp/")} == ours
    for name in sorted(ours - {".dvc/config"}):
        assert (made.folder / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    (made.folder / "data" / "raw" / "mine.csv").write_text("a\n1\n")
    program = Path(sys.executable).with_name("dvc")
    subprocess.run([program, "add", "-q", "data/raw/mine.csv"], cwd=made.folder, check=True)
    # Autostage; and the data itself is not there.
    assert git(made.folder, "status", "--porcelain").split() == ["A", "data/raw/mine.csv.dvc"]
    # What git is not to see may not keep DVC from seeing the folder it lies in.
    for words in (("remote", "add", "-q", "away", str(tmp_path / "away")), ("push", "-q", "--remote", "away")):
        subprocess.run([program, *words], cwd=made.folder, check=True)
    assert [path.read_text() for path in (tmp_path / "away").rglob("*") if path.is_file()] == ["a\n1\n"]


IGNORED = (".env", ".env.local", ".venv/x", "data/raw/a.csv", "models/model.joblib", "ana.age", ".bootstrap/x")
SEEN = (".env.example", "models/model.json", "data/raw/a.csv.dvc", "data/raw/.gitignore", "reports/metrics.json")


def test_what_git_sees_and_what_not(maker: Maker) -> None:
    made = maker.new()
    words = ["git", "check-ignore", *IGNORED, *SEEN]
    done = subprocess.run(words, cwd=made.folder, check=False, capture_output=True, text=True)
    assert done.stdout.split() == list(IGNORED)


def test_the_language(maker: Maker) -> None:
    portuguese = maker.new("precos", lang="pt-BR")
    assert "Do zero à primeira previsão" in (portuguese.folder / "README.md").read_text(encoding="utf-8")
    english = maker.new("prices")
    assert "From nothing to a prediction" in (english.folder / "README.md").read_text(encoding="utf-8")
    names = {"precos": "prices"}
    here = {name.replace("precos", names["precos"]) for name in files(portuguese.folder)}
    assert here == set(files(english.folder))


def test_a_name_that_needs_quotes(maker: Maker) -> None:
    maker.knows_git('Ana \\"the first\\" Ção')
    made = maker.new()
    assert made.answers.author == 'Ana "the first" Ção'
    assert not maker.update(made.folder).changed


def test_whom_git_does_not_know(maker: Maker) -> None:
    (maker.home / ".gitconfig").unlink()
    made = maker.new()
    assert "bootstrap" in git(made.folder, "log", "--format=%an")
    assert ["git config --global user.name" in note for note in maker.story.notes] == [True]


def test_without_git_it_says_so(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.adapters.git.find", lambda *_: None)
    with pytest.raises(ToolMissing, match="git is not on this machine"):
        maker.new()
    assert list(maker.folder.iterdir()) == []


def test_inside_another_repository_it_is_one_of_its_own(maker: Maker) -> None:
    git(maker.folder, "init", "-q")
    made = maker.new()
    assert (made.folder / ".git").is_dir()
    assert "is in the git repository" in maker.story.notes[0]


# --- what is there already, and what goes wrong ---


def test_a_folder_that_is_not_empty_is_left_alone(maker: Maker) -> None:
    (maker.folder / "laptops").mkdir()
    (maker.folder / "laptops" / "mine.txt").write_text("mine")
    with pytest.raises(BootstrapError, match="is not empty; nothing in it was touched") as caught:
        maker.new()
    assert "--update" in caught.value.hint
    assert files(maker.folder) == {"laptops/mine.txt": b"mine"}


def test_a_file_of_that_name_is_left_alone(maker: Maker) -> None:
    (maker.folder / "laptops").write_text("mine")
    with pytest.raises(BootstrapError, match="is no folder"):
        maker.new()
    assert files(maker.folder) == {"laptops": b"mine"}


def test_an_empty_folder_is_filled(maker: Maker) -> None:
    (maker.folder / "laptops").mkdir()
    assert (maker.new().folder / "README.md").is_file()


@pytest.mark.parametrize("what", [BootstrapError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_in_the_middle_leaves_nothing(
    what: BaseException, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = copier.render

    def half(template: str, folder: Path, answers: dict[str, str | bool]) -> None:
        render(template, folder, answers)
        raise what

    monkeypatch.setattr(copier, "render", half)
    with pytest.raises((BootstrapError, KeyboardInterrupt)):
        maker.new()
    assert list(maker.folder.iterdir()) == []


def test_what_a_killed_run_left_is_no_obstacle(maker: Maker) -> None:
    (maker.folder / ".laptops.unfinished").mkdir()
    (maker.folder / ".laptops.unfinished" / "half.txt").touch()
    made = maker.new()
    assert [path.name for path in maker.folder.iterdir()] == ["laptops"]
    assert not (made.folder / "half.txt").exists()


def test_a_template_that_cannot_be_rendered(maker: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "templates" / "ml-project"
    (broken / "project").mkdir(parents=True)
    (broken / "copier.yml").write_text("_subdirectory: project\n_envops: {undefined: jinja2.StrictUndefined}\n")
    (broken / "project" / "a.jinja").write_text("{{ nowhere }}")
    monkeypatch.setattr(copier, "TEMPLATES", tmp_path / "templates")
    with pytest.raises(BootstrapError, match=r"ml-project cannot be rendered: .*nowhere"):
        maker.new()
    assert list(maker.folder.iterdir()) == []


# --- with an environment ---


def assert_no_secret_in_git(folder: Path) -> None:
    everything = git(folder, "log", "--all", "-p", "--text", "--format=%B")
    assert "Bootstrap-Tree" in everything
    for secret in (PASSWORD, KEY.secret, KEY.id):
        assert secret not in everything


def test_who_has_joined_here_needs_nothing_more(maker: Maker) -> None:
    maker.has_joined()
    made = maker.new()
    assert made.answers.connected(ANA) == made.answers
    settings = (made.folder / ".env").read_text()
    assert f"MLFLOW_TRACKING_PASSWORD={PASSWORD}\n" in settings
    assert "MLFLOW_TRACKING_USERNAME=ana\n" in settings
    if os.name == "posix":
        assert stat.S_IMODE((made.folder / ".env").stat().st_mode) == 0o600
    assert (made.folder / ".dvc" / "config").read_text() == (
        "[core]\n    autostage = true\n    remote = stag\n"
        f"['remote \"stag\"']\n    url = {ANA.dvc_remote_url}\n    profile = course-stag\n"
    )
    assert ANA.bucket in (made.folder / "README.md").read_text()
    assert git(made.folder, "status", "--porcelain") == ""
    changed = git(made.folder, "log", "-1", "--format=", "--name-only").split()
    assert changed == [".dvc/config"]
    assert_no_secret_in_git(made.folder)


def test_the_new_project_counts_as_joined(maker: Maker) -> None:
    maker.has_joined()
    made = maker.new()
    [record] = open_folder(made.folder, os.environ, maker.home).joined()
    assert (record.owner, record.complete, record.dvc_repository) == (ANA.owner, True, ".")
    # The profile stays as long as another folder needs it.
    left = maker.leave(made.folder)
    # It is committed: taken out here, it would be gone for the team with the next push.
    assert "the DVC remote stag" not in left.removed
    assert any("DVC remote stag in .dvc/config, because it is committed" in what for what in left.kept)
    assert not (made.folder / ".env").exists()
    assert git(made.folder, "status", "--porcelain") == ""
    assert "course-stag" in (maker.home / ".aws" / "config").read_text()
    maker.leave(maker.folder)
    assert not (maker.home / ".aws").exists()


def test_a_profile_of_another_name_stays_on_this_machine(maker: Maker) -> None:
    maker.has_joined(replace(ANA, aws_profile="mine"))
    made = maker.new()
    assert made.answers.profile == "course-stag"
    assert "profile = mine" in (made.folder / ".dvc" / "config.local").read_text()
    assert git(made.folder, "status", "--porcelain") == ""
    assert "profile = mine" not in git(made.folder, "log", "-p", "--all")


def test_who_has_joined_elsewhere_is_known_too(maker: Maker) -> None:
    maker.has_joined(folder=maker.folder.parent / "course")
    made = maker.new()
    assert made.record is not None
    assert made.record.member == "ana"
    assert PASSWORD in (made.folder / ".env").read_text()


def test_who_has_joined_two_says_which(maker: Maker) -> None:
    maker.has_joined()
    prod = replace(ANA, env="prod", aws_profile="course-prod", target="aws")
    maker.has_joined(prod)
    with pytest.raises(UsageError, match="several environments to connect to: prod, stag"):
        maker.new()
    assert maker.new("first", env="prod").answers.env == "prod"
    assert maker.new("second", local=True).answers.env == "stag"


def test_where_no_environment_is_known_it_is_only_a_name(maker: Maker) -> None:
    made = maker.new(env="devl")
    assert (made.record, made.answers.env, made.answers.bucket) == (None, "devl", "")


@pytest.mark.parametrize(
    ("env", "told"), [("stga", r"'stga' is known here\. Did you mean 'stag'"), ("other", "here.$")]
)
def test_an_environment_that_is_none_of_those_known_is_a_slip(env: str, told: str, maker: Maker) -> None:
    maker.has_joined(folder=maker.folder.parent / "course")
    with pytest.raises(UsageError, match=told) as caught:
        maker.new(env=env)
    assert "There is: stag." in caught.value.hint
    assert list(maker.folder.iterdir()) == []


def test_an_environment_that_is_not_finished_is_known_by_name(maker: Maker) -> None:
    maker.has_joined(replace(ANA, complete=False))
    assert maker.new(env="stag").record is None
    with pytest.raises(UsageError, match="'stga' is known here"):
        maker.new("others", env="stga")


def test_who_brought_it_up_has_the_login_of_ci(maker: Maker) -> None:
    maker.brought_up()
    made = maker.new()
    assert (made.answers.team, made.answers.bucket) == ("ci", STAG.bucket)
    assert "MLFLOW_TRACKING_USERNAME=ci\n" in (made.folder / ".env").read_text()
    assert f"url = {STAG.dvc_remote_url}\n" in (made.folder / ".dvc" / "config").read_text()
    # It is up in the folder above, and taken down from there.
    assert not (made.folder / ".bootstrap").exists()
    assert git(made.folder, "status", "--porcelain") == ""
    assert_no_secret_in_git(made.folder)


# --- the command ---


def run(maker: Maker, monkeypatch: pytest.MonkeyPatch, *words: str, folder: Path | None = None) -> str:
    monkeypatch.chdir(folder or maker.folder)
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_json_is_all_that_is_printed(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    maker.has_joined()
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    told = json.loads(run(maker, monkeypatch, "laptops", "--json", "--yes"))
    assert (told["folder"], told["member"]) == (str(maker.folder / "laptops"), "ana")
    assert (told["answers"]["lang"], told["output"]["bucket"]) == ("pt-BR", ANA.bucket)
    again = json.loads(run(maker, monkeypatch, "--update", "--json", folder=maker.folder / "laptops"))
    assert again["changed"] is False


def test_what_is_told(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(maker, monkeypatch, "laptops")
    assert "  cd laptops\n" in told
    assert "bootstrap join INVITE.age" in told
    maker.has_joined()
    told = run(maker, monkeypatch, "others")
    assert "'stag' of the project course, as ana of the team red" in told
    assert "(login ana, password in .env)" in told
    assert "INVITE" not in told
    assert PASSWORD not in told
    assert "No changes" in run(maker, monkeypatch, "--update", folder=maker.folder / "others")


@pytest.mark.parametrize("words", [("--update", "laptops"), ("--update", "--env", "stag"), ("--update", "--local"), ()])
def test_what_does_not_go_together(words: tuple[str, ...], maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(maker.folder)
    with pytest.raises(UsageError):
        CliRunner().invoke(command, words, catch_exceptions=False)
