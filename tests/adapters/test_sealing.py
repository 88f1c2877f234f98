"""Invites sealed and opened by the real age, and what is said of those that do not open."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from bootstrap.adapters import sealing
from bootstrap.core.invite import Invite, InviteError, parse_invite
from bootstrap.errors import BootstrapError, UsageError

INVITE = Invite(
    project="demo",
    env="stag",
    member="ana",
    role="student",
    team="red",
    target="aws",
    region="us-east-1",
    endpoint_url=None,
    account_id="123456789012",
    bucket="demo--stag--123456789012",
    state_bucket="demo--tfstate--123456789012",
    aws_profile="demo-stag",
    dvc_remote_url="s3://demo--stag--123456789012/dvc/red",
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    mlflow_tracking_uri="https://mlflow.example.org",
    mlflow_password="Zx9-_abcdefghijklmnopqrstuvwxyz0",
    expires=date(2026, 12, 31),
    created="2026-11-21T10:31:00+00:00",
)
DATA = INVITE.to_bytes()
CODE = sealing.new_code()
SEALED = sealing.seal_to_code(DATA, CODE)
PASSPHRASE = "correct horse battery"
SECRETS = (CODE.secret, INVITE.secret_access_key, INVITE.mlflow_password or "", PASSPHRASE)

BEGIN, *BODY, END = SEALED.split("\n")[:-1]

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
Ask = Callable[[Path], str]


def public(key: PrivateKey) -> str:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


def write_key(
    path: Path,
    key: PrivateKey,
    passphrase: str | None = None,
    form: serialization.PrivateFormat = serialization.PrivateFormat.OpenSSH,
) -> Path:
    """Write a private key file as `ssh-keygen` would, in its own form or in one of the older ones."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, protection))
    return path


def nobody(key: Path) -> str:
    raise AssertionError(f"asked for the passphrase of {key}")


def refusal(attempt: Callable[[], object]) -> InviteError:
    """Return the error, after looking that it gives nothing away."""
    with pytest.raises(InviteError) as caught:
        attempt()
    error = caught.value
    shown = f"{error.message} {error.hint} {error!r}"
    assert not any(secret in shown for secret in SECRETS)
    assert error.message.endswith(".")
    assert error.hint
    return error


def armoured(data: bytes) -> str:
    """Put the armour back around changed bytes: what is wrong then is inside."""
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    return f"{BEGIN}\n{body}\n{END}\n"


RAW = base64.b64decode("".join(BODY))
# Where the payload begins: after the line with the header's proof.
PAYLOAD = RAW.index(b"\n", RAW.index(b"\n--- ") + 1) + 1


# --- round trips ---


def test_a_thousand_invites_open_with_their_codes() -> None:
    codes = [sealing.new_code() for _ in range(1000)]
    assert len({code.secret for code in codes}) == 1000
    for number, code in enumerate(codes):
        invite = replace(INVITE, member=f"student-{number}")
        sealed = sealing.seal_to_code(invite.to_bytes(), code)
        assert parse_invite(sealing.open_with_code(sealed, code.secret)) == invite


def test_an_invite_is_plain_text_that_tells_nothing() -> None:
    assert SEALED.isascii()
    assert max(map(len, SEALED.splitlines())) <= 64
    assert (BEGIN, END) == ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")
    for value in vars(INVITE).values():
        # A value of a few letters may turn up in any random text.
        assert len(str(value)) < 8 or str(value).encode() not in RAW
    assert CODE.secret not in repr(CODE)
    assert CODE.recipient in repr(CODE)


def test_the_same_invite_sealed_twice_looks_different() -> None:
    assert sealing.seal_to_code(DATA, CODE) != SEALED


MAC = b"A" * 43


def to_passphrase(work: bytes) -> str:
    """Return what looks like an invite with a passphrase, but nobody has the passphrase; `work` is its logarithm."""
    header = b"-> scrypt AAAAAAAAAAAAAAAAAAAAAA " + work + b"\n" + MAC + b"\n--- " + MAC
    return armoured(b"age-encryption.org/v1\n" + header + b"\n" + b"x" * 40)


# Some 4 s for each time that age works with a passphrase; the other tests use one that costs next to nothing.
def test_a_passphrase_opens_it_unless_it_was_changed() -> None:
    sealed = sealing.seal_with_passphrase(DATA, PASSPHRASE)
    assert sealing.kind_of(sealed) == "passphrase"
    assert sealing.open_with_passphrase(sealed, PASSPHRASE) == DATA
    changed = bytearray(base64.b64decode("".join(sealed.splitlines()[1:-1])))
    changed[-1] ^= 1
    assert refusal(lambda: sealing.open_with_passphrase(armoured(bytes(changed)), PASSPHRASE)).message == CHANGED


