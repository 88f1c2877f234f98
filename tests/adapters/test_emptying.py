"""Emptying a bucket, on moto in this process and, for what moto has not, on a small S3 of the benchmarks' own.

That S3 (`benchmarks/s3_stub.py`) is none: it knows lists, deletions and the faults that a test gives it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from moto import mock_aws

from benchmarks.s3_stub import PAGE, SIZE, Stub
from bootstrap.adapters.aws import crew, emptying
from bootstrap.adapters.aws.emptying import Emptied, Survey
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.errors import AwsFailed

BUCKET = "demo--stag--123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOTHING = Emptied(0, 0, 0, 0)


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An AWS of this test's own, empty, that takes any key."""
    with mock_aws():
        yield Aws("us-east-1", key=ANYBODY)


@pytest.fixture
def s3(aws: Aws) -> Any:
    """A client of an AWS with one versioned bucket."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture(autouse=True)
def _nothing_keeps_running(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(crew, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(crew, "_LONGEST_PAUSE_SECONDS", 0.01)
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "bootstrap-crew"] == []


def at(stub: Stub) -> Aws:
    return Aws("us-east-1", stub.url, key=ANYBODY)


def everything(s3: Any) -> list[str]:
    listed = s3.list_object_versions(Bucket=BUCKET, MaxKeys=100_000)
    found = [one["Key"] for one in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]
    return found + [one["Key"] for one in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


# --- what goes ---


def fill(s3: Any) -> None:
    """Put more into the bucket than one request deletes, of everything that a bucket can hold."""
    for n in range(1020):
        s3.put_object(Bucket=BUCKET, Key=f"dataset/{n % 510}", Body=b"x")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"dataset/{n}"} for n in range(100)], "Quiet": True})
    for n in range(3):
        s3.create_multipart_upload(Bucket=BUCKET, Key=f"dataset/big/{n}")
    s3.put_object(Bucket=BUCKET, Key="mlflow/größe & +%", Body=b"12345")
    s3.put_object(Bucket=BUCKET, Key="mlflow/", Body=b"")
    s3.create_multipart_upload(Bucket=BUCKET, Key="mlflow/big")


def test_emptying_leaves_nothing_that_would_keep_billing(aws: Aws, s3: Any) -> None:
    fill(s3)
    told: list[int] = []
    assert emptying.survey(aws, BUCKET, progress=told.append) == Survey(411, 1022, 100, 4, 1025, 415)
    assert told == [1122]
    told.clear()
    assert emptying.empty(aws, BUCKET, "dataset/", told.append) == Emptied(1020, 100, 3, 1020)
    assert told == sorted(set(told))
    assert told[-1] == 1120
    assert sorted(everything(s3)) == ["mlflow/", "mlflow/big", "mlflow/größe & +%"]
    assert emptying.survey(aws, BUCKET, "mlflow/") == Survey(1, 2, 0, 1, 5, 5)
    assert emptying.empty(aws, BUCKET) == Emptied(2, 0, 1, 5)
    assert everything(s3) == []
    s3.delete_bucket(Bucket=BUCKET)


def test_what_has_more_entries_than_the_emulator_gives_on_a_page(
    aws: Aws, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "_BATCH", 50)
    monkeypatch.setattr(emptying, "_PAGE", 200)
    fill(s3)
    assert emptying.survey(aws, BUCKET) == Survey(411, 1022, 100, 4, 1025, 415)
    assert emptying.empty(aws, BUCKET) == Emptied(1022, 100, 4, 1025)
    assert everything(s3) == []


@pytest.mark.parametrize("versioning", [None, "Suspended"])
def test_a_bucket_that_keeps_no_versions(aws: Aws, s3: Any, versioning: str | None) -> None:
    bucket = "another"
    s3.create_bucket(Bucket=bucket)
    if versioning:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    for n in range(3):
        s3.put_object(Bucket=bucket, Key=f"{n}", Body=b"xy")
    assert emptying.empty(aws, bucket).bytes == 6
    s3.delete_bucket(Bucket=bucket)


def test_nothing_to_empty(aws: Aws, s3: Any) -> None:
    told: list[int] = []
    assert emptying.empty(aws, BUCKET, progress=told.append) == NOTHING
    assert emptying.empty(aws, "never-made", progress=told.append) == NOTHING
    assert emptying.survey(aws, "never-made", progress=told.append) == Survey(0, 0, 0, 0, 0, 0)
    assert told == []


KEYS = [
    " leading",
    "trailing ",
    "\ttab\t",
    "two\nlines",
    "\nfirst",
    "../up",
    "a/../b",
    "./here",
    "//",
    "/",
    "%2e%2e/%",
    "a+b c",
    "<&>\"'",
    "]]>",
    "&#13;",
    "?query=1&versionId=2#part",
    "\\",
    "🧪/ç/日本/e\u0301",
    "\u2028\x85\x7f",
    "x" * 1024,
    "é" * 512,
]
# What moto puts into a list as it is, where XML has no place for it.
NOT_ON_MOTO = ["\r", "a\r\nb", "\x01bell\x07", "a\x00b", "\x1b[31mred", "\ufffe\uffff", "../\x02/../up"]


def test_keys_with_every_legal_character(aws: Aws, s3: Any) -> None:
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    assert emptying.empty(aws, BUCKET) == Emptied(len(KEYS), 0, len(KEYS), len(KEYS))
    assert everything(s3) == []


def test_keys_that_xml_has_no_place_for() -> None:
    keys = KEYS + NOT_ON_MOTO
    with Stub(keys, uploads=keys).serving() as stub:
        assert emptying.empty(at(stub), BUCKET) == Emptied(len(keys), 0, len(keys), len(keys) * SIZE)
    assert stub.left() == []
    assert stub.uploads == {}


def test_every_page_is_listed_once_and_once_more_to_see_that_nothing_is_left() -> None:
    keys = [f"dataset/{n // 3:05d}" for n in range(6 * PAGE + 1)]  # three versions each, across the pages' ends
    told: list[int] = []
    with Stub(["beside", *keys], uploads=[f"dataset/{n}" for n in range(PAGE + 1)]).serving() as stub:
        assert emptying.empty(at(stub), BUCKET, "dataset/", told.append) == Emptied(
            len(keys), 0, PAGE + 1, len(keys) * SIZE
        )
    assert stub.left() == ["beside"]
    assert told == sorted(set(told))
    assert told[0] < told[-1] == len(keys)
    assert stub.requests["versions"] == 7 + 1
    assert stub.requests["uploads"] == 2 + 1


@pytest.mark.parametrize(("operation", "listing"), [("delete_objects", "versions"), ("abort", "uploads")])
def test_listing_and_deleting_overlap_and_neither_runs_away(operation: str, listing: str) -> None:
    """Nothing is answered to a deletion until as many as there may be are under way, and no page is asked for then."""
    full = threading.Event()
    pages: list[int] = []
    with Stub([f"{n:05d}" for n in range(25 * PAGE)], uploads=[f"{n}" for n in range(30)]).serving() as stub:

        def hold(now: str) -> None:
            if now != operation or full.is_set():
                return
            with stub.lock:
                last = stub.at_once[operation] == emptying._DELETERS
            if last:
                pages.append(stub.requests[listing])
                full.set()
            assert full.wait(30)

        stub.fault = hold
        emptying.empty(at(stub), BUCKET)
    assert stub.left() == []
    assert stub.most_at_once[operation] == emptying._DELETERS
    if operation == "delete_objects":
        assert emptying._DELETERS <= pages[0] <= 2 * emptying._DELETERS + 2 < 25


def test_what_is_written_meanwhile_goes_too() -> None:
    with Stub(["a", "b"]).serving() as stub:
        stub.there[0] = 0

        def write_behind(operation: str) -> None:
            if operation == "delete_objects" and stub.requests["delete_objects"] == 1:
                stub.there[0] = 1

        stub.fault = write_behind
        assert emptying.empty(at(stub), BUCKET).versions == 2
    assert stub.left() == []


def test_somebody_who_never_stops_writing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "_MOST_LOOKS", 3)
    with Stub(["a\x1b"]).serving() as stub:

        def write(operation: str) -> None:
            stub.there[0] |= operation == "versions"

        stub.fault = write
        with pytest.raises(AwsFailed, match=r"does not become empty: 'a\\x1b' was there after .* deleted 3") as caught:
            emptying.empty(at(stub), BUCKET)
    assert "Stop what writes" in caught.value.hint


@pytest.mark.parametrize("operation", ["versions", "delete_objects", "uploads", "abort"])
def test_a_bucket_that_vanishes_meanwhile(operation: str) -> None:
    with Stub([f"{n:05d}" for n in range(3 * PAGE)], uploads=["a", "b"]).serving() as stub:

        def vanish(now: str) -> tuple[int, str] | None:
            stub.gone |= now == operation and stub.requests[now] == 2
            return (404, "NoSuchBucket") if stub.gone else None

        stub.fault = vanish
        emptied = emptying.empty(at(stub), BUCKET)
    assert (emptied.versions, emptied.uploads) <= (3 * PAGE, 2)
    assert stub.gone


def test_uploads_that_end_meanwhile_are_no_trouble() -> None:
    with Stub([], uploads=["a", "b"]).serving() as stub:

        def finish(operation: str) -> tuple[int, str] | None:
            if operation != "abort":
                return None
            stub.uploads.clear()
            return (404, "NoSuchUpload")

        stub.fault = finish
        assert emptying.empty(at(stub), BUCKET).uploads == 2


# --- an S3 that has no time ---


@pytest.mark.parametrize("code", ["SlowDown", "ServiceUnavailable", "InternalError"])
def test_keys_that_s3_has_no_time_for_are_tried_again(code: str) -> None:
    seen: set[str] = set()
    lock = threading.Lock()

    def once(key: str) -> str | None:
        with lock:
            new = key not in seen
            seen.add(key)
        return code if new and key.endswith("7") else None

    told: list[int] = []
    with Stub([f"{n:05d}" for n in range(3 * PAGE)]).serving() as stub:
        stub.refuse = once
        assert emptying.empty(at(stub), BUCKET, progress=told.append).versions == 3 * PAGE
    assert stub.left() == []
    assert told[-1] == 3 * PAGE
    assert stub.requests["delete_objects"] == 6


@pytest.mark.parametrize("operation", ["versions", "delete_objects", "uploads", "abort"])
@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (502, "")])
def test_a_whole_answer_that_says_slow_down_slows_it_down(
    operation: str, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # botocore tries each of them again once; its own pauses are of no interest here.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Stub([f"{n:05d}" for n in range(2 * PAGE)], uploads=["a", "b"]).serving() as stub:
        stub.fault = lambda now: (status, code) if now == operation and stub.requests[now] <= 6 else None
        assert emptying.empty(at(stub), BUCKET) == Emptied(2 * PAGE, 0, 2, 2 * PAGE * SIZE)
    assert stub.left() == []


def test_fewer_are_at_work_while_s3_asks_for_it() -> None:
    """Not more than two at once get through: everything else is told to slow down."""
    with Stub([f"{n:05d}" for n in range(12 * PAGE)], seconds=0.01).serving() as stub:

        def crowded(_: str) -> str | None:
            return "SlowDown" if stub.at_once["delete_objects"] > 2 else None

        stub.refuse = crowded
        assert emptying.empty(at(stub), BUCKET).versions == 12 * PAGE
    assert stub.left() == []


@pytest.mark.parametrize("operation", ["versions", "delete_objects"])
def test_its_patience_ends(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Stub([f"{n:05d}" for n in range(20 * PAGE)]).serving() as stub:
        stub.fault = lambda now: (503, "SlowDown") if now == operation else None
        with pytest.raises(AwsFailed, match="has no time for us: it still answers SlowDown after 8 tries") as caught:
            emptying.empty(at(stub), BUCKET)
    assert "goes on where it stopped" in caught.value.hint
    assert stub.requests[operation] <= 8 * emptying._DELETERS * 2


# --- refusals ---


def lockable(s3: Any) -> None:
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)


UNTIL = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=9)
DATE = f"{UNTIL:%Y-%m-%d %H:%M} UTC"
LOCKS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "governance": (
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL},
        f"object lock keeps it in governance mode until {DATE}",
        [f"Wait until {DATE}", "s3:BypassGovernanceRetention", "--key 'my data'", "--bypass-governance-retention"],
    ),
    "compliance": (
        {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL},
        f"object lock keeps it in compliance mode until {DATE}",
        ["Nobody can lift that", f"wait until {DATE}"],
    ),
    "legal hold": (
        {"ObjectLockLegalHoldStatus": "ON"},
        "there is a legal hold on it",
        ["s3:PutObjectLegalHold", "put-object-legal-hold --bucket locked --key 'my data'", "Status=OFF"],
    ),
}


@pytest.mark.parametrize(("lock", "why", "hints"), LOCKS.values(), ids=LOCKS)
def test_locked_objects_stay_and_everything_else_goes(
    lock: dict[str, Any], why: str, hints: list[str], aws: Aws, s3: Any
) -> None:
    lockable(s3)
    for n in range(30):
        s3.put_object(Bucket="locked", Key=f"{n}", Body=b"x")
    kept = s3.put_object(Bucket="locked", Key="my data", Body=b"x", **lock)["VersionId"]
    s3.put_object(Bucket="locked", Key="my data", Body=b"a later one that is free")
    told: list[int] = []
    with pytest.raises(AwsFailed) as caught:
        emptying.empty(aws, "locked", progress=told.append)
    assert why in caught.value.message
    assert "Bucket locked could not be emptied: S3 refuses to delete my data (AccessDenied)" in caught.value.message
    assert caught.value.message.endswith("Everything else in it is deleted.")
    assert [hint for hint in hints if hint not in caught.value.hint] == []
    assert caught.value.hint.endswith("Then run the same command again.")
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket="locked")["Versions"]] == [kept]


def test_several_locked_ones_are_counted(aws: Aws, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "_BATCH", 3)
    monkeypatch.setattr(emptying, "_PAGE", 10)
    lockable(s3)
    s3.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}},
        },
    )
    for n in range(25):
        lock: Any = LOCKS["governance"][0] if n % 5 else {}
        s3.put_object(Bucket="locked", Key=f"{n:02d}", Body=b"x", **lock)
    with pytest.raises(AwsFailed, match=r"refuses to delete 25 things in it, the first of them 00 ") as caught:
        emptying.empty(aws, "locked")
    assert "This bucket locks whatever is written into it for 30 days." in caught.value.hint
    assert "The others may be kept for another reason, or for longer." in caught.value.hint


def test_a_bucket_policy_that_denies_is_named(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="members/ana/a", Body=b"x")
    statement = {
        "Sid": "KeepTheData",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject*"],
        "Resource": f"arn:aws:s3:::{BUCKET}/dataset/*",
    }
    s3.put_bucket_policy(
        Bucket=BUCKET,
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    with pytest.raises(AwsFailed, match=r"dataset/a \(AccessDenied\): the bucket's policy denies it") as caught:
        emptying.empty(aws, BUCKET)
    assert "(statement KeepTheData)" in caught.value.message
    assert f"aws s3api delete-bucket-policy --bucket {BUCKET}" in caught.value.hint
    assert everything(s3) == ["dataset/a"]


@pytest.mark.parametrize(("operation", "what"), [("delete_objects", "s3:DeleteObjectVersion"), ("abort", "s3:Abort")])
def test_whoever_may_not_delete_is_told_which_permission_is_missing(operation: str, what: str) -> None:
    with Stub(["a", "b"], uploads=["c", "d"]).serving() as stub:
        stub.fault = lambda now: (403, "AccessDenied") if now == operation else None
        with pytest.raises(
            AwsFailed, match=r"delete 2 things in it, the first of them [ac] \(AccessDenied\)"
        ) as caught:
            emptying.empty(at(stub), BUCKET)
    assert f"Use an identity that has {what}" in caught.value.hint
    assert (stub.left() == []) is (operation == "abort")
    assert (stub.uploads == {}) is (operation == "delete_objects")


def test_whoever_may_not_list_is_told() -> None:
    with Stub(["a"]).serving() as stub:
        stub.fault = lambda _: (403, "AccessDenied")
        for act in (emptying.empty, emptying.survey):
            with pytest.raises(AwsFailed, match=BUCKET) as caught:
                act(at(stub), BUCKET)
            assert "lacks the permission for ListMultipartUploads" in caught.value.hint


# --- the end, early ---


def test_an_answer_that_makes_no_sense_ends_it() -> None:
    with Stub([f"{n:05d}" for n in range(20 * PAGE)]).serving() as stub:
        stub.fault = lambda now: (400, "MalformedXML") if now == "delete_objects" else None
        with pytest.raises(AwsFailed, match="MalformedXML"):
            emptying.empty(at(stub), BUCKET)
    assert stub.requests["versions"] < 20


class _Enough(Exception):
    """What a caller may raise to end it."""


def test_what_progress_raises_ends_it() -> None:
    def enough(_: int) -> None:
        raise _Enough

    with Stub([f"{n:05d}" for n in range(30 * PAGE)], seconds=0.01).serving() as stub:
        with pytest.raises(_Enough):
            emptying.empty(at(stub), BUCKET, progress=enough)
        asked = stub.requests.total()
    assert asked == stub.requests.total() < 31
    assert stub.left() != []


@pytest.mark.parametrize("operation", ["uploads", "versions", "delete_objects"])
def test_ctrl_c_ends_it_at_once_and_it_goes_on_afterwards(operation: str) -> None:
    with Stub([f"{n:05d}" for n in range(10 * PAGE)], seconds=0.02).serving() as stub:

        def interrupt(now: str) -> None:
            if now == operation and stub.requests[now] == 1:
                os.kill(os.getpid(), signal.SIGINT)

        stub.fault = interrupt
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            emptying.empty(at(stub), BUCKET)
        assert time.monotonic() - began < 5
        left = len(stub.left())
        assert left > 0
        assert emptying.empty(at(stub), BUCKET).versions == left
    assert stub.left() == []


def test_a_deletion_that_hangs_does_not_hold_up_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_LEAVE_SECONDS", 0.1)
    over = threading.Event()
    with Stub([f"{n:05d}" for n in range(5 * PAGE)]).serving() as stub:

        def hang(now: str) -> None:
            if now == "delete_objects":
                if stub.requests[now] == 1:
                    os.kill(os.getpid(), signal.SIGINT)
                over.wait(30)

        stub.fault = hang
        with pytest.raises(KeyboardInterrupt):
            emptying.empty(at(stub), BUCKET)
        late = [thread for thread in threading.enumerate() if thread.name == "bootstrap-crew"]
        assert all(thread.daemon for thread in late)
        over.set()
        for thread in late:
            thread.join()
