"""A real MLflow server with its artifacts on a real moto server: accounts, roles, teams, and who may do what.

What a person may do is tried with their own login, request by request, the way MLflow's client makes them.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import itertools
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bootstrap.adapters import mlflow_api
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.mlflow_api import EVERY, EXPERIMENT, MANAGE, MODEL, PROMPT, READ, MlflowApi, new_password
from bootstrap.core.mlflow_names import INSTRUCTORS, experiment_of, team_role
from bootstrap.errors import BootstrapError
from bootstrap.workflows import mlflow_access
from bootstrap.workflows.mlflow_access import Account, admit, dismiss, prepare_teams, reconcile
from tests.ports import some_port
from tests.standing import own_mlflow

BUCKET = "demo--stag--123456789012"
SECRET = b"nobody else's business"
NONE = "NO_PERMISSIONS"
_fresh = itertools.count(1)


def an_experiment(api: MlflowApi, name: str) -> str:
    """Return the id of the experiment of this name, made if need be."""
    return api.create_experiment(name) or api.existing_experiment(name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server of our own making, as `up` starts it."""
    with own_mlflow(tmp_path_factory.mktemp("servers"), BUCKET) as mlflow:
        yield mlflow


@pytest.fixture(scope="module")
def admin(server: MlflowServer) -> MlflowApi:
    running = server.running()
    assert running is not None
    return mlflow_access.administrator(server, running)


@pytest.fixture
def word() -> str:
    """A word that no other test has used, for names on the one server."""
    return f"t{next(_fresh)}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all requests that are made from now on."""
    made: list[str] = []
    request = MlflowApi._request

    def counted(self: MlflowApi, method: str, path: str, *rest: Any, **named: Any) -> tuple[int, dict[str, Any]]:
        made.append(path.partition("?")[0].partition("/mlflow/")[2])
        return request(self, method, path, *rest, **named)

    monkeypatch.setattr(MlflowApi, "_request", counted)
    return made


def account(admin: MlflowApi, name: str) -> MlflowApi:
    """Return a new account without any role."""
    password = new_password()
    assert admin.ensure_user(name, password)
    return MlflowApi(admin.url, name, password)


def person(
    admin: MlflowApi, name: str, team: str, role: str = "student", roles: mlflow_access.TeamRoles | None = None
) -> MlflowApi:
    """Return a newly admitted person."""
    password = new_password()
    admit(admin, Account(name, role, team), password, roles)  # type: ignore[arg-type]
    return MlflowApi(admin.url, name, password)


