"""Seals an invite into one small text, and opens it: an age file with ASCII armour, made and read by pyrage.

The format is https://age-encryption.org/v1 (https://github.com/C2SP/C2SP/blob/main/age.md). pyrage says of a file that
does not open only that it does not, so what is around the sealed part is read here as well: whoever was invited is
told whether their file is cut off, was changed, or only needs another code. Nothing is written anywhere.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bootstrap.core.invite import ASK_FOR_A_NEW_ONE, SSH_KEY_TYPES, InviteError, normalise_code
from bootstrap.errors import BootstrapError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Kind = Literal["code", "ssh", "passphrase"]
PASSPHRASE_LENGTH = 12

_KINDS: dict[str, Kind] = {"X25519": "code", "scrypt": "passphrase", "ssh-ed25519": "ssh", "ssh-rsa": "ssh"}
_SSH_FILES = ("id_ed25519", "id_rsa")
_NAME_IT = "Name the .age file that you were sent."
_SEND_AGAIN = (
    "Save it again from the message it came in, or ask the person who invited you to send it again, as a file."
)

# Hundreds of times as much as an invite has, with a key or two.
_MOST_BYTES = 1_000_000

# Blanks and line breaks come and go where a text is mailed or pasted; dashes and letters do not.
_BEGIN_LINE = "-----BEGIN AGE ENCRYPTED FILE-----"
_END_LINE = "-----END AGE ENCRYPTED FILE-----"
_BEGIN = re.compile(r"-----\s*BEGIN\s+AGE\s+ENCRYPTED\s+FILE\s*-----")
_END = re.compile(r"-----\s*END\s+AGE\s+ENCRYPTED\s+FILE\s*-----")

# The grammar of the header, and what has to follow it: 16 bytes of nonce and the 16 of the last chunk's tag.
_HEADER = re.compile(
    rb"age-encryption\.org/v1\n"
    rb"((?:-> [!-~]+(?: [!-~]+)*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+)"
    rb"--- [A-Za-z0-9+/]{43}\n"
)
_OTHER_VERSION = re.compile(rb"age-encryption\.org/v(?!1\n)[0-9]+\n")
_STANZA = re.compile(rb"^-> (.+)$", re.MULTILINE)
_LEAST_PAYLOAD = 32
# What age itself takes at most: 4 GiB of memory. Without a bound, a bad file could freeze the laptop.
# https://pkg.go.dev/filippo.io/age#ScryptIdentity.SetMaxWorkFactor
_MOST_WORK = 22

# https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
_OPENSSH_KEY = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END OPENSSH PRIVATE KEY-----", re.DOTALL)
_OPENSSH_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True)
class Code:
    """An identity for one invite: `recipient` (age1…) to seal to, `secret` (AGE-SECRET-KEY-1…) to open with."""

    recipient: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class _Sealed:
    """The bytes of an age file, and the words of each line in its header that says who can open it."""

    data: bytes
    stanzas: tuple[tuple[str, ...], ...]

    @property
    def kind(self) -> Kind:
        """How it was sealed. Raises InviteError for a way that we do not know."""
        for words in self.stanzas:
            if words[0] in _KINDS:
                return _KINDS[words[0]]
        # age itself adds a line of no meaning now and then, so one unknown line among others is fine.
        raise InviteError(
            "This invite is sealed in a way that this version of bootstrap does not know.",
            hint=f"Upgrade bootstrap, then open it again. Else: {ASK_FOR_A_NEW_ONE}",
        )


def new_code() -> Code:
    """Make a code that nobody has seen yet."""
    from pyrage import x25519

    identity = x25519.Identity.generate()
    return Code(str(identity.to_public()), str(identity))


def seal_to_code(data: bytes, code: Code) -> str:
    """Seal `data` so that only the code's secret opens it."""
    from pyrage import x25519

    return _sealed_to(data, [x25519.Recipient.from_str(code.recipient)])


