"""`bootstrap init`: a new folder gets its files, an old one loses nothing."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.assets import TEMPLATES
from bootstrap.core.roster import parse_roster
from bootstrap.core.scaffold import CONFIG, FILES, GITIGNORE, ROSTER, plan_writes
from bootstrap.core.spec import WELL_KNOWN_ENVIRONMENTS, parse_spec
from bootstrap.errors import UsageError
from bootstrap.workflows.init import run_init

if TYPE_CHECKING:
    from pathlib import Path

OWNER = "ana@example.org"


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_folder_gets_all_files(tmp_path: Path) -> None:
    writes = run_init(tmp_path, "ml-course", "sa-east-1", OWNER)
    assert [(write.path, write.what) for write in writes] == [(name, "created") for name in FILES]
    assert _contents(tmp_path) == {write.path: write.text.encode() for write in writes}
    spec = parse_spec((tmp_path / CONFIG).read_text(encoding="utf-8"), CONFIG)
    assert (spec.project, spec.region, spec.owner) == ("ml-course", "sa-east-1", OWNER)
    assert spec.environment_names == WELL_KNOWN_ENVIRONMENTS
    if os.name != "nt":
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    run_init(tmp_path, "ml-course", "sa-east-1", OWNER)
    before = _contents(tmp_path)
    writes = run_init(tmp_path, "other", "us-east-1", "bia@example.org")
    assert [write.what for write in writes] == ["kept"] * len(FILES)
    assert _contents(tmp_path) == before


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    mine = {CONFIG: b"not even TOML\r\n", ROSTER: b"", GITIGNORE: b"*.pyc\r\n/.env\r\nlast"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / GITIGNORE).chmod(0o664)
    run_init(tmp_path, "ml-course", "us-east-1", OWNER)
    assert _contents(tmp_path) == {**mine, GITIGNORE: mine[GITIGNORE] + b"\r\n.bootstrap/\r\ninvites/\r\n"}
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / GITIGNORE).stat().st_mode) == 0o664


TEMPLATE = "# why\n.env\n.bootstrap/\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".env\n.bootstrap/\n"),
        ("a", "a\n.env\n.bootstrap/\n"),
        ("a\r\nb", "a\r\nb\r\n.env\r\n.bootstrap/\r\n"),
        ("/.env\n.bootstrap\n", "/.env\n.bootstrap\n"),
        (".env  \r\n/.bootstrap/", ".env  \r\n/.bootstrap/"),
        # git keeps only a folder out with the first, and nothing with the others.
        (".env/\n#.bootstrap/\n!.env\n", ".env/\n#.bootstrap/\n!.env\n.env\n.bootstrap/\n"),
    ],
)
def test_gitignore_gets_only_what_it_lacks(before: str, after: str) -> None:
    templates = {CONFIG: "", ROSTER: "", GITIGNORE: TEMPLATE}
    write = plan_writes(templates, {GITIGNORE: before}, "abc", "us-east-1", "")[-1]
    assert write.text == after
    assert write.what == ("kept" if before == after else "added lines")


@given(st.text(st.sampled_from(".env/bootsrap\r\n #!*")))
def test_gitignore_only_ever_grows(before: str) -> None:
    templates = {CONFIG: "", ROSTER: "", GITIGNORE: TEMPLATE}
    once = plan_writes(templates, {GITIGNORE: before}, "abc", "us-east-1", "")[-1]
    again = plan_writes(templates, {GITIGNORE: once.text}, "abc", "us-east-1", "")[-1]
    assert once.text.startswith(before)
    assert again.text == once.text


@pytest.mark.parametrize(
    ("project", "region", "owner", "named"),
    [
        ("My Course", "us-east-1", OWNER, "project 'My Course'"),
        ("abc", "mars-1", OWNER, "region 'mars-1'"),
        ("abc", "us-east-1", 'a"\nb@example.org', "owner"),
    ],
)
def test_an_illegal_answer_writes_nothing(tmp_path: Path, project: str, region: str, owner: str, named: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"The {named}")):
        run_init(tmp_path, project, region, owner)
    assert _contents(tmp_path) == {}


def test_no_owner_is_a_line_that_is_off(tmp_path: Path) -> None:
    run_init(tmp_path, "abc", "us-east-1", "")
    text = (tmp_path / CONFIG).read_text(encoding="utf-8")
    assert "@@" not in text
    assert parse_spec(text, CONFIG).owner is None


def test_every_setting_of_the_template_works_when_turned_on(tmp_path: Path) -> None:
    run_init(tmp_path, "abc", "us-east-1", OWNER)
    text = (tmp_path / CONFIG).read_text(encoding="utf-8")
    spec = parse_spec(re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE), CONFIG)
    kinds = [spec.environment(name).mlflow for name in WELL_KNOWN_ENVIRONMENTS]
    assert [kind and kind.kind for kind in kinds] == ["dagshub", "ec2", "ecs"]
    assert spec.environment("prod").protected
    assert spec.github.auth == "oidc"
    written = re.findall(r"^(?:# )?([a-z_]+) = ", text, flags=re.MULTILINE)
    tables = [spec, spec.github, *map(spec.environment, WELL_KNOWN_ENVIRONMENTS), *kinds]
    settings = {key for table in tables if table for key in type(table).model_fields}
    # `environments` is a key of [github] too.
    assert settings - {"github", "mlflow"} == set(written)


def test_the_example_roster_brings_in_nobody_and_its_examples_are_legal() -> None:
    text = (TEMPLATES / "members.csv").read_text(encoding="utf-8")
    assert parse_roster(text, "members.csv").people == ()
    header, about, *examples = text.splitlines()
    assert about.startswith("# ")
    on = "\n".join([header, *(line.removeprefix("# ") for line in examples)])
    assert [person.role for person in parse_roster(on, "members.csv").people] == ["instructor", "student", "student"]
