"""The policies that Terraform renders, asked every question of the specification, by evaluators that are not ours.

- `@cloud-copilot/iam-simulate` (npm) judges all of it with its conditions: listing by prefix, TLS, expiry. It is a
  development tool under the AGPL, is no part of the product, and is fetched into a folder of this run; where Node or
  its registry is missing, those checks are skipped and say so.
- moto's own evaluator takes conditions as met, and judges what has none. It is always there.
- The same policies in an emulator that enforces them: the proof itself, with real keys.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMPolicy, PermissionResult

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.access import Ask, Cell, Ground, Person, Role, cells
from bootstrap.core.names import Names
from bootstrap.core.operator_policy import DOCUMENTS, Whose, asks_of, operator_policy
from bootstrap.workflows.access import Subject, Tried, prove
from bootstrap.workflows.operator import operator_template

INFRA = Path(__file__).resolve().parents[2] / "infra"
# As it was before the tests put a home of their own in its place: npm looks there for its registry.
ENVIRON = dict(os.environ)
SIMULATOR = {"iam-simulate": "0.1.173", "iam-data": "0.21.202609261", "iam-policy": "0.1.109", "iam-utils": "0.1.82"}

ACCOUNT = "123456789012"
COURSE = Ground("aws", ACCOUNT, "/course/stag/", f"course--stag--{ACCOUNT}", f"course--tfstate--{ACCOUNT}")
LONGEST = Ground("aws", ACCOUNT, f"/{'p' * 32}/{'e' * 32}/", "b" * 63, f"{'p' * 32}--tfstate--{ACCOUNT}")
LAST_DAY = date(2028, 2, 28)  # of a leap year
ORDINARY_DAY = "2028-02-01T12:00:00Z"

# Names that begin with one another: a pattern without its slash would let them meet.
ANNA, ANNA_B = Person("anna", "red", "course.stag.anna"), Person("anna-b", "red-2", "course.stag.anna-b")
INES, CI = Person("ines", "ines", "course.stag.ines"), Person("ci", "ci", "course.stag.ci")


@dataclass(frozen=True)
class Case:
    """One rendered policy: whose it is, and with which options."""

    label: str
    role: Role
    person: Person = ANNA
    other: Person = ANNA_B
    ground: Ground = COURSE
    expires: date | None = LAST_DAY
    dvc_delete: bool = False
    conditional_denies: bool = True

    @property
    def cells(self) -> list[Cell]:
        return cells(self.role, self.person, self.other, self.ground, dvc_delete=self.dvc_delete, expires=self.expires)

    @property
    def inputs(self) -> dict[str, object]:
        return {
            "name": self.person.name,
            "user_name": self.person.user,
            "path": self.ground.path,
            "role": self.role,
            "team": self.person.team,
            "expires": self.expires.isoformat() if self.expires else "",
            "dvc_delete": self.dvc_delete,
            "bucket": self.ground.bucket,
            "account_id": self.ground.account,
            "conditional_denies": self.conditional_denies,
        }


ON_AWS = [
    Case("student", "student"),
    Case("student who may collect garbage", "student", dvc_delete=True),
    Case("instructor", "instructor", INES),
    Case("ci", "ci", CI),
    Case("student without end", "student", expires=None),
    Case(
        "student with the longest names",
        "student",
        Person("m" * 64, "t" * 64, "u" * 64),
        Person("m" * 63, "t" * 63, "u" * 63),
        LONGEST,
        dvc_delete=True,
    ),
    Case("instructor with the longest names", "instructor", Person("m" * 64, "t" * 64, "u" * 64), ANNA, LONGEST),
]
# As on an emulator, which takes every condition as met: there is none that refuses.
EMULATED = [
    Case("student, emulated", "student", conditional_denies=False),
    Case(
        "student who may collect garbage, emulated", "student", ANNA_B, ANNA, dvc_delete=True, conditional_denies=False
    ),
    Case("instructor, emulated", "instructor", INES, conditional_denies=False),
    Case("ci, emulated", "ci", CI, conditional_denies=False),
]

Policies = Mapping[str, Any]
Answers = Mapping[tuple[str, Ask], str]


@pytest.fixture(scope="module")
def policies(
    terraform: str,
    terraform_environ: dict[str, str],
    init_options: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Policies:
    """The policy of every case, as the member module renders it in one plan, without AWS."""
    folder = tmp_path_factory.mktemp("rendered")
    for module in ("member", "access_policy"):
        shutil.copytree(
            INFRA / "modules" / module, folder / module, ignore=shutil.ignore_patterns(".terraform*", "tests")
        )
    root = folder / "root"
    (root / "tests").mkdir(parents=True)
    inputs = {case.label: case.inputs for case in ON_AWS + EMULATED}
    configuration = {
        # The mocked provider stands in for one that the root itself names.
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "module": {
            "member": {
                "source": "../member",
                "for_each": "${var.members}",
                **{name: f"${{each.value.{name}}}" for name in inputs["ci"]},
            }
        },
        "variable": {"members": {"type": "any"}},
        "output": {"policies": {"value": "${{for label, member in module.member : label => member.policy}}"}},
    }
    (root / "main.tf.json").write_text(json.dumps(configuration))
    run = {"mock_provider": {"aws": {}}, "variables": {"members": inputs}, "run": {"render": {"command": "plan"}}}
    (root / "tests" / "render.tftest.json").write_text(json.dumps(run))

    def call(*argv: str) -> str:
        done = subprocess.run(
            [terraform, *argv],
            cwd=root,
            env=terraform_environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"terraform {' '.join(argv)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    call("init", "-backend=false", "-input=false", "-no-color", *init_options)
    events = [json.loads(line) for line in call("test", "-json", "-verbose").splitlines() if line.startswith("{")]
    [plan] = [event["test_plan"] for event in events if event["type"] == "test_plan"]
    rendered = plan["output_changes"]["policies"]["after"]
    return {label: json.loads(text) for label, text in rendered.items()}


@pytest.mark.parametrize("case", ON_AWS, ids=lambda case: case.label)
def test_the_policy_fits_into_what_iam_gives_a_user(case: Case, policies: Policies) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, white space does not count
    assert len(json.dumps(policies[case.label], separators=(",", ":"))) <= 2048


# --- with conditions, by iam-simulate ---

_ASK_ALL = """
const { runSimulation } = require('@cloud-copilot/iam-simulate')
const { asks, policies } = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const answer = async ({ label, principal, action, arn, account, context }) => {
  const found = await runSimulation({
    identityPolicies: [{ name: 'bootstrap', policy: policies[label] }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    request: { action, principal, resource: { resource: arn, accountId: account }, contextVariables: context },
  }, {})
  return found.overallResult ?? JSON.stringify(found.errors)
}
(async () => {
  const found = []
  for (const ask of asks) found.push(await answer(ask))
  process.stdout.write(JSON.stringify(found))
})()
"""
# AWS's tables give this action no resource, and so does the simulator; IAM itself asks for user/<path>, as it tells
# whom it refuses. moto judges it below.
_NOT_ITS_OWN = {"iam:ListUsers"}
_REFUSED = {"ImplicitlyDenied", "ExplicitlyDenied"}


def judged(case: Case) -> list[Cell]:
    return [cell for cell in case.cells if not {ask.action for ask in cell.asks} & _NOT_ITS_OWN]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node, and a folder with the simulator in it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("iam-simulate needs Node.js and npm, which are not on PATH")
    folder = tmp_path_factory.mktemp("simulator")
    (folder / "package.json").write_text("{}")
    packages = [f"@cloud-copilot/{name}@{version}" for name, version in SIMULATOR.items()]
    done = subprocess.run(
        [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *packages],
        cwd=folder,
        env=ENVIRON,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"npm could not install iam-simulate: {done.stderr.strip()[-300:]}")
    return node, folder


@pytest.fixture(scope="module")
def answers(simulator: tuple[str, Path], policies: Policies) -> Answers:
    """What the simulator says to every question of every case, in one process."""
    node, folder = simulator
    wanted = [(case, ask) for case in ON_AWS + EMULATED for cell in judged(case) for ask in cell.asks]
    question = {
        "policies": dict(policies),
        "asks": [
            {
                "label": case.label,
                "principal": case.ground.user(case.person.user),
                "action": ask.action,
                "arn": ask.arn,
                "account": ACCOUNT,
                "context": {"aws:SecureTransport": "true", "aws:CurrentTime": ORDINARY_DAY} | dict(ask.context),
            }
            for case, ask in wanted
        ],
    }
    done = subprocess.run(
        [node, "-e", _ASK_ALL],
        cwd=folder,
        env=ENVIRON,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(case.label, ask): answer for (case, ask), answer in zip(wanted, json.loads(done.stdout), strict=True)}


def checks(cases: list[Case]) -> list[Any]:
    places = [(case, place) for case in cases for place in dict.fromkeys(cell.place for cell in judged(case))]
    return [pytest.param(case, place, id=f"{case.label}: {place}") for case, place in places]


def allowed(cell: Cell, found: Mapping[Ask, str]) -> bool:
    """Whether an action is allowed; an answer that is neither yes nor no is a question that was put wrongly."""
    assert set(found.values()) <= _REFUSED | {"Allowed"}, found
    said = [answer == "Allowed" for answer in found.values()]
    return any(said) if cell.any_of else all(said)


@pytest.mark.parametrize(("case", "place"), checks(ON_AWS))
def test_every_cell_is_as_specified(case: Case, place: str, answers: Answers) -> None:
    wrong = []
    for cell in (cell for cell in judged(case) if cell.place == place):
        found = {ask: answers[case.label, ask] for ask in cell.asks}
        if allowed(cell, found) is not cell.allowed:
            wrong.append((cell.action, cell.allowed, found))
    assert wrong == []


@pytest.mark.parametrize("case", EMULATED, ids=lambda case: case.label)
def test_without_the_denies_all_else_is_the_same(case: Case, answers: Answers) -> None:
    wrong = []
    for cell in judged(case):
        found = {ask: answers[case.label, ask] for ask in cell.asks}
        denied = {"aws:SecureTransport", "aws:CurrentTime"} & {key for ask in cell.asks for key, _ in ask.context}
        if allowed(cell, found) is not (cell.allowed or bool(denied)):
            wrong.append((cell.place, cell.action, found))
    assert wrong == []


@pytest.mark.parametrize("case", ON_AWS + EMULATED, ids=lambda case: case.label)
def test_no_dangerous_action_is_allowed(case: Case, answers: Answers) -> None:
    dangerous = [ask for cell in judged(case) if cell.any_of for ask in cell.asks]
    assert len({ask.action for ask in dangerous}) >= 80
    assert [ask for ask in dangerous if answers[case.label, ask] not in _REFUSED] == []


# AWS's own parameters have no account in their name, which the simulator does not know:
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
_OF_NOBODY = "::parameter/aws/service/"


def test_the_operators_policy_allows_all_that_it_names(simulator: tuple[str, Path]) -> None:
    """With its conditions, and only as far as there are such actions, resources and keys in AWS's own lists."""
    node, folder = simulator
    whose, names = Whose("course", ACCOUNT, archive="archives"), Names("course", "stag", ACCOUNT)
    policies = {name: operator_policy(operator_template(), whose, parts) for name, parts in DOCUMENTS.items()}
    plain = {"principal": f"arn:aws:iam::{ACCOUNT}:user/staff/teacher", "account": ACCOUNT}
    wanted = [
        plain | {"label": name, "action": ask.action, "arn": ask.arn, "context": dict(ask.context)}
        for name, policy in policies.items()
        for ask in asks_of(policy, names, "us-east-1")
        if _OF_NOBODY not in ask.arn
    ]
    question = json.dumps({"policies": policies, "asks": wanted})
    done = subprocess.run(
        [node, "-e", _ASK_ALL], cwd=folder, env=ENVIRON, input=question, capture_output=True, text=True, check=True
    )
    answers = zip(wanted, json.loads(done.stdout), strict=True)
    assert [(ask["action"], ask["arn"], answer) for ask, answer in answers if answer != "Allowed"] == []


# --- without conditions, by moto ---


def unconditional(cell: Cell) -> bool:
    return not any(ask.context for ask in cell.asks)


@pytest.mark.parametrize("case", EMULATED, ids=lambda case: case.label)
def test_moto_judges_the_same(case: Case, policies: Policies) -> None:
    policy = IAMPolicy(json.dumps(policies[case.label]))
    wrong = []
    for cell in filter(unconditional, case.cells):
        found = [policy.is_action_permitted(ask.action, ask.arn) is PermissionResult.PERMITTED for ask in cell.asks]
        if (any(found) if cell.any_of else all(found)) is not cell.allowed:
            wrong.append((cell.place, cell.action, found))
    assert wrong == []


# --- with real keys, in an emulator that enforces permissions ---

NOW = datetime(2028, 2, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Course:
    """An environment in the emulator: its operator, and everybody in it with a key of their own."""

    operator: Aws
    subjects: list[Subject]

    def prove(self, *names: str) -> dict[tuple[str, str, str], Tried]:
        subjects = [one for one in self.subjects if not names or one.name in names]
        found = prove(self.operator, COURSE.bucket, COURSE.state_bucket, subjects, emulated=True, now=NOW)
        return {(one.subject, one.cell.place, one.cell.action): one for one in found}

    def objects(self) -> list[str]:
        """Everything there is, also what is hidden, and unfinished uploads."""
        s3 = self.operator.client("s3")
        found = []
        for bucket in (COURSE.bucket, COURSE.state_bucket):
            listed = s3.list_object_versions(Bucket=bucket)
            found += [one["Key"] for one in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]
            found += [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
        return sorted(found)

    def attach(self, person: Person, policy: Any) -> None:
        iam = self.operator.client("iam")
        iam.put_user_policy(UserName=person.user, PolicyName="bootstrap", PolicyDocument=json.dumps(policy))


THERE = ["dataset/", "dvc/", "members/", "mlflow/", "stag/environment.tfstate"]


@pytest.fixture
def course(policies: Policies) -> Iterator[Course]:
    """Two students of different teams, an instructor and ci, each with the policy that Terraform renders."""
    with mock_aws():
        nobody = Aws("eu-west-1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "nobody"))
        operator = nobody.with_key(people.create_operator(nobody, "operator", "/bootstrap-local/"))
        with enable_iam_authentication():
            for bucket in (COURSE.bucket, COURSE.state_bucket):
                buckets.create_state_bucket(operator, bucket, {})
            for key in THERE:
                bucket = COURSE.state_bucket if key.startswith("stag/") else COURSE.bucket
                operator.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
            made = Course(operator, [])
            for case in EMULATED:
                operator.client("iam").create_user(UserName=case.person.user, Path=COURSE.path)
                made.attach(case.person, policies[case.label])
                own = operator.with_key(people.mint_key(operator, case.person.user))
                made.subjects.append(
                    Subject(
                        case.person.name,
                        case.role,
                        case.person.team,
                        COURSE.user(case.person.user),
                        own,
                        case.dvc_delete,
                        case.expires,
                    )
                )
            yield made


def test_the_proof_holds_for_everybody_and_leaves_nothing(course: Course) -> None:
    found = course.prove()
    assert [one for one in found.values() if not one.right] == []
    assert {one.how for one in found.values()} == {"tried", "not tried"}
    assert all(one.why for one in found.values() if one.how == "not tried")
    for subject in course.subjects:
        tried = {(place, action) for (name, place, action), one in found.items() if name == subject.name and one.found}
        assert {("dataset/", "read"), (f"dvc/{subject.team}/", "write"), ("the bucket", "read its region")} <= tried
    assert found["anna", "dvc/red/", "delete"].found is False
    assert found["anna-b", "dvc/red-2/", "delete"].found is True
    assert found["anna", "dvc/red-2/", "read"].found is False
    assert found["ines", "members/anna/", "read"].found is True
    assert course.objects() == THERE


@pytest.mark.parametrize(
    ("effect", "resource", "action", "place", "shown"),
    [
        ("Allow", "dvc/*", "s3:GetObject", "dvc/red-2/", "read"),
        ("Allow", "mlflow/*", "s3:PutObject", "mlflow/", "write"),
        ("Allow", "members/*", "s3:DeleteObject", "members/anna-b/", "delete"),
        ("Allow", "*", "s3:GetObjectVersion", "members/anna/", "read an old version"),
        ("Allow", "*", "s3:DeleteObjectVersion", "members/anna/", "delete an old version"),
        ("Deny", "dataset/*", "s3:GetObject", "dataset/", "read"),
        ("Deny", "members/anna/*", "s3:AbortMultipartUpload", "members/anna/", "abort an upload"),
    ],
)
def test_a_policy_that_says_something_else_is_found_out(
    effect: str, resource: str, action: str, place: str, shown: str, course: Course, policies: Policies
) -> None:
    policy = policies[EMULATED[0].label]
    more = {"Effect": effect, "Action": action, "Resource": COURSE.object(resource)}
    course.attach(ANNA, {**policy, "Statement": [*policy["Statement"], more]})
    one = course.prove("anna", "anna-b")["anna", place, shown]
    assert one.found is (effect == "Allow")
    assert not one.right
    assert course.objects() == THERE


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("s3:DeleteBucket", "delete it"),
        ("s3:GetBucketVersioning", "read its settings"),
        ("s3:PutBucketVersioning", "change its settings"),
        ("s3:ListBucketVersions", "list old versions"),
        ("s3:ListBucketMultipartUploads", "list unfinished uploads"),
    ],
)
def test_a_bucket_that_is_not_safe_is_found_out_unharmed(
    action: str, shown: str, course: Course, policies: Policies
) -> None:
    policy = policies[EMULATED[0].label]
    more = {"Effect": "Allow", "Action": action, "Resource": COURSE.in_s3(COURSE.bucket)}
    course.attach(ANNA, {**policy, "Statement": [*policy["Statement"], more]})
    wrong = [key for key, one in course.prove("anna").items() if not one.right]
    assert wrong == [("anna", "the bucket", shown)]
    assert course.objects() == THERE


def test_a_student_on_their_own_tries_what_they_can_and_leaves_nothing(course: Course) -> None:
    anna = course.subjects[0]
    found = prove(None, COURSE.bucket, COURSE.state_bucket, [anna], emulated=True, now=NOW)
    assert [one for one in found if not one.right] == []
    tried = {(one.cell.place, one.cell.action): one.found for one in found if one.how == "tried"}
    for place, actions in {
        "dataset/": {"list", "read"},
        "dvc/red/": {"list", "read", "write"},
        "members/anna/": {"list", "read", "write", "delete"},
    }.items():
        for action in ("list", "read", "write", "delete"):
            assert tried[place, action] is (action in actions)
    assert {tried["mlflow/", action] for action in ("read", "write", "delete")} == {False}
    assert {tried["the state bucket", action] for action in ("list", "read", "write", "delete")} == {False}
    assert course.objects() == THERE
