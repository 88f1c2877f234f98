"""Where the files that ship with the package are: Terraform in `infra/`, files for users in `templates/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# Inside a wheel both folders lie in the package; in a clone they stand beside it.
_ROOT = _PACKAGE / "_data" if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent

INFRA = _ROOT / "infra"
TEMPLATES = _ROOT / "templates"
