"""The user's git repository: where it is, what it ignores, what it tracks. Nothing is ever committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.process import Call, Finished, find, run

# What a hook of another repository sets, and what would then lead away from the folder's own.
# https://git-scm.com/docs/githooks#_description
_THEIRS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


@dataclass(frozen=True)
class Git:
    """Git as seen from one folder."""

    folder: Path
    environ: Mapping[str, str]

    def top(self) -> Path | None:
        """Return the repository's top folder, or None outside of any (or without git)."""
        if find("git", self.environ) is None:
            return None
        done = self._run("rev-parse", "--show-toplevel")
        return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None

    def ignores(self, path: Path) -> bool:
        """Tell whether git ignores a path."""
        return self._run("check-ignore", "--quiet", str(path)).returncode == 0

    def tracks(self, path: Path) -> bool:
        """Tell whether a file is in git's index."""
        return self._run("ls-files", "--error-unmatch", str(path)).returncode == 0

    def was_committed(self, path: Path) -> bool:
        """Tell whether a file is or was in any commit that git still knows by a branch or tag."""
        done = self._run("rev-list", "--all", "--max-count=1", "--", str(path))
        # Where git cannot say, nothing may be taken for new.
        return done.returncode != 0 or bool(done.stdout.strip())

    def unstage_new(self, paths: Sequence[Path]) -> None:
        """Take files that were never committed out of the next commit; on disk they stay."""
        self._run("rm", "--cached", "--quiet", "--force", "--ignore-unmatch", "--", *map(str, paths))

    def _run(self, *words: str) -> Finished:
        env = {name: value for name, value in self.environ.items() if name not in _THEIRS}
        return run(Call(("git", *words), self.folder, env), timeout=30)