def ask(who: MlflowApi, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> tuple[int, Any]:
    """Make one request and return status and answer: of JSON what is in it, else the bytes."""
    login = base64.b64encode(f"{who.username}:{who.password}".encode()).decode()
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    kind = "application/json" if isinstance(body, dict) else "application/octet-stream"
    headers = {"Authorization": f"Basic {login}", "Content-Type": kind}
    request = urllib.request.Request(who.url + path, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content


API = "/api/2.0/mlflow"


def create_run(who: MlflowApi, experiment: str) -> str:
    status, answer = ask(who, "POST", f"{API}/runs/create", {"experiment_id": experiment})
    assert status == 200, answer
    return str(answer["run"]["info"]["run_id"])


def create_model(who: MlflowApi, name: str, *, prompt: bool = False) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if prompt else []
    status, answer = ask(who, "POST", f"{API}/registered-models/create", {"name": name, "tags": tags})
    assert status == 200, answer


def create_version(who: MlflowApi, name: str, source: str, run: str = "") -> tuple[int, Any]:
    body = {"name": name, "source": source, **({"run_id": run} if run else {})}
    return ask(who, "POST", f"{API}/model-versions/create", body)


# --- accounts ---


def test_a_changed_password_counts_at_once(server: MlflowServer, admin: MlflowApi, word: str) -> None:
    assert "auth_cache_ttl_seconds = 60" in (server.folder / "basic_auth.ini").read_text()
    before = account(admin, word)
    assert before.login_works()  # and from now on the server remembers that it does
    after = MlflowApi(admin.url, word, new_password())
    assert not after.login_works()
    assert admin.ensure_user(word, after.password) is False
    assert not before.login_works()
    assert after.login_works()


def test_a_deleted_account_is_refused_at_once(admin: MlflowApi, word: str) -> None:
    gone = account(admin, word)
    mine = gone.create_experiment(f"{word}-mine")
    assert gone.login_works()
    assert admin.delete_user(word) is True
    assert not gone.login_works()
    assert ask(gone, "GET", f"{API}/experiments/get?experiment_id={mine}")[0] == 401
    assert admin.delete_user(word) is False


def test_what_was_granted_goes_with_the_account(admin: MlflowApi, word: str) -> None:
    first = account(admin, word)
    mine = an_experiment(first, f"{word}-mine")
    create_model(first, f"{word}-mine")
    admin.assign(word, admin.ensure_role(f"{word}-role").id)
    assert admin.effective_permission(word, EXPERIMENT, mine) == MANAGE
    admin.delete_user(word)
    account(admin, word)
    assert admin.roles_of(word) == ()
    assert admin.effective_permission(word, EXPERIMENT, mine) == NONE
    assert admin.effective_permission(word, MODEL, f"{word}-mine") == NONE


def test_all_accounts_are_one_call(admin: MlflowApi, word: str, calls: list[str]) -> None:
    account(admin, word)
    calls.clear()
    assert {word, "admin"} <= admin.usernames()
    assert calls == ["users/list"]
    assert [user.is_admin for user in admin.users() if user.name in (word, "admin")] == [True, False]


def test_nobody_without_a_login(admin: MlflowApi) -> None:
    assert admin.login_works()
    assert admin.refuses_anonymous()


# --- roles and grants ---


def test_a_role_from_first_to_last(admin: MlflowApi, word: str) -> None:
    account(admin, word)
    experiment = an_experiment(admin, word)
    empty = admin.ensure_role(word)
    assert admin.ensure_role(word) == empty
    assert admin.ensure_grant(empty, EXPERIMENT, experiment, READ)
    assert admin.assign(word, empty.id) is True
    assert admin.assign(word, empty.id) is False
    assert admin.effective_permission(word, EXPERIMENT, experiment) == READ
    assert admin.ensure_grant(empty, EXPERIMENT, experiment, MANAGE)  # somebody else gave READ since it was read
    role = admin.roles()[word]
    assert [(grant.kind, grant.thing, grant.permission) for grant in role.grants] == [(EXPERIMENT, experiment, MANAGE)]
    assert admin.roles_of(word) == (role,)
    assert not role.is_personal
    assert not admin.ensure_grant(role, EXPERIMENT, experiment, MANAGE)
    assert admin.effective_permission(word, EXPERIMENT, experiment) == MANAGE
    assert admin.remove_grant(role, role.grants[0]) is True
    assert admin.remove_grant(role, role.grants[0]) is False
    assert admin.effective_permission(word, EXPERIMENT, experiment) == NONE
    assert admin.unassign(word, role.id) is True
    assert admin.unassign(word, role.id) is False
    assert admin.delete_role(role) is True
    assert admin.delete_role(role) is False
    assert word not in admin.roles()


def test_who_makes_something_holds_it_in_person(admin: MlflowApi, word: str) -> None:
    maker = account(admin, word)
    experiment = an_experiment(maker, word)
    (role,) = admin.roles_of(word) or ()
    assert role.is_personal
    assert role.grant_on(EXPERIMENT, experiment) is not None
    assert admin.revoke(word, EXPERIMENT, experiment) is True
    assert admin.revoke(word, EXPERIMENT, experiment) is False
    assert admin.effective_permission(word, EXPERIMENT, experiment) == NONE


@pytest.mark.parametrize("permission", ["READ", "EDIT", "MANAGE"])
def test_exactly_this_permission(admin: MlflowApi, word: str, permission: str) -> None:
    account(admin, word)
    experiment = an_experiment(admin, word)
    admin.ensure_experiment_permission(word, experiment, "EDIT")
    admin.ensure_experiment_permission(word, experiment, permission)
    assert admin.effective_permission(word, EXPERIMENT, experiment) == permission


def test_who_is_not_there_has_no_roles(admin: MlflowApi, word: str) -> None:
    assert admin.roles_of(word) is None


# --- what there is ---


def test_all_pages(admin: MlflowApi, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_api, "_PAGE", 2)
    made = {f"{word}/{n}": an_experiment(admin, f"{word}/{n}") for n in range(5)}
    assert admin.experiments(f"{word}/%") == made
    assert made.items() <= admin.experiments().items()
    models, prompts = {f"{word}.m{n}" for n in range(5)}, {f"{word}.p{n}" for n in range(3)}
    for name in sorted(models | prompts):
        create_model(admin, name, prompt=name in prompts)
    assert {name for name in admin.registered_models() if name.startswith(f"{word}.")} == models
    assert {name for name in admin.prompts() if name.startswith(f"{word}.")} == prompts


def test_a_pattern_is_no_code(admin: MlflowApi) -> None:
    assert admin.experiments("it's nobody's") == {}


def test_an_experiment_that_was_deleted_comes_back(admin: MlflowApi, word: str) -> None:
    first = an_experiment(admin, word)
    assert an_experiment(admin, word) == first
    assert ask(admin, "POST", f"{API}/experiments/delete", {"experiment_id": first})[0] == 200
    assert admin.experiments(word) == {}
    assert admin.experiments(word, deleted=True) == {word: first}
    assert admin.experiment_name(first) == word
    assert an_experiment(admin, word) == first
    assert admin.experiments(word) == {word: first}
    assert admin.experiment_name("987654321") is None


@pytest.mark.parametrize(
    "place", [f"s3://{BUCKET}/dvc/red", "s3://somebody-elses/x", "file:///srv/x", "/srv/x", "mlflow-artifacts:/1", "x"]
)
def test_nobody_says_where_the_server_writes(admin: MlflowApi, word: str, place: str) -> None:
    own = {"name": word, "artifact_location": place}
    for who in (account(admin, word), admin):
        status, answer = ask(who, "POST", f"{API}/experiments/create", own)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert word not in admin.experiments(deleted=True)


# --- what goes wrong ---


def test_a_student_administers_nothing(admin: MlflowApi, word: str) -> None:
    student = person(admin, word, word)
    before = student.login_works(), admin.usernames(), admin.roles()
    role = admin.roles()[team_role(word)]
    attempts: dict[str, Callable[[], object]] = {
        "make an account": lambda: student.ensure_user(f"{word}-x", new_password()),
        "change another's password": lambda: student.ensure_user("admin", new_password()),
        "delete an account": lambda: student.delete_user("admin"),
        "make a role": lambda: student.ensure_role(f"{word}-x"),
        "give a role more": lambda: student.ensure_grant(role, EXPERIMENT, EVERY, MANAGE),
        "become an instructor": lambda: student.assign(word, admin.roles()[INSTRUCTORS].id),
        "take a role": lambda: student.unassign(word, role.id),
        "see another's roles": lambda: student.roles_of("admin"),
        "see another's permission": lambda: student.effective_permission("admin", EXPERIMENT, "0"),
    }
    for attempt in attempts.values():
        with pytest.raises(BootstrapError, match=r"\(HTTP 403\)\.$"):
            attempt()
    assert (student.login_works(), admin.usernames(), admin.roles()) == before


def test_what_everybody_can_see_of_others(admin: MlflowApi, word: str) -> None:
    """MLflow shows every account the names of all others, and every role with its grants.

    An experiment is a number there, so its name stays hidden; the name of a model does not.
    """
    student, other = person(admin, word, word), person(admin, f"{word}-other", f"{word}-other")
    assert other.username in student.usernames()
    assert [user.roles for user in student.users() if user.name == other.username] == [()]
    assert team_role(f"{word}-other") in student.roles()


def test_a_wrong_password_is_told_and_not_shown(admin: MlflowApi) -> None:
    stranger = MlflowApi(admin.url, "admin", "wrong-password-of-somebody")
    with pytest.raises(BootstrapError) as caught:
        stranger.usernames()
    assert caught.value.message == (
        f"MLflow at {admin.url} would not list its accounts: it refuses the login of admin (HTTP 401)."
    )
    assert "wrong-password-of-somebody" not in f"{stranger!r}{caught.value}"


def test_nobody_answers(word: str) -> None:
    away = MlflowApi(f"http://127.0.0.1:{some_port()}", "ana", new_password())
    with pytest.raises(BootstrapError, match=r"^MLflow at http://127\.0\.0\.1:\d+ cannot be reached: "):
        away.ensure_user("ana", new_password())


def test_an_error_of_the_database_is_told_without_its_values() -> None:
    """A server of ours stands in for MLflow: its database does not fail on demand."""
    said = "(sqlite3.OperationalError) database is locked\n[SQL: INSERT …]\n[parameters: ('ana', 'scrypt:32768:8:1$…')]"

    class Failing(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": said}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever)
        thread.start()
        try:
            api = MlflowApi(f"http://127.0.0.1:{stand_in.server_address[1]}", "admin", "x")
            with pytest.raises(BootstrapError) as caught:
                api.ensure_user("ana", "y")
        finally:
            stand_in.shutdown()
            thread.join()
    assert caught.value.message == (
        f"MLflow at {api.url} would not give ana an account: (sqlite3.OperationalError) database is locked (HTTP 503)."
    )


# --- a class with two teams ---


class Class:
    """Ana and Ben of one team, Bob of another, Ida who teaches; with a run, a file and a model of Ana's team."""

    def __init__(self, admin: MlflowApi, word: str) -> None:
        self.admin = admin
        self.red, self.blue = f"{word}-red", f"{word}-blue"
        self.accounts = [
            Account(f"{word}-ana", "student", self.red),
            Account(f"{word}-ben", "student", self.red),
            Account(f"{word}-bob", "student", self.blue),
            Account(f"{word}-ida", "instructor", f"{word}-ida"),
        ]
        roles = prepare_teams(admin, {one.team for one in self.accounts})
        self.ana, self.ben, self.bob, self.ida = (
            person(admin, one.name, one.team, one.role, roles) for one in self.accounts
        )
        self.default = self.id_of(experiment_of(self.red))
        self.model = f"{self.red}.model"

    def fill(self) -> None:
        """Let Ana log and register one of everything and make another experiment; then reconcile."""
        self.run = create_run(self.ana, self.default)
        self.file = f"{self.default}/{self.run}/artifacts/file.txt"
        assert ask(self.ana, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{self.file}", SECRET)[0] == 200
        self.trace = "tr-" + self.run
        trace = {
            "trace_id": self.trace,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.default}},
            "request_time": "2026-01-01T00:00:00Z",
            "state": "OK",
        }
        assert ask(self.ana, "POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": trace}})[0] == 200
        logged = {"experiment_id": self.default, "name": "m", "model_type": "x"}
        answer = ask(self.ana, "POST", f"{API}/logged-models", logged)[1]
        self.logged = answer["model"]["info"]["model_id"]
        create_model(self.ana, self.model)
        assert create_version(self.ana, self.model, f"mlflow-artifacts:/{self.file[:-9]}", self.run)[0] == 200
        create_model(self.ana, f"{self.red}.prompt", prompt=True)
        self.second = an_experiment(self.ana, f"{self.red}/exp2")
        self.reconcile()

    def reconcile(self) -> list[str]:
        return reconcile(self.admin, self.accounts)

    def id_of(self, experiment: str) -> str:
        return self.admin.experiments(experiment)[experiment]

    def may(self, who: MlflowApi, experiment: str) -> str:
        return self.admin.effective_permission(who.username, EXPERIMENT, experiment)

    def may_model(self, who: MlflowApi, model: str) -> str:
        return self.admin.effective_permission(who.username, MODEL, model)


