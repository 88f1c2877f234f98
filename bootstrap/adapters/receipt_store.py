"""Where receipts live, and the key of this machine that they are signed with: in the user's own data folder.

They outlive the project's folder, which `down` leaves as it was. The key (Ed25519) is made with the first receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bootstrap.adapters import files
from bootstrap.adapters.files import PRIVATE_FILE, locked, read_text, write_atomic
from bootstrap.core.receipt import MOST_BYTES, printable, seal
from bootstrap.errors import BootstrapError, ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# No secret is in them, and a page is there to be shown. What keeps others out is the folder.
_MODE = 0o644
_OVER = "What this receipt says was kept is not there any more.\n"
_FOLDER_HINT = "Make your data folder writable, or set XDG_DATA_HOME to one that is, then run again."


@dataclass(frozen=True)
class Stored:
    """One receipt on this machine: its id, and its two files. The page may have been deleted."""

    id: str
    json: Path
    page: Path

    @property
    def over(self) -> Path:
        """What lies beside it once nothing is there any more of what it says was kept."""
        return self.json.with_suffix(".over")


def folder() -> Path:
    """Return where receipts lie; it need not be there."""
    return platformdirs.user_data_path("bootstrap", appauthor=False) / "receipts"


def key_file() -> Path:
    """Return where this machine's key lies (a private one: PKCS 8, PEM, 0600); it need not be there."""
    return folder().parent / "receipt-key.pem"


def sign(text: str) -> tuple[str, bytes]:
    """Return a receipt's JSON with its signed line, and the public key (32 bytes); makes the key if there is none.

    Raises BootstrapError if the key cannot be read or written.
    """
    path = key_file()
    pem = read_text(path)
    if pem is None:
        with locked(path):
            # Another run may have made it while this one waited.
            pem = read_text(path)
            if pem is None:
                pem = _new_key()
                write_atomic(path, pem, mode=PRIVATE_FILE, hint=_FOLDER_HINT)
    key = _read_key(pem, path)
    return seal(text, _raw(key), key.sign), _raw(key)


def own_key() -> bytes | None:
    """Return this machine's public key (32 bytes), None if it has signed nothing yet.

    Raises BootstrapError if the key's file cannot be read or holds something else.
    """
    path = key_file()
    pem = read_text(path)
    return _raw(_read_key(pem, path)) if pem is not None else None


def holds(key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature (64 bytes) is that of `message`, made with the other half of a public key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_writable() -> None:
    """Raise BootstrapError if no receipt could be written now. Leaves no trace."""
    for path in (key_file(), folder() / "receipt.json"):
        files.check_writable(path, hint=_FOLDER_HINT)


def save(receipt_id: str, text: str, page: str) -> Stored:
    """Write a receipt and its page, in a folder for the user alone. Raises BootstrapError if that cannot be done."""
    stored = _stored(folder() / f"{receipt_id}.json")
    write_atomic(stored.json, text, mode=_MODE, hint=_FOLDER_HINT)
    write_atomic(stored.page, page, mode=_MODE, hint=_FOLDER_HINT)
    return stored


def stored() -> list[Stored]:
    """Return all receipts on this machine, by id."""
    return sorted((_stored(path) for path in folder().glob("*.json")), key=lambda one: one.id)


def find(receipt_id: str) -> Stored:
    """Return the receipt with this id, or the only one whose id begins so. Raises BootstrapError if there is none."""
    found = stored()
    matching = [one for one in found if one.id == receipt_id] or [one for one in found if one.id.startswith(receipt_id)]
    if len(matching) == 1:
        return matching[0]
    shown = printable(receipt_id)
    if matching:
        raise BootstrapError(
            f"{len(matching)} receipts have an id that begins with {shown}.",
            hint=f"Name the whole of one: {', '.join(one.id for one in matching[-3:])}",
        )
    raise BootstrapError(
        f"There is no receipt {shown} on this machine.", hint="`bootstrap receipts --all` lists those there are."
    )


def mark_over(one: Stored) -> None:
    """Remember that what a receipt says was kept is gone; the receipt itself is signed, and stays as it is.

    Raises BootstrapError if that cannot be written.
    """
    write_atomic(one.over, _OVER, mode=_MODE, hint=_FOLDER_HINT)


def is_over(one: Stored) -> bool:
    """Tell whether what a receipt says was kept is known to be gone."""
    return one.over.exists()


def read(path: Path) -> bytes:
    """Return the bytes of what may be a receipt. Raises BootstrapError if there is no file, or none of that size."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise BootstrapError(
            f"it cannot be read: {error.strerror or type(error).__name__}",
            hint="Name a receipt: a .json file of those that `bootstrap receipts` lists.",
        ) from None
    if len(data) > MOST_BYTES:
        raise BootstrapError("this is no receipt: it is too large for one", hint="Name another file.")
    return data


def _stored(path: Path) -> Stored:
    return Stored(path.stem, path, path.with_suffix(".html"))


def _new_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii")


def _read_key(text: str, path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(text.encode("utf-8"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # not raised from here: the exception could carry the key
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"{path} is not the key that receipts are signed with.",
            hint="Move it away: the next receipt makes a new one. To that one, older receipts are another machine's.",
        )
    return key


def _raw(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
