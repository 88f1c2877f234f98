"""An environment's own working copy of the Terraform roots."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.adapters.terraform_folder import RootFolder, lay_out, remove
from bootstrap.assets import INFRA

FILES = {
    "environment/main.tf": "module {}\n",
    "environment/variables.tf": 'variable "größe" {}\r\n',
    "modules/storage/main.tf": "resource {}\n",
}


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """Roots as they ship, in a folder where somebody has also worked."""
    folder = tmp_path / "infra"
    beside = {
        "modules/storage/README.md": "words",
        "modules/storage/tests/storage.tftest.hcl": "run {}",
        "environment/.terraform.lock.hcl": "lock",
        "environment/.terraform/modules/x/main.tf": "downloaded",
        "environment/terraform.tfstate": "{}",
    }
    for name, text in (FILES | beside).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_copy_is_the_configuration_and_nothing_else(infra: Path, tmp_path: Path) -> None:
    lay_out(infra, tmp_path / "work")
    assert content(tmp_path / "work") == FILES


def test_what_ships_is_laid_out_whole(tmp_path: Path) -> None:
    before = content(INFRA)
    lay_out(INFRA, tmp_path / "work")
    assert {"environment", "members", "modules"} <= {path.name for path in (tmp_path / "work").iterdir()}
    sources = re.findall(r'source\s*=\s*"(\.\.?/[^"]+)"', "".join(content(tmp_path / "work" / "environment").values()))
    assert sources
    for source in sources:
        assert list((tmp_path / "work" / "environment" / source).resolve().glob("*.tf"))
    assert content(INFRA) == before


def test_the_same_again_writes_nothing(infra: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = lay_out(infra, work)
    times = {path: path.stat().st_mtime_ns for path in work.rglob("*.tf")}
    assert lay_out(infra, work) == first
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.tf")} == times
    assert re.fullmatch("[0-9a-f]{64}", first)


CHANGES: dict[str, Callable[[Path], object]] = {
    "other content": lambda infra: (infra / "environment/main.tf").write_text("other"),
    "another name": lambda infra: (infra / "environment/main.tf").rename(infra / "environment/first.tf"),
    "another folder": lambda infra: (infra / "environment/main.tf").rename(infra / "modules/main.tf"),
    "one more": lambda infra: (infra / "environment/outputs.tf").write_text(""),
    "one less": lambda infra: (infra / "environment/main.tf").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_configuration_is_followed_and_told_apart(
    change: Callable[[Path], object], infra: Path, tmp_path: Path
) -> None:
    first = lay_out(infra, tmp_path / "work")
    change(infra)
    assert lay_out(infra, tmp_path / "work") != first
    lay_out(infra, tmp_path / "anew")
    assert content(tmp_path / "work") == content(tmp_path / "anew")


def test_what_does_not_concern_terraform_changes_no_fingerprint(infra: Path, tmp_path: Path) -> None:
    first = lay_out(infra, tmp_path / "work")
    (infra / "modules/storage/README.md").write_text("other words")
    (infra / "environment/.terraform/modules/x/main.tf").write_text("downloaded anew")
    assert lay_out(infra, tmp_path / "work") == first


def test_an_edited_copy_is_put_right(infra: Path, tmp_path: Path) -> None:
    lay_out(infra, tmp_path / "work")
    (tmp_path / "work/environment/main.tf").write_text("edited")
    (tmp_path / "work/environment/extra.tf").write_text("of an older version of the package")
    lay_out(infra, tmp_path / "work")
    assert content(tmp_path / "work") == FILES


def test_what_we_and_terraform_put_beside_the_copy_stays(infra: Path, tmp_path: Path) -> None:
    lay_out(infra, tmp_path / "work")
    root = RootFolder(tmp_path / "work" / "environment")
    root.write_variables({"region": "eu-west-1"})
    root.write_adoptions({"module.storage.aws_s3_bucket.this": "demo--stag"})
    root.use_local_state()
    root.mark_initialised("f")
    for name in (".terraform/modules/x/main.tf", ".terraform.lock.hcl", "saved.tfplan"):
        path = root.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Terraform's")
    before = content(root.path)
    lay_out(infra, tmp_path / "work")
    assert content(root.path) == before
    assert len(before) == 9


def test_init_is_remembered_for_exactly_one_configuration(tmp_path: Path) -> None:
    root = RootFolder(tmp_path / "environment")
    assert not root.is_initialised("one")
    root.mark_initialised("one")
    assert not root.is_initialised("one")  # what it made is not there
    (root.path / ".terraform").mkdir()
    assert root.is_initialised("one")
    assert not root.is_initialised("two")
    root.forget_init()
    assert not root.is_initialised("one")
    root.forget_init()


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"fingerprint": null}', '{"other": "one"}'])
def test_a_damaged_stamp_means_init_again(stamp: str, tmp_path: Path) -> None:
    root = RootFolder(tmp_path)
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".initialised.json").write_text(stamp)
    assert not root.is_initialised("one")


def test_variables_are_what_terraform_reads_by_itself(tmp_path: Path) -> None:
    RootFolder(tmp_path).write_variables({"region": "eu-west-1", "members": {"ci": {"role": "ci"}}})
    written = (tmp_path / "terraform.tfvars.json").read_text()
    assert json.loads(written) == {"region": "eu-west-1", "members": {"ci": {"role": "ci"}}}


def test_adoptions_as_text(tmp_path: Path) -> None:
    root = RootFolder(tmp_path)
    root.write_adoptions({'module.member["ci"].aws_iam_user.this': "demo.stag.ci", "a.b": 'quote " and \\'})
    assert (tmp_path / "adopt.tf").read_text() == (
        'import {\n  to = a.b\n  id = "quote \\" and \\\\"\n}\n\n'
        'import {\n  to = module.member["ci"].aws_iam_user.this\n  id = "demo.stag.ci"\n}\n'
    )
    root.write_adoptions({})
    assert not (tmp_path / "adopt.tf").exists()
    root.write_adoptions({})


def test_a_local_state_overrides_the_backend(tmp_path: Path) -> None:
    RootFolder(tmp_path).use_local_state()
    [name] = content(tmp_path)
    assert name.endswith("_override.tf")  # Terraform merges files of this name over the others
    assert 'backend "local" {}' in content(tmp_path)[name]


def test_removing(infra: Path, tmp_path: Path) -> None:
    lay_out(infra, tmp_path / "work")
    remove(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    remove(tmp_path / "work")
