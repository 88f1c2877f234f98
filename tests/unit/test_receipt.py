"""A receipt: what it says of a teardown, that its text can be read again, and that an edit of it is found."""

from __future__ import annotations

import hashlib
import html.parser
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from bootstrap.core.inventory import EVERYWHERE, Blind, Place, Scan, Thing
from bootstrap.core.prices import Estimate
from bootstrap.core.receipt import (
    Archive,
    Receipt,
    Removed,
    Unfinished,
    digest,
    fingerprint,
    parse_receipt,
    printable,
    read_fingerprint,
    receipt_id,
    seal,
    verify,
)
from bootstrap.core.receipt_page import page, sections
from bootstrap.errors import ConfigError, UsageError

ROLE = Thing(
    kind="role",
    arn="arn:aws:iam::123456789012:role/demo/stag/demo.stag.github",
    what="the role demo.stag.github",
    region=EVERYWHERE,
    mark="path",
    env="stag",
    command="bootstrap sweep --env stag --delete",
)
MACHINE = Thing(
    kind="ec2:instance",
    arn="arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc",
    what="the machine i-0abc",
    region="eu-west-1",
    mark="tag",
    env="stag",
    command="aws ec2 terminate-instances --instance-ids i-0abc",
    removable=False,
)
BUCKET = Thing(
    kind="bucket",
    arn="arn:aws:s3:::demo--stag--123456789012",
    what="the bucket demo--stag--123456789012",
    region="eu-west-1",
    mark="tag",
    env="stag",
    command="bootstrap down --env stag",
)
BUCKETS, USERS, ROLES = Place("bucket", EVERYWHERE), Place("user", EVERYWHERE), Place("role", EVERYWHERE)
TAGGED = Place("tagged things", "eu-west-1")
DENIED = Blind(TAGGED, "AccessDenied: tag:GetResources")
CLEAN = Receipt(
    id="demo--stag--20261121T173252Z",
    project="demo",
    env="stag",
    target="aws",
    account_id="123456789012",
    region="eu-west-1",
    command="bootstrap down --env stag",
    by="arn:aws:iam::123456789012:user/admin",
    began="2026-11-21T17:30:00Z",
    ended="2026-11-21T17:32:52Z",
    removed=(
        Removed("bucket", "arn:aws:s3:::demo--stag--123456789012", "aws", "2026-11-21T17:31:00Z"),
        Removed("AWS profile", "demo-stag", "laptop", "2026-11-21T17:32:00Z"),
    ),
    objects=3,
    versions=5,
    bytes=1024,
    scan=Scan((), (BUCKETS, USERS, ROLES, TAGGED), ()),
    cost_before=Estimate(2.3, "100 GB."),
    cost_now=Estimate(0.0, "Nothing is stored."),
)
ALL_FILLED = replace(
    CLEAN,
    scan=Scan((ROLE, MACHINE, BUCKET), (BUCKETS, USERS), (DENIED,)),
    archive=Archive("/home/añá/archive", 12, 3456, "ab" * 32),
    kept=(BUCKET,),
    unfinished=(Unfinished("GitHub could not be reached", "bootstrap github remove --env stag"),),
    history=({"time": "2026-11-01T10:00:00Z", "command": "up", "arguments": {"env": "stag"}, "result": "done"},),
)
GONE = replace(CLEAN, target="local", scan=None, objects=None, versions=None, bytes=None)


# What it says

SAYS = {
    "clean": (CLEAN, "nothing left", "All of 'stag' of the project demo is gone: 4 places looked at, nothing found."),
    "the whole project": (
        replace(CLEAN, env=None),
        "nothing left",
        "All of the project demo is gone: 4 places looked at, nothing found.",
    ),
    "kept by wish": (
        replace(CLEAN, scan=Scan((BUCKET,), (BUCKETS,), ()), kept=(BUCKET,)),
        "nothing left",
        "All of 'stag' of the project demo is gone, except 1 thing that stayed as you wished: 1 place looked at,"
        " nothing else found.",
    ),
    "the emulator is gone": (
        GONE,
        "nothing left",
        "All of 'stag' of the project demo is gone; the emulator was gone too, so there was nothing to look through.",
    ),
    "an account that was not looked at": (
        replace(CLEAN, scan=None),
        "not all looked at",
        "The teardown of 'stag' of the project demo is not complete: nothing could be looked at.",
    ),
    "left": (
        replace(CLEAN, scan=Scan((ROLE,), (ROLES,), ())),
        "something left",
        "The teardown of 'stag' of the project demo is not complete: 1 thing of it is left.",
    ),
    "blind": (
        replace(CLEAN, scan=Scan((), (ROLES,), (DENIED,))),
        "not all looked at",
        "The teardown of 'stag' of the project demo is not complete: 1 place could not be looked at.",
    ),
    "GitHub remains": (
        replace(CLEAN, unfinished=(Unfinished("x", "y"),)),
        "not finished",
        "The teardown of 'stag' of the project demo is not complete: 1 step could not be finished.",
    ),
    "everything at once": (
        ALL_FILLED,
        "something left",
        "The teardown of 'stag' of the project demo is not complete: 2 things of it are left, 1 place could not be"
        " looked at and 1 step could not be finished, beside 1 thing that stayed as you wished.",
    ),
}