@pytest.mark.parametrize("typed", [PASSPHRASE, "", "x" * 12 + "\udc80"], ids=["another", "nothing", "no text"])
def test_the_wrong_passphrase(typed: str) -> None:
    error = refusal(lambda: sealing.open_with_passphrase(to_passphrase(b"1"), typed))
    assert error.message == "This passphrase does not open this invite."


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 11, " " * 20, "  eleven sig  "])
def test_a_short_passphrase_seals_nothing(passphrase: str) -> None:
    with pytest.raises(UsageError, match="at least 12 characters"):
        sealing.seal_with_passphrase(DATA, passphrase)


def test_a_passphrase_that_is_no_text_seals_nothing() -> None:
    with pytest.raises(UsageError, match="no text"):
        sealing.seal_with_passphrase(DATA, "x" * 12 + "\udc80")


@pytest.mark.parametrize("work", [b"23", b"30", b"64", b"99", b"999", b"0", b"-1", b"x", b"018"])
def test_an_invite_cannot_make_the_laptop_work_for_hours(work: bytes) -> None:
    assert refusal(lambda: sealing.open_with_passphrase(to_passphrase(work), PASSPHRASE)).message == CHANGED


def test_a_seal_from_a_much_faster_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    # Here age's own bound lies above ours, on a slow laptop below it.
    monkeypatch.setattr(sealing, "_MOST_WORK", 99)
    error = refusal(lambda: sealing.open_with_passphrase(to_passphrase(b"40"), PASSPHRASE))
    assert error.message.startswith("This invite was sealed on a much faster computer")
    assert "an invite with a code" in error.hint


# --- ssh keys ---

_FORMS = serialization.PrivateFormat
KEYS: dict[str, tuple[PrivateKey, str | None, serialization.PrivateFormat]] = {
    "ed25519": (ED25519, None, _FORMS.OpenSSH),
    "ed25519, protected": (ED25519, PASSPHRASE, _FORMS.OpenSSH),
    "rsa": (RSA, None, _FORMS.OpenSSH),
    "rsa, protected": (RSA, PASSPHRASE, _FORMS.OpenSSH),
    "rsa, of an old ssh-keygen": (RSA, None, _FORMS.TraditionalOpenSSL),
    "rsa, of an old ssh-keygen, protected": (RSA, PASSPHRASE, _FORMS.TraditionalOpenSSL),
    "rsa, of openssl": (RSA, None, _FORMS.PKCS8),
    "rsa, of openssl, protected": (RSA, PASSPHRASE, _FORMS.PKCS8),
}


@pytest.mark.parametrize(("key", "passphrase", "form"), KEYS.values(), ids=KEYS.keys())
def test_an_ssh_key_opens_it(
    key: PrivateKey, passphrase: str | None, form: serialization.PrivateFormat, tmp_path: Path
) -> None:
    path = write_key(tmp_path / "key", key, passphrase, form)
    sealed = sealing.seal_to_ssh(DATA, [f"{public(key)} ana@laptop"])
    assert sealing.kind_of(sealed) == "ssh"
    asked: list[Path] = []

    def ask(which: Path) -> str:
        asked.append(which)
        return passphrase or ""

    assert sealing.open_with_ssh(sealed, [path], ask) == DATA
    assert asked == ([path] if passphrase else [])
    assert list(tmp_path.iterdir()) == [path], "no key is written anywhere"


def test_each_of_several_keys_opens_it(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519), public(RSA), public(ED25519) + " again", public(other)])
    for key in (ED25519, RSA, other):
        assert sealing.open_with_ssh(sealed, [write_key(tmp_path / "key", key)], nobody) == DATA


def test_only_a_key_that_opens_it_is_asked_a_passphrase_for(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    protected = [
        write_key(tmp_path / "id_ed25519", other, "another passphrase"),
        # Nothing inside this form tells which key it is; the file beside it does.
        write_key(tmp_path / "id_rsa", RSA, "another passphrase", _FORMS.TraditionalOpenSSL),
    ]
    (tmp_path / "id_rsa.pub").write_text(f"{public(RSA)} ana@laptop\n")
    mine = write_key(tmp_path / "mine", ED25519, PASSPHRASE)
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519)])
    assert sealing.open_with_ssh(sealed, [*protected, mine], lambda key: {mine: PASSPHRASE}[key]) == DATA


