"""What `bootstrap github workflows` writes: the templates filled in, and nobody's changes lost.

A template has places, `@@NAME@@`, which GitHub's own `${{ … }}` cannot be taken for, and parts that are for some
projects only: the lines from `#@ WORD` to `#@ end`. It says nothing else; what is filled in is decided here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bootstrap.core.github import Scope, prefixed
from bootstrap.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bootstrap.core.spec import Environment, Spec

# Path below the repository's top folder → the template's name in `templates/github`.
FILES = {
    ".github/workflows/bootstrap-ci.yml": "ci.yml",
    ".github/workflows/bootstrap-train.yml": "train.yml",
}
# Only for a project that has a last day somewhere: in any other it would run every day and never have a word to say.
_EXPIRE = {".github/workflows/bootstrap-expire.yml": "expire.yml"}

What = Literal["created", "updated", "unchanged", "kept", "overwritten"]

_FIRST_LINE = "# Written by `bootstrap github workflows`; what you change here stays yours. sha256:"
_PLACE = re.compile(r"@@([A-Z_a-z.]+)@@")
_PART = re.compile(r"^#@ (?!end$)(?P<word>[a-z]+)\n(?P<lines>.*?)^#@ end\n", re.MULTILINE | re.DOTALL)
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
# The other characters of patterns are in no branch's name.
_SPECIAL_IN_FILTERS = re.compile(r"[+!]")
_PLAIN_FOLDER = re.compile(r"[\w.-]+(/[\w.-]+)*")
# https://docs.github.com/actions/reference/workflows-and-actions/variables#naming-conventions-for-configuration-variables
_NO_NAME = re.compile(r"[0-9]|GITHUB_")


@dataclass(frozen=True)
class WorkflowFile:
    """One workflow: its path below the repository's top folder, its text, and what becomes of the file there is.

    `kept`: the file was changed by hand, or is none of ours, and `text` is what would be written over it.
    """

    path: str
    text: str
    what: What


def files_for(spec: Spec) -> dict[str, str]:
    """Return the workflows that a project gets: path below the repository's top folder → the template's name."""
    return FILES | (_EXPIRE if any(table.expires for table in spec.environments.values()) else {})


def render(template: str, spec: Spec, scope: Scope, folder: str = "") -> str:
    """Return the text of a workflow for all environments of `spec`, its first line being the digest of the others.

    `scope` is where GitHub keeps variables and secrets. `folder` is the project's folder below the repository's top,
    as `a/b`; empty if it is the top. Raises ConfigError for branches that one workflow cannot tell apart, UsageError
    for a folder or an environment whose name GitHub could not be told.
    """
    environments = [spec.environment(name) for name in spec.environment_names]
    _check(spec, environments, scope, folder)
    kinds = {spec.github.auth, *(["environment"] if scope == "environment" else []), *(["subfolder"] if folder else [])}
    text = _PART.sub(lambda part: part["lines"] if part["word"] in kinds else "", template)
    body = _PLACE.sub(lambda place: _filled(place[1], environments, scope, folder), text)
    return f"{_FIRST_LINE}{_digest(body)}\n{body}"


def plan_writes(
    rendered: Mapping[str, str], existing: Mapping[str, str | None], *, force: bool
) -> tuple[WorkflowFile, ...]:
    """Return what becomes of each file: `rendered` and `existing` are path → text, None for a file that is not there.

    A file that is as we once wrote it is brought up to date. One that was changed, or is none of ours, is kept,
    unless with `force`.
    """
    return tuple(WorkflowFile(path, text, _what(text, existing.get(path), force)) for path, text in rendered.items())


def _what(text: str, existing: str | None, force: bool) -> What:
    if existing is None:
        return "created"
    # Git may have given the file the line endings of Windows; that is nobody's change.
    existing = existing.replace("\r\n", "\n")
    if existing == text:
        return "unchanged"
    first, _, body = existing.partition("\n")
    if first == f"{_FIRST_LINE}{_digest(body)}":
        return "updated"
    return "overwritten" if force else "kept"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _check(spec: Spec, environments: Sequence[Environment], scope: Scope, folder: str) -> None:
    """Raise what `render` raises."""
    seen: dict[str, str] = {}
    for environment in environments:
        branch, where = environment.branch, spec.where("environments", environment.name, "branch")
        if not branch.isprintable() or "${{" in branch or "}}" in branch:
            raise ConfigError(
                f"{where}: environments.{environment.name}.branch: {branch!r} cannot be written into a workflow.",
                hint="Give the branch a name of letters, digits, hyphens and slashes.",
            )
        # https://docs.github.com/actions/reference/workflows-and-actions/expressions#operators
        # GitHub compares texts without regard to case.
        other = seen.setdefault(branch.casefold(), environment.name)
        if other != environment.name:
            raise ConfigError(
                f"{where}: environments.{environment.name}.branch: '{branch}' is the branch of '{other}' too, and a "
                "push to it could not be told apart.",
                hint="Give each environment a branch of its own.",
            )
        if scope == "repository" and _NO_NAME.match(prefixed("", environment.name, scope)):
            raise UsageError(
                f"GitHub takes no variable whose name begins with {prefixed('', environment.name, scope)!r}, and "
                f"'{environment.name}' has to stand before all of them.",
                hint="Give the environment a name that begins with a letter and is not 'github'.",
            )
    if folder and not _PLAIN_FOLDER.fullmatch(folder):
        raise UsageError(
            f"The folder '{folder}' cannot be written into a workflow.",
            hint="Give it a name of letters, digits, dots, hyphens and underscores.",
        )


def _filled(place: str, environments: Sequence[Environment], scope: Scope, folder: str) -> str:
    """Return what goes into one place of a template."""
    context, _, plain = place.partition(".")
    if plain:
        return _by_branch(environments, lambda each: f"{context}.{prefixed(plain, each.name, scope)}")
    values = {
        # Alone, it is written in quotes: YAML would read some names as numbers.
        "ENVIRONMENT": json.dumps(environments[0].name)
        if len(environments) == 1
        else _by_branch(environments, lambda each: _text(each.name)),
        "BRANCHES": json.dumps([_filter(each.branch) for each in environments], ensure_ascii=False),
        "IS_OURS": f"${{{{ {' || '.join(_is_on(each) for each in environments)} }}}}",
        "FOLDER": json.dumps(folder, ensure_ascii=False),
        "BESIDE": f"{folder}/" if folder else "",
    }
    return values[place]


def _by_branch(environments: Sequence[Environment], value: Callable[[Environment], str]) -> str:
    """Return an expression with the value of the environment whose branch it is.

    The last `''` is for a value that is empty: an expression goes on behind `||` then, and would end in `false`.
    """
    values = {value(each): each for each in environments}
    if len(values) == 1:
        return f"${{{{ {next(iter(values))} }}}}"
    chosen = [f"{_is_on(each)} && {written}" for written, each in values.items()]
    return f"${{{{ {' || '.join([*chosen, _text('')])} }}}}"


def _is_on(environment: Environment) -> str:
    return f"github.ref == {_text(f'refs/heads/{environment.branch}')}"


def _text(value: str) -> str:
    """Write a text as GitHub's expressions have it.

    https://docs.github.com/actions/reference/workflows-and-actions/expressions#literals
    """
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def _filter(branch: str) -> str:
    return _SPECIAL_IN_FILTERS.sub(r"\\\g<0>", branch)