@pytest.mark.parametrize(("receipt", "state", "verdict"), SAYS.values(), ids=SAYS.keys())
def test_the_verdict(receipt: Receipt, state: str, verdict: str) -> None:
    assert (receipt.state, receipt.verdict) == (state, verdict)
    assert receipt.is_clean is (state == "nothing left")


@pytest.mark.parametrize("receipt", [case[0] for case in SAYS.values()], ids=SAYS.keys())
def test_nothing_boasts(receipt: Receipt) -> None:
    for text in (receipt.to_json(), page(receipt, "0" * 64, "ab12")):
        assert "success" not in text.lower()


def test_what_was_to_stay_is_not_left() -> None:
    assert ALL_FILLED.left == (ROLE, MACHINE)


# Its text


@pytest.mark.parametrize("receipt", [case[0] for case in SAYS.values()], ids=SAYS.keys())
def test_it_is_read_again(receipt: Receipt) -> None:
    text = receipt.to_json()
    assert parse_receipt(text) == receipt
    assert parse_receipt(seal(text, b"k" * 32, lambda _: b"s" * 64)) == receipt
    assert parse_receipt(text).to_json() == text


def test_the_text_is_canonical() -> None:
    text = ALL_FILLED.to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, indent=2) + "\n"
    assert "añá" in text


def test_it_says_what_follows_from_it() -> None:
    values = json.loads(ALL_FILLED.to_json())
    assert (values["clean"], values["verdict"]) == (False, ALL_FILLED.verdict)
    assert [thing["arn"] for thing in values["left"]] == [ROLE.arn, MACHINE.arn]


def test_half_a_character_does_no_harm() -> None:
    odd = replace(CLEAN, archive=Archive("/tmp/\udc80", 1, 1, "ab"))  # noqa: S108 - a name, nothing is written
    found = parse_receipt(odd.to_json()).archive
    assert found is not None
    assert found.folder == "/tmp/?"  # noqa: S108
    page(odd, "", "").encode("utf-8")


def edited(**changes: Any) -> str:
    return json.dumps({**json.loads(CLEAN.to_json()), **changes})


DAMAGED = {
    "not JSON": ("{", "This is no receipt: it is not JSON."),
    "empty": ("", "This is no receipt: it is not JSON."),
    "a list": ("[]", "This is no receipt: it does not say which `schema` it has."),
    "other JSON": ("{}", "This is no receipt: it does not say which `schema` it has."),
    "newer": (edited(schema=2), "This receipt has schema 2; this version of bootstrap reads 1."),
    "a number as text": (edited(objects="3"), "This receipt is damaged at `objects`: "),
    "a place we do not know": (
        edited(removed=[{"kind": "a", "id": "b", "place": "moon", "at": "c"}]),
        "This receipt is damaged at `removed.0.place`: ",
    ),
    "half a thing": (edited(kept=[{"kind": "bucket"}]), "This receipt is damaged at `kept.0.arn`: "),
}