@pytest.fixture(scope="module")
def filled_once(admin: MlflowApi) -> Class:
    found = Class(admin, f"t{next(_fresh)}")
    found.fill()
    return found


@pytest.fixture
def filled(filled_once: Class) -> Class:
    """A class that several tests look at; to the server it is the only one."""
    filled_once.reconcile()
    return filled_once


@pytest.fixture
def course(admin: MlflowApi, word: str) -> Class:
    """A class of a test's own, nothing in it yet; to the server it is the only one."""
    found = Class(admin, word)
    found.reconcile()
    return found


def reading(course: Class) -> dict[str, tuple[str, str, dict[str, Any] | None, str]]:
    """Return every way to see something of the red team: method, path, body, and a word that shows if it worked."""
    run, file = course.run, course.file
    folder, name = file.rpartition("/")[0], experiment_of(course.red)
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": course.default}}
    return {
        "get the experiment": ("GET", f"{API}/experiments/get?experiment_id={course.default}", None, name),
        "get it by name": ("GET", f"{API}/experiments/get-by-name?experiment_name={name}", None, name),
        "get the second": ("GET", f"{API}/experiments/get?experiment_id={course.second}", None, f"{course.red}/exp2"),
        "search experiments": ("POST", f"{API}/experiments/search", {"max_results": 500}, name),
        "get the run": ("GET", f"{API}/runs/get?run_id={run}", None, run),
        "search runs": ("POST", f"{API}/runs/search", {"experiment_ids": [course.default]}, run),
        "get the trace": ("GET", f"/api/3.0/mlflow/traces/{course.trace}", None, course.trace),
        "search traces": ("POST", "/api/3.0/mlflow/traces/search", {"locations": [place]}, course.trace),
        "get the logged model": ("GET", f"{API}/logged-models/{course.logged}", None, course.logged),
        "search logged models": (
            *("POST", f"{API}/logged-models/search", {"experiment_ids": [course.default]}),
            course.logged,
        ),
        "list artifacts": ("GET", f"{API}/artifacts/list?run_id={run}", None, "file.txt"),
        "list through the proxy": ("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={folder}", None, "file.txt"),
        "read through the proxy": ("GET", f"/api/2.0/mlflow-artifacts/artifacts/{file}", None, SECRET.decode()),
        "read in the web page": ("GET", f"/get-artifact?run_id={run}&path=file.txt", None, SECRET.decode()),
        "get the model": ("GET", f"{API}/registered-models/get?name={course.model}", None, course.model),
        "search models": ("GET", f"{API}/registered-models/search?max_results=500", None, course.model),
        "get a version": ("GET", f"{API}/model-versions/get?name={course.model}&version=1", None, run),
        "search versions": ("GET", f"{API}/model-versions/search?max_results=500", None, course.model),
        "read a version": (
            *("GET", f"/model-versions/get-artifact?name={course.model}&version=1&path=file.txt", None),
            SECRET.decode(),
        ),
        "get the prompt": (
            *("GET", f"{API}/registered-models/get?name={course.red}.prompt", None),
            f"{course.red}.prompt",
        ),
    }


