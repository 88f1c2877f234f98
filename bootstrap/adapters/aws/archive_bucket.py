"""An archive below a prefix in S3: begun, filled object by object, taken up again, finished, read again.

Each file passes this machine: from the environment's bucket into a private part on the disk, a few at a time, and from
there to its place. S3 could copy within itself, and faster; but then the SHA-256 in the manifest would be what S3
says it is, where this one is of bytes that were here and were compared with what the environment's bucket keeps. The
upload carries it, S3 takes nothing that does not match, and keeps it beside the object: so before anything is deleted
one request without the content tells whether what lies there is what was read.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

What has arrived is written down on this machine and not in the bucket: an object in S3 cannot be written to line by
line, and nobody should have to be let in there who only wants to read. That journal is also how we know what below the
prefix is ours; whatever else lies there is left alone.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws import copying, uploading
from bootstrap.adapters.aws.session import Aws, error_code, explained
from bootstrap.adapters.aws.uploading import as_s3_writes
from bootstrap.adapters.files import PRIVATE_FILE, PRIVATE_FOLDER, append_line, locked, read_text
from bootstrap.core.manifest import (
    MANIFEST,
    UNFINISHED,
    Entry,
    Manifest,
    Origin,
    Source,
    parse_entry,
    parse_origin,
    require_manifest,
    size_text,
)
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import AwsFailed, BootstrapError, UsageError

_BEGUN = f"{UNFINISHED}/begun.json"
_ABSENT = {"404", "NoSuchKey"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_CHUNK = 1024 * 1024
_LOCK_SECONDS = 5.0
# What one PutObject takes.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_AT_ONCE = 5 * 1024**3
# In memory for each file that is uploaded in parts.
_PART = uploading.PART


@dataclass(frozen=True)
class ArchivedObjects:
    """An archive to be read. `owner` is the account that its bucket belongs to; None: whoever's it is.

    Its methods may be called from several threads. All of them raise AwsFailed.
    """

    aws: Aws
    address: S3Address
    owner: str | None = None
    # Path → ETag, of what was found to be as it should be.
    _seen: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder(self) -> None:
        """Nowhere on this machine."""
        return

    @property
    def noun(self) -> str:
        """What somebody names to put it somewhere else."""
        return "address"

    @property
    def where(self) -> str:
        """The address, in a message."""
        return str(self.address)

    def _request(self, path: str) -> dict[str, str]:
        return {**self._bucket, "Key": self.address.key(path)}

    @property
    def _bucket(self) -> dict[str, str]:
        whose = {"ExpectedBucketOwner": self.owner} if self.owner else {}
        return {"Bucket": self.address.bucket, **whose}

    def _text(self, path: str) -> str | None:
        from botocore.exceptions import ClientError

        with explained(f"read {self.address / path} (s3:GetObject)"):
            try:
                body = self.aws.client("s3").get_object(**self._request(path))["Body"].read()
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
        return str(body.decode("utf-8", errors="replace"))

    def manifest(self) -> tuple[Manifest, str] | None:
        """Return the manifest and its SHA-256; None if the archive is not finished.

        Raises BootstrapError if it is damaged.
        """
        if (text := self._text(MANIFEST)) is None:
            return None
        again = "or bring that object back from a copy, or from an older version of it."
        return require_manifest(text, self.address / MANIFEST, again)

    @property
    def is_begun(self) -> bool:
        """Whether somebody began to fill it and did not come to the end."""
        return self._head(_BEGUN) is not None and self._head(MANIFEST) is None

    def _head(self, path: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        with explained(f"look at {self.address / path} (s3:GetObject)"):
            try:
                # With its checksum, which of an object that is encrypted with a key of KMS nobody gets who cannot read
                # it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
                request = {**self._request(path), "ChecksumMode": "ENABLED"}
                found: dict[str, Any] = self.aws.client("s3").head_object(**request)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
        return found

    def has(self, path: str) -> bool:
        """Tell whether there is anything at a place."""
        return self._head(path) is not None

    def is_sound(self, entry: Entry, moved: Callable[[int], None]) -> bool:
        """Read an object; tell whether it is to the byte what was written down.

        `moved` gets the bytes of each chunk, and may raise to stop.
        """
        found = self._head(entry.path)
        return found is not None and self._reads(entry, found, moved)

    def _reads(self, entry: Entry, found: dict[str, Any], moved: Callable[[int], None]) -> bool:
        if found["ContentLength"] != entry.size:
            return False
        state = Source(self.address.key(entry.path), entry.size, str(found["ETag"]), modified="")
        if copying.digest(self.aws, self.address.bucket, state, moved) != entry.sha256:
            return False
        self._seen[entry.path] = state.etag
        return True

    def others(self, manifest: Manifest) -> Iterator[str]:
        """Yield the path of every object that is not in the manifest."""
        known = {MANIFEST} | {one.path for one in manifest.files}
        yield from (path for path in self._listed() if path not in known and not _is_unfinished(path))

    def _listed(self, below: str = "") -> dict[str, Source]:
        """Return the objects by their path below the address; what a console makes for its folder is none."""
        beginning = self.address.key("")
        found = {}
        for one in copying.listed(self.aws, self.address.bucket, [self.address.key(below)]):
            path = one.key.removeprefix(beginning)
            if path:
                found[path] = one
        return found


@dataclass(frozen=True)
class ArchiveBucket(ArchivedObjects):
    """An archive to be made. `work` is a folder on this machine for the journal and for files on their way.

    `owner` is the account that the bucket belongs to. `take_in` and what only reads may be called from several threads.
    """

    owner: str
    work: Path = field(kw_only=True)
    # What is there: path → bytes.
    _there: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    # Files that are no objects of the environment's bucket: path → SHA-256.
    _ours: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def _journal(self) -> Path:
        return self.work / "journal.jsonl"

    @property
    def _parts(self) -> Path:
        return self.work / "parts"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep every other bootstrap in this project away from it; leaves nobody's file on this machine.

        Raises BootstrapError if one is at work there.
        """
        with locked(self.work, timeout=_LOCK_SECONDS):
            try:
                yield
            finally:
                shutil.rmtree(self._parts, ignore_errors=True)

    def require_usable(self) -> Origin | None:
        """Return what was begun here, if anything. Raises UsageError if something else lies below the address."""
        begun = parse_origin(self._text(_BEGUN) or "")
        found = [path for path in self._listed() if not _is_unfinished(path)]
        if MANIFEST in found:
            return begun
        if begun is None and found:
            raise UsageError(
                f"{self.where} is not empty: {self.address / found[0]} is there.",
                hint="Name a prefix with nothing in it, or a new one.",
            )
        known = {entry.path for entry in self._written()}
        if strange := next((path for path in found if path not in known), None):
            raise UsageError(
                f"{self.where} holds an unfinished {begun}, and in it {strange}, which was not put there from here.",
                hint="Go on where it was begun, or name another address.",
            )
        return begun

    def begin(self, origin: Origin) -> None:
        """Make it ready to be filled, or to be filled further. Raises UsageError if there is something else in it."""
        begun = self.require_usable()
        if begun is not None and begun != origin:
            raise UsageError(f"{self.where} holds an unfinished {begun}.", hint="Name another address.")
        for folder in (self.work, self._parts):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if begun is None:
            # Of an archive that somebody has removed since.
            self._journal.unlink(missing_ok=True)
        self._break_off()
        self._there.update({path: one.size for path, one in self._listed().items()})
        for entry in self._written():
            # It is made anew, or there is none of it this time, as of a roster that has gone since.
            if entry.key is None and entry.path in self._there:
                self.drop(entry.path)
        self._put_text(_BEGUN, origin.to_json() + "\n")

    def _break_off(self) -> None:
        """End the uploads in parts that a kill left: nobody sees them in a list, and they cost."""
        ours = {self.address.key(entry.path) for entry in self._written() if entry.size > _AT_ONCE}
        if not ours:
            return
        s3 = self.aws.client("s3")
        with explained(f"look for unfinished uploads in {self.where} (s3:ListBucketMultipartUploads)"):
            pages = s3.get_paginator("list_multipart_uploads").paginate(**self._bucket, Prefix=self.address.key(""))
            left = [one for page in pages for one in page.get("Uploads", []) if one["Key"] in ours]
        for one in left:
            self._abort(one["Key"], one["UploadId"])

    def _abort(self, key: str, upload: str) -> None:
        s3 = self.aws.client("s3")
        with (
            explained(f"break off an upload to s3://{self.address.bucket}/{key} (s3:AbortMultipartUpload)"),
            suppress(s3.exceptions.NoSuchUpload),
        ):
            s3.abort_multipart_upload(**self._bucket, Key=key, UploadId=upload)

    def _written(self) -> list[Entry]:
        lines = (read_text(self._journal) or "").splitlines()
        return [entry for line in lines if (entry := parse_entry(line)) is not None]

    def arrived(self) -> dict[str, Entry]:
        """Return which objects of the environment's bucket earlier runs wrote down: path → entry."""
        return {entry.path: entry for entry in self._written() if entry.key is not None}

    def holds(self, entry: Entry) -> bool:
        """Tell whether there is an object of its size at its place; what is in it is not looked at."""
        return self._there.get(entry.path) == entry.size

    def part(self, path: str) -> Path:
        """Return where a file lies on this machine until it has arrived."""
        return self._parts / hashlib.sha256(path.encode()).hexdigest()[:32]

    def take_in(self, entry: Entry, moved: Callable[[int], None]) -> None:
        """Upload the finished part of an entry. `moved` is asked now and then, with no bytes, and may raise to stop."""
        part = self.part(entry.path)
        try:
            self._bring_in(entry, part, moved)
        finally:
            part.unlink(missing_ok=True)

    def put(self, path: str, text: str) -> Entry:
        """Write a text of ours and return its entry."""
        part = self.part(path)
        part.write_bytes(text.encode())
        return self.put_part(path)

    def put_part(self, path: str) -> Entry:
        """Upload the finished part of a file that is no object of the environment's bucket; return its entry.

        What is there already, from this run, is not uploaded again.
        """
        part = self.part(path)
        part.chmod(PRIVATE_FILE)
        with part.open("rb") as file:
            sha256 = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
        entry = Entry(path, part.stat().st_size, sha256.hexdigest())
        if self._ours.get(path) == entry.sha256:
            part.unlink()
            return entry
        self.take_in(entry, lambda _: None)
        self._ours[path] = entry.sha256
        return entry

    def _bring_in(self, entry: Entry, part: Path, moved: Callable[[int], None]) -> None:
        # Written down first: whatever lies there is known, at whichever moment somebody is killed.
        with self._writing:
            append_line(self._journal, entry.to_json())
        with explained(f"write {self.address / entry.path} (s3:PutObject)"):
            if entry.size > _AT_ONCE:
                self._upload_in_parts(entry, part, moved)
            else:
                with _Watched(part, moved) as body:
                    self._put(entry.path, body, entry.sha256)
        self._there[entry.path] = entry.size

    def _put(self, path: str, body: Any, sha256: str, **conditions: str) -> None:
        self.aws.client("s3").put_object(
            **self._request(path),
            Body=body,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=as_s3_writes(bytes.fromhex(sha256)),
            **conditions,
        )

    def _put_text(self, path: str, text: str, **conditions: str) -> None:
        with explained(f"write {self.address / path} (s3:PutObject)"):
            self._put(path, text.encode(), hashlib.sha256(text.encode()).hexdigest(), **conditions)

    def _upload_in_parts(self, entry: Entry, file: Path, moved: Callable[[int], None]) -> None:
        request = self._request(entry.path)
        uploading.in_parts(
            self.aws,
            request,
            file,
            uploading.part_of(entry.size, _PART),
            lambda _: moved(0),
            entry.sha256,
            lambda upload: self._abort(request["Key"], upload),
        )

    def is_as_written(self, entry: Entry, moved: Callable[[int], None]) -> bool:
        """Tell whether S3 keeps our SHA-256 of the object that is there now.

        What has none, or one of its parts as after an upload in parts, is read. `moved` as in `is_sound`.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
        """
        moved(0)
        found = self._head(entry.path)
        if found is None:
            return False
        ours = as_s3_writes(bytes.fromhex(entry.sha256))
        is_whole = found.get("ChecksumType") != "COMPOSITE" and found["ContentLength"] == entry.size
        if is_whole and found.get("ChecksumSHA256") == ours:
            self._seen[entry.path] = str(found["ETag"])
            return True
        return self._reads(entry, found, moved)

    def drop(self, path: str) -> None:
        """Remove an object of ours."""
        with explained(f"remove {self.address / path} (s3:DeleteObject)"):
            self.aws.client("s3").delete_object(**self._request(path))
        self._there.pop(path, None)

    def require_room(self, _together: int, at_once: int) -> None:
        """Raise BootstrapError if this machine has no room for the `at_once` bytes that are on their way together."""
        free = shutil.disk_usage(self.work).free
        if at_once > free:
            raise BootstrapError(
                f"On their way to {self.where} files lie in {self.work}. That needs {size_text(at_once)}, and the disk "
                f"has {size_text(free)} left.",
                hint="Make room there.",
            )

    def unreadable(self, files: str, first: str) -> BootstrapError:
        """Return the error for so many `files` that are not what was written to them."""
        return BootstrapError(
            f"{files} in {self.where} cannot be read back as written, the first of them {first}.",
            hint="Somebody else may be writing there: name another address, which is written by you alone.",
        )

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest; return its SHA-256. From then on the archive is finished.

        Everything that it lists must be there as it was when it was compared, and nothing else: a bucket may have
        other people who write. Raises BootstrapError if that is not so.
        """
        there = {path: one.etag for path, one in self._listed().items() if not _is_unfinished(path)}
        listed = {one.path for one in manifest.files}
        for path in sorted(there.keys() | listed):
            if path not in listed or there.get(path) != self._seen.get(path):
                raise BootstrapError(
                    f"{self.address / path} was changed by somebody else while the archive was made.",
                    hint="Name another address, which is written by you alone; or look who writes there, put it right, "
                    "and run the same command again.",
                )
        text = manifest.to_json()
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._write_once(text)
        if self._text(MANIFEST) != text:
            raise self.unreadable("1 file", MANIFEST)
        self.tidy()
        return digest

    def _write_once(self, text: str) -> None:
        try:
            self._put_text(MANIFEST, text, IfNoneMatch="*")
        except AwsFailed as error:
            if error_code(error.__cause__) in _CHANGED:
                raise BootstrapError(
                    f"Somebody else has finished an archive in {self.where} just now.",
                    hint="Run the same command again: it looks whether that archive holds everything.",
                ) from error
            raise

    def tidy(self) -> None:
        """Remove what only an unfinished archive needs, here and there."""
        with suppress(AwsFailed):
            # What stays is passed over by everybody who reads the archive.
            for path in self._listed(f"{UNFINISHED}/"):
                self.drop(path)
        shutil.rmtree(self.work, ignore_errors=True)


class _Watched(io.FileIO):
    """A file that asks, at each read of it, whether it should go on: `moved` may raise to stop."""

    def __init__(self, path: Path, moved: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        self._moved(0)
        return super().read(-1 if size is None else size)


def _is_unfinished(path: str) -> bool:
    return path.startswith(f"{UNFINISHED}/")
