"""An environment and its workflows on GitHub, from `up` to `down`, with a stand-in for GitHub that checks each request.

There is no GitHub here: tests/github answers in its place, from GitHub's own description of its API.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from tests.github.server import GitHubServer
from tests.github.state import Repository, Secret, Variable

from .course import ACCOUNT, Course, Done, laptop
from .known_secrets import found_in, places_of, secrets_on

# One story from end to end, of which no part can be left out; test_class.py has GitHub in it on every day.
pytestmark = [pytest.mark.e2e, pytest.mark.by_turns("github")]

ROLE = "course.stag.github"
ISSUER = "token.actions.githubusercontent.com"
OF_ALL = {"AWS_REGION", "BOOTSTRAP_SYNC", "DATA_BUCKET", "DVC_REMOTE_URL", "MLFLOW_TRACKING_URI"}
LOGIN = {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
KEY = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
UP = ("up", "--env", "stag", "--local", "--yes")


@pytest.fixture(scope="module")
def hub() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        yield server


@pytest.fixture(scope="module")
def repository(hub: GitHubServer) -> Repository:
    """Return a repository in which somebody else has settings of their own, of our names among them."""
    found = hub.add_repository("ana/course", id=77, owner_id=55)
    found.secrets["AWS_ACCESS_KEY_ID"] = Secret("theirs")
    found.variables["STAG_AWS_REGION"] = Variable("theirs")
    return found


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, hub: GitHubServer, repository: Repository) -> Iterator[Course]:
    """Return a laptop with `stag` up, whose project has that repository."""
    assert repository.variables
    with laptop(tmp_path_factory.mktemp("github")) as found:
        found.env["GITHUB_TOKEN"] = hub.token
        configure(found, hub, "oidc")
        planned = found.bootstrap("plan", "--env", "stag", "--local", code=3)
        assert "+ the secret MLFLOW_TRACKING_PASSWORD" in planned.out + planned.err
        assert {request.method for request in hub.requests} == {"GET"}, "looking changes nothing"
        found.bootstrap(*UP)
        yield found
        # Whatever was said or logged in all this, no secret was among it.
        said = "\n".join(found.heard)
        for secret in SECRETS | {hub.token}:
            assert secret not in said


# Every secret that was on GitHub at some time.
SECRETS: set[str] = set()


def configure(course: Course, hub: GitHubServer, auth: str, repository: str = "ana/course") -> None:
    lines = [
        'project = "course"',
        "[environments.stag]",
        "[environments.prod.mlflow]",
        'kind = "none"',
        "[github]",
        f'repository = "{repository}"',
    ]
    lines.append(f'auth = "{auth}"')
    (course.folder / "bootstrap.toml").write_text("\n".join([*lines, f'api_url = "{hub.url}"', ""]))


def key_in_profile(course: Course) -> dict[str, str]:
    credentials = configparser.ConfigParser(interpolation=None)
    credentials.read(course.home / ".aws" / "credentials")
    profile = credentials["course-stag"]
    return {name.upper(): profile[name] for name in ("aws_access_key_id", "aws_secret_access_key")}


def secrets(repository: Repository) -> dict[str, str]:
    found = {name: secret.value for name, secret in repository.environments["stag"].secrets.items()}
    SECRETS.update(value for name, value in found.items() if name.endswith(("PASSWORD", "SECRET_ACCESS_KEY")))
    return found


def variables(repository: Repository) -> dict[str, str]:
    return {name: variable.value for name, variable in repository.environments["stag"].variables.items()}


def roles(course: Course) -> list[str]:
    listed = course.operator().client("iam").list_roles(PathPrefix="/course/")["Roles"]
    return sorted(role["RoleName"] for role in listed)


def providers(course: Course) -> list[str]:
    return [
        one["Arn"]
        for one in course.operator().client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ]


def test_up_leaves_exactly_what_workflows_need(course: Course, repository: Repository) -> None:
    stag = repository.environments["stag"]
    assert (stag.branch_policy, stag.branches) == ("custom", ["stag"])
    settings = course.dotenv()
    assert secrets(repository) == {name: settings[name] for name in LOGIN}
    found = variables(repository)
    del found["BOOTSTRAP_SYNC"]
    assert found == {
        "AWS_REGION": "us-east-1",
        "AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/course/stag/{ROLE}",
        "DATA_BUCKET": course.bucket,
        "DVC_REMOTE_URL": f"s3://{course.bucket}/dvc/ci",
        "MLFLOW_TRACKING_URI": settings["MLFLOW_TRACKING_URI"],
    }


def test_the_role_trusts_this_repository_s_environment_and_nothing_else(course: Course) -> None:
    role = course.operator().client("iam").get_role(RoleName=ROLE)["Role"]
    trust = role["AssumeRolePolicyDocument"]
    trust = json.loads(unquote(trust)) if isinstance(trust, str) else trust
    (statement,) = trust["Statement"]
    (provider,) = providers(course)
    assert provider.endswith(f":oidc-provider/{ISSUER}")
    assert statement["Principal"] == {"Federated": provider}
    (subjects,) = [
        condition[f"{ISSUER}:sub"] for condition in statement["Condition"].values() if f"{ISSUER}:sub" in condition
    ]
    assert sorted(subjects) == [
        "repo:ana/course:environment:stag",
        "repo:ana@55/course@77:environment:stag",
    ]
    assert list(statement["Condition"]) == ["StringEquals"]


def test_a_second_up_and_a_sync_change_nothing(course: Course, hub: GitHubServer) -> None:
    before = len(hub.requests)
    assert course.bootstrap(*UP).out.startswith("No changes: 'stag' is up on this laptop and works.")
    assert "No changes" in course.bootstrap("github", "sync", "--env", "stag", "--yes").out
    assert {request.method for request in hub.requests[before:]} == {"GET"}


def test_status_shows_it(course: Course) -> None:
    told = course.bootstrap("github", "status", "--env", "stag", "--json").json()
    assert (told["repository"], told["scope"], told["auth"]) == ("ana/course", "environment", "oidc")
    assert {row["state"] for row in told["settings"]} == {"ok"}


def test_status_sees_what_was_changed_and_sync_mends_it(course: Course, repository: Repository) -> None:
    stag = repository.environments["stag"]
    stag.variables["DATA_BUCKET"].value = "another"
    del stag.secrets["MLFLOW_TRACKING_PASSWORD"]
    stag.secrets["THEIRS"] = Secret("theirs")
    told = course.bootstrap("github", "status", "--env", "stag", "--json", code=4).json()
    states = {row["name"]: row["state"] for row in told["settings"]}
    assert states["DATA_BUCKET"] == "differs"
    assert states["MLFLOW_TRACKING_PASSWORD"] == "missing"
    assert states["THEIRS"] == "ok"
    changed = course.bootstrap("github", "sync", "--env", "stag", "--yes", "--json").json()
    assert [(one["action"], one["name"]) for one in changed["changes"]] == [
        ("update", "DATA_BUCKET"),
        ("create", "MLFLOW_TRACKING_PASSWORD"),
    ]
    assert secrets(repository)["MLFLOW_TRACKING_PASSWORD"] == course.dotenv()["MLFLOW_TRACKING_PASSWORD"]
    course.bootstrap("github", "status", "--env", "stag")


def test_from_oidc_to_keys(course: Course, hub: GitHubServer, repository: Repository) -> None:
    configure(course, hub, "keys")
    done = course.bootstrap(*UP)
    assert "the secret AWS_ACCESS_KEY_ID" in done.err
    assert "- the variable AWS_ROLE_ARN (is not needed any more)" in done.err
    found = secrets(repository)
    assert found == {**{name: course.dotenv()[name] for name in LOGIN}, **key_in_profile(course), "THEIRS": "theirs"}
    assert set(variables(repository)) == OF_ALL
    assert (roles(course), providers(course)) == ([], [])


def test_rotate_gives_the_new_key_to_github_first(course: Course, repository: Repository) -> None:
    before = key_in_profile(course)
    course.bootstrap("rotate", "ci", "--env", "stag", "--yes")
    after = key_in_profile(course)
    assert after != before
    assert {name: value for name, value in secrets(repository).items() if name in KEY} == after


def test_if_github_fails_rotate_leaves_the_old_key_and_says_how_to_finish(
    course: Course, hub: GitHubServer, repository: Repository
) -> None:
    before = key_in_profile(course)
    hub.fail("PUT", r".*/secrets/AWS_SECRET_ACCESS_KEY", status=500, times=4)
    told = course.bootstrap("rotate", "ci", "--env", "stag", "--yes", code=5)
    assert "bootstrap github sync --env stag" in told.err
    assert len(keys_of_ci(course)) == 2
    again = course.bootstrap("rotate", "ci", "--env", "stag", "--yes", code=1)
    assert "First: bootstrap github sync --env stag" in again.err
    course.bootstrap("github", "sync", "--env", "stag", "--yes")
    after = key_in_profile(course)
    assert {name: value for name, value in secrets(repository).items() if name in KEY} == after
    assert keys_of_ci(course) == [after["AWS_ACCESS_KEY_ID"]]
    assert before["AWS_ACCESS_KEY_ID"] not in keys_of_ci(course)


def keys_of_ci(course: Course) -> list[str]:
    listed = course.operator().client("iam").list_access_keys(UserName="course.stag.ci")["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in listed]


def test_from_keys_back_to_oidc(course: Course, hub: GitHubServer, repository: Repository) -> None:
    configure(course, hub, "oidc")
    # GitHub fails in the middle of it, for as long as it is asked again: the rest is done all the same.
    hub.fail("DELETE", r".*/secrets/AWS_SECRET_ACCESS_KEY", status=502, times=4)
    told = course.bootstrap(*UP, code=5)
    assert "'stag' is up on this laptop" in told.out
    assert "All is done but GitHub." in told.err
    assert "Then: bootstrap github sync --env stag" in told.err
    course.bootstrap("github", "sync", "--env", "stag", "--yes")
    assert set(secrets(repository)) == LOGIN | {"THEIRS"}
    assert set(variables(repository)) == OF_ALL | {"AWS_ROLE_ARN"}
    assert roles(course) == [ROLE]


def test_of_another_repository_it_is_said_that_the_first_has_its_settings_still(
    course: Course, hub: GitHubServer
) -> None:
    hub.add_repository("ana/other")
    configure(course, hub, "oidc", "ana/other")
    still = "What was written for 'stag' to ana/course on GitHub is still there"
    assert still in course.bootstrap("github", "sync", "--env", "stag", "--yes", code=1).err
    assert still in course.bootstrap(*UP, code=5).err
    assert roles(course) == [ROLE], "the workflows that were let in stay so"
    configure(course, hub, "oidc")


def test_removed_and_written_again(course: Course, repository: Repository) -> None:
    course.bootstrap("github", "remove", "--env", "stag", "--yes")
    assert (set(secrets(repository)), set(variables(repository))) == ({"THEIRS"}, set())
    assert "'stag' is up on this laptop" in course.bootstrap(*UP).out
    assert set(secrets(repository)) == LOGIN | {"THEIRS"}


def test_without_a_token_it_is_said_where_it_comes_from(course: Course) -> None:
    told = course.bootstrap("github", "status", "--env", "stag", code=1, GITHUB_TOKEN=None)
    assert "There is no token for GitHub" in told.err
    assert "GITHUB_TOKEN" in told.err


def test_collaborators(course: Course, hub: GitHubServer, repository: Repository) -> None:
    for login in ("bia-example", "caio-example", "prof-example"):
        hub.add_user(login)
    repository.collaborators["caio-example"] = "admin"
    roster = "name,role,github\nbia,student,bia-example\ncaio,,caio-example\nprof,instructor,prof-example\ndora,,\n"
    (course.folder / "members.csv").write_text(roster)
    words = ("github", "collaborators", "--env", "stag", "--roster", "members.csv", "--yes")
    told: Done = course.bootstrap(*words)
    assert "left out: dora" in told.err
    assert told.out.splitlines() == ["bia-example: push, invited", "prof-example: push, invited"]
    assert repository.collaborators["caio-example"] == "admin"


def test_no_secret_is_anywhere_but_where_it_belongs(course: Course, repository: Repository) -> None:
    course.bootstrap("github", "sync", "--env", "stag", "--yes", "-v")
    assert set(secrets(repository)) >= LOGIN
    assert len(SECRETS) >= 3, "two keys and a password were seen on the way"
    known = secrets_on(course) | {f"on GitHub ({number})": secret for number, secret in enumerate(SECRETS)}
    assert "GITHUB_TOKEN" in known
    mlflow = course.work / "envs" / "stag" / "mlflow"
    assert {place for _, place in found_in(known, places_of(course, course.operator()))} == {
        str(course.home / ".aws" / "credentials"),
        str(course.folder / ".env"),
        str(mlflow / "basic_auth.ini"),
        str(mlflow / "flask_secret_key"),
        str(course.work / "local" / "operator.json"),
    }


def test_the_provider_stays_as_long_as_another_environment_lives_by_it(
    course: Course, hub: GitHubServer, repository: Repository
) -> None:
    provider = providers(course)
    course.bootstrap("up", "--env", "prod", "--local", "--yes")
    assert repository.environments["prod"].branches == ["main"]
    assert roles(course) == ["course.prod.github", ROLE]
    configure(course, hub, "keys")
    hub.fail("GET", r".*", status=503, times=4)
    course.bootstrap(*UP, code=5)
    assert roles(course) == ["course.prod.github", ROLE], "GitHub could not be asked, so nothing is taken away"
    course.bootstrap(*UP)
    assert (roles(course), providers(course)) == (["course.prod.github"], provider)
    course.bootstrap("down", "--env", "prod", "--yes")
    assert (roles(course), providers(course)) == ([], []), "nobody lives by it any more"


def test_down_leaves_nothing_of_ours_and_all_of_theirs(course: Course, repository: Repository) -> None:
    done = course.bootstrap("down", "--env", "stag", "--yes")
    assert "nothing of it is left" in done.out
    stag = repository.environments["stag"]
    assert (set(stag.secrets), set(stag.variables)) == ({"THEIRS"}, set())
    assert repository.secrets["AWS_ACCESS_KEY_ID"].value == "theirs"
    assert repository.variables["STAG_AWS_REGION"].value == "theirs"