@pytest.mark.parametrize("who", ["ana", "ben", "ida", "bob"])
def test_who_can_see_what_a_team_has(filled: Class, who: str) -> None:
    seen = {}
    for what, (method, path, body, shown) in reading(filled).items():
        status, answer = ask(getattr(filled, who), method, path, body)
        text = answer.decode() if isinstance(answer, bytes) else json.dumps(answer)
        assert status in (200, 403), what
        seen[what] = status == 200 and shown in text
    assert seen == dict.fromkeys(seen, who != "bob")


def writing(course: Class) -> dict[str, tuple[str, str, dict[str, Any] | bytes]]:
    """Return ways to change something of the red team that change nothing if they are repeated."""
    folder = course.file.rpartition("/")[0]
    return {
        "log a run": ("POST", f"{API}/runs/create", {"experiment_id": course.default}),
        "log to the second": ("POST", f"{API}/runs/create", {"experiment_id": course.second}),
        "log a metric": (
            "POST",
            f"{API}/runs/log-metric",
            {"run_id": course.run, "key": "m", "value": 1, "timestamp": 1},
        ),
        "set a tag": ("POST", f"{API}/runs/set-tag", {"run_id": course.run, "key": "k", "value": "v"}),
        "write through the proxy": ("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{folder}/other.txt", b"x"),
        "write in the web page": (
            "POST",
            f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={course.run}&path=other.txt",
            b"x",
        ),
        "log a model": (
            "POST",
            f"{API}/logged-models",
            {"experiment_id": course.default, "name": "m", "model_type": "x"},
        ),
        "describe the model": ("PATCH", f"{API}/registered-models/update", {"name": course.model, "description": "x"}),
        "tag the prompt": (
            *("POST", f"{API}/registered-models/set-tag"),
            {"name": f"{course.red}.prompt", "key": "k", "value": "v"},
        ),
        "add a version": (
            *("POST", f"{API}/model-versions/create"),
            {"name": course.model, "source": f"mlflow-artifacts:/{folder}", "run_id": course.run},
        ),
        "rename to the same": (
            *("POST", f"{API}/experiments/update"),
            {"experiment_id": course.second, "new_name": f"{course.red}/exp2"},
        ),
    }


