"""The proof of least privilege: every cell of the matrix tried with a member's own key, or put to IAM's simulator.

Nothing is left behind. Where the operator takes part, files to read are put in each place for the time of the run, and
taken away with all their versions. A student on their own leaves nothing from the start: see `adapters/aws/probes`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from typing import Literal

from bootstrap.adapters.aws import emptying, people, probes, simulation
from bootstrap.adapters.aws.session import Aws
from bootstrap.core.access import Cell, Ground, Person, Role, cells
from bootstrap.errors import BootstrapError

# What all names of ours begin with. What a killed run left is swept away with the next one's.
PROBE = ".bootstrap-proof"
_BODY = b"put here by bootstrap to see who may read it; removed at once\n"
_SIDE_BY_SIDE = 8
# Who stands for all others where there is nobody else.
_NOBODY = Person("nobody-else", "nobody-else", "nobody-else")
# The folders that every environment has as objects of their own, so that there is something to ask for.
_PLACEHOLDERS = ("dataset/", "mlflow/")
_OPTION = "whether this is allowed is an option of the environment"

How = Literal["tried", "simulated", "not tried"]
# Bucket and key, or (of a file that a person found) key and version id.
File = tuple[str, str]


@dataclass(frozen=True)
class Subject:
    """Whose access is proved. `arn` is their IAM user's.

    `aws` is their own identity; None puts their cells to the simulator. `dvc_delete`: whether a student may also delete
    in their team's remote; None if that is not known here. `expires`: the last day of access (UTC), None for no end.
    """

    name: str
    role: Role
    team: str
    arn: str
    aws: Aws | None = None
    dvc_delete: bool | None = None
    expires: date | None = None

    @property
    def person(self) -> Person:
        """The same as the matrix needs it."""
        return Person(self.name, self.team, self.arn.rpartition("/")[2])


@dataclass(frozen=True)
class Tried:
    """What came of one cell. `found` is None if nobody could tell; `why` then says what for."""

    subject: str
    cell: Cell
    found: bool | None
    how: How
    why: str = ""

    @property
    def right(self) -> bool:
        """Whether it is as it should be, as far as anybody could tell."""
        return self.found is None or self.found == self.cell.allowed


def prove(
    operator: Aws | None,
    bucket: str,
    state_bucket: str,
    subjects: Sequence[Subject],
    *,
    emulated: bool,
    progress: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> list[Tried]:
    """Try the whole matrix of all subjects, one after the other in the result.

    Without an `operator` a person tries their own access, as far as that goes without help. `emulated`: this AWS is an
    emulator, and is not asked what it cannot judge. `now` is in UTC. Raises AwsFailed for anything but a refusal.
    """
    if not subjects:
        return []
    now = now or datetime.now(timezone.utc)
    ground = Ground.of(subjects[0].arn, bucket, state_bucket)
    probe = f"{PROBE}-{secrets.token_hex(4)}"
    matrices = [_matrix(subject, subjects, ground, probe, now) for subject in subjects]
    tried = [matrix for matrix in matrices if matrix.subject.aws is not None]
    anybody = operator or next((one.subject.aws for one in tried), None)
    lawless = emulated and anybody is not None and probes.anybody_is_let_in(anybody)
    with _files(operator, [cell for matrix in tried for cell in matrix.cells], emulated=emulated) as files:
        versioned = operator is not None and bool(files) and probes.keeps_versions(operator, bucket)
        bench = _Bench(operator, ground, now, emulated, lawless, versioned, files)
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="proof") as pool:
            found: list[Tried] = []
            for count, results in enumerate(pool.map(bench.judge, matrices), start=1):
                found += results
                progress(f"{count} of {len(subjects)}")
            return found


@contextmanager
def borrowed_key(operator: Aws, user: str) -> Iterator[Aws]:
    """Act as a user whose key only they have: with a key of our own, which lives as long as the block.

    Raises BootstrapError if the user has as many keys as IAM allows.
    """
    if len(people.key_ids(operator, user)) >= people.KEYS_PER_USER:
        raise BootstrapError(
            f"{user} has {people.KEYS_PER_USER} access keys, as many as IAM allows: there is no room for one to try.",
            hint="One of them is left from a rotation that did not end; run that `bootstrap rotate` again.",
        )
    key = people.mint_key(operator, user)
    try:
        member = operator.with_key(key)
        people.wait_until_accepted(member, user)
        yield member
    finally:
        people.delete_key(operator, user, key.id)


@dataclass(frozen=True)
class _Matrix:
    """All cells of one person."""

    subject: Subject
    cells: list[Cell]


def _matrix(subject: Subject, subjects: Sequence[Subject], ground: Ground, probe: str, now: datetime) -> _Matrix:
    others = (one.person for one in subjects if one.name != subject.name and one.team != subject.team)
    found = cells(
        subject.role,
        subject.person,
        next(others, _NOBODY),
        ground,
        probe=probe,
        dvc_delete=bool(subject.dvc_delete),
        expires=subject.expires,
        expired=subject.expires is not None and now.date() > subject.expires,
    )
    if subject.role == "student" and subject.dvc_delete is None:
        option = (f"dvc/{subject.team}/", "delete")
        found = [
            replace(cell, untried=_OPTION, simulator=_OPTION) if (cell.place, cell.action) == option else cell
            for cell in found
        ]
    return _Matrix(subject, found)


@contextmanager
def _files(operator: Aws | None, tried: Sequence[Cell], *, emulated: bool) -> Iterator[Mapping[File, str]]:
    """Put a file into every place that is read, for the time of the block; yield (bucket, key) → version id.

    Takes away all that the run may have left there, whatever happened. Does nothing without an operator.
    """
    if operator is None:
        yield {}
        return
    read = sorted({(cell.bucket, cell.key) for cell in tried if cell.attempt in ("read", "copy", "read version")})
    folders = sorted({(bucket, f"{key.rpartition('/')[0]}/{PROBE}") for bucket, key in read})
    files: dict[File, str] = {}
    try:
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="proof") as pool:
            put = pool.map(lambda file: probes.put_file(operator, file[0], file[1], _BODY), read)
            files.update(zip(read, put, strict=True))
        yield files
    finally:
        probes.remove_files(operator, files)
        # One after the other, and in an emulator only where something is left: moto looks through the whole bucket for
        # every list of versions, and goes wrong if another thread deletes in it meanwhile.
        for bucket, beginning in folders:
            if not emulated or probes.anything_begins_with(operator, bucket, beginning):
                emptying.empty(operator, bucket, beginning)


@dataclass(frozen=True)
class _Bench:
    """What is the same for everybody. `files`: those of this run, with their versions; none without an operator."""

    operator: Aws | None
    ground: Ground
    now: datetime
    emulated: bool
    lawless: bool
    versioned: bool
    files: Mapping[File, str]

    def judge(self, matrix: _Matrix) -> list[Tried]:
        """Find out about one person: by trying, else by the simulator, else not at all."""
        subject = matrix.subject
        trial = _Trial(self, subject.aws) if subject.aws is not None else None
        found: dict[int, Tried] = {}
        for number, cell in enumerate(matrix.cells):
            why = self._hindrance(cell) if trial is not None else "nobody else has their key"
            answer: bool | None = None
            if trial is not None and not why:
                answer, why = trial.attempt(cell)
            found[number] = Tried(subject.name, cell, answer, "not tried" if answer is None else "tried", why)
        if self.operator is not None and not self.emulated:
            open_ones = {number: one for number, one in found.items() if one.found is None}
            found |= self._simulated(self.operator, subject, open_ones)
        return [found[number] for number in range(len(matrix.cells))]

    def _hindrance(self, cell: Cell) -> str:
        """Say why a cell is not even tried; an empty text if it can be."""
        if self.emulated and cell.emulator:
            return cell.emulator
        if self.lawless and not cell.allowed:
            return "this AWS lets anybody in"
        return cell.untried

    def _simulated(self, operator: Aws, subject: Subject, wanted: Mapping[int, Tried]) -> dict[int, Tried]:
        asks = [ask for one in wanted.values() if not one.cell.simulator for ask in one.cell.asks]
        answers = simulation.simulate(operator, subject.arn, dict.fromkeys(asks), self.now)
        found = {}
        for number, one in wanted.items():
            cell = one.cell
            known = [answers[ask] for ask in cell.asks if ask in answers]
            if cell.simulator or len(known) < len(cell.asks):
                why = cell.simulator or "the simulator gave no answer"
                found[number] = Tried(subject.name, cell, None, "not tried", why)
            else:
                allowed = any(known) if cell.any_of else all(known)
                found[number] = Tried(subject.name, cell, allowed, "simulated", one.why)
        return found


@dataclass(frozen=True)
class _Trial:
    """One person trying their own access. `seen` remembers a file of each folder that was looked into."""

    bench: _Bench
    aws: Aws
    seen: dict[str, File | None] = field(default_factory=dict)

    def attempt(self, cell: Cell) -> tuple[bool | None, str]:
        """Try a cell. Return whether it was allowed; or None, and why that could not be told."""
        aws, bucket, key = self.aws, cell.bucket, cell.key
        helped = self.bench.operator is not None
        # The plain way leaves a marker, which the operator takes away again. moto is spared it: it goes wrong if a
        # bucket is listed while files come and go in it.
        marked = helped and not self.bench.emulated
        if cell.attempt in ("read", "copy", "read version"):
            return self._with_file(cell)
        if cell.attempt == "change settings" and not self.bench.versioned:
            return None, "only tried with the operator's help" if not helped else "the bucket keeps no versions"
        if cell.attempt == "delete bucket" and not helped and self._file("dataset/") is None:
            return None, "only tried where a file is known to be in it"
        tries: Mapping[str, Callable[[], bool]] = {
            "list": lambda: probes.may_list(aws, bucket, key, dict(cell.asks[0].context).get("s3:delimiter", "")),
            "write": lambda: probes.may_begin_upload(aws, bucket, key),
            "abort": lambda: probes.may_abort_upload(aws, bucket, key),
            # Another name than that of the file to read, which a marker would hide from others.
            "delete": lambda: (probes.may_delete if marked else probes.may_delete_if_there)(aws, bucket, f"{key}-gone"),
            "delete version": lambda: probes.may_delete_version(aws, bucket, f"{key}-gone"),
            "list versions": lambda: probes.may_list_versions(aws, bucket, key),
            "list uploads": lambda: probes.may_list_uploads(aws, bucket),
            "read region": lambda: probes.may_read_region(aws, bucket),
            "read settings": lambda: probes.may_read_settings(aws, bucket),
            "change settings": lambda: probes.may_keep_versions(aws, bucket),
            "delete bucket": lambda: probes.may_delete_bucket(aws, bucket),
            "list buckets": lambda: probes.may_list_buckets(aws),
            "read user": lambda: probes.may_read_user(aws, key),
            "list keys": lambda: probes.may_list_keys(aws, key),
            "list users": lambda: probes.may_list_users(aws, key),
        }
        return tries[cell.attempt](), ""

    def _with_file(self, cell: Cell) -> tuple[bool | None, str]:
        """Try what needs a file: the operator's, else one that is there anyway, else a name that is not there."""
        ours = self.bench.files.get((cell.bucket, cell.key))
        folder = cell.key.rpartition("/")[0] + "/"
        if ours is not None:
            return self._use(cell, (cell.key, ours)), ""
        if cell.bucket == self.bench.ground.state_bucket:
            # There as long as the environment is.
            return self._use(cell, (f"{folder}environment.tfstate", "")), ""
        if (theirs := self._file(folder)) is not None:
            return self._use(cell, theirs), ""
        if folder in _PLACEHOLDERS and cell.attempt != "read version":
            return self._use(cell, (folder, "")), ""
        # Of a missing file S3 says so to whoever may list and read it; refused are those who may not read, or not list.
        if self._use(cell, (cell.key, "null")):
            return True, ""
        if probes.may_list(self.aws, cell.bucket, folder):
            return False, ""
        return None, "no file there is known, and S3 refuses a missing one to whoever may not list"

    def _use(self, cell: Cell, file: File) -> bool:
        key, version = file
        if cell.attempt == "copy":
            home = cell.asks[1].arn.partition("/")[2]
            return probes.may_copy(self.aws, cell.bucket, key, home)
        return probes.may_read(self.aws, cell.bucket, key, version if cell.attempt == "read version" else None)

    def _file(self, folder: str) -> File | None:
        if folder not in self.seen:
            self.seen[folder] = probes.first_file(self.aws, self.bench.ground.bucket, folder)
        return self.seen[folder]
