"""Receipts on a real disk with real signatures: kept, listed, shown, and told from edited ones."""

from __future__ import annotations

import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bootstrap.adapters import receipt_store
from bootstrap.commands.receipts import command
from bootstrap.core.inventory import Blind, Place, Scan, Thing
from bootstrap.core.prices import Estimate
from bootstrap.core.receipt import Receipt, Removed, fingerprint, parse_receipt, seal, verify
from bootstrap.errors import BootstrapError, ConfigError, UsageError
from bootstrap.workflows import receipts

RECEIPT = Receipt(
    id="demo--stag--20261121T173252Z",
    project="demo",
    env="stag",
    target="aws",
    account_id="123456789012",
    region="eu-west-1",
    command="bootstrap down --env stag",
    by=None,
    began="2026-11-21T17:30:00Z",
    ended="2026-11-21T17:32:52Z",
    removed=(Removed("bucket", "demo--stag--123456789012", "aws", "2026-11-21T17:31:00Z"),),
    objects=3,
    versions=5,
    bytes=1024,
    scan=Scan((), (Place("bucket", "global"),), ()),
    cost_before=Estimate(2.3, "100 GB."),
    cost_now=Estimate(0.0, "Nothing is stored."),
)
LEFT = Thing("role", "arn:aws:iam::123456789012:role/x", "the role x", "global", "path", "stag", "bootstrap sweep")
WITH_LEFT = replace(
    RECEIPT,
    id="demo--prod--20261122T080000Z",
    env="prod",
    ended="2026-11-22T08:00:00Z",
    scan=Scan((LEFT,), (Place("role", "global"),), (Blind(Place("bucket", "global"), "AccessDenied"),)),
)
OF_ANOTHER = replace(RECEIPT, id="other--stag--20261123T080000Z", project="other", ended="2026-11-23T08:00:00Z")


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder called `demo`, to stand in."""
    folder = tmp_path / "demo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Keeping


def test_the_first_receipt_makes_key_and_folder(home: Path) -> None:
    receipts.check_ready()
    assert list(home.iterdir()) == []
    kept = receipts.keep(RECEIPT)
    assert kept.stored.json.is_relative_to(home)
    assert kept.stored.json.parent == kept.stored.page.parent == receipt_store.folder()
    assert (kept.stored.json.name, kept.stored.page.name) == (f"{RECEIPT.id}.json", f"{RECEIPT.id}.html")
    assert parse_receipt(kept.stored.json.read_text("utf-8")) == RECEIPT
    assert kept.sha256 in kept.stored.page.read_text("utf-8")
    assert kept.fingerprint in kept.stored.page.read_text("utf-8")
    if os.name != "nt":
        assert (mode(receipt_store.folder()), mode(receipt_store.key_file())) == (0o700, 0o600)
        assert (mode(kept.stored.json), mode(kept.stored.page)) == (0o644, 0o644)


def test_the_key_stays_and_is_in_no_receipt() -> None:
    receipts.keep(RECEIPT)
    before = receipt_store.key_file().read_bytes()
    kept = receipts.keep(WITH_LEFT)
    assert receipt_store.key_file().read_bytes() == before
    secret = before.splitlines()[1]
    assert secret not in kept.stored.json.read_bytes() + kept.stored.page.read_bytes()


def test_no_receipt_replaces_another() -> None:
    first, second = receipts.keep(RECEIPT), receipts.keep(RECEIPT)
    assert second.receipt.id == f"{first.receipt.id}-2"
    assert parse_receipt(second.stored.json.read_text("utf-8")).id == second.receipt.id
    assert [one.id for one in receipt_store.stored()] == [first.receipt.id, second.receipt.id]


def test_two_first_receipts_at_once_have_one_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {key for _, key in pool.map(receipt_store.sign, ["{}\n"] * 16)}
    assert len(keys) == 1


def test_a_place_named_by_the_user_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if receipt_store.folder().is_relative_to(tmp_path):  # only where that variable is the system's own
        assert receipts.keep(RECEIPT).stored.json.parent == tmp_path / "data" / "bootstrap" / "receipts"


OTHER_KEYS = {
    "nothing": "",
    "a text": "no key\n",
    "half a key": "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("text", OTHER_KEYS.values(), ids=OTHER_KEYS.keys())
def test_a_damaged_key_is_told_before_anything_is_deleted(text: str) -> None:
    receipts.keep(RECEIPT)
    receipt_store.key_file().write_text(text, "utf-8")
    for work in (receipts.check_ready, lambda: receipts.keep(WITH_LEFT)):
        with pytest.raises(ConfigError) as caught:
            work()
        assert str(receipt_store.key_file()) in caught.value.message
        assert "Move it away" in caught.value.hint
    assert receipt_store.key_file().read_text("utf-8") == text


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_deleted() -> None:
    receipt_store.folder().parent.parent.mkdir(parents=True)
    receipt_store.folder().parent.write_text("a file in the way", "utf-8")
    with pytest.raises(BootstrapError) as caught:
        receipts.check_ready()
    assert "cannot be written" in caught.value.message
    assert "XDG_DATA_HOME" in caught.value.hint


# Telling an edited one


def small() -> bytes:
    text, _ = receipt_store.sign(replace(RECEIPT, removed=(), command="").to_json())
    return text.encode("utf-8")


def test_an_edit_of_any_byte_is_found() -> None:
    data, own = small(), receipt_store.own_key()
    assert verify(data, own, None, receipt_store.holds).is_proven
    last = data.rstrip(b"\n").rfind(b"\n")
    for at in range(len(data)):
        # In the signed line every bit; in the text before it one, since its digest looks at all of them alike.
        for bit in range(8) if at >= last else (0,):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            verdict = verify(bytes(changed), own, None, receipt_store.holds)
            assert not verdict.is_proven, f"byte {at}, bit {bit}"
            assert verdict.standing == "edited", f"byte {at}, bit {bit}"


def test_no_byte_can_be_left_out_or_added() -> None:
    data, own = small(), receipt_store.own_key()
    for at in range(len(data) + 1):
        for changed in (data[:at], data[:at] + b" " + data[at:]):
            if changed != data:
                assert not verify(changed, own, None, receipt_store.holds).is_proven, f"byte {at}"


def test_signed_again_by_another_proves_nothing(tmp_path: Path) -> None:
    kept = receipts.keep(WITH_LEFT)
    clean = replace(WITH_LEFT, scan=Scan((), (), ())).to_json()
    another = Ed25519PrivateKey.generate()
    kept.stored.json.write_text(seal(clean, another.public_key().public_bytes_raw(), another.sign), "utf-8")
    done = run("verify", str(kept.stored.json))
    assert done.exit_code == 1
    assert "which this machine does not know" in done.output
    assert "signed elsewhere" in run().output


@pytest.mark.parametrize("length", [0, 31, 33])
def test_what_is_no_key_checks_nothing(length: int) -> None:
    assert receipt_store.holds(b"\x01" * length, b"\x02" * 64, b"") is False


# The command


def test_a_whole_one_is_proven() -> None:
    kept = receipts.keep(RECEIPT)
    done = run("verify", str(kept.stored.json))
    assert (done.exit_code, done.output) == (
        0,
        f"{kept.stored.json}: whole, and signed on this machine with the key {kept.fingerprint}\n",
    )


def test_an_edited_one_is_told() -> None:
    kept, other = receipts.keep(RECEIPT), receipts.keep(WITH_LEFT)
    text = other.stored.json.read_text("utf-8")
    other.stored.json.write_text(text.replace("AccessDenied", "AccessGiven"), "utf-8")
    done = run("verify", str(kept.stored.json), str(other.stored.json))
    assert done.exit_code == 1
    first, second = done.output.splitlines()
    assert first.startswith(f"{kept.stored.json}: whole")
    assert second.startswith(f"{other.stored.json}: edited")


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}", "utf-8")
    done = run("verify", str(tmp_path / "x.json"))
    assert (done.exit_code, done.output) == (1, f"{tmp_path / 'x.json'}: this is no receipt\n")


def test_a_file_that_is_not_there_stops_no_other(tmp_path: Path) -> None:
    kept = receipts.keep(RECEIPT)
    done = run("verify", str(tmp_path / "gone.json"), str(tmp_path), str(kept.stored.json))
    gone, advice, folder, whole = done.output.splitlines()
    assert "`bootstrap receipts` lists" in advice
    assert (done.exit_code, gone) == (1, f"{tmp_path / 'gone.json'}: it cannot be read: No such file or directory")
    assert folder.startswith(f"{tmp_path}: it cannot be read: ")
    assert ": whole, and signed on this machine" in whole


def test_for_the_page_the_other_file_is_named() -> None:
    done = run("verify", str(receipts.keep(RECEIPT).stored.page))
    assert done.exit_code == 1
    assert "name that one" in done.output


def test_on_another_machine_the_fingerprint_proves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = receipts.keep(RECEIPT)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    alone = run("verify", str(kept.stored.json))
    assert alone.exit_code == 1
    assert f"--key {kept.fingerprint}" in alone.output
    named = run("verify", str(kept.stored.json), "--key", kept.fingerprint.upper())
    assert (named.exit_code, "whole, and signed with the key you named" in named.output) == (0, True)
    wrong = run("verify", str(kept.stored.json), "--key", fingerprint(b"x"), "--json")
    assert wrong.exit_code == 1
    assert json.loads(wrong.output) == {
        "files": [
            {"file": str(kept.stored.json), "proven": False, "signature": "other key", "key": kept.fingerprint},
        ]
    }
    assert isinstance(run("verify", str(kept.stored.json), "--key", "abc").exception, UsageError)
    assert not receipt_store.key_file().exists()


def test_none_yet() -> None:
    assert run().output == "No receipts of the project demo on this machine. `down` writes one.\n"
    assert run("--all").output == "No receipts on this machine. `down` writes one.\n"
    assert json.loads(run("--json").output) == {"receipts": []}
    assert not receipt_store.folder().exists()


def test_the_list_is_of_this_project_newest_first() -> None:
    for one in (OF_ANOTHER, RECEIPT, WITH_LEFT):
        receipts.keep(one)
    lines = [re.split(r"  +", line) for line in run().output.splitlines()]
    assert lines == [
        ["WHEN", "PROJECT", "ENV", "TARGET", "REMOVED", "LEFT", "VERDICT", "RECEIPT"],
        ["2026-11-22 08:00", "demo", "prod", "aws", "1", "1 or more", "something left", WITH_LEFT.id],
        ["2026-11-21 17:32", "demo", "stag", "aws", "1", "0", "nothing left", RECEIPT.id],
    ]
    assert [line.split()[-1] for line in run("--all").output.splitlines()[1:]] == [
        OF_ANOTHER.id,
        WITH_LEFT.id,
        RECEIPT.id,
    ]


def test_the_list_as_json() -> None:
    kept = receipts.keep(WITH_LEFT)
    kept.stored.page.unlink()
    assert json.loads(run("--json").output) == {
        "receipts": [
            {
                "id": WITH_LEFT.id,
                "when": "2026-11-22T08:00:00Z",
                "project": "demo",
                "env": "prod",
                "target": "aws",
                "removed": 1,
                "left": 1,
                "kept": 0,
                "not_looked_at": 1,
                "clean": False,
                "verdict": WITH_LEFT.verdict,
                "signature": "own key",
                "json": str(kept.stored.json),
                "page": None,
            }
        ]
    }


def test_an_edited_one_says_nothing_in_the_list() -> None:
    kept = receipts.keep(WITH_LEFT)
    text = kept.stored.json.read_text("utf-8").replace("AccessDenied", "AccessGiven")
    kept.stored.json.write_text(text, "utf-8")
    (receipt_store.folder() / "notes.json").write_text("my notes", "utf-8")
    assert [re.split(r"  +", line)[-2:] for line in run().output.splitlines()[1:]] == [
        ["edited since it was signed", WITH_LEFT.id],
        ["no receipt", "notes"],
    ]
    both = {one["id"]: one for one in json.loads(run("--json").output)["receipts"]}
    assert (both[WITH_LEFT.id]["clean"], both[WITH_LEFT.id]["left"]) == (False, None)
    assert both["notes"]["verdict"] == "This is no receipt: it is not JSON."


def test_one_is_shown() -> None:
    kept = receipts.keep(WITH_LEFT)
    done = run("show", "demo--prod")
    assert done.exit_code == 0
    for words in (str(kept.stored.json), str(kept.stored.page), "whole, and signed", WITH_LEFT.verdict, LEFT.arn):
        assert words in done.output
    assert "success" not in done.output.lower()
    assert json.loads(run("show", "demo--prod", "--json").output)["id"] == WITH_LEFT.id


REFUSED = {
    "none": ("demo--devl", "There is no receipt demo--devl on this machine."),
    "two": ("demo--", "2 receipts have an id that begins with demo--."),
    "a path": ("../receipt-key", "There is no receipt ../receipt-key on this machine."),
    "odd signs": ("a\x1b[2J", "There is no receipt a\\u001b[2J on this machine."),
}


@pytest.mark.parametrize(("name", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_there_is_not_shown(name: str, message: str) -> None:
    receipts.keep(RECEIPT)
    receipts.keep(WITH_LEFT)
    done = run("show", name)
    assert isinstance(done.exception, BootstrapError)
    assert done.exception.message == message


def test_a_damaged_one_is_not_shown() -> None:
    kept = receipts.keep(RECEIPT)
    kept.stored.json.write_text("{", "utf-8")
    done = run("show", RECEIPT.id)
    assert isinstance(done.exception, BootstrapError)
    assert str(kept.stored.json) in done.exception.message


def test_names_of_others_reach_no_terminal_as_they_are() -> None:
    odd = replace(RECEIPT, removed=(Removed("bucket", "a\x1b]0;x\x07\u202eb", "aws", "now"),))
    receipts.keep(odd)
    shown = run("show", RECEIPT.id).output
    assert "a\\u001b]0;x\\u0007\\u202eb" in shown
    assert "\x1b]" not in shown