def test_the_next_key_is_tried_when_one_is_of_no_use(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    keys = [
        tmp_path / "not there",
        tmp_path,
        damaged,
        write_key(tmp_path / "ecdsa", ec.generate_private_key(ec.SECP256R1())),
        write_key(tmp_path / "rsa", RSA, PASSPHRASE),
        write_key(tmp_path / "ed25519", ED25519),
    ]
    sealed = sealing.seal_to_ssh(DATA, [public(RSA), public(ED25519)])
    assert sealing.open_with_ssh(sealed, keys, lambda _: "mistyped") == DATA


def test_the_keys_are_on_another_computer(tmp_path: Path) -> None:
    sealed = sealing.seal_to_ssh(DATA, [public(RSA)])
    path = write_key(tmp_path / "id_ed25519", ED25519, PASSPHRASE)
    error = refusal(lambda: sealing.open_with_ssh(sealed, [path], nobody))
    assert error.message == f"This invite is sealed to ssh keys that are not here (looked at: {path})."
    assert "the ssh key that you use for GitHub" in error.hint
    assert "no key in ~/.ssh" in refusal(lambda: sealing.open_with_ssh(sealed, [], nobody)).message


def test_a_mistyped_passphrase_of_a_key(tmp_path: Path) -> None:
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519)])
    path = write_key(tmp_path / "id_ed25519", ED25519, PASSPHRASE)
    for typed in ("mistyped", "", "\udc80"):
        error = refusal(lambda typed=typed: sealing.open_with_ssh(sealed, [path], lambda _: typed))  # type: ignore[misc]
        assert error.message == f"The passphrase does not unlock {path}."


UNUSABLE = {
    "no key": b"hello",
    "nothing": b"",
    "a damaged one": b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    "one that ends in its middle": b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n"
    b"-----END OPENSSH PRIVATE KEY-----\n",
    "a public one": public(ED25519).encode(),
}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_file_that_holds_no_key_we_can_use(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    path.write_bytes(content)
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519)])
    error = refusal(lambda: sealing.open_with_ssh(sealed, [path], nobody))
    assert error.message == f"{path} is of a kind, or protected in a way, that bootstrap cannot use."


USELESS_PUBLIC = {
    "none": [],
    "ecdsa": [public(ec.generate_private_key(ec.SECP256R1()))],
    "on a security key": ["sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t"],
    "short rsa": [public(rsa.generate_private_key(65537, 1024))],  # noqa: S505 - refused for that very reason
    "damaged": ["ssh-ed25519 AAAA", "ssh-rsa", "ssh-ed25519 !!!", ""],
    "a private key": ["-----BEGIN OPENSSH PRIVATE KEY-----"],
}


@pytest.mark.parametrize("lines", USELESS_PUBLIC.values(), ids=USELESS_PUBLIC.keys())
def test_keys_that_cannot_be_sealed_to(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match="None of this person's ssh keys") as caught:
        sealing.seal_to_ssh(DATA, lines)
    assert "ssh-keygen -t ed25519" in caught.value.hint
    sealed = sealing.seal_to_ssh(DATA, [*lines, public(ED25519)])
    assert sealing.open_with_ssh(sealed, [write_key(tmp_path / "key", ED25519)], nobody) == DATA


def test_the_keys_that_ssh_would_take(tmp_path: Path) -> None:
    assert sealing.ssh_identities(tmp_path) == []
    for name in ("id_rsa", "id_ed25519", "id_ecdsa", "id_rsa.pub", "other"):
        write_key(tmp_path / ".ssh" / name, ED25519)
    assert [path.name for path in sealing.ssh_identities(tmp_path)] == ["id_ed25519", "id_rsa"]


# --- what mail and clipboards do to a text ---

