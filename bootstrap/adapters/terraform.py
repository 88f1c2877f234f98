"""Runs Terraform in a root's working copy. python-terraform builds the command lines; this module runs them.

Its own runner is left alone: what it calls asynchronous reaches Terraform as a flag, and variables given to it
land in a temporary file (see docs/decisions/0002-python-terraform.md).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.adapters.files import locked
from bootstrap.adapters.process import Call, Job, Jobs, ProcessId, run
from bootstrap.core.refused import missing_permissions
from bootstrap.core.stream import Stream
from bootstrap.errors import StateLocked, TerraformFailed, ToolMissing

_DOWNLOAD_SECONDS = 1800.0

Progress = Callable[[str], None]

_UNREACHABLE = ("could not connect to", "failed to query available provider", "failed to install provider")


@dataclass(frozen=True)
class Backend:
    """Where a root's state lies in S3. No credentials: those are in the environment."""

    bucket: str
    key: str
    region: str
    custom_endpoint: bool

    def settings(self) -> dict[str, str]:
        """Return the `-backend-config` pairs. https://developer.hashicorp.com/terraform/language/backend/s3"""
        pairs = {"bucket": self.bucket, "key": self.key, "region": self.region, "use_lockfile": "true"}
        if self.custom_endpoint:
            skips = (
                "credentials_validation",
                "metadata_api_check",
                "region_validation",
                "requesting_account_id",
            )
            pairs |= {f"skip_{what}": "true" for what in skips} | {"use_path_style": "true"}
        return pairs


