"""The folder in which Terraform works for one environment: its own copy of the roots, and what `init` left.

The roots that ship with the package are never worked in: the lock file would land there, and two environments
would share it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.files import write_atomic

_STAMP = ".initialised.json"
_TFVARS = "terraform.tfvars.json"
_ADOPT = "adopt.tf"
_BACKEND_OVERRIDE = "backend_override.tf"
# Configuration, and the files that it reads: what a machine is set up with.
_SHIPPED = frozenset({".tf", ".tftpl", ".sh", ".py", ".txt", ".service", ".timer", ".conf", ""})


@dataclass(frozen=True)
class RootFolder:
    """One root's working copy."""

    path: Path

    @property
    def plan_file(self) -> Path:
        """Where `plan` leaves what `apply` takes."""
        return self.path / "saved.tfplan"

    def is_initialised(self, fingerprint: str) -> bool:
        """Tell whether `init` has run here with exactly this configuration, and what it made is still there."""
        try:
            stamp = json.loads((self.path / _STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return stamp == {"fingerprint": fingerprint} and (self.path / ".terraform").is_dir()

    def mark_initialised(self, fingerprint: str) -> None:
        """Remember that `init` ended well."""
        write_atomic(self.path / _STAMP, json.dumps({"fingerprint": fingerprint}))

    def forget_init(self) -> None:
        """Make the next run begin with `init`."""
        (self.path / _STAMP).unlink(missing_ok=True)

    def write_variables(self, variables: Mapping[str, object]) -> None:
        """Write the root's inputs. There is no secret among them."""
        write_atomic(self.path / _TFVARS, json.dumps(variables, indent=2, sort_keys=True) + "\n")

    def write_adoptions(self, existing: Mapping[str, str]) -> None:
        """Tell Terraform of resources that exist but may be missing in its state: address → id.

        An `import` block does nothing for what is in the state already.
        https://developer.hashicorp.com/terraform/language/import
        """
        blocks = [
            f"import {{\n  to = {address}\n  id = {json.dumps(identity)}\n}}\n"
            for address, identity in sorted(existing.items())
        ]
        if blocks:
            write_atomic(self.path / _ADOPT, "\n".join(blocks))
        else:
            (self.path / _ADOPT).unlink(missing_ok=True)

    def use_local_state(self) -> None:
        """Keep the state in this folder instead of S3: for a look at a plan before anything exists."""
        write_atomic(self.path / _BACKEND_OVERRIDE, 'terraform {\n  backend "local" {}\n}\n')


def lay_out(infra: Path, target: Path) -> str:
    """Copy the roots and modules to `target` if they differ, and return their fingerprint (SHA-256, hex)."""
    digest = hashlib.sha256()
    wanted: dict[Path, bytes] = {}
    for source in sorted(infra.rglob("*")):
        relative = source.relative_to(infra)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or source.suffix not in _SHIPPED or not source.is_file():
            continue
        wanted[relative] = source.read_bytes()
        digest.update(relative.as_posix().encode() + b"\0" + wanted[relative] + b"\0")
    for relative, content in wanted.items():
        path = target / relative
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    _remove_strays(target, set(wanted))
    return digest.hexdigest()


def _remove_strays(target: Path, wanted: set[Path]) -> None:
    """Remove configuration of an older version of this package; Terraform would read it too."""
    ours = {_ADOPT, _BACKEND_OVERRIDE}
    for path in target.rglob("*.tf"):
        relative = path.relative_to(target)
        if ".terraform" not in relative.parts and relative not in wanted and path.name not in ours:
            path.unlink()


def remove(target: Path) -> None:
    """Remove the working copies and all that Terraform left in them."""
    shutil.rmtree(target, ignore_errors=True)
