"""Emptying a bucket: everything in it that costs goes, quickly and in little memory; what S3 refuses is named.

One lister pages through what is there, and several deleters take the pages from it over a bounded queue.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_plus

from bootstrap.adapters.aws.crew import BUSY, Crew, is_busy, patiently
from bootstrap.adapters.aws.refusals import Refused, refusal, shown
from bootstrap.adapters.aws.session import Aws, error_code, explained, is_denied
from bootstrap.errors import AwsFailed

Kind = Literal["version", "marker", "upload"]

# What S3 lists on one page, and what DeleteObjects takes at once.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_BATCH = 1000
# S3 gives 1,000 on a page whatever is asked for. The emulator gives what is asked for, and copies the whole bucket for
# every page: a bucket of 20,000 versions is listed in seconds by few large pages, in a minute by many small ones.
# About 3 kB an entry are in memory while a page is read.
_PAGE = 10_000
# A lister and this many deleters need no more connections than botocore keeps open (10).
_DELETERS = 8
# Looks at the bucket from its beginning. Two are the rule: one that deletes, one that finds nothing any more.
_MOST_LOOKS = 100
_ABSENT = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_VANISHED = {"NoSuchBucket"}
# Whatever is no `Char` of https://www.w3.org/TR/xml/#charsets: legal in a key, but not in the body of DeleteObjects.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Survey:
    """What is in a bucket. `objects` are the current files, empty folders left out; `versions` counts all of them.

    `bytes` is the size of all versions, `current_bytes` of the current ones; what unfinished uploads hold is in none.
    """

    objects: int
    versions: int
    markers: int
    uploads: int
    bytes: int
    current_bytes: int


@dataclass(frozen=True)
class Emptied:
    """What was deleted: versions (their size in `bytes`), delete markers, unfinished uploads."""

    versions: int
    markers: int
    uploads: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing to delete. `id` is a version's or an upload's; `size` in bytes."""

    kind: Kind
    key: str
    id: str
    size: int = field(default=0, compare=False)
    current: bool = field(default=False, compare=False)


class _Page(NamedTuple):
    """A page of a list, and the markers that the next one begins after; none on the last."""

    items: list[_Item]
    next: dict[str, str]


_Listing = Callable[[Any, str, str, dict[str, str]], _Page]


def survey(aws: Aws, bucket: str, prefix: str = "", progress: Callable[[int], None] = lambda _: None) -> Survey:
    """Count what is in a bucket; nothing is in one that is not there. Raises AwsFailed.

    `progress` gets the number of versions and markers so far.
    """
    s3 = aws.client("s3")
    objects = versions = markers = size = current_size = 0
    uploads = 0
    what = f"list bucket {bucket} (s3:ListBucketVersions, s3:ListBucketMultipartUploads)"
    with explained(what), suppress(_Vanished):
        uploads = sum(len(page.items) for page in _pages(_list_uploads, s3, bucket, prefix))
        for page in _pages(_list_versions, s3, bucket, prefix):
            for item in page.items:
                if item.kind == "marker":
                    markers += 1
                    continue
                versions += 1
                size += item.size
                if item.current and not item.key.endswith("/"):
                    objects += 1
                    current_size += item.size
            if page.items:
                progress(versions + markers)
    return Survey(objects, versions, markers, uploads, size, current_size)


