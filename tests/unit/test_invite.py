"""What an invite says, what is refused in one, and what a person may paste for its code."""

from __future__ import annotations

import json
import string
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.core.invite import FORMAT, Invite, InviteError, check_current, normalise_code, parse_invite

AWS = Invite(
    project="demo",
    env="stag",
    member="ana-souza",
    role="student",
    team="red",
    target="aws",
    region="us-gov-west-1",
    endpoint_url=None,
    account_id="123456789012",
    bucket="demo--stag--123456789012",
    state_bucket="demo--tfstate--123456789012",
    aws_profile="demo-stag",
    dvc_remote_url="s3://demo--stag--123456789012/dvc/red",
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    mlflow_tracking_uri="https://mlflow.example.org",
    mlflow_password="Zx9-_abcdefghijklmnopqrstuvwxyz0",
    expires=date(2026, 12, 31),
    created="2026-11-21T10:31:00+00:00",
)
LOCAL = replace(
    AWS,
    role="instructor",
    target="local",
    endpoint_url="http://127.0.0.1:20000",
    mlflow_tracking_uri=None,
    mlflow_password=None,
    expires=None,
)
SECRETS = (AWS.secret_access_key, AWS.mlflow_password or "")
# The example of https://age-encryption.org/v1.
DATA = "GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
CODE = f"AGE-SECRET-KEY-1{DATA}"


def content(invite: Invite = AWS) -> dict[str, Any]:
    return dict(json.loads(invite.to_bytes()))


def parsed(values: object) -> Invite:
    return parse_invite(json.dumps(values).encode())


@pytest.mark.parametrize("invite", [AWS, LOCAL], ids=["aws", "local"])
def test_it_is_read_as_it_was_written(invite: Invite) -> None:
    assert parse_invite(invite.to_bytes()) == invite
    assert content(invite)["format"] == FORMAT


def test_secrets_are_not_shown() -> None:
    assert not any(secret in repr(AWS) for secret in SECRETS)


def test_an_invite_that_nobody_could_open_is_not_made() -> None:
    with pytest.raises(InviteError, match="No invite can be made: `bucket` is not what it should be") as caught:
        replace(AWS, bucket="a\nb").to_bytes()
    assert "bootstrap up" in caught.value.hint


NOT_AN_INVITE = {
    "nothing": b"",
    "some text": b"Dear Ana, welcome!",
    "bytes that are no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "null": b"null",
    "another program's JSON": b'{"name": "x"}',
    "cut off": AWS.to_bytes()[:-20],
    "deeper than anybody writes": b"[" * 100_000,
    "a number that Python will not read": b'{"format": ' + b"1" * 5000 + b"}",
    "a name that stands there twice": AWS.to_bytes().replace(b'"format": 1,', b'"format": 1, "format": 1,'),
}


@pytest.mark.parametrize("data", NOT_AN_INVITE.values(), ids=NOT_AN_INVITE.keys())
def test_something_else_was_sealed(data: bytes) -> None:
    with pytest.raises(InviteError, match="What is sealed in this file is not an invite") as caught:
        parse_invite(data)
    assert "Ask the person who invited you" in caught.value.hint


VERSIONS = {
    "newer": ({**content(), "format": FORMAT + 1}, "newer version of bootstrap", "Upgrade bootstrap"),
    "newer, with more in it": ({"format": 9, "other": []}, "newer version of bootstrap", "Upgrade bootstrap"),
    "older": ({"format": FORMAT - 1}, "older version of bootstrap", "Ask the person who invited you"),
    "true is no version": ({**content(), "format": True}, "`format` is not a number", "Ask the person"),
    "text is no version": ({**content(), "format": "1"}, "`format` is not a number", "Ask the person"),
}


@pytest.mark.parametrize(("values", "message", "hint"), VERSIONS.values(), ids=VERSIONS.keys())
def test_made_for_another_version(values: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InviteError, match=message) as caught:
        parsed(values)
    assert hint in caught.value.hint


