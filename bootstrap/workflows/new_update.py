"""`bootstrap new --update`: what is new in the template, merged by git into what a team has made of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.adapters import copier
from bootstrap.adapters.git import Commit, Git
from bootstrap.core.new_project import ANSWERS_FILE, TREE_TRAILER, Answers, answers_of, check_repository, render_message
from bootstrap.errors import BootstrapError
from bootstrap.workflows.new import WHO_ARE_YOU
from bootstrap.workflows.project import Project, open_folder
from bootstrap.workflows.story import Story

_MOST_LISTED = 10


@dataclass(frozen=True)
class Changes:
    """Answers that are to be others from now on; None: as they were."""

    lang: str | None = None
    gitlab: bool | None = None
    repository: str | None = None


@dataclass(frozen=True)
class Updated:
    """What an update did. `changed` is False if the template has nothing new for this project."""

    folder: Path
    template: str
    answers: Answers
    changed: bool


def update(
    start: Path, environ: Mapping[str, str], home: Path, changes: Changes, version: str, story: Story
) -> Updated:
    """Merge the template as it is now into the project that `start` is in, on the branch that is checked out.

    An environment that was joined in the project, or is up in it, since it was made is filled in. Raises
    BootstrapError if this is no such project, if something is not committed, or if git found conflicts, which are
    then in the files; ConfigError for an answers file that cannot be used.
    """
    project = open_folder(start, environ, home)
    git = Git(project.folder, environ)
    kept = copier.read_answers(project.folder / ANSWERS_FILE)
    if kept is None or git.top() is None:
        raise BootstrapError(
            f"{project.folder} is no project that `bootstrap new` made: it has no {ANSWERS_FILE}, or is not in git.",
            hint="Go into the folder of such a project, or make one: bootstrap new NAME",
        )
    template, answers = answers_of(kept, ANSWERS_FILE)
    answers = _changed(_connected(answers, project), changes)
    _refuse_unfinished(git)
    before = _newest_render(git)
    with tempfile.TemporaryDirectory(prefix="bootstrap-") as scratch:
        files, index = Path(scratch, "project"), Path(scratch, "index")
        files.mkdir()
        with story.step("Writing the project anew, aside"):
            copier.render(template, files, answers.as_data())
            tree = git.write_tree(files, index)
    if tree == before.tree:
        return Updated(project.folder, template, answers, changed=False)
    # Nothing of this machine or moment is in it, so it is the same commit in every clone.
    message = render_message(f"The template {template} of bootstrap {version}", template, version, tree)
    commit = git.commit(tree, (before.id,), message, as_tool=True, date=before.date)
    as_tool = not git.knows_who_commits()
    if as_tool:
        story.note(f"git does not know who you are, so the merge is not in your name. To change that: {WHO_ARE_YOU}")
    with story.step("Merging it into your files"):
        merged = git.merge(commit, f"Bring in what is new in the template {template}", as_tool=as_tool)
    if merged.conflicts:
        shown = "".join(f"\n  {path}" for path in merged.conflicts)
        raise BootstrapError(
            f"You and the template changed the same lines, in:{shown}",
            hint="In each of them take what you want between <<<<<<< and >>>>>>>, then: git add --all && git commit\n"
            "    Or leave all as it was: git merge --abort",
        )
    if merged.refused:
        raise BootstrapError(f"git did not merge, and nothing was changed: {merged.refused}", hint="Mend that first.")
    return Updated(project.folder, template, answers, changed=True)


def _connected(answers: Answers, project: Project) -> Answers:
    """Fill in an environment that was joined, or brought up, in the project after it was made."""
    if answers.bucket:
        return answers
    found = [record for record in (*project.joined(), *project.recorded()) if record.complete]
    fit = [record for record in found if record.env == answers.env] or found
    return answers.connected(fit[0]) if len(fit) == 1 else answers


def _changed(answers: Answers, changes: Changes) -> Answers:
    check_repository(changes.repository or "")
    return replace(
        answers,
        lang=answers.lang if changes.lang is None else changes.lang,
        gitlab=answers.gitlab if changes.gitlab is None else changes.gitlab,
        repository=answers.repository if changes.repository is None else changes.repository,
    )


def _refuse_unfinished(git: Git) -> None:
    """Raise BootstrapError if a merge could meet something that is not committed."""
    if changed := git.changed():
        more = len(changed) - _MOST_LISTED
        listed = "".join(f"\n  {line}" for line in changed[:_MOST_LISTED]) + (f"\n  … {more} more" if more > 0 else "")
        if git.is_merging():
            raise BootstrapError(
                f"A merge is not finished:{listed}",
                hint="Finish it: mend the files with <<<<<<< in them, then git add --all && git commit\n"
                "    Or leave all as it was before it: git merge --abort",
            )
        if git.unmerged():
            # Of a rebase, a cherry-pick or a stash; git alone knows which, and says what ends it.
            raise BootstrapError(f"Some files still have conflicts in them:{listed}", hint="See what to do: git status")
        raise BootstrapError(
            f"Some files are changed and not committed:{listed}",
            hint="Commit them, or put them aside: git stash. Then run the same command again.",
        )
    if git.branch() is None:
        raise BootstrapError(
            "No branch is checked out, so a merge would be on none.", hint="Go to yours first: git switch devl"
        )


def _newest_render(git: Git) -> Commit:
    """Return the newest commit that holds the template's files untouched, which a merge begins from.

    A rebase makes commits of the same message and other files; these do not count.
    """
    for commit in git.commits_with(TREE_TRAILER):
        if commit.tree == commit.tree_said:
            return commit
    if git.is_shallow():
        raise BootstrapError(
            "This clone has only the newest part of the history.", hint="Fetch the rest first: git fetch --unshallow"
        )
    raise BootstrapError(
        f"The history has no commit of `bootstrap new` (`{TREE_TRAILER}:` in its message), so nobody can tell your "
        f"changes from the template's.",
        hint="Make a new project beside this one, and take over what you like.",
    )