def empty(aws: Aws, bucket: str, prefix: str = "", progress: Callable[[int], None] = lambda _: None) -> Emptied:
    """Delete every version, delete marker and unfinished upload whose key begins with `prefix`.

    `progress` gets the number of versions and markers deleted so far, in the calling thread; what it raises ends the
    work. A bucket that is gone, before or meanwhile, is empty. Raises AwsFailed: of what S3 refuses the first is named
    with the way out, after all the rest is deleted.
    """
    s3 = aws.client("s3")
    work = _Emptying(s3, bucket)
    told = 0

    def tell() -> None:
        nonlocal told
        if (now := work.versions + work.markers) > told:
            told = now
            progress(now)

    with explained(f"empty bucket {bucket} (s3:ListBucketVersions, s3:DeleteObjectVersion)"):
        with suppress(_Vanished), Crew(work.delete, _DELETERS, tell) as crew:
            looks = 0
            # Something may be written before the place that a look is at: only one that finds nothing says that nothing
            # is there.
            while (found := _look(s3, bucket, prefix, work, crew)) is not None:
                looks += 1
                if looks >= _MOST_LOOKS:
                    raise AwsFailed(
                        f"Bucket {bucket} does not become empty: {shown(found.key)} was there after everything in it "
                        f"had been deleted {_MOST_LOOKS} times.",
                        hint="Stop what writes into it, then run the same command again.",
                    )
        if work.refused:
            first = min(work.refused, key=lambda item: (item.kind == "upload", item.key, item.id))
            refused = Refused(first.key, first.id, first.kind == "upload", *work.refused[first])
            raise refusal(s3, bucket, len(work.refused), refused)
    return Emptied(work.versions, work.markers, work.uploads, work.bytes)


def _look(s3: Any, bucket: str, prefix: str, work: _Emptying, crew: Crew[_Item]) -> _Item | None:
    """Go through the bucket once, have deleted what is found, and return the first of it; None: nothing is left.

    Markers are places in the order of the keys, on S3: what they name may be gone. So the pages follow each other while
    the deleters are at work, and nothing is listed twice. The emulator looks for the very version that a marker names,
    finds nothing if it is gone, and breaks if something is deleted while it makes a page. It is known by its larger
    pages: such a page is deleted before the next is asked for, by one deleter (it does one thing at a time anyway),
    and the next look begins at the beginning, which is where what is left lies.
    """
    first = None
    still_there: set[_Item] = set()
    for listing in (_list_uploads, _list_versions):
        for page in _pages(listing, s3, bucket, prefix):
            new = [item for item in page.items if item not in work.refused]
            if len(new) < len(page.items):
                still_there.update(item for item in page.items if item in work.refused)
            first = first or next(iter(new), None)
            if len(page.items) > _BATCH:
                crew.one_at_a_time()
            size = 1 if listing is _list_uploads else _BATCH
            for start in range(0, len(new), size):
                crew.put(new[start : start + size])
            if len(page.items) > _BATCH and new:
                break
        # An upload that ends meanwhile becomes a version: first the ones, then the others.
        crew.drain()
    if first is None:
        work.keep_refused(still_there)
    return first


def _pages(listing: _Listing, s3: Any, bucket: str, prefix: str) -> Iterator[_Page]:
    markers: dict[str, str] = {}
    while True:
        page = _page(listing, s3, bucket, prefix, markers)
        yield page
        markers = page.next
        if not markers:
            return


def _page(listing: _Listing, s3: Any, bucket: str, prefix: str, markers: dict[str, str]) -> _Page:
    from botocore.exceptions import ClientError

    try:
        return patiently(lambda: listing(s3, bucket, prefix, markers))
    except ClientError as error:
        if error_code(error) in _VANISHED:
            raise _Vanished from error
        raise


def _list_versions(s3: Any, bucket: str, prefix: str, markers: dict[str, str]) -> _Page:
    answer = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **markers)
    items = [
        _Item("version", entry["Key"], entry["VersionId"], int(entry.get("Size", 0)), bool(entry.get("IsLatest")))
        for entry in answer.get("Versions", [])
    ]
    items += [_Item("marker", entry["Key"], entry["VersionId"]) for entry in answer.get("DeleteMarkers", [])]
    return _Page(items, _next(answer, KeyMarker="NextKeyMarker", VersionIdMarker="NextVersionIdMarker"))