DAMAGED = {
    # Whatever is written into ~/.aws, .dvc/config and .env could say something else there.
    "a line more": ({"region": "us-east-1\nrole_arn = x"}, "region"),
    "a line ending at the end": ({"region": "us-east-1\n"}, "region"),
    "a section": ({"aws_profile": "x]\n[default"}, "aws_profile"),
    "a bracket": ({"aws_profile": "demo-stag]"}, "aws_profile"),
    "somebody's own profile": ({"aws_profile": "default"}, "aws_profile"),
    "a comment": ({"endpoint_url": "http://127.0.0.1:1 # x", "target": "local"}, "endpoint_url"),
    "a variable": ({"mlflow_password": "abcdefghijkl$(id)"}, "mlflow_password"),
    "a quote": ({"mlflow_password": 'abcdefghijkl"'}, "mlflow_password"),
    "a control character": ({"secret_access_key": "a" * 39 + "\x1b"}, "secret_access_key"),
    "half a character": ({"member": "ana\ud800"}, "member"),
    "digits of another script": ({"account_id": "١٢٣٤٥٦٧٨٩٠١٢"}, "account_id"),
    # Addresses
    "a file": ({"mlflow_tracking_uri": "file:///etc/passwd"}, "mlflow_tracking_uri"),
    "a program": ({"mlflow_tracking_uri": "javascript:alert(1)"}, "mlflow_tracking_uri"),
    "a login in it": ({"mlflow_tracking_uri": "https://a:b@example.org"}, "mlflow_tracking_uri"),
    "a question": ({"mlflow_tracking_uri": "https://example.org/?x=1"}, "mlflow_tracking_uri"),
    "no host": ({"mlflow_tracking_uri": "https://:80"}, "mlflow_tracking_uri"),
    "no such port": ({"mlflow_tracking_uri": "https://example.org:99999"}, "mlflow_tracking_uri"),
    "half an IPv6 address": ({"mlflow_tracking_uri": "https://[::1"}, "mlflow_tracking_uri"),
    "another bucket": ({"dvc_remote_url": "s3://demo--stag--999999999999/dvc/red"}, "dvc_remote_url"),
    "another team's place": ({"dvc_remote_url": "s3://demo--stag--123456789012/dvc/blue"}, "dvc_remote_url"),
    # Shapes
    "a zone": ({"region": "us-east-1a"}, "region"),
    "a short key id": ({"access_key_id": "AKIA"}, "access_key_id"),
    "a key id in small letters": ({"access_key_id": "akiaiosfodnn7example"}, "access_key_id"),
    "no secret": ({"secret_access_key": ""}, "secret_access_key"),
    "a name with a blank": ({"member": "ana souza"}, "member"),
    "a way out of the folder": ({"team": "../.."}, "team"),
    "the name of the state bucket": ({"env": "tfstate"}, "env"),
    "a role nobody has": ({"role": "admin"}, "role"),
    "a bucket with a capital": ({"bucket": "Demo"}, "bucket"),
    "a day of no calendar": ({"expires": "2026-02-30"}, "expires"),
    "a day without hyphens": ({"expires": "20261231"}, "expires"),
    "a moment": ({"expires": "2026-12-31T00:00:00"}, "expires"),
    "an hour of no clock": ({"created": "2026-11-21T25:00:00Z"}, "created"),
    "not UTC": ({"created": "2026-11-21T10:00:00+02:00"}, "created"),
    # What does not go together
    "AWS with an emulator's address": ({"endpoint_url": "http://127.0.0.1:20000"}, "endpoint_url"),
    "an emulator without an address": ({"target": "local"}, "endpoint_url"),
    "a login without a server": ({"mlflow_tracking_uri": None}, "mlflow_password"),
}