ARRIVES = {
    "as it was sent": SEALED,
    "Windows line endings": SEALED.replace("\n", "\r\n"),
    "line endings of an old Mac": SEALED.replace("\n", "\r"),
    "no last line ending": SEALED.rstrip("\n"),
    "empty lines around": f"\n\n \n{SEALED}\n\n",
    "empty lines between": SEALED.replace("\n", "\n\n"),
    "indented": textwrap.indent(SEALED, "    "),
    "blanks at line ends": SEALED.replace("\n", "  \n"),
    "blanks of fixed width": textwrap.indent(SEALED, "\u00a0"),
    "a byte-order mark": f"\ufeff{SEALED}",
    "longer lines": "\n".join((BEGIN, *textwrap.wrap("".join(BODY), 76), END)),
    "shorter lines": "\n".join((BEGIN, *textwrap.wrap("".join(BODY), 40), END)),
    "all on one line": "".join((BEGIN, *BODY, END)),
    "blanks for line endings": " ".join((BEGIN, *BODY, END)),
    "its first line in two": SEALED.replace("AGE ENCRYPTED", "AGE\nENCRYPTED"),
    "words around it": f"Dear Ana,\n\n{SEALED}\nSee you on Monday - Prof. B.\n",
}


@pytest.mark.parametrize("text", ARRIVES.values(), ids=ARRIVES.keys())
def test_it_survives_the_mail(text: str) -> None:
    assert sealing.kind_of(text) == "code"
    assert sealing.open_with_code(text, CODE.secret.lower() + "\n") == DATA


# --- what does not open, and what is said of it ---

CHANGED = "This invite is not as it was made: a part of it was changed or lost."
CUT = "This invite is cut off: its end is missing."
NOT_ONE = "This file is not an invite."
MORE = "There is more than one invite in this file."


def flipped(at: int) -> str:
    data = bytearray(RAW)
    data[at] ^= 1
    return armoured(bytes(data))


