"""A class of thirty: brought in by one command, at work on laptops of their own, renewed, and out again one by one."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from bootstrap.adapters import sealing
from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.core.invite import Invite, parse_invite
from bootstrap.core.names import Names
from bootstrap.workflows.local import OPERATOR, OPERATOR_PATH
from tests.github.server import GitHubServer

from .bystanders import Bystanders
from .course import ACCOUNT, Course, Done, StandIn, events, laptop, wait_for
from .known_secrets import found_in, places_of, secrets_on

pytestmark = pytest.mark.e2e

TEAMS = ("red", "green", "blue")
STUDENTS = {f"s{number:02d}": TEAMS[number % 3] for number in range(29)}
ANA, BIA, CAIO = "s00", "s03", "s01"  # ana and bia are in red, caio is in green
PROF = "prof"


@dataclass
class Class(Course):
    """The instructor's laptop, with where the codes are.

    `at_first`: the user's files before anything was done. `known`: every secret that there was up to now.
    """

    at_first: dict[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    known: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def codes_file(self) -> Path:
        return self.home / "codes.csv"

    def codes(self) -> dict[str, str]:
        rows = csv.DictReader(self.codes_file.read_text().splitlines())
        return {row["member"]: row["code"] for row in rows}

    def invite_file(self, name: str) -> Path:
        return self.folder / "invites" / "stag" / f"{name}.age"

    def invite(self, name: str) -> Invite:
        return parse_invite(sealing.open_with_code(self.invite_file(name).read_text(), self.codes()[name]))

    def user(self, name: str) -> str:
        return Names(self.name, "stag", ACCOUNT).iam_user(name)

    def keys_by_user(self) -> dict[str, list[str]]:
        operator = self.operator()
        return {user: [key.id for key in people.key_ids(operator, user)] for user in self.users("stag")}

    def write_roster(self, rows: dict[str, str], *more: str) -> None:
        lines = ["name;role;team;remarks", "# turma de 2026", *(f"{name};;{team};" for name, team in rows.items())]
        (self.folder / "members.csv").write_bytes("\r\n".join([*lines, *more, ""]).encode("utf-8-sig"))

    def onboard(self, *words: str, code: int = 0) -> Done:
        options = ("--env", "stag", "--yes", "--codes", str(self.codes_file))
        return self.bootstrap("onboard", *words, *options, code=code)

    def remember_secrets(self, hub: GitHubServer, moment: str) -> None:
        """Add what is secret now to what is `known`; what is no more in force stays there."""
        found = secrets_on(self) | {f"the code of {name}": code for name, code in self.codes().items()}
        for name in (file.stem for file in self.folder.glob("invites/stag/*.age")):
            invite = self.invite(name)
            found[f"the key of {name}"] = invite.secret_access_key
            assert invite.mlflow_password is not None
            found[f"the password of {name}"] = invite.mlflow_password
        for env, vault in hub.repositories["prof/course"].environments.items():
            secrets = {name: secret.value for name, secret in vault.secrets.items() if not name.endswith("USERNAME")}
            found |= {f"{name} of {env} on GitHub": value for name, value in secrets.items()}
        new = {name: secret for name, secret in found.items() if secret not in self.known.values()}
        self.known |= {f"{name}, {moment}": secret for name, secret in new.items()}

    def works(self, invite: Invite) -> bool:
        """Tell whether the key in an invite is accepted."""
        key = KeyPair(invite.access_key_id, invite.secret_access_key)
        return people.key_works(self.operator().with_key(key), self.user(invite.member))


def as_class(course: Course) -> Class:
    return Class(course.folder, course.home, course.env, course.heard)


# What the instructor had before.
THEIR_AWS = {
    "config": b"[profile work]\r\nregion = eu-west-1  ",
    "credentials": b"# old\n[work]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n",
}


def aws_files(course: Course) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (course.home / ".aws").iterdir()}


@pytest.fixture(scope="module")
def hub() -> Iterator[GitHubServer]:
    """Return the stand-in for GitHub, where there is none, with the course's repository in it."""
    with GitHubServer() as server:
        server.add_repository("prof/course")
        yield server


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, hub: GitHubServer) -> Iterator[Class]:
    """Return an environment with thirty people in three teams, brought in by one command."""
    with laptop(tmp_path_factory.mktemp("school")) as course:
        found = as_class(course)
        found.env["GITHUB_TOKEN"] = hub.token
        toml = f'project = "course"\n[environments.stag]\n[github]\nrepository = "prof/course"\napi_url = "{hub.url}"\n'
        (found.folder / "bootstrap.toml").write_text(toml)
        (found.home / ".aws").mkdir()
        for name, content in THEIR_AWS.items():
            (found.home / ".aws" / name).write_bytes(content)
            (found.home / ".aws" / name).chmod(0o600)
        found.at_first = found.snapshot()
        found.up()
        found.write_roster(STUDENTS, f'{PROF};Instructor;;"fala português; à noite"')
        found.onboard("--roster", "members.csv")
        found.remember_secrets(hub, "at first")
        yield found