@pytest.mark.parametrize(("change", "named"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_value_that_is_not_what_it_should_be(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InviteError, match=f"content of this invite is damaged: `{named}` ") as caught:
        parsed(content() | change)
    assert not any(str(value) in caught.value.message for value in change.values() if value)
    assert "Ask the person who invited you" in caught.value.hint


GOOD = {
    "an address with a port": {"mlflow_tracking_uri": "http://192.168.1.20:5000"},
    "an address with a path": {"mlflow_tracking_uri": "https://example.org/ana/course.mlflow"},
    "an IPv6 address": {"mlflow_tracking_uri": "http://[::1]:5000"},
    "a moment with Z": {"created": "2026-11-21T10:31:00Z"},
    "a moment to the microsecond": {"created": "2026-11-21T10:31:00.123456+00:00"},
    "no end": {"expires": None},
    "a password that stays as it was": {"mlflow_password": None},
    "a far region": {"region": "ap-southeast-5"},
}


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD.keys())
def test_a_value_that_may_be(change: dict[str, Any]) -> None:
    invite = parsed(content() | change)
    assert parse_invite(invite.to_bytes()) == invite


@pytest.mark.parametrize("name", [field.name for field in fields(Invite)])
def test_every_value_is_needed_and_looked_at(name: str) -> None:
    whole = content()
    with pytest.raises(InviteError, match=f"damaged: `{name}` is missing"):
        parsed({key: value for key, value in whole.items() if key != name})
    others: tuple[object, ...] = (1, 1.5, True, [], {}, ["x"], "", "a b", "é", "x\n")
    for wrong in others:
        with pytest.raises(InviteError, match="damaged: `"):
            parsed(whole | {name: wrong})


def test_nothing_unknown_is_passed_over() -> None:
    with pytest.raises(InviteError, match="an entry in it that does not belong there") as caught:
        parsed(content() | {"\x1b[2J": "x"})
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("expires", "today", "over"),
    [
        (date(2026, 12, 31), date(2026, 12, 30), False),
        (date(2026, 12, 31), date(2026, 12, 31), False),
        (date(2026, 12, 31), date(2027, 1, 1), True),
        (None, date(9999, 12, 31), False),
    ],
)
def test_the_last_day_is_included(expires: date | None, today: date, over: bool) -> None:
    invite = replace(AWS, expires=expires)
    if not over:
        check_current(invite, today)
        return
    with pytest.raises(InviteError, match="expired: the last day of access was 2026-12-31") as caught:
        check_current(invite, today)
    assert "Ask the person who invited you" in caught.value.hint


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_SIGNS = st.sampled_from("\n\r\x00\x1b]#$;\"'` é\ud800" + string.ascii_letters + string.digits + "-/:.@")


def reads_or_refuses(data: bytes) -> None:
    try:
        invite = parse_invite(data)
    except InviteError as error:
        refusal = f"{error.message} {error.hint} {error!r}"
    else:
        refusal = ""
        check_harmless(invite)
    assert not any(secret in refusal for secret in SECRETS)


def check_harmless(invite: Invite) -> None:
    """No value can begin a line, a section, a comment or a variable in the files it is written to."""
    assert parse_invite(invite.to_bytes()) == invite
    for name, value in vars(invite).items():
        if isinstance(value, str):
            assert value.isascii(), name
            assert value.isprintable(), name
            # An IPv6 address has brackets; it never stands at the beginning of a line.
            allowed = "[]" if name in ("endpoint_url", "mlflow_tracking_uri") else ""
            assert not set(value) & (set(" []\"'#$;\\`") - set(allowed)), name


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_read_or_refused(data: bytes) -> None:
    reads_or_refuses(data)


@given(st.dictionaries(st.sampled_from([*content(), "more"]), ANY_JSON | st.text(_SIGNS), min_size=1, max_size=3))
def test_any_other_values_are_read_or_refused(change: dict[str, Any]) -> None:
    reads_or_refuses(json.dumps(content() | change).encode())


@given(st.sampled_from(sorted(content())), st.data())
def test_a_sign_more_anywhere_is_read_or_refused(name: str, data: st.DataObject) -> None:
    before = str(content()[name])
    at = data.draw(st.integers(0, len(before)))
    after = before[:at] + data.draw(st.text(_SIGNS, max_size=3)) + before[at:]
    reads_or_refuses(json.dumps(content() | {name: after}).encode())


@given(st.integers(0, len(AWS.to_bytes()) - 1), st.binary(max_size=3))
def test_a_few_other_bytes_are_read_or_refused(at: int, other: bytes) -> None:
    whole = AWS.to_bytes()
    reads_or_refuses(whole[:at] + other + whole[at + 1 :])