@pytest.mark.parametrize("who", ["ana", "ben", "ida", "bob"])
def test_who_can_change_what_a_team_has(filled: Class, who: str) -> None:
    done = {what: ask(getattr(filled, who), *request)[0] for what, request in writing(filled).items()}
    assert done == dict.fromkeys(done, 200 if who in ("ana", "ben") else 403)


def test_instructors_and_students_have_their_own(filled: Class) -> None:
    for who in (filled.ida, filled.bob):
        mine = an_experiment(who, f"notes of {who.username}")
        run = create_run(who, mine)
        assert (
            ask(who, "POST", f"{API}/runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})[0]
            == 200
        )
        create_model(who, f"model of {who.username}")
        assert ask(filled.ana, "GET", f"{API}/runs/get?run_id={run}")[0] == 403
    first = filled.id_of(experiment_of(filled.accounts[3].team))
    assert ask(filled.ida, "POST", f"{API}/runs/create", {"experiment_id": first})[0] == 200


def test_the_server_fetches_nothing_for_others(filled: Class) -> None:
    """Registering a model is no way around: the server has a key for the whole bucket, and more."""
    name, folder = f"{filled.blue}.thief", filled.file.rpartition("/")[0]
    create_model(filled.bob, name)
    sources = [
        f"s3://{BUCKET}/mlflow/{folder}",
        f"S3://{BUCKET}/mlflow/{folder}",
        f"s3://{BUCKET}/",
        f" s3://{BUCKET}/mlflow/{folder}",
        f"mlflow-artifacts:/{folder}",
        f"models:/{filled.model}/1",
        f"runs:/{filled.run}/",
        "file:///etc",
        "/etc",
        "prompt-template",
        f"https://example.org/s3://{BUCKET}",
    ]
    for source in sources:
        for run in ("", filled.run):
            assert create_version(filled.bob, name, source, run)[0] in (400, 403), source
    assert ask(filled.bob, "GET", f"/model-versions/get-artifact?name={name}&version=1&path=file.txt")[0] != 200


def test_what_one_made_can_be_registered(filled: Class) -> None:
    mine, folder = f"{filled.red}.mine", filled.file.rpartition("/")[0]
    create_model(filled.ben, mine)
    assert create_version(filled.ben, mine, f"mlflow-artifacts:/{folder}", filled.run)[0] == 200
    assert create_version(filled.ben, mine, f"runs:/{filled.run}/", filled.run)[0] == 200
    assert create_version(filled.ben, mine, f"models:/{filled.model}/1")[0] == 200
    # A prompt, as MLflow's client registers one.
    version = {"name": f"{filled.red}.prompt", "source": "prompt-template"}
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": "Say {{x}}"}]
    assert ask(filled.ben, "POST", f"{API}/model-versions/create", {**version, "tags": tags})[0] == 200


def test_a_second_time_there_is_nothing_to_do(filled: Class) -> None:
    roles = filled.admin.roles()
    assert filled.reconcile() == []
    assert filled.admin.roles() == roles
    assert prepare_teams(filled.admin, [filled.red]).teams == {filled.red: roles[team_role(filled.red)].id}


# --- one person ---


def test_how_many_calls_a_person_takes(admin: MlflowApi, word: str, calls: list[str]) -> None:
    teams = [f"{word}-{n}" for n in range(4)]
    roles = prepare_teams(admin, teams)
    calls.clear()
    assert prepare_teams(admin, teams) == roles
    assert calls == ["roles/list", "experiments/search"]
    calls.clear()
    person(admin, f"{word}-a", teams[0], roles=roles)
    assert calls == ["users/create", "roles/assign"]
    calls.clear()
    person(admin, f"{word}-b", teams[0])
    assert calls == ["roles/list", "experiments/search", "users/create", "roles/assign"]
    calls.clear()
    person(admin, f"{word}-i", teams[0], "instructor", roles)
    assert calls == ["users/create", "roles/assign", "roles/assign"]
    calls.clear()
    admit(admin, Account(f"{word}-a", "student", teams[0]), None, roles)
    assert calls == ["users/roles/list"]


def test_one_password_after_the_other(admin: MlflowApi, word: str) -> None:
    me = Account(word, "student", word)
    with pytest.raises(BootstrapError) as caught:
        admit(admin, me, None)
    assert caught.value.message == f"{word} has no account in MLflow."
    first = person(admin, word, word)
    admit(admin, me, None)
    assert first.login_works()
    second = person(admin, word, word)
    assert not first.login_works()
    assert second.login_works()
    experiment = admin.experiments(experiment_of(word))[experiment_of(word)]
    assert admin.effective_permission(word, EXPERIMENT, experiment) == MANAGE


def test_many_at_once_into_teams_that_nobody_prepared(admin: MlflowApi, word: str) -> None:
    people = [Account(f"{word}-{n}", "student", f"{word}-team") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: admit(admin, one, new_password()), people))
    experiment = admin.experiments(f"{word}-team/%")[f"{word}-team/default"]
    assert {admin.effective_permission(one.name, EXPERIMENT, experiment) for one in people} == {MANAGE}