@dataclass
class Terraform:
    """One Terraform program with the environment it runs in; serves any number of roots side by side.

    `mirror` holds the provider unpacked; without one it is downloaded into `plugin_cache`, once for all roots.
    """

    binary: Path
    environ: Mapping[str, str]
    mirror: Path | None
    jobs: Jobs
    plugin_cache: Path | None = None
    looked_in: tuple[Path, ...] = ()
    patient_roots: frozenset[str] = frozenset()
    unlock_command: str = "bootstrap unlock"
    on_start: Callable[[ProcessId], None] = field(default=lambda _: None)
    on_success: Callable[[ProcessId], None] = field(default=lambda _: None)

    def fingerprint(self, configuration: str, backend: Backend | None) -> str:
        """Return what `init` depends on, as one text: same fingerprint, no new `init` needed."""
        parts = [
            configuration,
            str(self.binary),
            str(self.mirror),
            json.dumps(backend and backend.settings()),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def init(self, root: Path, backend: Backend | None) -> None:
        """Fetch (or link) the provider and connect the state. Raises TerraformFailed."""
        options: dict[str, object] = {"reconfigure": _flag(), "json": _flag()}
        if backend is not None:
            options["backend_config"] = backend.settings()
        if self.mirror is not None:
            options["plugin_dir"] = str(self.mirror)
        with self._plugin_cache():
            stream, code = self._follow(root, "init", options, ())
        if code != 0:
            said = " ".join(d.text() for d in stream.errors).lower()
            if self.mirror is None and any(mark in said for mark in _UNREACHABLE):
                places = "\n".join(f"  {place}" for place in self.looked_in)
                raise ToolMissing(
                    "Terraform could not download the AWS provider, and no unpacked copy is on this machine. "
                    f"Looked in:\n{places}",
                    hint="Connect to the internet, or put the provider into one of these folders, "
                    "or name its folder in BOOTSTRAP_TF_MIRROR.",
                )
            raise self._failure("init", stream, root)

    @contextmanager
    def _plugin_cache(self) -> Iterator[None]:
        """Hold the cache while Terraform may write into it: it does not do that for itself.

        https://developer.hashicorp.com/terraform/cli/config/config-file#provider-plugin-cache
        """
        if self.mirror is not None or self.plugin_cache is None:
            yield
            return
        self.plugin_cache.mkdir(parents=True, exist_ok=True)
        with locked(self.plugin_cache, timeout=_DOWNLOAD_SECONDS):
            yield

    def plan(self, root: Path, out: Path, *, destroy: bool = False) -> Stream:
        """Work out what would change and keep the plan in `out`. Raises TerraformFailed, StateLocked."""
        options: dict[str, object] = {"out": str(out), "json": _flag(), "input": False, "lock_timeout": "5s"}
        if destroy:
            options["destroy"] = _flag()
        stream, code = self._follow(root, "plan", options, ())
        if code != 0:
            raise self._failure("plan", stream, root)
        return stream

    def apply(self, root: Path, plan: Path, progress: Progress) -> Stream:
        """Carry out exactly the plan in the file `plan`; `progress` gets each resource's address when it is done.

        Raises TerraformFailed, StateLocked.
        """
        options: dict[str, object] = {"json": _flag(), "input": False, "lock_timeout": "5s"}
        stream, code = self._follow(root, "apply", options, (str(plan),), progress)
        if code != 0:
            raise self._failure("apply", stream, root)
        return stream

    def apply_at_once(
        self,
        root: Path,
        on_planned: Callable[[Stream], None],
        progress: Progress,
        *,
        refresh: bool = True,
        targets: Sequence[str] = (),
    ) -> Stream:
        """Plan and, without a stop between, carry out exactly that plan: one start of the provider instead of two.

        `on_planned` gets the plan before its first change is made. Without `refresh` the state is taken at its word,
        and the number of API calls does not grow with it. With `targets` (addresses) nothing else is looked at or
        touched. Raises TerraformFailed, StateLocked.
        """
        options: dict[str, object] = {"json": _flag(), "input": False, "lock_timeout": "5s", "auto_approve": _flag()}
        if not refresh:
            options["refresh"] = False
        if targets:
            options["target"] = list(targets)
        stream, code = self._follow(root, "apply", options, (), progress, on_planned)
        if code != 0:
            raise self._failure("apply", stream, root)
        return stream

    def forget(self, root: Path, address: str) -> None:
        """Take a resource out of the state and leave it as it is. Raises TerraformFailed, StateLocked."""
        stream, code = self._follow(root, "state rm", {"lock_timeout": "5s"}, (address,))
        if code != 0:
            raise self._failure("state rm", stream, root)

    def outputs(self, root: Path) -> dict[str, Any]:
        """Return the outputs that the state has, by name; those that are null are not among them.

        Nothing secret may be an output: this prints them in clear. Raises TerraformFailed.
        """
        done = run(Call(self._words("output", {"json": _flag()}, ()), root, self.environ))
        try:
            found = json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            stream = Stream()
            stream.feed(json.dumps({"type": "diagnostic", "diagnostic": {"summary": done.stderr.strip()[-2000:]}}))
            raise self._failure("output", stream, root)
        return {name: one["value"] for name, one in found.items()}

    def _follow(
        self,
        root: Path,
        command: str,
        options: dict[str, object],
        words: tuple[str, ...],
        progress: Progress = lambda _: None,
        on_planned: Callable[[Stream], None] = lambda _: None,
    ) -> tuple[Stream, int]:
        call = Call(self._words(command, options, words), root, self.environ, patient=root.name in self.patient_roots)
        stream = Stream()
        job = self.jobs.start(call, root / "logs" / f"{command.replace(' ', '-')}.jsonl")
        who = job.id
        try:
            self.on_start(who)
            for line in job.lines():
                had_plan = stream.planned
                if address := stream.feed(line):
                    progress(address)
                if stream.planned and not had_plan:
                    on_planned(stream)
            code = self._end(job, stream)
            if code == 0:
                self.on_success(who)
            return stream, code
        finally:
            self.jobs.ended(job)

    def _end(self, job: Job, stream: Stream) -> int:
        code = job.wait()
        if code != 0 and not stream.errors:
            # Before it reaches the point of speaking JSON, Terraform speaks plain text, on either channel.
            plain = job.stderr().strip() or job.log.read_text(encoding="utf-8", errors="replace").strip()
            stream.feed(json.dumps({"type": "diagnostic", "diagnostic": {"summary": plain[-2000:]}}))
        return code

    def _words(self, command: str, options: dict[str, object], words: tuple[str, ...]) -> tuple[str, ...]:
        from python_terraform import Terraform as CommandLine

        # It reads a state file of the working folder unless it is told of one; this one is never there.
        builder = CommandLine(state=os.path.join("no", "such.tfstate"), terraform_bin_path=str(self.binary))  # noqa: PTH118
        return tuple(builder.generate_cmd_string(command, *words, **options))

    def _failure(self, command: str, stream: Stream, root: Path) -> TerraformFailed:
        if holder := stream.lock_holder:
            return StateLocked(
                f"The state of `{root.name}` is locked by {holder.who or 'somebody'} "
                f"since {holder.created or 'an unknown time'} ({holder.operation or 'unknown operation'}).",
                hint=f"Wait until that run has ended. If it has died, remove its lock: {self.unlock_command}",
                lock_id=holder.id,
                who=holder.who,
                created=holder.created,
            )
        said = "\n".join(f"  {d.text()}" for d in stream.errors) or "  it said nothing"
        lacking = ", ".join(missing_permissions(said))
        denied = f"You lack the permission {lacking}; `bootstrap doctor` lists what is missing.\n" if lacking else ""
        return TerraformFailed(
            f"Terraform's {command} of `{root.name}` failed:\n{said}",
            hint=f"{denied}Mend what it names and run the same command again: it goes on where it stopped. "
            f"All it said is in {root / 'logs'}.",
        )


def environment_for(environ: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment Terraform runs in: the user's, less what disturbs it, plus `extra`."""
    env = {name: value for name, value in environ.items() if not name.startswith(("TF_CLI_ARGS", "TF_VAR_"))}
    for name in ("TF_WORKSPACE", "TF_DATA_DIR", "TF_INPUT", "TF_LOG_PATH"):
        env.pop(name, None)
    configured = env.get("TF_CLI_CONFIG_FILE")
    if configured and not Path(configured).expanduser().is_file():
        # Terraform would warn about it in front of every answer.
        env.pop("TF_CLI_CONFIG_FILE")
    env |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    # The provider builds 1,400 schemas and exits: collecting garbage less often saves a fifth of its processor time
    # and costs 50 MB (measured: 3.5 s and 413 MB, 2.8 s and 459 MB). https://go.dev/doc/gc-guide
    env.setdefault("GOGC", "400")
    return {**env, **extra}


def _flag() -> object:
    from python_terraform import IsFlagged

    return IsFlagged
