"""`new --update` with real git: a template that changes, and a team that has worked in the meantime."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap.adapters import copier
from bootstrap.assets import TEMPLATES
from bootstrap.errors import BootstrapError, ConfigError, UsageError
from tests.adapters.making import ANA, Maker, git

FILE = "".join(f"line {number}\n" for number in range(1, 21))
# What the project's answers are kept in, and where DVC's settings are, are those of the real template.
_REAL = TEMPLATES / "ml-project"


@dataclass
class Template:
    """A small template that can be changed, as another release of the tool would bring it."""

    folder: Path

    def put(self, name: str, text: str) -> None:
        path = self.folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, name: str) -> None:
        (self.folder / "project" / name).unlink()


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Template:
    found = Template(tmp_path / "templates" / "ml-project")
    found.put("steps.txt", FILE)
    found.put("old.txt", "old\n")
    found.put("where.txt.jinja", "{{ team }}: {{ bucket or 'nowhere' }} {{ gitlab }}\n")
    for name in (".copier-answers.yml.jinja", ".gitignore.jinja", ".dvc/config", ".dvc/.gitignore.jinja"):
        found.put(name, (_REAL / "project" / name).read_text())
    (found.folder / "copier.yml").write_text((_REAL / "copier.yml").read_text())
    monkeypatch.setattr(copier, "TEMPLATES", found.folder.parent)
    return found


@pytest.fixture
def project(template: Template, maker: Maker) -> Path:
    return maker.new().folder


def commit(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", f"Change {name}")


def test_without_news_nothing_is_done(project: Path, maker: Maker) -> None:
    commit(project, "steps.txt", "all mine\n")
    before = git(project, "rev-parse", "HEAD")
    assert not maker.update(project, version="9.9.9").changed
    assert git(project, "rev-parse", "HEAD") == before


def test_news_come_in_and_edits_stay(project: Path, template: Template, maker: Maker) -> None:
    commit(project, "steps.txt", FILE.replace("line 18", "mine"))
    git(project, "mv", "old.txt", "moved.txt")
    commit(project, "own.py", "print('mine')\n")
    template.put("steps.txt", FILE.replace("line 3", "better"))
    template.put("old.txt", "old\nand new\n")
    template.put("new/added.txt", "added\n")
    template.remove("where.txt.jinja")
    assert maker.update(project).changed
    assert (project / "steps.txt").read_text() == FILE.replace("line 3", "better").replace("line 18", "mine")
    assert (project / "moved.txt").read_text() == "old\nand new\n"
    assert (project / "new" / "added.txt").is_file()
    assert (project / "own.py").is_file()
    assert not (project / "where.txt").exists()
    assert git(project, "status", "--porcelain") == ""
    # Once is enough.
    assert not maker.update(project).changed


def test_what_it_did_is_one_merge_that_can_be_taken_back(project: Path, template: Template, maker: Maker) -> None:
    before = git(project, "rev-parse", "HEAD")
    template.put("added.txt", "added\n")
    maker.update(project, version="2.0.0")
    assert git(project, "log", "-1", "--first-parent", "--format=%an|%s").strip() == (
        "Ana Souza|Bring in what is new in the template ml-project"
    )
    assert "Bootstrap-Version: 2.0.0" in git(project, "log", "-1", "--format=%B", "HEAD^2")
    git(project, "reset", "-q", "--hard", "ORIG_HEAD")
    assert git(project, "rev-parse", "HEAD") == before
    assert not (project / "added.txt").exists()


def test_the_same_lines_changed_is_a_conflict_as_git_makes_it(project: Path, template: Template, maker: Maker) -> None:
    commit(project, "steps.txt", FILE.replace("line 3", "mine"))
    template.put("steps.txt", FILE.replace("line 3", "better"))
    with pytest.raises(BootstrapError, match=r"(?s)the same lines, in:\n  steps.txt$") as caught:
        maker.update(project)
    assert "git merge --abort" in caught.value.hint
    assert "<<<<<<< HEAD\nmine\n=======\nbetter\n>>>>>>>" in (project / "steps.txt").read_text()
    with pytest.raises(BootstrapError, match=r"A merge is not finished:\n  UU steps.txt") as caught:
        maker.update(project)
    assert "git add --all && git commit" in caught.value.hint
    assert "git merge --abort" in caught.value.hint
    # Put aside it cannot be: git refuses.
    assert "stash" not in caught.value.hint
    (project / "steps.txt").write_text(FILE.replace("line 3", "mine, and better"))
    git(project, "add", "--all")
    git(project, "commit", "-q", "-m", "Both")
    assert not maker.update(project).changed


def test_a_conflict_of_a_rebase_is_not_called_a_merge(project: Path, maker: Maker) -> None:
    commit(project, "steps.txt", "mine\n")
    git(project, "switch", "-q", "-c", "other", "HEAD~")
    commit(project, "steps.txt", "theirs\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "rebase", "main")
    with pytest.raises(BootstrapError, match=r"still have conflicts in them:\n  .* steps.txt") as caught:
        maker.update(project)
    assert "git status" in caught.value.hint


def test_what_is_not_committed_is_refused(project: Path, template: Template, maker: Maker) -> None:
    template.put("added.txt", "added\n")
    (project / "steps.txt").write_text("mine\n")
    with pytest.raises(BootstrapError, match=r"not committed:\n.*M steps.txt") as caught:
        maker.update(project)
    assert "git stash" in caught.value.hint
    assert not (project / "added.txt").exists()


def test_an_untracked_file_in_the_way_stays(project: Path, template: Template, maker: Maker) -> None:
    template.put("added.txt", "added\n")
    (project / "added.txt").write_text("mine\n")
    before = git(project, "rev-parse", "HEAD")
    with pytest.raises(BootstrapError, match=r"(?s)nothing was changed: .*added.txt"):
        maker.update(project)
    assert (project / "added.txt").read_text() == "mine\n"
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "status", "--porcelain").split() == ["??", "added.txt"]


def test_ignored_files_of_the_user_stay(project: Path, template: Template, maker: Maker) -> None:
    (project / ".env").write_text("MINE=1\n")
    template.put("added.txt", "added\n")
    maker.update(project)
    assert (project / ".env").read_text() == "MINE=1\n"


def test_without_a_branch_it_is_refused(project: Path, template: Template, maker: Maker) -> None:
    git(project, "checkout", "-q", "--detach")
    with pytest.raises(BootstrapError, match="No branch is checked out"):
        maker.update(project)


def test_two_clones_make_the_same_commit_of_it(project: Path, template: Template, maker: Maker) -> None:
    clone = maker.folder / "clone"
    git(maker.folder, "clone", "-q", str(project), str(clone))
    commit(clone, "theirs.txt", "theirs\n")
    template.put("steps.txt", FILE.replace("line 3", "better"))
    maker.update(project)
    maker.update(clone)
    assert git(project, "rev-parse", "HEAD^2") == git(clone, "rev-parse", "HEAD^2")
    git(clone, "pull", "-q", "--no-rebase", "--no-edit")
    template.put("steps.txt", FILE.replace("line 3", "best"))
    maker.update(clone)
    assert (clone / "steps.txt").read_text() == FILE.replace("line 3", "best")


def test_it_works_from_a_folder_inside_and_on_any_branch(project: Path, template: Template, maker: Maker) -> None:
    git(project, "checkout", "-q", "devl")
    template.put("added.txt", "added\n")
    assert maker.update(project / ".dvc").changed
    assert (project / "added.txt").is_file()
    git(project, "checkout", "-q", "main")
    assert not (project / "added.txt").exists()


def test_squashed_news_are_no_conflict_the_next_time(project: Path, template: Template, maker: Maker) -> None:
    git(project, "checkout", "-q", "devl")
    template.put("steps.txt", FILE.replace("line 3", "better"))
    maker.update(project)
    git(project, "checkout", "-q", "main")
    git(project, "merge", "-q", "--squash", "devl")
    git(project, "commit", "-q", "-m", "News")
    # Right beside the squashed line it would be one: git then knows no better than the older base.
    template.put("steps.txt", FILE.replace("line 3", "better").replace("line 9", "new"))
    assert maker.update(project).changed
    assert (project / "steps.txt").read_text() == FILE.replace("line 3", "better").replace("line 9", "new")


def test_a_rebased_commit_of_the_template_is_passed_over(project: Path, template: Template, maker: Maker) -> None:
    root = git(project, "rev-list", "--max-parents=0", "HEAD").strip()
    commit(project, "mine.txt", "mine\n")
    message = git(project, "log", "-1", "--format=%B", root)
    subprocess.run(["git", "commit", "-q", "--amend", "-m", message], cwd=project, check=True)
    template.put("added.txt", "added\n")
    assert maker.update(project).changed
    assert git(project, "rev-parse", "HEAD^2^").strip() == root
    assert (project / "mine.txt").is_file()


def test_an_environment_that_came_later_is_filled_in(project: Path, template: Template, maker: Maker) -> None:
    assert (project / "where.txt").read_text() == "ana-souza: nowhere False\n"
    maker.has_joined(ANA, project)
    updated = maker.update(project)
    assert updated.answers.bucket == ANA.bucket
    assert (project / "where.txt").read_text() == f"red: {ANA.bucket} False\n"
    assert not maker.update(project).changed


def test_answers_can_be_changed(project: Path, template: Template, maker: Maker) -> None:
    maker.update(project, gitlab=True)
    assert (project / "where.txt").read_text() == "ana-souza: nowhere True\n"
    maker.update(project, repository="ana/laptops")
    assert "repository: ana/laptops" in (project / ".copier-answers.yml").read_text()
    assert "gitlab: true" in (project / ".copier-answers.yml").read_text()
    with pytest.raises(UsageError):
        maker.update(project, repository="laptops")


def test_hooks_of_the_user_do_not_run(project: Path, template: Template, maker: Maker) -> None:
    for name in ("pre-commit", "commit-msg", "pre-merge-commit"):
        (project / ".git" / "hooks" / name).write_text("#!/bin/sh\nexit 1\n")
        (project / ".git" / "hooks" / name).chmod(0o755)
    template.put("added.txt", "added\n")
    assert maker.update(project).changed


def test_whom_git_does_not_know(project: Path, template: Template, maker: Maker) -> None:
    (maker.home / ".gitconfig").unlink()
    template.put("added.txt", "added\n")
    assert maker.update(project).changed
    assert "the merge is not in your name" in maker.story.notes[0]


# --- where it cannot be done ---


def test_in_another_folder_it_says_so(maker: Maker) -> None:
    with pytest.raises(BootstrapError, match="is no project that `bootstrap new` made"):
        maker.update(maker.folder)


def test_without_its_history_it_says_so(project: Path, template: Template, maker: Maker) -> None:
    for path in sorted((project / ".git").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (project / ".git").rmdir()
    with pytest.raises(BootstrapError, match="or is not in git"):
        maker.update(project)
    git(project, "init", "-q")
    git(project, "add", "--all")
    git(project, "commit", "-q", "-m", "All anew")
    with pytest.raises(BootstrapError, match="The history has no commit of `bootstrap new`"):
        maker.update(project)


def test_half_a_history_is_told_from_none(project: Path, template: Template, maker: Maker) -> None:
    commit(project, "mine.txt", "mine\n")
    shallow = maker.folder / "shallow"
    git(maker.folder, "clone", "-q", "--depth=1", project.as_uri(), str(shallow))
    with pytest.raises(BootstrapError, match="only the newest part of the history") as caught:
        maker.update(shallow)
    assert "git fetch --unshallow" in caught.value.hint


def test_answers_that_are_no_yaml(project: Path, template: Template, maker: Maker) -> None:
    commit(project, ".copier-answers.yml", "template: ml-project\nname: [\n")
    with pytest.raises(ConfigError, match=r"\.copier-answers\.yml, line \d: this is not YAML"):
        maker.update(project)