@pytest.mark.parametrize(("text", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_one_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_receipt(text)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("project", "env", "ended", "name"),
    [
        ("demo", "stag", "2026-11-21T17:32:52Z", "demo--stag--20261121T173252Z"),
        ("demo", None, "2026-11-21T17:32:52Z", "demo--20261121T173252Z"),
    ],
)
def test_its_id(project: str, env: str | None, ended: str, name: str) -> None:
    assert receipt_id(project, env, ended) == name


# Its signature. The keyed hash below stands in for Ed25519, which core may not import; tests/adapters has the real one.

KEY = b"\x01" * 32


def signed_with(key: bytes, message: bytes) -> bytes:
    return hashlib.sha512(key + message).digest()


def holds(key: bytes, signature: bytes, message: bytes) -> bool:
    return signature == signed_with(key, message)


def sealed(text: str, key: bytes = KEY) -> bytes:
    return seal(text, key, lambda message: signed_with(key, message)).encode()


TEXT = CLEAN.to_json()
WHOLE = sealed(TEXT)


def test_the_last_line_is_as_documented() -> None:
    last = WHOLE.decode().splitlines()[-1]
    assert re.fullmatch(r"sha256:[0-9a-f]{64} ed25519:[A-Za-z0-9+/]{86}== key:[A-Za-z0-9+/]{43}=", last)
    assert last[7:71] == digest(TEXT)
    assert WHOLE.decode() == f"{TEXT}{last}\n"


MARK = fingerprint(KEY)
VERDICTS = {
    "whole": (WHOLE, KEY, None, "own key", True),
    "whole, named": (WHOLE, None, MARK, "named key", True),
    "whole, but not of who was named": (WHOLE, KEY, fingerprint(b"\x02" * 32), "other key", False),
    "no key here": (WHOLE, None, None, "unknown key", False),
    "another key here": (WHOLE, b"\x02" * 32, None, "unknown key", False),
    "a word changed": (WHOLE.replace(b"123456789012", b"210987654321"), KEY, None, "edited", False),
    "changed, and the digest with it": (
        WHOLE.replace(b"stag", b"prod").replace(
            digest(TEXT).encode(), hashlib.sha256(TEXT.replace("stag", "prod").encode()).hexdigest().encode()
        ),
        KEY,
        None,
        "edited",
        False,
    ),
    "edited, and signed again by another": (
        sealed(TEXT.replace("stag", "prod"), b"\x02" * 32),
        KEY,
        None,
        "unknown key",
        False,
    ),
    "the line cut off": (TEXT.encode(), KEY, None, "edited", False),
    "the line of another receipt": (
        TEXT.encode() + sealed(ALL_FILLED.to_json()).splitlines()[-1] + b"\n",
        KEY,
        None,
        "edited",
        False,
    ),
    "line ends changed": (WHOLE.replace(b"\n", b"\r\n"), KEY, None, "edited", False),
    "a blank behind it": (WHOLE + b" ", KEY, None, "edited", False),
    "a line more behind it": (WHOLE + b"\n", KEY, None, "edited", False),
    "signed, but something else": (sealed("{}\n"), KEY, None, "no receipt", False),
    "another file": (b"\x89PNG\r\n\x1a\n", KEY, None, "no receipt", False),
    "empty": (b"", KEY, None, "no receipt", False),
}


@pytest.mark.parametrize(("data", "own", "named", "standing", "proven"), VERDICTS.values(), ids=VERDICTS.keys())
def test_what_a_file_is_worth(data: bytes, own: bytes | None, named: str | None, standing: str, proven: bool) -> None:
    verdict = verify(data, own, named, holds)
    assert (verdict.standing, verdict.is_proven) == (standing, proven)
    assert verdict.says


def test_base64_has_one_spelling() -> None:
    # The last sign before the `=` has bits that no byte needs: another one there gives the same key.
    line = WHOLE.decode().splitlines()[-1]
    body, last = line[:-2], line[-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) + 1]
    assert verify(f"{TEXT}{body}{other}=\n".encode(), KEY, None, holds).standing == "edited"


@pytest.mark.parametrize("typed", [MARK, MARK.upper(), MARK.replace("-", ""), MARK.replace("-", " "), f" {MARK}\n"])
def test_a_fingerprint_is_read_as_people_type_it(typed: str) -> None:
    assert read_fingerprint(typed) == MARK


@pytest.mark.parametrize("typed", ["", "ab12", f"{MARK}-ab12", "g" * 32, "٣" * 32])
def test_what_is_no_fingerprint_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        read_fingerprint(typed)


# Its page

ORDER = [
    "Removed in AWS",
    "Removed on the machine it was run on",
    "Data",
    "Looked at, and found empty",
    "Could not be looked at",
    "Left",
    "Not finished",
    "Kept, as you wished",
    "Cost in a month",
    "Archive",
    "History",
]


