"""Project templates: rendered by copier, quietly, offline, and without running anything of theirs.

What is used of copier is one call, `run_copy`. Its own update needs a template in a git repository with tags, and a
wheel is none: see docs/decisions/0019-new-project.md.
https://copier.readthedocs.io/en/stable/reference/api/
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from bootstrap.adapters.files import read_text
from bootstrap.assets import TEMPLATES
from bootstrap.errors import BootstrapError, ConfigError


def render(template: str, folder: Path, answers: Mapping[str, str | bool]) -> None:
    """Write a template's files, filled in, into `folder`; files that are there already are overwritten.

    `answers`: question → answer. Raises BootstrapError for a template that cannot be rendered.
    """
    import copier
    from copier.errors import CopierError
    from jinja2 import TemplateError

    try:
        with warnings.catch_warnings():
            # It wants its template in git, and says so; ours comes with the tool.
            warnings.simplefilter("ignore")
            copier.run_copy(
                str(TEMPLATES / template),
                folder,
                data=dict(answers),
                # Not those of the user, whose defaults and trust are for other templates.
                settings=copier.Settings(),
                defaults=True,
                overwrite=True,
                quiet=True,
                unsafe=False,
                skip_tasks=True,
            )
    except (CopierError, TemplateError, ValueError) as error:
        raise BootstrapError(
            f"The template {template} cannot be rendered: {error}",
            hint="This is a fault of the tool or of its installation: install it again, and report it if it stays.",
        ) from error


def read_answers(path: Path) -> object:
    """Return what an answers file holds, None if there is none. Raises ConfigError for what is no YAML."""
    text = read_text(path)
    if text is None:
        return None
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise ConfigError(
            f"{path}, line {line}: this is not YAML ({error.problem}).",
            hint="Mend that line, or take the file back from git: git checkout -- " + path.name,
        ) from None