def _list_uploads(s3: Any, bucket: str, prefix: str, markers: dict[str, str]) -> _Page:
    # botocore asks for escaped keys, and takes the escapes out, by itself for versions but not for uploads.
    answer = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, EncodingType="url", **markers)
    plain: Callable[[str], str] = unquote_plus if answer.get("EncodingType") == "url" else str
    items = [_Item("upload", plain(entry["Key"]), entry["UploadId"]) for entry in answer.get("Uploads", [])]
    if "NextKeyMarker" in answer:
        answer["NextKeyMarker"] = plain(answer["NextKeyMarker"])
    return _Page(items, _next(answer, KeyMarker="NextKeyMarker", UploadIdMarker="NextUploadIdMarker"))


def _next(answer: dict[str, Any], **names: str) -> dict[str, str]:
    if not answer.get("IsTruncated"):
        return {}
    return {name: answer[told] for name, told in names.items() if answer.get(told)}


class _Vanished(Exception):
    """The bucket is not there any more."""


@dataclass
class _Emptying:
    """The deletions in one bucket and their sums; `delete` is called from several threads."""

    s3: Any
    bucket: str
    versions: int = 0
    markers: int = 0
    uploads: int = 0
    bytes: int = 0
    # With what S3 said: its code and its words.
    refused: dict[_Item, tuple[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def delete(self, items: Sequence[_Item]) -> tuple[list[_Item], str]:
        """Delete these; return those that S3 had no time for, and the code with which it said so."""
        together = [item for item in items if not _goes_alone(item)]
        requests = [[item] for item in items if _goes_alone(item)] + ([together] if together else [])
        busy: list[_Item] = []
        said = ""
        for some in requests:
            errors = self._try(some)
            slow = [item for item, (code, _) in errors.items() if code in BUSY]
            busy += slow
            said = errors[slow[0]][0] if slow else said
            with self._lock:
                self._count([item for item in some if item not in errors or errors[item][0] in _ABSENT])
                self.refused |= {
                    item: error for item, error in errors.items() if error[0] not in _ABSENT and error[0] not in BUSY
                }
        return busy, said

    def keep_refused(self, still_there: set[_Item]) -> None:
        """Of what was refused, keep what a look has found again; the emulator does not say which version it refused."""
        self._count([item for item in self.refused if item not in still_there])
        self.refused = {item: error for item, error in self.refused.items() if item in still_there}

    def _try(self, items: list[_Item]) -> dict[_Item, tuple[str, str]]:
        """Make one request; return S3's code and words for each item that it did not delete."""
        from botocore.exceptions import ClientError

        try:
            return self._request(items)
        except ClientError as error:
            code = error_code(error)
            if code in _VANISHED:
                raise _Vanished from error
            if is_busy(error):
                code = code if code in BUSY else "InternalError"
            elif not is_denied(error) and code not in _ABSENT:
                raise
            return dict.fromkeys(items, (code, str(error.response.get("Error", {}).get("Message", ""))))

    def _request(self, items: list[_Item]) -> dict[_Item, tuple[str, str]]:
        first = items[0]
        if first.kind == "upload":
            self.s3.abort_multipart_upload(Bucket=self.bucket, Key=first.key, UploadId=first.id)
            return {}
        if _goes_alone(first):
            self.s3.delete_object(Bucket=self.bucket, Key=first.key, VersionId=first.id)
            return {}
        named = [{"Key": item.key, "VersionId": item.id} for item in items]
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": named, "Quiet": True})
        told = {
            (one["Key"], one.get("VersionId")): (str(one["Code"]), str(one.get("Message", "")))
            for one in answer.get("Errors", [])
        }
        of = {item: told.get((item.key, item.id)) or told.get((item.key, None)) for item in items} if told else {}
        return {item: error for item, error in of.items() if error is not None}

    def _count(self, items: list[_Item]) -> None:
        for item in items:
            self.versions += item.kind == "version"
            self.markers += item.kind == "marker"
            self.uploads += item.kind == "upload"
            self.bytes += item.size


def _goes_alone(item: _Item) -> bool:
    return item.kind == "upload" or _NOT_IN_XML.search(item.key) is not None
