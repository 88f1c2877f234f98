"""Secrets leave, everything else stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.redact import MASK, redact

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

MASKED = {
    "an option": (f"tool --password {SECRET} --user ana", "tool --password **** --user ana"),
    "an option with an equals sign": (f"tool --client-secret={SECRET} run", "tool --client-secret=**** run"),
    "a variable": (f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=****"),
    "a variable among others": (f"A=1 AWS_SESSION_TOKEN={SECRET} B=2", "A=1 AWS_SESSION_TOKEN=**** B=2"),
    "a variable, exported": (f'export MLFLOW_TRACKING_PASSWORD="{SECRET}"', 'export MLFLOW_TRACKING_PASSWORD="****"'),
    "a variable of DagsHub's": (f"export DAGSHUB_USER_TOKEN={SECRET}", "export DAGSHUB_USER_TOKEN=****"),
    "INI": (f"aws_secret_access_key = {SECRET}\nregion = x", "aws_secret_access_key = ****\nregion = x"),
    "INI without spaces": (f"admin_password={SECRET}\n", "admin_password=****\n"),
    "JSON": (f'{{"SecretAccessKey": "{SECRET}", "User": "ana"}}', '{"SecretAccessKey": "****", "User": "ana"}'),
    "JSON without spaces": (f'{{"password":"{SECRET}"}}', '{"password":"****"}'),
    "YAML": (f"github-token: {SECRET}", "github-token: ****"),
    "a Python repr": (f"{{'secret': '{SECRET}'}}", "{'secret': '****'}"),
    "upper case": (f"PASSWORD={SECRET}", "PASSWORD=****"),
    "aws configure": (
        f"aws configure set aws_secret_access_key {SECRET}",
        "aws configure set aws_secret_access_key ****",
    ),
    "a quoted value with spaces": ('password = "two words" # x', 'password = "****" # x'),
    "an option, quoted by a shell": ("tool --password 'two words' up", "tool --password '****' up"),
    "one named inside another's value": (f"login: password={SECRET}", "login: password=****"),
    "two of them": (f"token={SECRET} password={SECRET}", "token=**** password=****"),
    "an access key id, all but its end": ("key AKIAIOSFODNN7EXAMPLE works", "key AKIA****MPLE works"),
    "a temporary access key id": ("ASIAIOSFODNN7EXAMPLE", "ASIA****MPLE"),
}


@pytest.mark.parametrize(("before", "after"), MASKED.values(), ids=MASKED.keys())
def test_what_is_masked(before: str, after: str) -> None:
    assert redact(before) == after


KEPT = {
    "ordinary text": "Could not create the bucket demo--stag (s3:CreateBucket)",
    "a user": "user=ana profile=demo-stag",
    "an empty text": "",
    "a word that only begins like a key id": "AKIA is how they begin",
    "a longer word": "XAKIAIOSFODNN7EXAMPLEX",
    "what AWS says of a bad key": "The security token included in the request is invalid.",
    "what AWS says of an old session": "The provided token has expired.",
    "a sentence on passwords": "a password written there would end up in a commit",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
def test_what_stays(text: str) -> None:
    assert redact(text) == text


def test_given_secrets_leave_wherever_they_stand() -> None:
    assert redact(f"GET https://ana:{SECRET}@host/{SECRET}", SECRET) == "GET https://ana:****@host/****"


def test_no_secret_is_no_secret() -> None:
    assert redact("text", "", "") == "text"


@given(
    before=st.text(),
    secret=st.text(min_size=1).filter(lambda text: not set(text) & set(MASK)),
    after=st.text(),
)
def test_a_given_secret_never_survives(before: str, secret: str, after: str) -> None:
    assert secret not in redact(before + secret + after, secret)


@given(
    secrets=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
    text=st.text("abcd", max_size=20),
)
def test_nor_does_any_of_several_that_overlap(secrets: list[str], text: str) -> None:
    shown = redact(text, *secrets)
    assert [secret for secret in secrets if secret in shown] == []
    # The order they are given in must not decide how much of the longer one is seen.
    assert shown == redact(text, *reversed(secrets)) or len(set(map(len, secrets))) < len(secrets)


@pytest.mark.parametrize("text", ["a-" * 20_000, "secret" * 5_000, "token " * 5_000, "AKIA" * 10_000])
def test_a_long_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 2
