"""What a dataset is called, what its card says, and which cards are believed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bootstrap.core.dataset import (
    Card,
    DataFile,
    changes,
    choose,
    digest_of,
    name_of,
    parse_card,
    parse_version,
    path_problem,
    versions_among,
)
from bootstrap.errors import BootstrapError, UsageError

TABLE = DataFile("laptops.csv", 1_500_000, "a" * 64, 823, ("brand", "ram|gb", "Number of\nRatings"))
PHOTO = DataFile("photos/one.png", 12, "b" * 64)
CARD = Card("laptops", 2, "2026-11-22T10:00:00+00:00", "prof", (TABLE, PHOTO), "Synthetic.")

NAMES = {
    "laptops": "laptops",
    "Laptop_Prices 2026": "laptop-prices-2026",
    "preços": "precos",
    "_.x": "x",
    "a" * 80: "a" * 64,
}


@pytest.mark.parametrize(("stem", "expected"), NAMES.items(), ids=NAMES.keys())
def test_a_name_is_made_of_the_files(stem: str, expected: str) -> None:
    assert name_of(stem, None) == expected


@pytest.mark.parametrize("given", ["Laptops", "a b", "../x", "a/b", "", "x" * 65])
def test_a_bad_name_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="name"):
        name_of("laptops", given)


def test_a_file_of_which_no_name_can_be_made() -> None:
    with pytest.raises(UsageError, match="No name can be made") as refused:
        name_of("数据", None)
    assert "--name" in refused.value.hint


VERSIONS = {"2": 2, "v2": 2, " V12 ": 12}


@pytest.mark.parametrize(("text", "expected"), VERSIONS.items())
def test_a_version_as_people_type_it(text: str, expected: int) -> None:
    assert parse_version(text) == expected


@pytest.mark.parametrize("text", ["0", "", "v", "-1", "2.0", "newest", "²"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(UsageError, match="no version"):
        parse_version(text)


def test_only_what_has_a_card_is_a_version() -> None:
    inside = ["v10.json", "v2.json", "v2.md", "v11.begun.json", "v0.json", "v01.json", "vx.json", "notes.txt"]
    assert versions_among(inside) == [2, 10]


def test_a_card_comes_back_as_it_was_written() -> None:
    assert parse_card(CARD.to_json()) == CARD


def test_the_digest_is_that_of_what_sha256sum_prints() -> None:
    assert digest_of([PHOTO, TABLE]) == digest_of([TABLE, PHOTO])
    assert digest_of([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of([replace(PHOTO, path="other.png")]) != digest_of([PHOTO])


def edited(**changed: object) -> str:
    return json.dumps({**json.loads(CARD.to_json()), **changed})


def with_file(**changed: object) -> str:
    content = json.loads(CARD.to_json())
    content["files"][1] |= changed
    files = [DataFile(**{**one, "columns": tuple(one["columns"])}) for one in content["files"]]
    return json.dumps({**content, "digest": digest_of(files)})


NOT_BELIEVED = {
    "no JSON": "{",
    "a list": "[]",
    "of a newer schema": edited(schema=2),
    "another digest": edited(digest="c" * 64),
    "a file above its folder": with_file(path="../../.bashrc"),
    "a file with a place of its own": with_file(path="/etc/passwd"),
    "a name that Windows has no file for": with_file(path="con"),
    "the same file twice": with_file(path="laptops.csv"),
    "the same file for some machines": with_file(path="Laptops.CSV"),
    "no SHA-256": with_file(sha256="x"),
}


@pytest.mark.parametrize("text", NOT_BELIEVED.values(), ids=NOT_BELIEVED.keys())
def test_a_card_that_is_not_believed(text: str) -> None:
    assert parse_card(text) is None


def test_the_page_for_people_is_whole_whatever_columns_are_called() -> None:
    page = CARD.to_markdown()
    assert "# laptops, version 2" in page
    assert "| laptops.csv | 1.5 MB | 823 | 3 | `aaaa" in page
    assert "| photos/one.png | 12 bytes | - | - |" in page
    assert "Columns of laptops.csv: brand, ram\\|gb, Number of Ratings" in page


def test_of_many_columns_the_page_shows_some() -> None:
    wide = replace(TABLE, columns=tuple(f"c{number}" for number in range(100)))
    assert "c39, and 60 more" in replace(CARD, files=(wide,)).to_markdown()


PROBLEMS = {
    ("a.csv", "b/c.csv"): None,
    ("a.csv", "A.csv"): "same name",
    ("é.csv", "e\u0301.csv"): "same name",
    ("a:b.csv",): "a:b.csv",
    ("aux.csv",): "aux.csv",
    ("a /x",): "a /x",
}


@pytest.mark.parametrize(("paths", "problem"), PROBLEMS.items(), ids=[str(paths) for paths in PROBLEMS])
def test_names_that_not_everybody_can_have(paths: tuple[str, ...], problem: str | None) -> None:
    found = path_problem(paths)
    assert found is None if problem is None else problem in (found or "")


def test_what_is_new_in_words() -> None:
    before = replace(CARD, files=(TABLE, PHOTO))
    assert changes(before, [TABLE, PHOTO]) == ""
    after = [replace(TABLE, sha256="d" * 64), replace(PHOTO, path="x")]
    assert changes(before, after) == "1 file changed, 1 new, 1 gone"
    assert changes(None, [TABLE]) == "1 new"


def test_which_dataset_is_meant() -> None:
    assert choose(None, ["laptops"], "stag") == "laptops"
    assert choose("cats", ["cats", "laptops"], "stag") == "cats"
    with pytest.raises(BootstrapError, match="Did you mean 'laptops'"):
        choose("laptop", ["cats", "laptops"], "stag")
    with pytest.raises(UsageError, match="several datasets in 'stag': cats, laptops"):
        choose(None, ["cats", "laptops"], "stag")
    with pytest.raises(BootstrapError, match="no dataset in 'stag' yet"):
        choose("laptops", [], "stag")
