"""Uses what was written the way a member would, before anything is called done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bootstrap.adapters.aws import emptying, people, probes
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.mlflow_api import MlflowApi
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.record import Record
from bootstrap.errors import VerificationFailed
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

_PROBE = ".bootstrap-probe"
_BODY = b"written by bootstrap to see whether it may; removed at once\n"


@dataclass(frozen=True)
class Check:
    """One thing that was tried: what, whether it should have been allowed, and whether it was."""

    what: str
    expected: bool
    found: bool

    @property
    def right(self) -> bool:
        """Whether it came out as it should."""
        return self.expected == self.found


class Login(Protocol):
    """Somebody's login at MLflow, wherever that is."""

    def login_works(self) -> bool:
        """Tell whether the server accepts it."""


def verify(place: Place, record: Record, key: KeyPair, api: Login | None, story: Story) -> list[Check]:
    """Try with the `ci` member's own key and login what it may and may not do; nothing is left behind.

    Raises VerificationFailed if anything comes out differently.
    """
    return verified([*verify_access(place, record, key, story), *verify_login(api)])


def verify_access(place: Place, record: Record, key: KeyPair, story: Story) -> list[Check]:
    """Try what the `ci` member's key may do in AWS.

    What a target cannot judge is not asked of it: an emulator takes conditions (listing by prefix, TLS, expiry) as
    met, and one that lets anybody in refuses nothing.
    """
    member = place.aws.with_key(key)
    people.wait_until_accepted(member, place.names.iam_user(CI_MEMBER))
    checks = _bucket(place, record, member)
    if place.emulated and probes.anybody_is_let_in(place.aws):
        story.note("This AWS lets anybody in, so what a member may not do could not be tried.")
        return [check for check in checks if check.expected]
    return checks


def verify_login(api: Login | None) -> list[Check]:
    """Try the member's login at MLflow, and at a server of ours no login at all; nothing to try without a server.

    Whether DagsHub shows a repository to everybody is its owner's choice.
    """
    if api is None:
        return []
    checks = [Check("log in to MLflow", True, api.login_works())]
    if isinstance(api, MlflowApi):
        checks.append(Check("use MLflow without a login", False, not api.refuses_anonymous()))
    return checks


def verified(checks: list[Check]) -> list[Check]:
    """Return the checks if all came out as they should. Raises VerificationFailed, naming those that did not."""
    if wrong := [check for check in checks if not check.right]:
        lines = "\n".join(
            f"  {check.what}: should be {_word(check.expected)}, was {_word(check.found)}" for check in wrong
        )
        raise VerificationFailed(
            f"Everything was written, but it does not work as it should:\n{lines}",
            hint="Run the same command again; if it stays like this, add -v to see more.",
        )
    return checks


def _bucket(place: Place, record: Record, member: Aws) -> list[Check]:
    bucket = record.bucket
    own = f"dvc/{CI_MEMBER}/{_PROBE}"
    dataset, others, mlflow = (f"{folder}/{_PROBE}" for folder in ("dataset", "members", "mlflow"))
    try:
        # Reading is tried on objects that exist: S3 refuses a missing one to whoever may not list it.
        for key in (dataset, mlflow):
            probes.may_put(place.aws, bucket, key, _BODY)
        tries: list[tuple[str, bool, Callable[[], bool]]] = [
            ("write below dvc/", True, lambda: probes.may_put(member, bucket, own, _BODY)),
            ("read it back", True, lambda: probes.may_get(member, bucket, own, _BODY)),
            ("list dvc/", True, lambda: probes.may_list(member, bucket, "dvc/")),
            ("delete below dvc/", False, lambda: probes.may_delete(member, bucket, own)),
            ("read below dataset/", True, lambda: probes.may_get(member, bucket, dataset, _BODY)),
            ("write below dataset/", False, lambda: probes.may_put(member, bucket, dataset, _BODY)),
            ("write below members/", False, lambda: probes.may_put(member, bucket, others, _BODY)),
            ("read below mlflow/", False, lambda: probes.may_get(member, bucket, mlflow, _BODY)),
            ("list the account's users", False, lambda: probes.may_list_users(member)),
            ("list the state bucket", False, lambda: probes.may_list(member, record.state_bucket, "")),
        ]
        if not place.emulated:
            tries.append(("list mlflow/", False, lambda: probes.may_list(member, bucket, "mlflow/")))
        return [Check(what, expected, attempt()) for what, expected, attempt in tries]
    finally:
        for key in (own, dataset, others, mlflow):
            emptying.empty(place.aws, bucket, key)


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "refused"
