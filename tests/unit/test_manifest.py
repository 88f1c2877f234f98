"""Where objects go as files, and the list that is kept of them."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.core.manifest import (
    ODD,
    Entry,
    Manifest,
    Origin,
    Source,
    parse_entry,
    parse_manifest,
    parse_origin,
    place,
    size_text,
)

WHEN = "2031-03-01T12:00:00+00:00"


def an_object(key: str, version: str | None = None, *, old: bool = False) -> Source:
    return Source(key, 1, '"e"', WHEN, version, old)


def paths(*keys: str) -> dict[str, str]:
    """Return key → path."""
    return {one.key: path for path, one in place([an_object(key) for key in keys]).items()}


PLAIN = {
    "dataset/train.csv": "bucket/dataset/train.csv",
    "dvc/red/files/md5/ab/cdef": "bucket/dvc/red/files/md5/ab/cdef",
    "members/ana/work/a b.txt": "members/ana/work/a b.txt",
    "members/ana/größe.txt": "members/ana/größe.txt",
    "mlflow/1/8f/artifacts/model.pkl": "mlflow/artifacts/1/8f/artifacts/model.pkl",
    "put-by-hand.txt": "bucket/put-by-hand.txt",
    "members/loose.txt": "members/loose.txt",
    "bucket/x": "bucket/bucket/x",
    ".hidden": "bucket/.hidden",
}


@pytest.mark.parametrize(("key", "path"), PLAIN.items())
def test_an_ordinary_key_keeps_its_name(key: str, path: str) -> None:
    assert paths(key) == {key: path}


ODD_ONES = {
    "members/ana/../ben/x": ("members/ana/", "-x"),
    "../../etc/passwd": ("bucket/", "-passwd"),
    "/absolute": ("bucket/", "-absolute"),
    "a//b": ("bucket/", "-b"),
    "a/./b": ("bucket/", "-b"),
    "members//x": ("members/", "-x"),
    "members/../x": ("members/", "-x"),
    "with content/": ("bucket/", ""),
    "tab\there": ("bucket/", "-tab_here"),
    "what?.txt": ("bucket/", "-what_.txt"),
    "back\\slash": ("bucket/", "-back_slash"),
    "dot.": ("bucket/", "-dot"),
    "con.txt": ("bucket/", "-con.txt"),
    "a" * 256: ("bucket/", "-" + "a" * 80),
    "ß" * 128: ("bucket/", ""),
    "/".join(["folder"] * 120): ("bucket/", "-folder"),
    f"{ODD.upper()}/x": ("bucket/", "-x"),
    "mlflow/../x": ("mlflow/artifacts/", "-x"),
    "lone \ud800": ("bucket/", "-lone"),
}


@pytest.mark.parametrize(("key", "where"), ODD_ONES.items())
def test_a_key_that_is_no_file_name_gets_one(key: str, where: tuple[str, str]) -> None:
    path = paths(key)[key]
    home, end = where
    assert path.startswith(f"{home}{ODD}/")
    assert path.endswith(end)
    assert len(path.rpartition("/")[2]) < 120


CLASHES = {
    "only in case": (["a/Read.me", "a/read.ME", "a/other"], {"a/other": "bucket/a/other"}),
    "only in how an accent is written": (["caf\u00e9", "cafe\u0301"], {}),
    "a file that is also a folder": (["a/b", "a/b/c"], {"a/b/c": "bucket/a/b/c"}),
    "the same, in another case": (["a/B", "a/b/c"], {"a/b/c": "bucket/a/b/c"}),
    "a member's folder that is also a file": (["members/ana", "members/ana/../x"], {}),
    "folders that differ in case hold different files": (
        ["A/x", "a/y"],
        {"A/x": "bucket/A/x", "a/y": "bucket/a/y"},
    ),
}


@pytest.mark.parametrize(("keys", "plain"), CLASHES.values(), ids=CLASHES.keys())
def test_of_two_that_cannot_be_side_by_side(keys: list[str], plain: dict[str, str]) -> None:
    found = paths(*keys)
    assert {key: path for key, path in found.items() if ODD not in path} == plain
    assert len(set(found.values())) == len(keys)


def test_older_versions_lie_apart() -> None:
    found = place([an_object("a", "v3"), an_object("a", "v2", old=True), an_object("a", "v1", old=True)])
    assert {path: one.version_id for path, one in found.items()} == {
        "bucket/a": "v3",
        "versions/a/v2": "v2",
        "versions/a/v1": "v1",
    }


def test_versions_of_keys_that_meet() -> None:
    found = place([an_object("a", "b", old=True), an_object("a/b", "c", old=True), an_object("..", "d", old=True)])
    assert "versions/a/b/c" in found
    assert sum(path.startswith(f"versions/{ODD}/") for path in found) == 2


# Few signs, so that they clash often.
PIECES = st.sampled_from(
    [
        *("a", "A", "b", "ß", "SS", "\u0131", "I", "\u00e9", "e\u0301", "K", "\u212a", "\u03c2", "\u03a3", "a" * 200),
        *("..", ".", "/", "//", "members/", "mlflow/", "versions/", f"{ODD}/", "con", "\0", " "),
    ]
)
KEYS = st.one_of(st.lists(PIECES, min_size=1, max_size=8).map("".join), st.text(min_size=1, max_size=40))


def folders_of(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


@given(st.lists(st.tuples(KEYS, st.sampled_from([None, "v1", "V1", "null"])), unique=True, max_size=20))
def test_any_keys_get_paths_that_no_file_system_mixes_up(wanted: list[tuple[str, str | None]]) -> None:
    sources = [an_object(key, version, old=version is not None) for key, version in wanted]
    found = place(sources)
    assert set(found.values()) == set(sources)
    for see in (str, str.lower, str.upper, str.casefold):
        for form in ("NFC", "NFD"):
            seen = {see(unicodedata.normalize(form, path)) for path in found}
            assert len(seen) == len(sources)
            assert not seen & {above for path in seen for above in folders_of(path)}
    for path in found:
        names = path.split("/")
        assert not {"", ".", ".."} & set(names)
        assert not set(path) & set('\\\0:*?"<>|\n')
        assert max(len(name.encode()) for name in names) <= 255
        assert names[0] in ("bucket", "members", "mlflow", "versions")
    assert place(list(reversed(sources))) == found


# --- the list ---

ORIGIN = Origin("archive", "course", "stag", "123456789012", "course--stag--123456789012")
SUM = "0" * 64
FILE = Entry("bucket/a", 3, SUM, key="a\ud800\n", version_id="v1", etag='"e"', modified=WHEN)
MANIFEST = Manifest(ORIGIN, WHEN, (FILE, Entry("roster.csv", 0, SUM)), ("dataset/",))


@pytest.mark.parametrize("manifest", [MANIFEST, replace(MANIFEST, files=(), folders=())], ids=["files", "nothing"])
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_json()) == manifest


def test_what_stands_in_a_manifest() -> None:
    content = json.loads(MANIFEST.to_json())
    assert content["schema"] == 1
    assert (content["project"], content["env"], content["made"]) == ("course", "stag", WHEN)
    assert content["files"][0] == {
        "path": "bucket/a",
        "size": 3,
        "sha256": SUM,
        "key": "a\ud800\n",
        "version_id": "v1",
        "etag": '"e"',
        "modified": WHEN,
    }


DAMAGED = {
    "no JSON": MANIFEST.to_json()[:-20],
    "a newer schema": MANIFEST.to_json().replace('"schema": 1', '"schema": 2'),
    "a file outside": MANIFEST.to_json().replace("bucket/a", "../a"),
    "an absolute path": MANIFEST.to_json().replace("bucket/a", "/a"),
    "a file twice": MANIFEST.to_json().replace("roster.csv", "bucket/a"),
    "no sum": MANIFEST.to_json().replace(SUM, "abc"),
    "a list": "[]",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_manifest_is_none(text: str) -> None:
    assert parse_manifest(text) is None


def test_the_journal_and_the_origin() -> None:
    assert parse_entry(FILE.to_json()) == FILE
    assert parse_entry(FILE.to_json()[:-5]) is None
    assert parse_origin(ORIGIN.to_json()) == ORIGIN
    assert parse_origin("{}") is None


SIZES = {0: "0 bytes", 999: "999 bytes", 1000: "1.0 KB", 1_550_000: "1.6 MB", 999_960: "1.0 MB", 250 * 10**9: "250 GB"}


@pytest.mark.parametrize(("size", "text"), SIZES.items())
def test_a_size_in_words(size: int, text: str) -> None:
    assert size_text(size) == text