def seal_to_ssh(data: bytes, public_keys: Sequence[str]) -> str:
    """Seal `data` so that each of these ssh keys opens it. A key is a line as in `id_ed25519.pub`.

    Lines of other types than ssh-ed25519 and ssh-rsa, and damaged or short (below 2048 bits) keys, are left out. Raises
    BootstrapError if none remains.
    """
    import pyrage
    from pyrage import ssh

    recipients: dict[str, Any] = {}
    for line in public_keys:
        key = " ".join(line.split()[:2])
        if key.partition(" ")[0] in SSH_KEY_TYPES:
            try:
                recipients[key] = ssh.Recipient.from_str(key)
            except pyrage.RecipientError:
                continue
    if not recipients:
        raise BootstrapError(
            "None of this person's ssh keys can be sealed to: that takes an ssh-ed25519 key, or an ssh-rsa key of at"
            " least 2048 bits.",
            hint="Seal the invite to a code, or ask for a key made with `ssh-keygen -t ed25519`.",
        )
    return _sealed_to(data, list(recipients.values()))


def check_passphrase(passphrase: str) -> None:
    """Raise UsageError for a passphrase that is too short to protect a key."""
    if len(passphrase.strip()) < PASSPHRASE_LENGTH:
        raise UsageError(
            f"The passphrase is too short: it takes at least {PASSPHRASE_LENGTH} characters.",
            hint="Four or five words that do not belong together are a good one.",
        )


def seal_with_passphrase(data: bytes, passphrase: str) -> str:
    """Seal `data` with a passphrase; takes seconds, on purpose. Raises UsageError for a short one."""
    import pyrage

    check_passphrase(passphrase)
    try:
        return bytes(pyrage.passphrase.encrypt(data, passphrase, armored=True)).decode("ascii")
    except UnicodeEncodeError:  # it holds half a character, as a terminal with another encoding gives out
        raise UsageError(
            "The passphrase has a character in it that is no text.", hint="Choose one of letters, digits and blanks."
        ) from None


def read_sealed(path: Path) -> str:
    """Return the text of an invite's file, not looked at yet. Raises InviteError if there is no file to read.

    A byte that is no text becomes a sign that no invite has, so that `kind_of` and the others say what is wrong.
    """
    try:
        if path.is_dir():
            raise InviteError(f"{path} is a folder, not an invite.", hint=_NAME_IT)
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise InviteError(f"There is no file {path}.", hint=_NAME_IT) from None
    except OSError as error:
        raise InviteError(
            f"{path} cannot be read: {error.strerror or type(error).__name__}.",
            hint="Give yourself the right to read it, then run again.",
        ) from None
    if len(data) > _MOST_BYTES:
        raise _not_an_invite()
    # As PowerShell and some editors save a text.
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    return data.decode(encoding, errors="replace")


def kind_of(sealed: str) -> Kind:
    """Return what opens this invite. Raises InviteError if it is no invite, is cut off, or was changed."""
    return _read(sealed).kind


def open_with_code(sealed: str, code: str) -> bytes:
    """Return what was sealed to a code. Raises InviteError, also for what `normalise_code` refuses."""
    from pyrage import x25519

    invite = _of_kind(sealed, "code")
    identity = x25519.Identity.from_str(normalise_code(code))
    return _opened(
        invite,
        identity,
        InviteError(
            "This code does not open this invite.",
            hint="An invite and its code belong together: a new invite comes with a new code. If these two are the"
            " newest you were sent, the file was changed on its way: ask for it to be sent again.",
        ),
    )


def open_with_passphrase(sealed: str, passphrase: str) -> bytes:
    """Return what was sealed with a passphrase; takes seconds, on purpose. Raises InviteError."""
    import pyrage

    invite = _of_kind(sealed, "passphrase")
    if not all(_is_bearable(words) for words in invite.stanzas):
        raise _changed()
    try:
        return bytes(pyrage.passphrase.decrypt(invite.data, passphrase))
    except (pyrage.DecryptError, UnicodeEncodeError) as error:
        if str(error).startswith("Excessive work"):
            raise InviteError(
                "This invite was sealed on a much faster computer; opening it here would take minutes.",
                hint="Open it on another computer, or ask for an invite with a code.",
            ) from None
        if isinstance(error, UnicodeEncodeError) or str(error) == "Decryption failed":
            raise InviteError(
                "This passphrase does not open this invite.",
                hint="Type it again, with capitals and blanks as you were told. If it is right, the file was changed on"
                " its way: ask for it to be sent again.",
            ) from None
        raise _changed() from None


