"""`bootstrap init`: the files a new project begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.assets import TEMPLATES
from bootstrap.core.scaffold import CONFIG, FILES, GITIGNORE, ROSTER, Write, plan_writes

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATES = {CONFIG: "bootstrap.toml", ROSTER: "members.csv", GITIGNORE: "gitignore"}
# Texts that are meant to be committed and hold no secret.
_MODE = 0o644


def run_init(folder: Path, project: str, region: str, owner: str) -> list[Write]:
    """Write the first files into `folder` and return what was done with each; `owner` may be empty.

    Nothing that exists is overwritten; `.gitignore` gets the lines it misses. Raises `UsageError` on an
    illegal project, region or owner, and `BootstrapError` where a file cannot be read or written.
    """
    templates = {name: (TEMPLATES / template).read_text(encoding="utf-8") for name, template in _TEMPLATES.items()}
    existing = {name: read_text(folder / name) for name in FILES}
    writes = plan_writes(templates, existing, project, region, owner)
    for write in writes:
        if write.what == "created":
            write_atomic(folder / write.path, write.text, mode=_MODE)
        elif write.what == "added lines":
            write_atomic(folder / write.path, write.text)
    return writes