BROKEN = {
    "nothing": ("", "This file is empty."),
    "blanks": (" \n\t", "This file is empty."),
    "another text": ("name,role\nana,student\n", NOT_ONE),
    "signs that are no text": ("\ufffd\0\ufffd", NOT_ONE),
    "another kind of armour": (SEALED.replace("AGE ENCRYPTED FILE", "PGP MESSAGE"), NOT_ONE),
    "a code": (CODE.recipient, NOT_ONE),
    "without its last line": (SEALED.replace(END, ""), CUT),
    "cut in its last line": (SEALED[:-20], CUT),
    "cut in the middle": (SEALED[: len(SEALED) // 2], CUT),
    "cut after its first line": (BEGIN + "\n", CUT),
    "cut in its first line": (BEGIN[:20], "This invite is cut off: hardly anything of it is here."),
    "without its first line": ("\n".join((*BODY, END)), "This invite is cut off: its beginning is missing."),
    "nothing inside": (
        f"{BEGIN}\n{END}\n",
        "This invite is cut off: there is nothing between its first and its last line.",
    ),
    "only the header inside": (armoured(RAW[:PAYLOAD]), "This invite is cut off: its last lines are missing."),
    "hardly more inside": (armoured(RAW[: PAYLOAD + 31]), "This invite is cut off: its last lines are missing."),
    "the last byte changed": (flipped(-1), CHANGED),
    "the first byte of the payload changed": (flipped(PAYLOAD), CHANGED),
    "the header's proof changed": (flipped(PAYLOAD - 10), CHANGED),
    "a byte less": (armoured(RAW[:-1]), CHANGED),
    "a byte more": (armoured(RAW + b"x"), CHANGED),
    "its first byte changed": (flipped(0), CHANGED),
    "a line less": ("\n".join((BEGIN, *BODY[:5], *BODY[6:], END)), CHANGED),
    "two lines changed places": ("\n".join((BEGIN, *BODY[:7], BODY[8], BODY[7], *BODY[9:], END)), CHANGED),
    "a line twice": ("\n".join((BEGIN, *BODY[:8], BODY[7], *BODY[8:], END)), CHANGED),
    "a sign that armour does not have": (SEALED.replace(BODY[3], "*" + BODY[3][1:]), CHANGED),
    "a letter with an accent": (SEALED.replace(BODY[3], "é" + BODY[3][1:]), CHANGED),
    "a dash less at its end": (SEALED.replace(END, END[:-1] + "x"), CHANGED),
    "its last line first": ("\n".join((END, *BODY, BEGIN)), CHANGED),
    "twice": (SEALED + SEALED, MORE),
    "another one after it": (SEALED + sealing.seal_to_code(DATA, sealing.new_code()), MORE),
    "two, the first cut off": ("\n".join((BEGIN, *BODY, SEALED)), MORE),
    "a newer age": (
        armoured(RAW.replace(b"/v1\n", b"/v2\n", 1)),
        "This invite is sealed by a newer version of age than this version of bootstrap knows.",
    ),
    "a seal we do not know": (
        armoured(RAW.replace(b"-> X25519 ", b"-> mlkem768x25519 ", 1)),
        "This invite is sealed in a way that this version of bootstrap does not know.",
    ),
    "a seal that age does not take": (armoured(RAW.replace(b"-> X25519 ", b"-> X25519 x ", 1)), CHANGED),
    "somebody else's": (
        sealing.seal_to_code(DATA, sealing.new_code()),
        "This code does not open this invite.",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_each_way_to_be_broken_has_its_message(text: str, message: str) -> None:
    assert refusal(lambda: sealing.open_with_code(text, CODE.secret)).message == message


def test_what_cannot_be_a_code_is_said_before_it_is_tried() -> None:
    assert "slip in the code" in refusal(lambda: sealing.open_with_code(SEALED, CODE.secret[:-1] + "B")).message
    # What is wrong with the file comes first: with it in order, the person may not need a code at all.
    assert refusal(lambda: sealing.open_with_code(SEALED[:-20], "nonsense")).message == CUT


def test_the_wrong_thing_to_open_it_with(tmp_path: Path) -> None:
    with_passphrase = to_passphrase(b"19")
    to_ssh = sealing.seal_to_ssh(DATA, [public(ED25519)])
    key = write_key(tmp_path / "key", ED25519)
    attempts: dict[str, tuple[Callable[[], bytes], str]] = {
        "a passphrase, not with a code": (lambda: sealing.open_with_code(with_passphrase, CODE.secret), "chose"),
        "an ssh key, not with a code": (lambda: sealing.open_with_code(to_ssh, CODE.secret), "No code is needed"),
        "a code, not with a passphrase": (lambda: sealing.open_with_passphrase(SEALED, PASSPHRASE), "AGE-SECRET-KEY-1"),
        "an ssh key, not with a passphrase": (lambda: sealing.open_with_passphrase(to_ssh, PASSPHRASE), "your key's"),
        "a code, not with an ssh key": (lambda: sealing.open_with_ssh(SEALED, [key], nobody), "AGE-SECRET-KEY-1"),
        "a passphrase, not with an ssh key": (lambda: sealing.open_with_ssh(with_passphrase, [key], nobody), "chose"),
    }
    for words, (attempt, hint) in attempts.items():
        error = refusal(attempt)
        assert error.message == f"This invite opens with {words}."
        assert hint in error.hint


# --- the file ---


def test_a_file_is_read_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ana.age"
    for data in (SEALED.encode(), SEALED.encode("utf-8-sig"), SEALED.encode("utf-16"), SEALED.encode() + b"\xff"):
        path.write_bytes(data)
        assert sealing.open_with_code(sealing.read_sealed(path), CODE.secret) == DATA
    for data in (seeded(3).randbytes(5000), b"\xff\xfe\x00", RAW, b"x" * 1_000_000):
        path.write_bytes(data)
        assert refusal(lambda: sealing.kind_of(sealing.read_sealed(path))).message == NOT_ONE


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(lambda: sealing.read_sealed(tmp_path / "x.age")).message == f"There is no file {tmp_path / 'x.age'}."
    assert refusal(lambda: sealing.read_sealed(tmp_path)).message == f"{tmp_path} is a folder, not an invite."
    (tmp_path / "film.mp4").write_bytes(b"x" * 1_000_001)
    assert refusal(lambda: sealing.read_sealed(tmp_path / "film.mp4")).message == NOT_ONE
    long = tmp_path / ("x" * 300)
    assert "cannot be read" in refusal(lambda: sealing.read_sealed(long)).message


# --- a thousand mutated invites ---


def seeded(number: int) -> random.Random:
    """The same changes in each run, though to a text that age makes anew."""
    return random.Random(number)  # noqa: S311 - nothing is kept secret with it


def mutated(text: str, others: list[str], chance: random.Random) -> str:
    """Do to an invite, once or a few times, what disks, mailers and people do to a file."""
    data = bytearray(text.encode())
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in "ab")
        lines = bytes(data).splitlines(keepends=True)
        here, there = chance.randrange(len(lines) or 1), chance.randrange(len(lines) or 1)
        match chance.randrange(14):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[min(at, len(data) - 1)] = chance.choice(b"AZaz09+/=- \n")
            case 2:
                del data[at : at + chance.choice((1, 1, 2, 70))]
            case 3:
                data[at:at] = chance.randbytes(chance.choice((1, 1, 2, 70)))
            case 4:
                data[at:at] = data[at:to]
            case 5:
                del data[chance.choice((at, to)) :]
            case 6:
                del data[:at]
            case 7:
                data = data[len(data) // 2 :] + data[: len(data) // 2]
            case 8 if lines:
                del lines[here]
                data = bytearray(b"".join(lines))
            case 9 if lines:
                lines.insert(there, lines[here])
                data = bytearray(b"".join(lines))
            case 10 if lines:
                lines[here], lines[there] = lines[there], lines[here]
                data = bytearray(b"".join(lines))
            case 11:
                other = chance.choice(others).encode()
                data = chance.choice((bytearray(other), data[:at] + other[at:], data + other))
            case 12:
                data = bytearray(bytes(data).replace(b"\n", chance.choice((b"\r\n", b" \n", b"", b"\n\n"))))
            case _:
                data = bytearray(bytes(data).replace(*chance.choice(((b"-", b"="), (b"A", b"a"), (b"\n", b"\n> ")))))
    return data.decode("utf-8", errors="replace")


def mutated_inside(raw: bytes, chance: random.Random) -> str:
    """Change what is inside of good armour: nearer to the seal than any accident comes."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(chance.choice((60, 250, len(data))))
        match chance.randrange(4):
            case 0:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.choice((1, 2, 40))]
            case 2:
                data[at:at] = chance.choice((chance.randbytes(3), b"\n", b" ", b"-> X25519 ", b"-> scrypt A 18\n\n"))
            case _:
                del data[at + 1 :]
    return armoured(bytes(data))


def open_or_refuse(attempt: Callable[[], bytes]) -> str:
    """Return what came of it; anything but the very invite, or an InviteError that says nothing, fails."""
    try:
        data = attempt()
    except InviteError as error:
        message, shown = error.message, f"{error.message} {error.hint} {error!r} {error.__cause__!r}"
    else:
        assert data == DATA
        assert parse_invite(data) == INVITE
        message = shown = "opened"
    assert not any(secret in shown for secret in SECRETS)
    # Of a path or a code in the message there may be none, of a text that came from outside neither.
    assert shown.isprintable()
    return message


def test_a_thousand_mutated_invites() -> None:
    chance = seeded(20261121)
    others = [sealing.seal_to_code(replace(INVITE, member="bia").to_bytes(), sealing.new_code()) for _ in range(3)]
    others.append(sealing.seal_to_ssh(DATA, [public(ED25519)]))
    outcomes: dict[str, int] = {}
    for number in range(1400):
        text = mutated(SEALED, others, chance) if number < 1000 else mutated_inside(RAW, chance)
        came = open_or_refuse(lambda text=text: sealing.open_with_code(text, CODE.secret))  # type: ignore[misc]
        outcomes[came] = outcomes.get(came, 0) + 1
    # Not one message for everything, and no message for what could not have come up.
    expected = ("opened", CHANGED, CUT, NOT_ONE, MORE, "This code does not open this invite.")
    assert all(outcomes.get(one, 0) >= 10 for one in expected), outcomes


def test_mutated_invites_to_an_ssh_key(tmp_path: Path) -> None:
    chance = seeded(20261122)
    key = write_key(tmp_path / "key", ED25519)
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519), public(RSA)])
    raw = base64.b64decode("".join(sealed.splitlines()[1:-1]))
    outcomes: dict[str, int] = {}
    for number in range(400):
        text = mutated(sealed, [SEALED], chance) if number % 2 else mutated_inside(raw, chance)
        came = open_or_refuse(lambda text=text: sealing.open_with_ssh(text, [key], nobody))  # type: ignore[misc]
        outcomes[came] = outcomes.get(came, 0) + 1
    assert all(outcomes.get(one, 0) >= 5 for one in ("opened", CHANGED, CUT)), outcomes


def test_mutated_private_keys(tmp_path: Path) -> None:
    chance = seeded(20261123)
    path = write_key(tmp_path / "key", ED25519)
    whole = path.read_text()
    sealed = sealing.seal_to_ssh(DATA, [public(ED25519)])
    for _ in range(200):
        path.write_text(mutated(whole, [SEALED], chance))
        open_or_refuse(lambda: sealing.open_with_ssh(sealed, [path], lambda _: "x"))


def test_nothing_heavy_is_loaded_until_something_is_sealed() -> None:
    heavy = "pyrage cryptography bcrypt pydantic"
    show = f"import sys, bootstrap.adapters.sealing; print(*({{*'{heavy}'.split()}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