class Reader(html.parser.HTMLParser):
    """Collects the tags of a page and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_all_in_order() -> None:
    text = Reader(page(ALL_FILLED, digest(ALL_FILLED.to_json()), MARK)).text
    places = [text.index(f"\n{words}\n") for words in [ALL_FILLED.verdict, *ORDER]]
    places.append(text.index(digest(ALL_FILLED.to_json())))
    assert places == sorted(places)
    for words in (
        "arn:aws:s3:::demo--stag--123456789012",
        "3 objects, 5 versions, 1,024 bytes",
        "AccessDenied: tag:GetResources",
        "aws ec2 terminate-instances --instance-ids i-0abc",
        "bootstrap github remove --env stag",
        "$2.30",
        "/home/añá/archive",
        "2026-11-01 10:00:00",
        MARK,
    ):
        assert words in text


def test_the_page_needs_nothing_else() -> None:
    found = Reader(page(ALL_FILLED, "", ""))
    assert found.open == []
    assert {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "a", "form", "object"} == set()
    assert not any(name in ("src", "href", "onclick", "action") for _, attrs in found.tags for name in attrs)
    assert ("html", {"lang": "en"}) in found.tags
    assert "url(" not in page(ALL_FILLED, "", "")
    assert "@import" not in page(ALL_FILLED, "", "")


HOSTILE = "</code></td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;\u202eevil\x1b[31m\x00"


def test_names_that_others_chose_change_nothing() -> None:
    bad = replace(
        ALL_FILLED,
        project=HOSTILE,
        env=HOSTILE,
        command=HOSTILE,
        by=HOSTILE,
        removed=(Removed(HOSTILE, HOSTILE, "aws", HOSTILE),),
        scan=Scan(
            (replace(ROLE, what=HOSTILE, arn=HOSTILE, command=HOSTILE, region=HOSTILE),),
            (Place(HOSTILE, "x"),),
            (Blind(Place("y", HOSTILE), HOSTILE),),
        ),
        archive=Archive(HOSTILE, 1, 1, HOSTILE),
        history=({"time": HOSTILE, "command": HOSTILE, "who": [HOSTILE], "result": {HOSTILE: 1}},),
    )
    text = page(bad, HOSTILE, HOSTILE)
    found = Reader(text)
    assert {tag for tag, _ in found.tags} & {"script", "img"} == set()
    assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)
    assert found.open == []
    assert not set("\x00\x1b\u202e") & set(text)
    assert "\\u202eevil\\u001b[31m\\u0000" in found.text


def test_a_name_for_a_terminal_is_only_text() -> None:
    assert printable("a\x1b[2J\x9b\u202eé 漢\n") == "a\\u001b[2J\\u009b\\u202eé 漢\\u000a"


def rows(receipt: Receipt, title: str) -> list[tuple[str, ...]]:
    return [row for section in sections(receipt) if section.title == title for row in section.rows]


def test_only_a_place_in_which_nothing_was_found_is_called_empty() -> None:
    scan = Scan((ROLE,), (BUCKETS, USERS, ROLES, TAGGED), ())
    assert rows(replace(CLEAN, scan=scan), "Looked at, and found empty") == [
        ("eu-west-1", "tagged things"),
        ("no region", "bucket, user"),
    ]


def test_what_was_found_under_another_name_leaves_no_place_of_its_region_empty() -> None:
    # A machine, found by asking for tagged things.
    scan = Scan((MACHINE,), (BUCKETS, TAGGED, Place("budget", "eu-west-1"), Place("budget", "us-east-1")), ())
    assert rows(replace(CLEAN, scan=scan), "Looked at, and found empty") == [
        ("no region", "bucket"),
        ("us-east-1", "budget"),
    ]


def test_a_bucket_is_found_in_a_region_though_it_is_looked_for_in_none() -> None:
    scan = Scan((BUCKET,), (BUCKETS, USERS, TAGGED), ())
    assert rows(replace(CLEAN, scan=scan), "Looked at, and found empty") == [
        ("eu-west-1", "tagged things"),
        ("no region", "user"),
    ]


def test_a_history_is_told_in_words() -> None:
    entry = {
        "time": "2026-11-01T10:00:00.123+00:00",
        "command": "onboard",
        "arguments": {"added": ["ana", "bia"], "prune": True, "roster": None},
        "who": None,
        "result": "done",
    }
    assert rows(replace(CLEAN, history=(entry, {})), "History") == [
        ("2026-11-01 10:00:00", "onboard added ana, bia, prune yes, roster", "", "done"),
        ("", "", "", ""),
    ]


def test_blind_places_are_never_called_empty() -> None:
    blind = replace(CLEAN, scan=Scan((), (), (DENIED,)))
    assert rows(blind, "Looked at, and found empty") == []
    assert rows(blind, "Could not be looked at") == [("eu-west-1", "tagged things", "AccessDenied: tag:GetResources")]
    [left] = [section for section in sections(blind) if section.title == "Left"]
    assert left.words == ("Nothing was found in the places that were looked at.",)