PASTED = {
    "as it is": CODE,
    "small letters": CODE.lower(),
    "mixed letters": CODE.swapcase().capitalize(),
    "blanks around": f"  {CODE}\t\n",
    "blanks between": " ".join(CODE[start : start + 8] for start in range(0, len(CODE), 8)),
    "two lines": f"{CODE[:40]}\n{CODE[40:]}",
    "two lines of Windows": f"{CODE[:40]}\r\n{CODE[40:]}\r\n",
    "broken at a hyphen": CODE.replace("-", "-\n"),
    "a blank of fixed width": CODE.replace("-KEY", "\u00a0-KEY"),
    "a blank without width": CODE.replace("-KEY", "-\u200bKEY"),
    "a byte-order mark": f"\ufeff{CODE}",
    "straight quotes": f'"{CODE}"',
    "quotes of a word processor": f"\u201c{CODE}\u201d",
    "quotes and a full stop": f"'{CODE}'.",
    "backticks": f"`{CODE}`",
    "brackets": f"<{CODE}>",
    "bold": f"**{CODE}**",
    "hyphens of a word processor": CODE.replace("-", "\u2011"),
    "dashes": CODE.replace("-", "\u2013"),
    "no hyphens": CODE.replace("-", ""),
    "no beginning": DATA,
    "a beginning cut off at a hyphen": f"KEY-1{DATA}",
    "another": f"-SECRET-KEY-1{DATA}",
    "what a double click takes": f"1{DATA}",
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED.keys())
def test_a_code_as_people_paste_it(text: str) -> None:
    assert normalise_code(text) == CODE


@pytest.mark.parametrize("start", ["KEY", "AGE"])
def test_a_code_may_begin_with_letters_that_the_prefix_has_too(start: str) -> None:
    # Were they taken for a part of the prefix, the code would be too short, and not just one with a slip in it.
    with pytest.raises(InviteError, match="do not add up"):
        normalise_code(start + DATA[3:])


NO_CODE = {
    "nothing": ("", "The code is empty"),
    "blanks": (" \n", "The code is empty"),
    "quotes": ('""', "The code is empty"),
    "the last sign is missing": (CODE[:-1], "come 58 letters and digits, and here are 57"),
    "the first half": (CODE[:40], "here are 24"),
    "a sign too many": (CODE + "Q", "here are 59"),
    "twice": (CODE + CODE, "signs in it that no code has|here are"),
    "one letter for another": (CODE.replace("X", "Y"), "do not add up"),
    "two letters changed places": (CODE[:-2] + CODE[-1] + CODE[-2], "do not add up"),
    "O for zero": (CODE.replace("GF", "OF"), "do not add up"),
    "I for l": (CODE.replace("Z", "I"), "do not add up"),
    "a sentence": ("the code is in the mail", "This is not"),
    "a password": ("correct horse; battery & staple!", "signs in it that no code has"),
    "what to seal to": ("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj", "This is not"),
    "another alphabet": ("пароль", "signs in it that no code has"),
}


@pytest.mark.parametrize(("text", "message"), NO_CODE.values(), ids=NO_CODE.keys())
def test_what_cannot_be_a_code(text: str, message: str) -> None:
    with pytest.raises(InviteError, match=message) as caught:
        normalise_code(text)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert len(text) < 10 or (text not in shown and DATA[:8] not in shown)
    assert "Copy the whole code" in caught.value.hint


@given(st.text() | st.text("AGESCRTKY1-qpz \n'", max_size=90))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    try:
        code = normalise_code(text)
    except InviteError:
        return
    assert normalise_code(code) == code


@given(st.integers(16, len(CODE) - 1), st.sampled_from(string.ascii_uppercase + string.digits))
def test_one_wrong_sign_is_always_noticed(at: int, other: str) -> None:
    text = CODE[:at] + other + CODE[at + 1 :]
    if text == CODE:
        assert normalise_code(text) == CODE
    else:
        with pytest.raises(InviteError):
            normalise_code(text)