@pytest.fixture(scope="module")
def students(school: Class, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Course]]:
    """Return the laptops of two of team red and one of team green; each has joined in an empty git repository."""
    with ExitStack() as stack:
        found = {}
        for name in (ANA, BIA, CAIO):
            course = stack.enter_context(laptop(tmp_path_factory.mktemp(name), "work"))
            shutil.copy(school.invite_file(name), course.home / "invite.age")
            done = course.bootstrap("join", str(course.home / "invite.age"), "--code", school.codes()[name])
            found[name] = course
            course.heard.append(done.out)
        yield found


def refused(course: Course, *argv: str) -> str:
    done = course.start(*argv).wait()
    assert done.code != 0, done.said
    return done.err


def test_everybody_has_one_user_one_key_and_an_invite_that_opens(school: Class) -> None:
    keys = school.keys_by_user()
    assert set(keys) == {school.user(name) for name in (*STUDENTS, PROF, "ci")}
    for name in (*STUDENTS, PROF):
        invite = school.invite(name)
        assert keys[school.user(name)] == [invite.access_key_id]
        assert (invite.team, invite.role) == (STUDENTS.get(name, PROF), "student" if name in STUDENTS else "instructor")
        assert stat.S_IMODE(school.invite_file(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(school.codes_file.stat().st_mode) == 0o600


def test_the_same_command_again_changes_nothing(school: Class) -> None:
    before, keys = school.snapshot(), school.keys_by_user()
    assert "No changes" in school.onboard("--roster", "members.csv").out
    assert (school.snapshot(), school.keys_by_user()) == (before, keys)


def test_up_keeps_everybody(school: Class) -> None:
    keys = school.keys_by_user()
    assert "No changes" in school.up().out
    assert school.keys_by_user() == keys


def test_a_student_works_as_printed(students: dict[str, Course], school: Class) -> None:
    ana = students[ANA]
    lines = [line.strip() for line in ana.heard[-1].partition("\nNext:\n")[2].splitlines() if line.strip()]
    assert len(lines) >= 3, ana.heard[-1]
    for line in lines:
        ana.bash(line)
    keys = school.keys(school.bucket)
    assert [key for key in keys if key.startswith(f"members/{ANA}/") and not key.endswith("/")]
    assert [key for key in keys if key.startswith("dvc/red/files/")]
    assert [key for key in keys if key.startswith("mlflow/") and key.endswith(".txt")]


def test_what_one_pushes_a_teammate_pulls_and_a_stranger_does_not(students: dict[str, Course]) -> None:
    ana, bia, caio = (students[name] for name in (ANA, BIA, CAIO))
    (ana.folder / "data.csv").write_text("price,rating\n1,5\n")
    ana.bash("dvc add data.csv && dvc push")
    for other in (bia, caio):
        shutil.copy(ana.folder / "data.csv.dvc", other.folder)
    bia.run("dvc", "pull", "data.csv.dvc")
    assert (bia.folder / "data.csv").read_text() == "price,rating\n1,5\n"
    refused(caio, "dvc", "pull", "data.csv.dvc")
    # Told where it is, a stranger is refused all the same.
    caio.run("dvc", "remote", "modify", "stag", "url", "s3://" + school_bucket(caio) + "/dvc/red")
    refused(caio, "dvc", "pull", "data.csv.dvc")
    assert not (caio.folder / "data.csv").exists()
    caio.run("dvc", "remote", "modify", "stag", "url", "s3://" + school_bucket(caio) + "/dvc/green")


def school_bucket(course: Course) -> str:
    found = json.loads(next((course.work / "joined").glob("*--*.json")).read_text())
    return str(found["bucket"])


def test_an_instructor_pushes_a_dataset_and_a_student_pulls_it(
    students: dict[str, Course], school: Class, tmp_path: Path
) -> None:
    ana = students[ANA]
    with laptop(tmp_path, "work") as prof:
        shutil.copy(school.invite_file(PROF), prof.home / "invite.age")
        prof.bootstrap("join", str(prof.home / "invite.age"), "--code", school.codes()[PROF])
        (prof.folder / "laptops.csv").write_text("brand,Price\nAcer,1999.90\n")
        prof.bootstrap("dataset", "push", "laptops.csv", "--env", "stag", "--yes")
        again = prof.bootstrap("dataset", "push", "laptops.csv", "--env", "stag", "--yes", "--json").json()
        assert (again["version"], again["by"], again["changed"]) == (1, PROF, False)
        # Who brought the environment up sees the same.
        (row,) = school.bootstrap("dataset", "list", "--env", "stag", "--json").json()["datasets"]
        assert (row["name"], row["rows"]) == ("laptops", 1)
        ana.bootstrap("dataset", "pull")
        assert (ana.folder / "data" / "raw" / "laptops.csv").read_text() == (prof.folder / "laptops.csv").read_text()
        (ana.folder / "more.csv").write_text("x\n1\n")
        assert "Only instructors" in ana.bootstrap("dataset", "push", "more.csv", "--env", "stag", "--yes", code=1).err


SHARED = """
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
experiment = client.get_experiment_by_name("red/default")
run = client.create_run(experiment.experiment_id)
client.log_metric(run.info.run_id, "r2", 0.7)
print(run.info.run_id)
"""
READ = """
import sys
from mlflow import MlflowClient
print(MlflowClient().get_run(sys.argv[1]).data.metrics["r2"])
"""


def test_in_mlflow_a_team_shares_its_runs_and_a_stranger_sees_none(students: dict[str, Course], school: Class) -> None:
    def python(course: Course, script: str, *words: str) -> tuple[str, ...]:
        (course.folder / "script.py").write_text(script)
        return ("bash", "-c", f"set -a; . ./.env; set +a; python script.py {' '.join(words)}")

    run = students[ANA].run(*python(students[ANA], SHARED)).out.split()[-1]
    assert students[BIA].run(*python(students[BIA], READ, run)).out.split()[-1] == "0.7"
    assert "Permission denied" in refused(students[CAIO], *python(students[CAIO], READ, run))


def test_every_cell_of_the_matrix_is_right(school: Class) -> None:
    found = school.bootstrap("access", "--env", "stag", "--json").json()
    assert found["right"]
    tried = [cell for cell in found["cells"] if cell["how"] == "tried"]
    assert {cell["member"] for cell in tried} == {*STUDENTS, PROF, "ci"}
    assert {cell["found"] for cell in tried} == {True, False}
    assert not [key for key in school.keys(school.bucket) if "proof" in key or "probe" in key]


def test_a_student_proves_their_own_access(students: dict[str, Course]) -> None:
    found = students[ANA].bootstrap("access", "--json").json()
    assert found["right"]
    assert {cell["member"] for cell in found["cells"]} == {ANA}


def test_too_much_access_is_found_and_named(school: Class) -> None:
    iam = school.operator().client("iam")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=school.user(CAIO), PolicyName="oops", PolicyDocument=json.dumps(everything))
    try:
        said = school.bootstrap("access", CAIO, "--env", "stag", code=4).out
    finally:
        iam.delete_user_policy(UserName=school.user(CAIO), PolicyName="oops")
    assert f"{CAIO}: write, dataset/: allowed, should be refused" in said
    assert school.bootstrap("access", CAIO, "--env", "stag").code == 0


def test_a_rotated_key_is_dead_and_the_new_one_works(school: Class) -> None:
    before, others = school.invite("s06"), school.keys_by_user()
    school.bootstrap("rotate", "s06", "--env", "stag", "--yes", "--codes", str(school.codes_file))
    after = school.invite("s06")
    assert (school.works(before), school.works(after)) == (False, True)
    assert after.access_key_id != before.access_key_id
    changed = {user for user, keys in school.keys_by_user().items() if keys != others[user]}
    assert changed == {school.user("s06")}


def test_whoever_is_offboarded_is_out_and_the_others_are_untouched(school: Class) -> None:
    gone, keys, roster = school.invite("s28"), school.keys_by_user(), (school.folder / "members.csv").read_bytes()
    s3 = school.operator().client("s3")
    s3.put_object(Bucket=school.bucket, Key="members/s28/notes/día 1.txt", Body=b"hers")
    archive = school.home / "archive"
    done = school.bootstrap(
        "offboard", "s28", "--env", "stag", "--yes", "--json", "--archive", str(archive), "--delete-data"
    )
    assert done.json()["offboarded"][0]["archived"] == 1
    assert (archive / "s28" / "notes" / "día 1.txt").read_bytes() == b"hers"
    assert "members/s28/notes/día 1.txt" not in school.keys(school.bucket)
    assert not school.works(gone)
    assert not school.invite_file("s28").exists()
    row = f"s28;;{STUDENTS['s28']};\r\n".encode()
    assert row in roster
    assert (school.folder / "members.csv").read_bytes() == roster.replace(row, b"")
    del keys[school.user("s28")]
    assert school.keys_by_user() == keys
    assert school.bootstrap("access", "--env", "stag", "--json").json()["right"]


def test_members_says_who_has_begun(school: Class, students: dict[str, Course]) -> None:
    assert students
    rows: dict[str, dict[str, Any]] = {
        row["name"]: row for row in school.bootstrap("members", "--env", "stag", "--json").json()["members"]
    }
    assert rows[ANA]["invite"] == "in use"
    assert rows["s10"]["invite"] == "waiting"
    assert rows[PROF]["role"] == "instructor"
    assert all(row["mlflow"] and row["key_age_days"] == 0 for row in rows.values())


def test_nobody_is_removed_without_prune(school: Class) -> None:
    left = {name: team for name, team in STUDENTS.items() if name not in ("s27", "s28")}
    school.write_roster(left, f"{PROF};Instructor;;")
    assert "s27" in school.onboard("--roster", "members.csv").out
    assert school.user("s27") in school.users("stag")
    said = school.onboard("--roster", "members.csv", "--prune").err
    assert "-1." in said
    assert school.user("s27") not in school.users("stag")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """Return an environment with two people in it."""
    with laptop(tmp_path_factory.mktemp("few"), "small") as course:
        found = as_class(course)
        found.up()
        found.onboard("ana", "bia", "--team", "red")
        yield found


@pytest.mark.by_turns("few")
def test_after_a_kill_the_same_command_goes_on(few: Class) -> None:
    there = few.keys_by_user()

    def some_invites(before: int) -> bool:
        return len(list(few.folder.glob("invites/stag/*.age"))) >= before + 3

    def terraform_at_work(_: int) -> bool:
        log = few.work / "envs/stag/infra/members/logs/apply.jsonl"
        return len([event for event in events(log) if event[0] == "apply_complete"]) >= 4

    invites: dict[str, bytes] = {}
    for count, moment in ((5, some_invites), (11, terraform_at_work)):
        names = list(STUDENTS)[:count]
        few.write_roster({name: STUDENTS[name] for name in names})
        codes = ("--codes", str(few.codes_file))
        begun = few.begin("onboard", "--roster", "members.csv", "--env", "stag", "--yes", *codes)
        wait_for(lambda: moment(len(invites)), during=begun)  # noqa: B023 - called in this very round
        begun.kill(with_terraform=True)
        few.onboard("--roster", "members.csv")
        keys = few.keys_by_user()
        assert keys.keys() - there.keys() == {few.user(name) for name in names}
        assert keys.items() >= there.items()
        for name in names:
            invite = few.invite(name)
            assert keys[few.user(name)] == [invite.access_key_id]
            assert few.works(invite)
        assert {name: few.invite_file(name).read_bytes() for name in invites} == invites
        invites = {name: few.invite_file(name).read_bytes() for name in names}


@pytest.mark.by_turns("few")
def test_the_calls_to_add_one_do_not_grow_with_the_class(school: Class, few: Class) -> None:
    def calls(course: Class) -> int:
        log = course.work / "local" / "emulator.log"
        before = log.read_text().count('HTTP/1.1"')
        course.onboard("late", "--team", "green")
        return log.read_text().count('HTTP/1.1"') - before

    assert calls(school) == calls(few) > 0


def test_no_secret_of_anybody_is_anywhere_but_where_it_belongs(
    school: Class, students: dict[str, Course], hub: GitHubServer
) -> None:
    assert "invites" not in school.run("git", "status", "--short", "--untracked-files=all").out
    school.run("git", "add", "--all")
    school.remember_secrets(hub, "at last")
    kinds = {name.partition(" of ")[0].partition(",")[0] for name in school.known}
    assert kinds >= {"the code", "the key", "the password", "GITHUB_TOKEN", "the operator's key"}, kinds
    assert {"the key of s06, at first", "the key of s06, at last"} <= set(school.known), "renewed in between"
    places = places_of(school, school.operator())
    assert len([place for place in places if place.startswith(f"s3://{school.state_bucket}/stag/members.tfstate?")]) > 3
    mlflow = school.work / "envs" / "stag" / "mlflow"
    own = {
        str(school.codes_file),
        str(school.home / ".aws" / "credentials"),
        str(school.folder / ".env"),
        str(mlflow / "basic_auth.ini"),
        str(mlflow / "flask_secret_key"),
        str(school.work / "local" / "operator.json"),
    }
    found = found_in(school.known, places)
    assert {place for _, place in found} == own
    assert {place for name, place in found if not name.startswith("the code of ")} == own - {str(school.codes_file)}
    for name, student in students.items():
        assert found_in(school.known, places_of(student)) == {
            (f"the key of {name}, at first", str(student.home / ".aws" / "credentials")),
            (f"the password of {name}, at first", str(student.folder / ".env")),
        }


def test_at_the_end_everything_is_archived_and_nothing_is_left_even_after_a_kill(
    school: Class, students: dict[str, Course], hub: GitHubServer
) -> None:
    folder = school.home / "2026"
    keys, users = school.keys(school.bucket), school.users("stag")
    on_github = hub.repositories["prof/course"].environments
    assert on_github["stag"].secrets
    theirs = Bystanders(school.operator(), OPERATOR_PATH + OPERATOR)
    theirs.put()
    # By hand, and it would stop IAM from deleting the user.
    iam = theirs.account.client("iam")
    iam.create_login_profile(UserName=school.user(ANA), Password="Not-For-Long-1")
    iam.create_group(GroupName="theirs")
    iam.add_user_to_group(GroupName="theirs", UserName=school.user(ANA))
    log = school.work / "envs/stag/infra/members/logs/apply.jsonl"
    log.unlink()
    words = ("down", "--env", "stag", "--archive", str(folder), "--confirm", "stag", "--json")
    with emulator_that_stays(school):
        begun = school.begin(*words)
        wait_for(lambda: any(event[0] == "apply_complete" for event in events(log)), during=begun)
        begun.kill(with_terraform=True)
        done = school.bootstrap(*words).json()
        theirs.require_alone()
    assert (done["receipt"]["clean"], done["left"]) == (True, [])
    assert {f"arn:aws:iam::{ACCOUNT}:user/{school.name}/stag/{user}" for user in users} <= set(done["removed"])
    assert "whole" in school.bootstrap("receipts", "verify", done["receipt"]["json"]).out
    assert on_github == {}
    assert aws_files(school) == THEIR_AWS
    assert not school.processes()
    assert not school.work.exists()
    archives = (folder, school.home / "archive")  # the one of everything, and s28's
    after = {path: what for path, what in school.snapshot().items() if not path.startswith(tuple(map(str, archives)))}
    assert {path: after.get(path) for path in school.at_first} == school.at_first
    # The roster and the codes are the instructor's own; docs/what-is-written.md tells of the rest.
    new = {Path(path).relative_to(school.folder.parent).parts for path in after.keys() - school.at_first.keys()}
    staying = {("course", "members.csv"), ("home", "codes.csv"), ("course", ".gitignore"), ("course", ".dvcignore")}
    assert {parts for parts in new if parts[:2] != ("course", ".dvc")} == staying

    school.bootstrap("restore-check", str(folder))
    archived = json.loads((folder / "manifest.json").read_text())
    assert {file["key"] for file in archived["files"] if file.get("key")} == {key for key in keys if key[-1] != "/"}
    assert list((folder / "members" / ANA).iterdir())
    runs = sqlite3.connect(folder / "mlflow" / "mlflow.db").execute("select count(*) from runs").fetchone()
    assert runs[0] > 0
    signing = next(school.home.rglob("receipt-key.pem"))
    kept = found_in(school.known | secrets_on(school), places_of(school))
    assert {place for _, place in kept} == {str(school.codes_file), str(signing)}
    (folder / "members.json").write_text("{}")
    assert "changed: members.json" in school.bootstrap("restore-check", str(folder), code=1).out
    assert students


@contextmanager
def emulator_that_stays(course: Course) -> Iterator[None]:
    """Let `down` end another process in place of the emulator, so that one can look at what it has left in there."""
    emulator, stand_in = course.emulator(), StandIn()
    record = course.work / "local" / "emulator.json"
    record.write_text(json.dumps(emulator | {"pid": stand_in.pid, "created": stand_in.created}))
    try:
        yield
        assert not stand_in.runs, "the emulator was not stopped"
    finally:
        stand_in.end()
        process = psutil.Process(emulator["pid"])
        process.terminate()
        psutil.wait_procs([process], timeout=10)
