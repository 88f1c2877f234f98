"""`access`: gathers whose access is to be proved and with which key, and asks MLflow the same.

An operator proves anybody's. Somebody who has joined proves their own, with nothing but their own key and login.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date

from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.mlflow_api import EXPERIMENT, MlflowApi
from bootstrap.core.access import Cell, Role
from bootstrap.core.membership import Member
from bootstrap.core.mlflow_names import experiment_of
from bootstrap.core.names import CI_MEMBER, Names
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import handover
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.access import Subject, Tried, borrowed_key, prove
from bootstrap.workflows.as_member import joined, signed_in
from bootstrap.workflows.counter import Counter, open_counter
from bootstrap.workflows.handover import last_day
from bootstrap.workflows.mlflow_kinds import login_of
from bootstrap.workflows.project import Project, open_folder
from bootstrap.workflows.story import Story

_READS = frozenset({"READ", "USE", "EDIT", "MANAGE"})
_WRITES = frozenset({"EDIT", "MANAGE"})


@dataclass(frozen=True)
class Proof:
    """Every cell that was tried, and who the people in it are."""

    subjects: tuple[Subject, ...]
    cells: tuple[Tried, ...]

    @property
    def wrong(self) -> tuple[Tried, ...]:
        """The cells that are not as they should be."""
        return tuple(one for one in self.cells if not one.right)


def prove_members(project: Project, env: str, names: Sequence[str], profile: str | None, story: Story) -> Proof:
    """Prove what people may do, everybody if none are named; nothing is left behind.

    On an emulator a key of a few seconds is borrowed for each. On AWS nobody but themselves has their key, and IAM's
    simulator answers for them. Raises BootstrapError if a name is nobody's.
    """
    with open_counter(project, env, profile, "access", story) as counter, ExitStack() as borrowed:
        members = counter.registry.membership.members
        known: dict[str, Member | None] = {CI_MEMBER: None, **members}
        handover.require_names(known, names, counter.place.names)
        chosen = list(dict.fromkeys(names)) or list(known)
        with story.step(f"Trying what {_people(len(chosen))} may do") as step:
            subjects = [_subject(counter, known[name], name, borrowed) for name in chosen]
            found = prove(
                counter.place.aws,
                counter.record.bucket,
                counter.record.state_bucket,
                subjects,
                emulated=counter.place.emulated,
                progress=step.detail,
            )
        if counter.mlflow is not None:
            with story.step("Asking MLflow what they may see and change"):
                found += _mlflow(counter.mlflow, [members[name] for name in chosen if name in members], members)
        return Proof(tuple(subjects), tuple(found))


def prove_own(project: Project, env: str | None, story: Story) -> Proof:
    """Prove one's own access in a folder where an invite was opened.

    Raises BootstrapError if there is none, UsageError if there are several and `env` names none of them.
    """
    folder = open_folder(project.folder, project.environ, project.home)
    record = joined(folder, env)
    if record is None:
        raise BootstrapError(
            "Nobody has joined an environment from this folder, and none is up here.",
            hint="`bootstrap join INVITE` opens an invite; an operator names the environment: --env stag",
        )
    member = record.member or ""
    own = signed_in(folder, record)
    names = Names(record.project, record.env, record.account_id)
    subject = Subject(
        member,
        _role(record),
        record.team or member,
        _arn(names, member),
        own,
        expires=date.fromisoformat(record.expires) if record.expires else None,
    )
    with story.step("Trying what you may do") as step:
        emulated = record.endpoint_url is not None
        found = prove(None, record.bucket, record.state_bucket, [subject], emulated=emulated, progress=step.detail)
    password = laptops.read_password(laptops.look_around(folder), record)
    if (api := login_of(record, password)) is not None:
        found.append(_asked(member, "MLflow", "log in", allowed=True, found=api.login_works()))
    if isinstance(api, MlflowApi):
        found.append(_asked(member, "MLflow", "use without a login", allowed=False, found=not api.refuses_anonymous()))
    return Proof((subject,), tuple(found))


def _subject(counter: Counter, member: Member | None, name: str, borrowed: ExitStack) -> Subject:
    place, record = counter.place, counter.record
    names = place.names
    table = counter.project.spec.environments.get(names.env)
    own: Aws | None = None
    if member is None and (pair := laptops.read_key(laptops.look_around(counter.project), record)):
        own = place.aws.with_key(pair)
    elif place.emulated:
        own = borrowed.enter_context(borrowed_key(place.aws, names.iam_user(name)))
    expires: date | None = last_day(counter.project, names.env, member or Member(name))
    subject = Subject(name, "ci", name, _arn(names, name), own, expires=expires)
    if member is None:
        return subject
    may_gc = bool(table and table.dvc_gc and member.role == "student")
    return replace(subject, role=member.role, team=member.team_name, dvc_delete=may_gc)


def _mlflow(api: MlflowApi, people: Sequence[Member], everybody: Mapping[str, Member]) -> list[Tried]:
    """Ask MLflow, which resolves it as it would for a real request, about each person's and another team's work."""
    experiments = api.experiments(experiment_of("%"))
    accounts = api.usernames()
    found = []
    for one in people:
        own, place = experiments.get(experiment_of(one.team_name)), f"MLflow {one.team_name}/"
        permission = api.effective_permission(one.name, EXPERIMENT, own) if own and one.name in accounts else ""
        found.append(_asked(one.name, place, "change", allowed=True, found=permission == "MANAGE"))
        other = next((m.team_name for m in everybody.values() if m.team_name != one.team_name), None)
        theirs = experiments.get(experiment_of(other)) if other else None
        if theirs is None or one.name not in accounts:
            continue
        permission = api.effective_permission(one.name, EXPERIMENT, theirs)
        place = f"MLflow {other}/"
        found.append(_asked(one.name, place, "read", allowed=one.role == "instructor", found=permission in _READS))
        found.append(_asked(one.name, place, "change", allowed=False, found=permission in _WRITES))
    return found


def _asked(subject: str, place: str, action: str, *, allowed: bool, found: bool) -> Tried:
    return Tried(subject, Cell(place, action, allowed, ()), found, "tried")


def _role(record: Record) -> Role:
    return "instructor" if record.role == "instructor" else "student"


def _arn(names: Names, member: str) -> str:
    return f"arn:aws:iam::{names.account}:user{names.iam_path}{names.iam_user(member)}"


def _people(count: int) -> str:
    return "one" if count == 1 else f"{count} people"
