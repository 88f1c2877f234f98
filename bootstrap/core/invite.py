"""What one person is handed, as it stands inside the seal, and the code that opens the seal.

Pure: sealing and opening are `adapters.sealing`'s business. An invite comes from outside and ends up in `~/.aws`,
in `.dvc/config` and in `.env`, so every value is held to a shape in which no line, no section and no comment of those
files can hide, even if whoever made it meant harm.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from bootstrap.core import names
from bootstrap.core.last_day import is_past
from bootstrap.core.membership import ROLES
from bootstrap.errors import BootstrapError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMAT = 1
# The kinds of ssh key that age can seal to. https://github.com/FiloSottile/age#ssh-keys
SSH_KEY_TYPES = ("ssh-ed25519", "ssh-rsa")

ASK_FOR_A_NEW_ONE = "Ask the person who invited you for a new invite."

_CODE_PREFIX = "AGE-SECRET-KEY-"
# Of 52 characters for the 32 bytes of the key, and 6 of a checksum.
_CODE_DATA_LENGTH = 58
# https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki#bech32
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# Some part of `AGE-SECRET-KEY-1`, counted from its end: a double click on a code takes in what follows a hyphen.
_CODE = re.compile(r"(?:(?:(?:(?:AGE)?SECRET)?KEY)?1)?([A-Z0-9]*)", re.ASCII)
_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?", re.ASCII)
_HYPHENS = re.compile("[-\u00ad\u2010-\u2015\u2212]")  # as a word processor writes them
_INVISIBLE = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]")
_AROUND_A_CODE = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb<>()[]{}.,;:*_"


class InviteError(BootstrapError):
    """An invite, or what should open it, is not what it must be. The hint is for the person who was invited."""


@dataclass(frozen=True)
class Invite:
    """All that one person needs. Values are as in `core.record.Record`, with a key and an MLflow login of their own.

    The login's name at MLflow is `member`. `mlflow_tracking_uri` is None where the environment has no server;
    `mlflow_password` is None there too, and where the one that the person has stays as it is. `expires` is the last
    day of access (UTC), None for no end. `created` is ISO 8601, UTC.
    """

    project: str
    env: str
    member: str
    role: str
    team: str
    target: Literal["aws", "local"]
    region: str
    endpoint_url: str | None
    account_id: str
    bucket: str
    state_bucket: str
    aws_profile: str
    dvc_remote_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    mlflow_tracking_uri: str | None
    mlflow_password: str | None = field(repr=False)
    expires: date | None
    created: str

    def to_bytes(self) -> bytes:
        """Return it as `parse_invite` reads it. Raises InviteError if that would refuse it: nobody is sent such a one.

        The bytes hold the secrets in clear: they are for `adapters.sealing` alone.
        """
        values = asdict(self) | {"expires": self.expires.isoformat() if self.expires else None}
        if problem := _problem(values):
            raise InviteError(
                f"No invite can be made: {problem}.",
                hint="Bring the environment up to date with `bootstrap up`, then run the same command again.",
            )
        return (json.dumps({"format": FORMAT, **values}, indent=1) + "\n").encode("ascii")


def parse_invite(data: bytes) -> Invite:
    """Read what was inside the seal. Raises InviteError.

    Nothing is guessed and nothing is ignored: an entry more than this version knows is refused too, since a version
    that adds one counts `FORMAT` up.
    """
    try:
        content: Any = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "format" not in content:
        raise InviteError("What is sealed in this file is not an invite.", hint=ASK_FOR_A_NEW_ONE)
    made_for = content.pop("format")
    if type(made_for) is not int:
        raise _damaged("its `format` is not a number")
    if made_for > FORMAT:
        raise InviteError(
            "This invite was made by a newer version of bootstrap than this one.",
            hint="Upgrade bootstrap, then open it again.",
        )
    if made_for < FORMAT:
        raise InviteError(
            "This invite was made by an older version of bootstrap, and this one no longer reads it.",
            hint=ASK_FOR_A_NEW_ONE,
        )
    if problem := _problem(content):
        raise _damaged(problem)
    expires = content["expires"]
    return Invite(**{**content, "expires": date.fromisoformat(expires) if expires else None})


def check_current(invite: Invite, today: date) -> None:
    """Raise InviteError if the last day of access is over. `today` is the day in UTC, as AWS counts."""
    if is_past(invite.expires, today):
        raise InviteError(
            f"This invite has expired: the last day of access was {invite.expires.isoformat()}.",
            hint=ASK_FOR_A_NEW_ONE,
        )


def normalise_code(text: str) -> str:
    """Return the code (`AGE-SECRET-KEY-1…`, in capitals) that a person pasted or typed.

    Small letters, blanks and line breaks anywhere, quotes or brackets around it and a missing beginning are put right.
    The checksum tells a slip of the hand from the code of another invite. Raises InviteError, never with the code
    in it. The form of a code: https://age-encryption.org/v1, "The X25519 recipient type".
    """
    hint = "Copy the whole code from the message that it came in; it begins with AGE-SECRET-KEY-1."
    bare = _HYPHENS.sub("", _INVISIBLE.sub("", text).strip(_AROUND_A_CODE)).upper()
    if not bare:
        raise InviteError("The code is empty.", hint=hint)
    found = _CODE.fullmatch(bare)
    if found is None:
        raise InviteError("This is not an invite's code: it has signs in it that no code has.", hint=hint)
    data = found[1]
    if len(data) != _CODE_DATA_LENGTH:
        raise InviteError(
            f"This is not a whole code: after AGE-SECRET-KEY-1 come {_CODE_DATA_LENGTH} letters and digits,"
            f" and here are {len(data)}.",
            hint=hint,
        )
    if not _bech32_holds(_CODE_PREFIX.lower(), data.lower()):
        raise InviteError("There is a slip in the code: its letters and digits do not add up.", hint=hint)
    return f"{_CODE_PREFIX}1{data}"


def _bech32_holds(prefix: str, data: str) -> bool:
    """Tell whether the last six characters of `data` are the checksum of the rest and of `prefix`, as BIP 173 says."""
    if not set(data) <= set(_BECH32):
        return False
    values = [ord(sign) >> 5 for sign in prefix] + [0] + [ord(sign) & 31 for sign in prefix]
    checksum = 1
    for value in (*values, *map(_BECH32.index, data)):
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(_BECH32_GENERATOR):
            checksum ^= factor if top >> bit & 1 else 0
    return checksum == 1


def _damaged(problem: str) -> InviteError:
    return InviteError(f"The content of this invite is damaged: {problem}.", hint=ASK_FOR_A_NEW_ONE)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands there twice")
    return content


def _shape(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _is_url(text: str) -> bool:
    """Tell whether it is a plain http(s) address: no login, no query, no sign that a shell or an INI file minds."""
    if len(text) > 2000 or not _URL.fullmatch(text):
        return False
    try:
        url = urlsplit(text)
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    """Tell whether it is a moment in UTC. Python 3.10 does not read the `Z` that may stand for it."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(\+00:00|Z)", text, re.ASCII):
        return False
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def _is_member(text: str) -> bool:
    return names.slug_problem(text, names.MEMBER_LENGTH) is None


