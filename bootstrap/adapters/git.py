"""The user's git repository: where it is, what it ignores, what it tracks.

Commits are made in projects of `bootstrap new` alone, and with git's plumbing: no hook of the user's runs, no editor
opens, and nothing is signed, for which nobody might be there to type a passphrase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.process import Call, Finished, find, run
from bootstrap.errors import BootstrapError, ToolMissing

# What a hook of another repository sets, and what would then lead away from the folder's own.
# https://git-scm.com/docs/githooks#_description
_THEIRS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


# A large project on a slow disk; nothing here waits for a network.
_SECONDS = 120
# Who commits what is the tool's, and who stands in for somebody whom git does not know yet.
_TOOL = {
    **{f"GIT_{role}_NAME": "bootstrap" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "bootstrap@localhost" for role in ("AUTHOR", "COMMITTER")},
}


@dataclass(frozen=True)
class Commit:
    """A commit: its name, and that of the files in it. `tree_said` is what a trailer of its message says they are."""

    id: str
    tree: str
    tree_said: str
    date: str


@dataclass(frozen=True)
class Merged:
    """How a merge ended. `conflicts`: the files in which both sides changed the same lines.

    `refused`: why git did not begin, in its own words; then nothing is changed.
    """

    conflicts: tuple[str, ...] = ()
    refused: str = ""


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

    def committed_text(self, path: str) -> str | None:
        """Return a file as the last commit has it, or None if it is in none; `path` is below the folder, with `/`."""
        done = self._run("cat-file", "blob", f"HEAD:./{path}")
        return done.stdout if done.returncode == 0 else None

    def unstage_new(self, paths: Sequence[Path]) -> None:
        """Take files that were never committed out of the next commit; on disk they stay."""
        self._run("rm", "--cached", "--quiet", "--force", "--ignore-unmatch", "--", *map(str, paths))

    def init(self, branch: str) -> None:
        """Make the folder a repository, on a branch that has no commit yet. Raises ToolMissing without git."""
        if find("git", self.environ) is None:
            raise ToolMissing("git is not on this machine.", hint="Install it (https://git-scm.com/downloads).")
        self._must("init", "--quiet")
        # `init --initial-branch` is younger than some of the gits that people have.
        self._must("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def who(self) -> str:
        """Return the name that git was told of the user, empty if it was told none."""
        return self._run("config", "user.name").stdout.strip()

    def knows_who_commits(self) -> bool:
        """Tell whether git was told both name and address, and need not make them up of the machine's name."""
        asked = ("-c", "user.useConfigOnly=true", "var")
        return all(self._run(*asked, f"GIT_{who}_IDENT").returncode == 0 for who in ("AUTHOR", "COMMITTER"))

    def branch(self) -> str | None:
        """Return the branch that is checked out, or None if none is (as in the middle of a rebase)."""
        return self._run("symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or None

    def changed(self) -> list[str]:
        """Return the tracked files that differ from the last commit, each with git's two letters in front.

        In the middle of a merge that is every file with a conflict.
        """
        return self._must("status", "--porcelain", "--untracked-files=no").splitlines()

    def unmerged(self) -> list[str]:
        """Return the files in which a merge, or the like, left a conflict that nobody has mended yet."""
        return [path for path in self._must("diff", "--name-only", "--diff-filter=U", "-z").split("\0") if path]

    def is_merging(self) -> bool:
        """Tell whether a merge has begun and is not committed; a rebase or a cherry-pick is none."""
        return self._run("rev-parse", "--quiet", "--verify", "MERGE_HEAD").returncode == 0

    def write_tree(self, source: Path, index: Path | None = None) -> str:
        """Store all files of the folder `source`, ignored ones too, and return git's name for them.

        They go into `index`, by default the repository's own: then they are what the next commit holds.
        """
        more = {} if index is None else {"GIT_INDEX_FILE": str(index)}
        # Stored as they are, so that the same files have the same name on every machine.
        self._must("-c", "core.autocrlf=false", "--work-tree", str(source), "add", "--all", "--force", **more)
        return self._must("write-tree", **more)

    def stage(self, path: str) -> str:
        """Take one file into the next commit, and return git's name for all that it then holds."""
        self._must("add", "--", path)
        return self._must("write-tree")

    def commit(
        self, tree: str, parents: Sequence[str], message: str, *, as_tool: bool = False, date: str | None = None
    ) -> str:
        """Make a commit and return its name; no branch knows of it yet.

        `as_tool`: not in the name of the user. `date`: instead of now, as git writes it.
        """
        words = [word for parent in parents for word in ("-p", parent)]
        dates = {} if date is None else {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        return self._must("commit-tree", tree, *words, "-m", message, **_names(as_tool=as_tool), **dates)

    def point(self, branch: str, commit: str) -> None:
        """Let a branch, new or not, end with this commit."""
        self._must("update-ref", f"refs/heads/{branch}", commit)

    def commits_with(self, trailer: str) -> list[Commit]:
        """Return the commits before HEAD, and HEAD, whose message has this trailer; no parent before its child."""
        form = f"%H%x09%T%x09%(trailers:key={trailer},valueonly,separator=%x20)%x09%cd"
        words = ("log", "--topo-order", "--date=raw", f"--grep=^{trailer}: ", f"--format={form}", "HEAD")
        done = self._run(*words)
        # Before the first commit there is no HEAD to look at.
        rows = done.stdout.splitlines() if done.returncode == 0 else []
        return [Commit(*row.split("\t")) for row in rows]

    def is_shallow(self) -> bool:
        """Tell whether the older part of the history is elsewhere."""
        return self._run("rev-parse", "--is-shallow-repository").stdout.strip() == "true"

    def merge(self, commit: str, message: str, *, as_tool: bool = False) -> Merged:
        """Merge a commit into what is checked out, as a commit of its own; conflicts are left for the user."""
        words = ("merge", "--quiet", "--no-ff", "--no-verify", "--no-gpg-sign", "--no-edit", "-m", message, commit)
        done = self._run(*words, **_names(as_tool=as_tool))
        if done.returncode == 0:
            return Merged()
        found = tuple(self.unmerged())
        return Merged(found, "" if found else done.stderr.strip() or done.stdout.strip())

    def _must(self, *words: str, **more: str) -> str:
        done = self._run(*words, **more)
        if done.returncode != 0:
            raise BootstrapError(
                f"`git {words[0]}` in {self.folder} failed: {done.stderr.strip() or done.stdout.strip()}",
                hint="Mend that, then run the same command again.",
            )
        return done.stdout.strip()

    def _run(self, *words: str, **more: str) -> Finished:
        env = {name: value for name, value in self.environ.items() if name not in _THEIRS}
        return run(Call(("git", *words), self.folder, env | more), timeout=_SECONDS)


def _names(*, as_tool: bool) -> dict[str, str]:
    return _TOOL if as_tool else {}