def test_another_team_means_another_team_at_once(course: Class) -> None:
    own = an_experiment(course.ben, f"{course.red}/by-ben")
    create_model(course.ben, f"{course.red}.by-ben")
    create_model(course.ben, f"{course.red}.prompt", prompt=True)
    free = an_experiment(course.ben, f"notes of {course.red}")
    admit(course.admin, Account(course.ben.username, "student", course.blue), None)
    assert course.may(course.ben, course.default) == NONE
    assert course.may(course.ben, own) == NONE
    assert course.may_model(course.ben, f"{course.red}.by-ben") == NONE
    assert ask(course.ben, "GET", f"{API}/registered-models/get?name={course.red}.prompt")[0] == 403
    assert course.may(course.ben, free) == MANAGE
    assert course.may(course.ben, course.id_of(experiment_of(course.blue))) == MANAGE
    assert course.may(course.ana, course.default) == MANAGE


def test_another_role_means_another_role_at_once(course: Class) -> None:
    name, team = course.ida.username, course.accounts[3].team
    admit(course.admin, Account(name, "student", team), None)
    assert course.may(course.ida, course.default) == NONE
    assert course.may(course.ida, course.id_of(experiment_of(team))) == MANAGE
    admit(course.admin, Account(name, "instructor", team), None)
    assert course.may(course.ida, course.default) == READ


