"""Addresses in S3, as people type them: what is read, what is refused, and what is a folder after all."""

from __future__ import annotations

import pytest

from bootstrap.core.s3_address import S3Address, parse_s3_address
from bootstrap.errors import UsageError

READ = {
    "s3://my-archives": S3Address("my-archives"),
    "s3://my-archives/": S3Address("my-archives"),
    "s3://my-archives/2026": S3Address("my-archives", "2026"),
    "s3://my-archives/2026/": S3Address("my-archives", "2026"),
    "s3://my.archives/ml course/größe": S3Address("my.archives", "ml course/größe"),
    f"s3://my-archives/{'x' * 400}": S3Address("my-archives", "x" * 400),
}

FOLDERS = ["archive", "/home/ana/archive", "~/archive", "C:/archive", "C:\\archive", "s3", "s3/archive", "./s3:x"]

REFUSED = {
    "s3:/my-archives/x": "is neither a folder nor an address that begins with s3://",
    "S3://my-archives": "is neither a folder nor",
    "s3:my-archives": "is neither a folder nor",
    "arn:aws:s3:::my-archives/x": "is neither a folder nor",
    "": "No place is named",
    "gs://my-archives/x": "is neither a folder nor",
    "https://my-archives.s3.amazonaws.com/x": "is neither a folder nor",
    "s3://": "names no bucket",
    "s3:///x": "names no bucket",
    "s3://My-Archives/x": "names no bucket: 'My-Archives'",
    "s3://ab": "names no bucket",
    f"s3://{'x' * 64}": "names no bucket",
    "s3://a..b": "names no bucket",
    "s3://-abc": "names no bucket",
    "s3://192.168.5.4/x": "names no bucket",
    "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/x": "names no bucket",
    "s3://my-archives//x": "has a part between its slashes that is empty, or only dots",
    "s3://my-archives/x//": "is empty, or only dots",
    "s3://my-archives/../x": "is empty, or only dots",
    "s3://my-archives/x/.": "is empty, or only dots",
    "s3://my-archives/a\nb": "cannot be seen",
    f"s3://my-archives/{'ü' * 201}": "is too long: below its bucket it may have 400 bytes",
}


@pytest.mark.parametrize(("text", "address"), READ.items(), ids=[text[:40] for text in READ])
def test_an_address(text: str, address: S3Address) -> None:
    assert parse_s3_address(text) == address


@pytest.mark.parametrize("text", FOLDERS)
def test_a_folder(text: str) -> None:
    assert parse_s3_address(text) is None


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=[ascii(text)[:40] for text in REFUSED])
def test_what_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_s3_address(text)
    assert why in refused.value.message
    assert refused.value.message.isprintable()
    assert "s3://BUCKET/PREFIX" in refused.value.hint


def test_keys_and_addresses_below_it() -> None:
    whole, part = S3Address("my-archives"), S3Address("my-archives", "2026")
    assert (whole.key("a/b"), part.key("a/b")) == ("a/b", "2026/a/b")
    assert (whole.key(""), part.key("")) == ("", "2026/")
    assert (str(whole), str(part)) == ("s3://my-archives", "s3://my-archives/2026")
    assert (str(whole / "stag"), str(part / "stag")) == ("s3://my-archives/stag", "s3://my-archives/2026/stag")
