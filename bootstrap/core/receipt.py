"""What a teardown took away, what it found afterwards, and how a receipt can be told from an edited one.

A receipt's file is JSON, and behind it one line with the SHA-256 of every byte before that line, their signature
(Ed25519, https://www.rfc-editor.org/rfc/rfc8032) and the key to check it with:

    sha256:<hex> ed25519:<signature in base64> key:<public key in base64>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bootstrap.core.counts import counted
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.prices import Estimate
from bootstrap.core.record import Target
from bootstrap.errors import ConfigError, UsageError

SCHEMA = 1

Where = Literal["aws", "mlflow", "github", "laptop"]
State = Literal["nothing left", "something left", "not all looked at", "not finished"]
Standing = Literal["own key", "named key", "unknown key", "other key", "edited", "no receipt"]

_LINE = re.compile(rb"sha256:([0-9a-f]{64}) ed25519:([A-Za-z0-9+/=]{88}) key:([A-Za-z0-9+/=]{44})")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
# Keys of a receipt. One that is edited has at least all but one of them still.
_TELLTALES = ("schema", "project", "removed", "scan", "verdict")
_WHICH_FILE = "Name a .json file of those that `bootstrap receipts` lists."
# A receipt is a few hundred lines; its history, at most, a few hundred thousand.
MOST_BYTES = 64_000_000


@dataclass(frozen=True)
class Removed:
    """One thing that is gone. `id` is its ARN or its name, `at` when it went (UTC, ISO 8601)."""

    kind: str
    id: str
    place: Where
    at: str


@dataclass(frozen=True)
class Archive:
    """What was put aside before anything was deleted.

    `folder` is where: a folder, or an address in S3. `manifest_sha256` is that of the archive's list of files.
    """

    folder: str
    files: int
    bytes: int
    manifest_sha256: str


@dataclass(frozen=True)
class Unfinished:
    """What could not be done, in words, and the command that does it."""

    what: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One teardown. Times are UTC, ISO 8601, to the second; sizes are bytes.

    `env` is None for what belongs to the whole project. `by` is the ARN of who ran `command`. `objects`, `versions`
    and `bytes` are what was in the bucket, None if nobody could count it. `scan` is None if there was no account to
    look through: the emulator is gone. `kept` stayed because the user wished it. `history` has one JSON object for each
    command that was run on the environment, oldest first.
    """

    id: str
    project: str
    env: str | None
    target: Target
    account_id: str
    region: str
    command: str
    by: str | None
    began: str
    ended: str
    removed: tuple[Removed, ...]
    objects: int | None
    versions: int | None
    bytes: int | None
    scan: Scan | None
    cost_before: Estimate
    cost_now: Estimate
    archive: Archive | None = None
    kept: tuple[Thing, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    history: tuple[dict[str, Any], ...] = ()
    schema: int = field(default=SCHEMA)

    @property
    def left(self) -> tuple[Thing, ...]:
        """What was found afterwards and was not to stay."""
        kept = {thing.arn for thing in self.kept}
        return tuple(thing for thing in self.scan.things if thing.arn not in kept) if self.scan else ()

    @property
    def could_look(self) -> bool:
        """Whether every place was looked at. Of an emulator that is gone nothing is left to look at."""
        return not self.scan.blind if self.scan else self.target == "local"

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left, all places were looked at, and nothing remains to be done."""
        return self.state == "nothing left"

    @property
    def state(self) -> State:
        """What to say first of it, in two or three words."""
        if self.left:
            return "something left"
        if not self.could_look:
            return "not all looked at"
        return "not finished" if self.unfinished else "nothing left"

    @property
    def verdict(self) -> str:
        """The whole of it in one sentence."""
        of = f"'{self.env}' of the project {self.project}" if self.env else f"the project {self.project}"
        short = []
        if self.left:
            short.append(f"{counted(len(self.left), 'thing')} of it {'is' if len(self.left) == 1 else 'are'} left")
        if not self.could_look:
            count = len(self.scan.blind) if self.scan else 0
            short.append(f"{counted(count, 'place')} could not be looked at" if count else "nothing could be looked at")
        if self.unfinished:
            short.append(f"{counted(len(self.unfinished), 'step')} could not be finished")
        kept = f"{counted(len(self.kept), 'thing')} that stayed as you wished" if self.kept else ""
        if short:
            listed = f"{', '.join(short[:-1])} and {short[-1]}" if len(short) > 1 else short[0]
            return f"The teardown of {of} is not complete: {listed}{f', beside {kept}' if kept else ''}."
        gone = f"All of {of} is gone{f', except {kept}' if kept else ''}"
        if self.scan is None:
            return f"{gone}; the emulator was gone too, so there was nothing to look through."
        return f"{gone}: {counted(len(self.scan.looked), 'place')} looked at, nothing {'else ' if kept else ''}found."

    def to_json(self) -> str:
        """Return it as canonical JSON, with what follows from the rest (`left`, `clean`, `verdict`) for who reads it.

        Half a character, as in a folder's name that is no UTF-8, becomes a question mark.
        """
        values = {
            **asdict(self),
            "left": [asdict(thing) for thing in self.left],
            "clean": self.is_clean,
            "verdict": self.verdict,
        }
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        return text.encode("utf-8", "replace").decode("utf-8")


def receipt_id(project: str, env: str | None, ended: str) -> str:
    """Return a receipt's id, which is also its file's name: `course--stag--20261121T173252Z`."""
    when = re.sub(r"[^0-9TZ]", "", ended)
    return "--".join(filter(None, (project, env, when)))


def parse_receipt(text: str) -> Receipt:
    """Read a receipt, with or without its signed line. Raises ConfigError, naming the key that is wrong."""
    from pydantic import TypeAdapter, ValidationError

    body, _ = _parts(text.encode("utf-8", "replace"))
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ConfigError("This is no receipt: it is not JSON.", hint=_WHICH_FILE) from None
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise ConfigError("This is no receipt: it does not say which `schema` it has.", hint=_WHICH_FILE)
    if content["schema"] != SCHEMA:
        raise ConfigError(
            f"This receipt has schema {content['schema']}; this version of bootstrap reads {SCHEMA}.",
            hint="Upgrade bootstrap, then run again.",
        )
    try:
        return TypeAdapter(Receipt).validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise ConfigError(
            f"This receipt is damaged at `{printable(key)}`: {first['msg']}.",
            hint="`bootstrap receipts verify FILE` tells whether it was edited.",
        ) from None


def fingerprint(key: bytes) -> str:
    """Return what people compare instead of a public key (32 bytes): 128 bits of its SHA-256 in groups of four."""
    digits = hashlib.sha256(key).hexdigest()[:32]
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))


def read_fingerprint(text: str) -> str:
    """Return a fingerprint as `fingerprint` writes it, from what somebody typed. Raises UsageError if it is none."""
    digits = re.sub(r"[\s:-]", "", text).lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise UsageError(
            f"{printable(text)} is no fingerprint of a key.",
            hint="It has 32 digits (0-9, a-f) in groups of four; `bootstrap receipts verify` shows that of a file.",
        )
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))


def digest(text: str) -> str:
    """Return the SHA-256 of a receipt's JSON, as its signed line and its page have it."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def seal(text: str, key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return a receipt's JSON with its signed line. `key` is the public one, `sign` signs with the private one."""
    return text + _line(digest(text), sign(text.encode("utf-8")), key)


def _line(digits: str, signature: bytes, key: bytes) -> str:
    both = (base64.b64encode(each).decode("ascii") for each in (signature, key))
    return "sha256:{} ed25519:{} key:{}\n".format(digits, *both)


@dataclass(frozen=True)
class Verdict:
    """What a file is worth as a receipt: its standing, that in a sentence, and the fingerprint of who signed it."""

    standing: Standing
    says: str
    fingerprint: str | None = None

    @property
    def is_proven(self) -> bool:
        """Whether no byte was changed since somebody whose key is known signed it.

        A whole file with an unknown key proves nothing: whoever edits a receipt can sign it again with a key of theirs.
        """
        return self.standing in ("own key", "named key")


def verify(data: bytes, own: bytes | None, named: str | None, holds: Callable[[bytes, bytes, bytes], bool]) -> Verdict:
    """Say what a receipt's file is worth.

    `own` is this machine's public key, if it has one; `named` the fingerprint of the key it has to be signed with
    instead. `holds(key, signature, message)` checks a signature.
    """
    body, line = _parts(data)
    found = _read_line(line)
    if found is None:
        if _looks_like_one(body):
            return Verdict("edited", "edited: the signed line at its end is missing or was changed")
        return Verdict("no receipt", "this is no receipt")
    digits, signature, key = found
    if hashlib.sha256(body).hexdigest() != digits:
        return Verdict("edited", "edited: the text is not the one that its last line has the SHA-256 of")
    if not holds(key, signature, body):
        return Verdict("edited", "edited: the signature is not of this text and this key")
    if not _looks_like_one(body):
        return Verdict("no receipt", "this is signed, but it is no receipt")
    mark = fingerprint(key)
    if named is not None:
        if mark == named:
            return Verdict("named key", f"whole, and signed with the key you named, {mark}", mark)
        return Verdict("other key", f"signed with another key than the one you named: {mark}", mark)
    if own is not None and key == own:
        return Verdict("own key", f"whole, and signed on this machine with the key {mark}", mark)
    return Verdict(
        "unknown key",
        f"whole, and signed with the key {mark}, which this machine does not know",
        mark,
    )


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """Return what comes before the last line, and that line with its end; nothing, if it is not a signed one."""
    at = data.rfind(b"\n", 0, len(data) - 1) + 1
    if data.startswith(b"sha256:", at):
        return data[:at], data[at:]
    return data, b""


def _read_line(line: bytes) -> tuple[str, bytes, bytes] | None:
    """Return the digest, the signature and the key of a signed line, or None if it is not one to the last byte.

    Base64 has several spellings of the same bytes. Only ours is taken, so that no edit of the line passes.
    """
    match = _LINE.fullmatch(line.removesuffix(b"\n"))
    if match is None:
        return None
    try:
        digits = match[1].decode("ascii")
        signature, key = (base64.b64decode(part, validate=True) for part in match.group(2, 3))
    except binascii.Error:
        return None
    return (digits, signature, key) if _line(digits, signature, key).encode("ascii") == line else None


def _looks_like_one(body: bytes) -> bool:
    """Say whether a text is a receipt, or was one before it was edited."""
    return body.lstrip()[:1] == b"{" and sum(f'"{key}"'.encode() not in body for key in _TELLTALES) <= 1


def printable(text: str) -> str:
    """Return a text with its control and direction characters spelled out, as `\\u001b`.

    What others named (objects, tags, folders) can hold such; a terminal obeys them, and a page shows them in another
    order than they have.
    """
    return "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text
    )