def test_who_leaves_is_out_at_once_and_nobody_else(course: Class) -> None:
    run = create_run(course.ben, course.default)
    second = an_experiment(course.ben, f"{course.red}/by-ben")
    others = [course.ana, course.bob, course.ida]
    before = {who.username: course.may(who, course.default) for who in others}
    assert dismiss(course.admin, course.ben.username) is True
    assert not course.ben.login_works()
    assert ask(course.ben, "GET", f"{API}/runs/get?run_id={run}")[0] == 401
    assert dismiss(course.admin, course.ben.username) is False
    assert {who.username: course.may(who, course.default) for who in others} == before
    assert ask(course.ana, "GET", f"{API}/runs/get?run_id={run}")[0] == 200
    course.accounts = [one for one in course.accounts if one.name != course.ben.username]
    course.reconcile()
    assert course.may(course.ana, second) == MANAGE


# --- everybody ---


def test_what_carries_a_teams_name_is_the_teams(course: Class) -> None:
    second = an_experiment(course.ana, f"{course.red}/exp2")
    create_model(course.ana, course.model)
    create_model(course.ana, f"{course.red}.prompt", prompt=True)
    squat = an_experiment(course.bob, f"{course.red}/squat")
    create_model(course.bob, f"{course.red}.squat")
    free = an_experiment(course.bob, f"notes of {course.blue}")
    # Who manages something may give it to others, and shut others out.
    course.ana.ensure_experiment_permission(course.bob.username, course.default, READ)
    course.ana.ensure_experiment_permission(course.ben.username, course.default, "DENY")
    assert course.may(course.ben, course.default) == "DENY"
    assert course.may(course.bob, squat) == MANAGE
    assert course.may(course.ben, second) == NONE
    told = course.reconcile()
    red, ana, ben, bob = course.red, course.ana.username, course.ben.username, course.bob.username
    assert set(told) == {
        f"gave team {red} the experiment {red}/exp2",
        f"gave team {red} the experiment {red}/squat",
        f"gave team {red} the registered model {red}.model",
        f"gave team {red} the registered model {red}.squat",
        f"gave team {red} the prompt {red}.prompt",
        f"took from {ana} their own MANAGE of the experiment {red}/exp2",
        f"took from {ana} their own MANAGE of the registered model {red}.model",
        f"took from {ana} their own MANAGE of the prompt {red}.prompt",
        f"took from {bob} their own MANAGE of the experiment {red}/squat",
        f"took from {bob} their own MANAGE of the registered model {red}.squat",
        f"took from {bob} their own READ of the experiment {red}/default",
        f"took from {ben} their own DENY of the experiment {red}/default",
    }
    for experiment in (course.default, second, squat):
        assert [course.may(who, experiment) for who in (course.ana, course.ben)] == [MANAGE, MANAGE]
        assert course.may(course.bob, experiment) == NONE
        assert course.may(course.ida, experiment) == READ
    for model in (course.model, f"{red}.squat"):
        assert [course.may_model(who, model) for who in (course.ana, course.ben)] == [MANAGE, MANAGE]
        assert course.may_model(course.bob, model) == NONE
        assert course.may_model(course.ida, model) == READ
    assert course.may(course.bob, free) == MANAGE
    assert course.reconcile() == []


def test_a_name_that_changes_hands(course: Class) -> None:
    second = an_experiment(course.ana, f"{course.red}/exp2")
    create_model(course.ana, course.model)
    course.reconcile()
    change = {"experiment_id": second, "new_name": f"{course.blue}/exp2"}
    assert ask(course.ben, "POST", f"{API}/experiments/update", change)[0] == 200
    rename = {"name": course.model, "new_name": f"{course.blue}.model"}
    assert ask(course.ben, "POST", f"{API}/registered-models/rename", rename)[0] == 200
    assert set(course.reconcile()) == {
        f"gave team {course.blue} the experiment {course.blue}/exp2",
        f"gave team {course.blue} the registered model {course.blue}.model",
        f"took the experiment {course.blue}/exp2 from team {course.red}",
        f"took the registered model {course.model}, which is gone, from team {course.red}",
    }
    assert course.may(course.ana, second) == NONE
    assert course.may(course.bob, second) == MANAGE
    create_model(course.bob, course.model)  # the name is free again, and must not come with old rights
    assert course.may_model(course.ana, course.model) == NONE
    assert course.reconcile() != []
    assert course.may_model(course.ana, course.model) == MANAGE
    assert course.reconcile() == []