_is_bucket = _shape(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_SHAPES: dict[str, Callable[[str], bool]] = {
    "project": lambda text: names.project_problem(text) is None,
    "env": lambda text: names.environment_problem(text) is None,
    "member": _is_member,
    "role": lambda text: text in ROLES,
    "team": _is_member,
    "target": lambda text: text in ("aws", "local"),
    "region": _shape(r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}"),
    "endpoint_url": _is_url,
    "account_id": _shape(r"[0-9]{12}"),
    "bucket": _is_bucket,
    "state_bucket": _is_bucket,
    "aws_profile": _shape(r"[a-z0-9-]+"),
    "dvc_remote_url": _shape(r"s3://[a-z0-9/-]+"),
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html gives the length; the signs are those
    # of every key seen, AWS's and moto's.
    "access_key_id": _shape(r"[A-Z0-9]{16,128}"),
    "secret_access_key": _shape(r"[A-Za-z0-9/+=]{16,128}"),
    "mlflow_tracking_uri": _is_url,
    # Passwords of ours need no quoting in a `.env` file.
    "mlflow_password": _shape(r"[A-Za-z0-9_-]{12,128}"),
    "expires": _is_day,
    "created": _is_moment,
}
_MAY_BE_NONE = frozenset({"endpoint_url", "mlflow_tracking_uri", "mlflow_password", "expires"})


def _problem(values: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the values of an invite, or None. Names entries, never a value: some are secret."""
    if missing := [name for name in _SHAPES if name not in values]:
        return f"`{missing[0]}` is missing"
    if set(values) - set(_SHAPES):
        return "there is an entry in it that does not belong there"
    for name, fits in _SHAPES.items():
        value = values[name]
        if value is None and name in _MAY_BE_NONE:
            continue
        if not isinstance(value, str) or not fits(value):
            return f"`{name}` is not what it should be"
    # Else an invite could take the place of somebody's own profile, or send their data into another bucket.
    if values["aws_profile"] != names.profile(values["project"], values["env"]):
        return "`aws_profile` is not the environment's"
    if values["dvc_remote_url"] != f"s3://{values['bucket']}/dvc/{values['team']}":
        return "`dvc_remote_url` is not the team's place in the bucket"
    if (values["target"] == "local") != (values["endpoint_url"] is not None):
        return "`endpoint_url` does not go with `target`"
    if values["mlflow_password"] is not None and values["mlflow_tracking_uri"] is None:
        return "`mlflow_password` does not go with `mlflow_tracking_uri`"
    return None
