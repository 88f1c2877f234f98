"""`receipts`: keeping what a teardown took away, finding it again, telling whether it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bootstrap.adapters import receipt_store
from bootstrap.adapters.receipt_store import Stored
from bootstrap.core.receipt import Receipt, Verdict, digest, fingerprint, parse_receipt, read_fingerprint, verify
from bootstrap.core.receipt_page import page
from bootstrap.errors import BootstrapError, ConfigError


@dataclass(frozen=True)
class Kept:
    """A receipt as it was written: where, the SHA-256 of its JSON, and the fingerprint of the key it is signed with."""

    receipt: Receipt
    stored: Stored
    sha256: str
    fingerprint: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "id": self.receipt.id,
            "json": str(self.stored.json),
            "page": str(self.stored.page),
            "sha256": self.sha256,
            "key": self.fingerprint,
            "clean": self.receipt.is_clean,
            "verdict": self.receipt.verdict,
        }


@dataclass(frozen=True)
class Past:
    """One past receipt. `receipt` is None if it cannot be read any more, and `problem` says why."""

    stored: Stored
    verdict: Verdict
    receipt: Receipt | None
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`. What an edited or damaged one says of itself is not repeated."""
        receipt = self.receipt if self.verdict.standing != "edited" else None
        return {
            "id": self.stored.id,
            "when": receipt.ended if receipt else None,
            "project": receipt.project if receipt else None,
            "env": receipt.env if receipt else None,
            "target": receipt.target if receipt else None,
            "removed": len(receipt.removed) if receipt else None,
            "left": len(receipt.left) if receipt else None,
            "kept": len(receipt.kept) if receipt else None,
            "not_looked_at": len(receipt.scan.blind) if receipt and receipt.scan else None,
            "clean": receipt.is_clean if receipt else False,
            "verdict": receipt.verdict if receipt else self.problem or self.verdict.says,
            "signature": self.verdict.standing,
            "json": str(self.stored.json),
            "page": str(self.stored.page) if self.stored.page.exists() else None,
        }


def check_ready() -> None:
    """Raise BootstrapError if `keep` would fail, to be found out before anything is deleted. Writes nothing."""
    receipt_store.check_writable()
    receipt_store.own_key()


def keep(receipt: Receipt) -> Kept:
    """Sign a receipt, write it and its page. Raises BootstrapError if they cannot be written.

    Should there be one with its id already, its own gets a number behind it.
    """
    taken = {one.id for one in receipt_store.stored()}
    plain, count = receipt.id, 1
    while receipt.id in taken:
        count += 1
        receipt = replace(receipt, id=f"{plain}-{count}")
    text = receipt.to_json()
    signed, key = receipt_store.sign(text)
    mark = fingerprint(key)
    stored = receipt_store.save(receipt.id, signed, page(receipt, digest(text), mark))
    return Kept(receipt, stored, digest(text), mark)


def past(project: str | None) -> list[Past]:
    """Return the receipts of one project, or of all (None), newest first; those that cannot be read with either."""
    own = receipt_store.own_key()
    found = [_look(one, own) for one in receipt_store.stored()]
    mine = [one for one in found if one.receipt is None or project in (None, one.receipt.project)]
    return sorted(mine, key=lambda one: (one.receipt.ended if one.receipt else "", one.stored.id), reverse=True)


def last_of(project: str, env: str) -> Past | None:
    """Return the newest receipt of an environment that is proven to be whole; None if there is none, or no key."""
    with suppress(BootstrapError):
        for one in past(project):
            if one.receipt is not None and one.receipt.env == env and one.verdict.is_proven:
                return one
    return None


def open_receipt(receipt_id: str) -> Past:
    """Return one receipt by its id, or the beginning of it. Raises BootstrapError if it is not there or is damaged."""
    found = _look(receipt_store.find(receipt_id), receipt_store.own_key())
    if found.receipt is None:
        raise BootstrapError(
            f"{found.stored.json}: {found.problem}", hint=f"`bootstrap receipts verify {found.stored.json}` says more."
        )
    return found


def check(paths: Sequence[Path], key: str | None) -> list[tuple[Path, Verdict]]:
    """Say of each file, or receipt of this machine by its id, whether it is whole.

    `key` is the fingerprint that they have to be signed with.

    Raises UsageError if `key` is no fingerprint. A file that cannot be read is no receipt.
    """
    named = read_fingerprint(key) if key is not None else None
    own = receipt_store.own_key() if named is None else None
    return [(path, _check(path, own, named)) for path in paths]


def _check(path: Path, own: bytes | None, named: str | None) -> Verdict:
    try:
        return verify(receipt_store.read(path), own, named, receipt_store.holds)
    except BootstrapError as error:
        return Verdict("no receipt", error.message)


def _look(one: Stored, own: bytes | None) -> Past:
    try:
        data = receipt_store.read(one.json)
    except BootstrapError as error:
        return Past(one, Verdict("no receipt", error.message), None, error.message)
    verdict = verify(data, own, None, receipt_store.holds)
    try:
        return Past(one, verdict, parse_receipt(data.decode("utf-8", "replace")))
    except ConfigError as error:
        return Past(one, verdict, None, error.message)