def test_people_are_put_where_they_belong(course: Class) -> None:
    admin, roles = course.admin, course.admin.roles()
    ana, bob, ida = course.ana.username, course.bob.username, course.ida.username
    admin.unassign(ana, roles[team_role(course.red)].id)
    admin.assign(bob, roles[INSTRUCTORS].id)
    admin.assign(bob, roles[team_role(course.red)].id)
    admin.unassign(ida, roles[INSTRUCTORS].id)
    others = admin.ensure_role(f"{course.red}-of-an-administrator")
    admin.assign(bob, others.id)
    outsider = account(admin, f"{course.red}-outsider")
    admin.assign(outsider.username, roles[team_role(course.red)].id)
    assert set(course.reconcile()) == {
        f"{ana} is now in team {course.red}",
        f"{bob} is no longer an instructor",
        f"{bob} is no longer in team {course.red}",
        f"{ida} is now an instructor",
        f"{outsider.username} is no longer in team {course.red}",
    }
    assert {role.name for role in admin.roles_of(bob) or ()} == {team_role(course.blue), others.name}
    assert course.reconcile() == []


def test_a_team_without_members_goes_and_its_work_stays(course: Class) -> None:
    run = create_run(course.bob, course.id_of(experiment_of(course.blue)))
    course.accounts[2] = Account(course.bob.username, "student", course.red)
    told = course.reconcile()
    assert f"removed the role of team {course.blue}, which has no members" in told
    assert team_role(course.blue) not in course.admin.roles()
    assert ask(course.bob, "GET", f"{API}/runs/get?run_id={run}")[0] == 403
    assert ask(course.ida, "GET", f"{API}/runs/get?run_id={run}")[0] == 200
    assert course.reconcile() == []


def test_permissions_that_were_changed_by_hand(course: Class) -> None:
    role = course.admin.roles()[team_role(course.red)]
    course.admin.ensure_grant(role, EXPERIMENT, course.default, READ)
    shared = an_experiment(course.admin, f"shared by {course.red}")
    course.admin.ensure_grant(role, EXPERIMENT, shared, READ)
    course.admin.ensure_grant(role, PROMPT, EVERY, READ)
    instructors = course.admin.roles()[INSTRUCTORS]
    course.admin.ensure_grant(instructors, MODEL, EVERY, MANAGE)
    course.reconcile()
    assert course.may(course.ana, course.default) == MANAGE
    assert course.may(course.ana, shared) == READ
    assert course.admin.roles()[team_role(course.red)].grant_on(PROMPT, EVERY) is not None
    grants = course.admin.roles()[INSTRUCTORS].grants
    assert {(grant.thing, grant.permission) for grant in grants} == {(EVERY, READ)}


def test_whoever_took_a_teams_name_before_there_was_the_team(admin: MlflowApi, word: str) -> None:
    squatter = account(admin, f"{word}-squatter")
    experiment = an_experiment(squatter, f"{word}/default")
    ana = person(admin, f"{word}-ana", word)
    assert admin.effective_permission(squatter.username, EXPERIMENT, experiment) == NONE
    assert admin.effective_permission(ana.username, EXPERIMENT, experiment) == MANAGE


def test_a_teams_experiment_that_a_member_deleted_or_renamed(course: Class) -> None:
    assert ask(course.ana, "POST", f"{API}/experiments/delete", {"experiment_id": course.default})[0] == 200
    course.reconcile()
    assert course.id_of(experiment_of(course.red)) == course.default
    change = {"experiment_id": course.default, "new_name": f"{course.red}/old"}
    assert ask(course.ana, "POST", f"{API}/experiments/update", change)[0] == 200
    course.reconcile()
    new = course.id_of(experiment_of(course.red))
    assert new != course.default
    assert [course.may(course.ben, one) for one in (new, course.default)] == [MANAGE, MANAGE]
    assert course.reconcile() == []


@pytest.mark.by_turns
def test_a_run_that_died_in_the_middle_is_taken_up(course: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    an_experiment(course.ana, f"{course.red}/exp2")
    create_model(course.bob, course.model)
    course.admin.unassign(course.ana.username, course.admin.roles()[team_role(course.red)].id)
    request = MlflowApi._request
    changed = ("add", "update", "remove", "assign", "unassign", "revoke", "create", "delete")
    left = [0]

    def dying(self: MlflowApi, method: str, path: str, *rest: Any, **named: Any) -> tuple[int, dict[str, Any]]:
        if path.endswith(changed):
            left[0] -= 1
            if left[0] < 0:
                raise BootstrapError("The line is dead.")
        return request(self, method, path, *rest, **named)

    for budget in itertools.count():
        left[0] = budget
        with monkeypatch.context() as patch, contextlib.suppress(BootstrapError):
            patch.setattr(MlflowApi, "_request", dying)
            course.reconcile()
            break
        # However far it came, nobody has lost what they should have or gained what they should not.
        assert course.may(course.ben, course.default) == MANAGE
        assert course.may_model(course.ana, course.model) in (NONE, MANAGE)
    assert budget > 1
    assert course.reconcile() == []
    assert course.may(course.ana, course.default) == MANAGE
    assert course.may_model(course.bob, course.model) == NONE