def open_with_ssh(sealed: str, identities: Sequence[Path], ask: Callable[[Path], str]) -> bytes:
    """Return what was sealed to ssh keys, by the first of these private key files that opens it. Raises InviteError.

    `ask` is called for the passphrase of a file that is protected by one, and only if that key is among those the
    invite is sealed to. The key is unlocked in memory alone.
    """
    invite = _of_kind(sealed, "ssh")
    tags = {words[1] for words in invite.stanzas if words[0] in SSH_KEY_TYPES and len(words) > 1}
    looked_at = ", ".join(map(str, identities)) or "no key in ~/.ssh"
    not_here = InviteError(
        f"This invite is sealed to ssh keys that are not here (looked at: {looked_at}).",
        hint="Open it on the computer with the ssh key that you use for GitHub, or ask for an invite with a code.",
    )
    unusable: _KeyUnusable | None = None
    for path in identities:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        tag = _tag_of(path, content)
        if tag is not None and tag not in tags:
            continue
        try:
            return _opened(invite, _unlocked(path, content, ask), not_here)
        except _KeyUnusable as error:
            unusable = error
        except InviteError as error:
            if error is not not_here:
                raise
    raise unusable or not_here


def ssh_identities(home: Path) -> list[Path]:
    """Return the private key files that ssh looks for under `home` and that age can use, best first."""
    return [path for path in (home / ".ssh" / name for name in _SSH_FILES) if path.is_file()]


class _KeyUnusable(InviteError):
    """A private key file could not be used; another may still do."""


def _sealed_to(data: bytes, recipients: list[Any]) -> str:
    import pyrage

    return bytes(pyrage.encrypt(data, recipients, armored=True)).decode("ascii")


def _opened(invite: _Sealed, identity: Any, refusal: InviteError) -> bytes:
    """Open it, or raise `refusal` when it is not for this identity, or InviteError when it was changed."""
    import pyrage

    try:
        return bytes(pyrage.decrypt(invite.data, [identity]))
    except pyrage.DecryptError as error:
        raise (refusal if str(error) == "No matching keys found" else _changed()) from None


def _read(sealed: str) -> _Sealed:
    """Take the armour off and read the header. Raises InviteError.

    More is let through than the format has: other words around the armour, blanks, and lines of any length. Mail and
    clipboards do that to a text, and nobody can hide anything in it, since what is sealed carries its own proof.
    """
    begins, ends = list(_BEGIN.finditer(sealed)), list(_END.finditer(sealed))
    if not begins:
        if not sealed.strip():
            raise InviteError("This file is empty.", hint=_SEND_AGAIN)
        if ends:
            raise _cut_off("its beginning is missing")
        if _BEGIN_LINE.startswith(sealed.strip()):
            raise _cut_off("hardly anything of it is here")
        raise _not_an_invite()
    if len(begins) > 1 or len(ends) > 1:
        raise InviteError("There is more than one invite in this file.", hint=_SEND_AGAIN)
    if not ends:
        rest = sealed[begins[0].end() :].strip().splitlines()
        if rest and "-" in rest[-1] and not _END_LINE.startswith(rest[-1].strip()):
            raise _changed()
        raise _cut_off("its end is missing")
    if ends[0].start() < begins[0].end():
        raise _changed()
    body = "".join(sealed[begins[0].end() : ends[0].start()].split())
    if not body:
        raise _cut_off("there is nothing between its first and its last line")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):  # a ValueError: a sign that is not ASCII
        raise _changed() from None
    return _with_header(data)


def _with_header(data: bytes) -> _Sealed:
    header = _HEADER.match(data)
    if header is None:
        if _OTHER_VERSION.match(data):
            raise InviteError(
                "This invite is sealed by a newer version of age than this version of bootstrap knows.",
                hint=f"Upgrade bootstrap, then open it again. Else: {ASK_FOR_A_NEW_ONE}",
            )
        raise _changed()
    if len(data) - header.end() < _LEAST_PAYLOAD:
        raise _cut_off("its last lines are missing")
    stanzas = tuple(tuple(line.decode("ascii").split(" ")) for line in _STANZA.findall(header[1]))
    return _Sealed(data, stanzas)


