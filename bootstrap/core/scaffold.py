"""What `bootstrap init` writes: the templates filled in, and nothing that is already there lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bootstrap.core import names
from bootstrap.core.spec import DEFAULT_ROSTER, FILE_NAME, owner_problem, region_problem
from bootstrap.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = FILE_NAME
ROSTER = DEFAULT_ROSTER
GITIGNORE = ".gitignore"
FILES = (CONFIG, ROSTER, GITIGNORE)

_OWNER_LINE = 'owner = "@@OWNER@@"'
_NO_OWNER_LINE = '# owner = "you@example.org"'


@dataclass(frozen=True)
class Write:
    """One file of the folder: the text it is to have, and what that does to the file there is."""

    path: str
    text: str
    what: Literal["created", "added lines", "kept"]


def plan_writes(
    templates: Mapping[str, str], existing: Mapping[str, str | None], project: str, region: str, owner: str
) -> list[Write]:
    """Return what to write into a folder, one `Write` for each of `FILES`.

    `templates` and `existing` hold texts by the names in `FILES`; None, or no entry, is a file that is not
    there. `owner` may be empty. A file that exists is kept as it is; only `.gitignore` gets the lines it
    misses, at its end. Raises `UsageError` if project, region or owner is not a legal one.
    """
    for what, value, problem in (
        ("project", project, names.project_problem(project)),
        ("region", region, region_problem(region)),
        ("owner", owner, owner_problem(owner) if owner else None),
    ):
        if problem:
            raise UsageError(f"The {what} {value!r} will not do: it {problem}")
    filled = {**templates, CONFIG: _config(templates[CONFIG], project, region, owner)}
    return [_write(name, filled[name], existing.get(name)) for name in FILES]


def _config(template: str, project: str, region: str, owner: str) -> str:
    if not owner:
        template = template.replace(_OWNER_LINE, _NO_OWNER_LINE)
    for placeholder, value in (("PROJECT", project), ("REGION", region), ("OWNER", owner)):
        template = template.replace(f"@@{placeholder}@@", value)
    return template


def _write(name: str, template: str, existing: str | None) -> Write:
    if existing is None:
        return Write(name, template, "created")
    text = _with_missing_lines(existing, template) if name == GITIGNORE else existing
    return Write(name, text, "kept" if text == existing else "added lines")


def _with_missing_lines(existing: str, wanted: str) -> str:
    """Append the patterns of `wanted` that `existing` lacks, with the line endings of `existing`.

    A slash in front, or the lack of one behind, still keeps the same file of this folder out of git.
    """
    newline = "\r\n" if "\r\n" in existing else "\n"
    present = {line.rstrip().removeprefix("/") for line in existing.splitlines()}
    patterns = [line for line in wanted.splitlines() if not line.startswith("#")]
    missing = [pattern for pattern in patterns if present.isdisjoint({pattern, pattern.removesuffix("/")})]
    if missing and existing and not existing.endswith("\n"):
        existing += newline
    return existing + "".join(pattern + newline for pattern in missing)