def _of_kind(sealed: str, given: Kind) -> _Sealed:
    """Read an invite that `given` is to open. Raises InviteError if something else opens it."""
    invite = _read(sealed)
    needed = invite.kind
    if needed != given:
        words: dict[Kind, str] = {"code": "a code", "ssh": "an ssh key", "passphrase": "a passphrase"}
        hints: dict[Kind, str] = {
            "code": "The code begins with AGE-SECRET-KEY-1, and comes by another way than the invite.",
            "ssh": "No code is needed, and no passphrase other than your key's: it opens with the ssh key that you use"
            " for GitHub.",
            "passphrase": "The person who invited you chose the passphrase, and tells you by another way.",
        }
        raise InviteError(f"This invite opens with {words[needed]}, not with {words[given]}.", hint=hints[needed])
    return invite


def _not_an_invite() -> InviteError:
    return InviteError("This file is not an invite.", hint=_NAME_IT)


def _cut_off(what: str) -> InviteError:
    return InviteError(f"This invite is cut off: {what}.", hint=_SEND_AGAIN)


def _changed() -> InviteError:
    return InviteError("This invite is not as it was made: a part of it was changed or lost.", hint=_SEND_AGAIN)


def _is_bearable(words: tuple[str, ...]) -> bool:
    """Tell whether a line of the header asks for no more work than age would do. pyrage judges the rest."""
    if words[0] != "scrypt" or len(words) != 3:
        return True
    return re.fullmatch(r"[1-9][0-9]?", words[2], re.ASCII) is not None and int(words[2]) <= _MOST_WORK


def _tag_of(path: Path, content: bytes) -> str | None:
    """Return by which word in an age header this private key is known, without unlocking it; None if not to be told.

    It is the beginning of a SHA-256 of the public key, which OpenSSH keeps in clear inside the private file, and beside
    it too: https://github.com/FiloSottile/age/blob/main/agessh/agessh.go
    """
    public = _public_inside(content)
    if public is None:
        try:
            words = path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").split()
            public = base64.b64decode(words[1], validate=True)
        except (OSError, ValueError, IndexError):
            return None
    return base64.b64encode(hashlib.sha256(public).digest()[:4]).decode("ascii").rstrip("=")


def _public_inside(content: bytes) -> bytes | None:
    """Return the public key from an OpenSSH private key file: the string after cipher, two settings, and a number."""
    found = _OPENSSH_KEY.search(content)
    if found is None:
        return None
    try:
        rest = base64.b64decode(b"".join(found[1].split()), validate=True).removeprefix(_OPENSSH_MAGIC)
        for _ in range(3):
            (length,) = struct.unpack_from(">I", rest)
            rest = rest[4 + length :]
        (_, length) = struct.unpack_from(">II", rest)
    except (ValueError, struct.error):
        return None
    return rest[8 : 8 + length]


def _unlocked(path: Path, content: bytes, ask: Callable[[Path], str]) -> Any:
    """Return the private key in `content` for pyrage, which takes only keys that no passphrase protects."""
    import pyrage
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    load: Any = (
        serialization.load_ssh_private_key if _OPENSSH_KEY.search(content) else serialization.load_pem_private_key
    )
    try:
        try:
            key = load(content, None)
        except TypeError:  # so says cryptography that it needs a passphrase
            key = _with_passphrase(load, path, content, ask(path))
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return pyrage.ssh.Identity.from_buffer(plain)
    except (ValueError, UnsupportedAlgorithm, pyrage.IdentityError):
        raise _KeyUnusable(
            f"{path} is of a kind, or protected in a way, that bootstrap cannot use.",
            hint="Ask for an invite with a code.",
        ) from None


def _with_passphrase(load: Callable[[bytes, bytes], Any], path: Path, content: bytes, passphrase: str) -> Any:
    from cryptography.exceptions import InvalidTag

    try:
        return load(content, passphrase.encode("utf-8"))
    except (ValueError, TypeError, InvalidTag):
        raise _KeyUnusable(
            f"The passphrase does not unlock {path}.",
            hint="It is the one you chose for this ssh key. Run the same command again and type it again.",
        ) from None
