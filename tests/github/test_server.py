"""The stand-in for GitHub behaves as GitHub documents it, seen by PyGithub where it has the call, and by HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.message import Message
from typing import Any

import github as pygithub
import pytest
from nacl.public import PublicKey, SealedBox

from tests.github.description import description, find
from tests.github.server import Environment, GitHubServer, Secret, Variable

COURSE = "/repos/ana/course"
STAG = f"{COURSE}/environments/stag"
CUSTOM = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
PROTECTED = {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False}}

Answered = tuple[int, Any, Message]


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        server.add_repository("ana/course", id=101, owner_id=7)
        yield server


def ask(github: GitHubServer, method: str, path: str, body: object = None, token: str | None = None) -> Answered:
    """Send one request; return the status, the JSON (None if there is none) and the headers."""
    headers = {"Authorization": f"Bearer {token or github.token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(github.url + path, data, headers, method=method)  # noqa: S310 - to loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - to loopback
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null"), error.headers


def status(github: GitHubServer, method: str, path: str, body: object = None) -> int:
    return ask(github, method, path, body)[0]


def sealed(github: GitHubServer, place: str, value: str) -> dict[str, str]:
    """Return the body that stores a secret, sealed as GitHub asks."""
    key = ask(github, "GET", f"{place}/secrets/public-key")[1]
    box = SealedBox(PublicKey(base64.b64decode(key["key"])))
    return {"encrypted_value": base64.b64encode(box.encrypt(value.encode())).decode(), "key_id": key["key_id"]}


def client(github: GitHubServer) -> pygithub.Github:
    """Return PyGithub with nothing in it that waits or tries again."""
    token = pygithub.Auth.Token(github.token)
    return pygithub.Github(
        base_url=github.url, auth=token, retry=None, seconds_between_requests=0, seconds_between_writes=0
    )


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_pygithub_does_a_whole_round(prefix: str) -> None:
    with GitHubServer(prefix) as github:
        kept = github.add_repository("ana/course")
        theirs = client(github)
        repo = theirs.get_repo("ana/course")
        assert (repo.id, repo.owner.id, repo.owner.type) == (kept.id, kept.owner_id, "User")
        assert (repo.private, repo.visibility, repo.archived, repo.default_branch) == (False, "public", False, "main")
        assert repo.permissions.admin
        assert theirs.get_user().login == "ana"

        environment = repo.create_environment("stag", wait_timer=5)
        environment.create_secret("token", "first")
        environment.create_secret("token", "sécond")
        environment.create_variable("region", "us-east-1")
        environment.get_variable("region").edit("eu-west-1")
        repo.create_secret("a", "b")
        repo.create_variable("v", "w")

        stag = kept.environments["stag"]
        assert stag.wait_timer == 5
        assert {name: secret.value for name, secret in stag.secrets.items()} == {"TOKEN": "sécond"}
        assert {name: variable.value for name, variable in stag.variables.items()} == {"REGION": "eu-west-1"}
        assert kept.secrets["A"].value == "b"
        assert [variable.name for variable in environment.get_variables()] == ["REGION"]
        assert [secret.name for secret in environment.get_secrets()] == ["TOKEN"]
        assert [found.name for found in repo.get_environments()] == ["stag"]

        github.add_user("bia")
        repo.add_to_collaborators("bia", "pull")
        assert kept.invitations == {"bia": "push"}
        assert [person.login for person in repo.get_collaborators()] == ["ana"]

        environment.delete_secret("token")
        environment.delete_variable("region")
        repo.delete_environment("stag")
        assert kept.environments == {}
        assert [request.status for request in github.requests if request.method == "DELETE"] == [204, 204, 204]
        theirs.close()


@pytest.mark.parametrize("place", [f"{COURSE}/actions", STAG])
def test_a_secret_is_opened_and_never_told(github: GitHubServer, place: str) -> None:
    status(github, "PUT", STAG)
    github.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    path = f"{place}/secrets/my_token"
    assert ask(github, "PUT", path, sealed(github, place, "one"))[:2] == (201, {})
    github.now += timedelta(hours=1)
    assert ask(github, "PUT", path, sealed(github, place, "two"))[:2] == (204, None)
    told = {"name": "MY_TOKEN", "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T04:04:05Z"}
    assert ask(github, "GET", path)[:2] == (200, told)
    assert ask(github, "GET", f"{place}/secrets")[1] == {"total_count": 1, "secrets": [told]}
    repo = github.repositories["ana/course"]
    vault = repo if place.endswith("actions") else repo.environments["stag"]
    assert vault.secrets["MY_TOKEN"].value == "two"
    assert "two" not in repr(vault)
    assert [status(github, "DELETE", path) for _ in range(2)] == [204, 404]


def test_a_secret_sealed_for_another_key_is_refused(github: GitHubServer) -> None:
    status(github, "PUT", STAG)
    for_repository = sealed(github, f"{COURSE}/actions", "x")
    for_stag = sealed(github, STAG, "x")
    mixed = {**for_stag, "encrypted_value": for_repository["encrypted_value"]}
    assert for_stag["key_id"] != for_repository["key_id"]
    bodies = [for_repository, mixed, {**for_stag, "encrypted_value": "c2VjcmV0"}]
    assert [status(github, "PUT", f"{STAG}/secrets/A", body) for body in bodies] == [422, 422, 422]
    github.repositories["ana/course"].environments["stag"].new_key()
    assert status(github, "PUT", f"{STAG}/secrets/A", for_stag) == 422
    assert github.repositories["ana/course"].environments["stag"].secrets == {}


@pytest.mark.parametrize("name", ["1ST", "GITHUB_TOKEN", "github_x", "WITH-DASH", "MORE%20WORDS", "%C3%89"])
def test_names_that_github_refuses(github: GitHubServer, name: str) -> None:
    body = sealed(github, f"{COURSE}/actions", "x")
    assert status(github, "PUT", f"{COURSE}/actions/secrets/{name}", body) == 422
    variable = {"name": name.replace("%20", " ").replace("%C3%89", "É"), "value": "x"}
    assert status(github, "POST", f"{COURSE}/actions/variables", variable) == 422


@pytest.mark.parametrize("place", [f"{COURSE}/actions", STAG])
def test_variables_are_made_changed_renamed_and_deleted(github: GitHubServer, place: str) -> None:
    status(github, "PUT", STAG)
    steps = [
        ("POST", "", {"name": "region", "value": "a"}, 201),
        ("POST", "", {"name": "REGION", "value": "b"}, 409),
        ("PATCH", "/region", {"value": "c"}, 204),
        ("PATCH", "/other", {"value": "c"}, 404),
        ("PATCH", "/region", {"name": "where"}, 204),
        ("GET", "/region", None, 404),
        ("GET", "/where", None, 200),
        ("DELETE", "/where", None, 204),
        ("DELETE", "/where", None, 404),
    ]
    for method, rest, body, expected in steps:
        assert (method, rest, status(github, method, f"{place}/variables{rest}", body)) == (method, rest, expected)


def test_lists_come_in_pages(github: GitHubServer) -> None:
    repo = github.repositories["ana/course"]
    repo.variables = {f"V{number:02}": Variable("x") for number in range(25)}
    repo.secrets = {f"S{number:02}": Secret("x") for number in range(35)}
    first = ask(github, "GET", f"{COURSE}/actions/variables")
    assert (first[1]["total_count"], len(first[1]["variables"])) == (25, 10)
    here = f"<{github.url}{COURSE}/actions/variables?per_page=10&page"
    assert first[2]["Link"] == f'{here}=2>; rel="next", {here}=3>; rel="last"'
    last = ask(github, "GET", f"{COURSE}/actions/variables?per_page=10&page=3")
    assert [variable["name"] for variable in last[1]["variables"]] == ["V20", "V21", "V22", "V23", "V24"]
    assert last[2]["Link"] == f'{here}=2>; rel="prev", {here}=1>; rel="first"'
    repo.variables.update({f"W{number:02}": Variable("x") for number in range(25)})
    assert len(ask(github, "GET", f"{COURSE}/actions/variables?per_page=100")[1]["variables"]) == 30
    theirs = client(github)
    assert len(list(theirs.get_repo("ana/course").get_secrets())) == 35
    theirs.close()


def test_an_environment_is_set_anew_by_each_put(github: GitHubServer) -> None:
    reviewer = github.add_user("bia")
    body = {**CUSTOM, "wait_timer": 3, "reviewers": [{"type": "User", "id": reviewer}], "prevent_self_review": True}
    told = ask(github, "PUT", STAG, body)[1]
    rules = {rule["type"]: rule for rule in told["protection_rules"]}
    assert set(rules) == {"wait_timer", "required_reviewers", "branch_policy"}
    assert rules["required_reviewers"]["reviewers"][0]["reviewer"]["login"] == "bia"
    assert told["deployment_branch_policy"] == CUSTOM["deployment_branch_policy"]
    stag = github.repositories["ana/course"].environments["stag"]
    assert (stag.reviewers, stag.wait_timer, stag.prevent_self_review) == ([("User", reviewer)], 3, True)
    stag.variables["KEPT"] = Variable("x")
    again = ask(github, "PUT", f"{COURSE}/environments/STAG")[1]
    assert (again["id"], again["protection_rules"], again["deployment_branch_policy"]) == (told["id"], [], None)
    assert list(stag.variables) == ["KEPT"]


def test_branch_policies_belong_to_a_custom_policy(github: GitHubServer) -> None:
    policies = f"{STAG}/deployment-branch-policies"
    assert status(github, "POST", policies, {"name": "stag"}) == 404
    status(github, "PUT", STAG, PROTECTED)
    assert status(github, "POST", policies, {"name": "stag"}) == 404
    status(github, "PUT", STAG, CUSTOM)
    code, policy, _ = ask(github, "POST", policies, {"name": "stag"})
    assert (code, policy["name"], policy["type"]) == (200, "stag", "branch")
    assert status(github, "POST", policies, {"name": "stag", "type": "branch"}) == 303
    status(github, "PUT", STAG, CUSTOM)
    assert ask(github, "GET", policies)[1] == {"total_count": 1, "branch_policies": [policy]}
    assert github.repositories["ana/course"].environments["stag"].branches == ["stag"]
    status(github, "PUT", STAG, {"deployment_branch_policy": None})
    status(github, "PUT", STAG, CUSTOM)
    assert ask(github, "GET", policies)[1] == {"total_count": 0, "branch_policies": []}


def test_environments_that_github_refuses(github: GitHubServer) -> None:
    seven = [{"type": "User", "id": github.add_user(f"person-{number}")} for number in range(7)]
    same = {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": True}}
    bodies = [{"reviewers": seven}, {"reviewers": [{"type": "User", "id": 999_999}]}, same, {"wait_timer": 50_000}]
    assert [status(github, "PUT", STAG, body) for body in bodies] == [422] * 4
    names = ["a" * 256, "a%0Ab", "a%22b", "a%5Cb", "%20"]
    assert [status(github, "PUT", f"{COURSE}/environments/{name}") for name in names] == [422] * len(names)
    assert github.repositories["ana/course"].environments == {}
    assert status(github, "PUT", f"{COURSE}/environments/a%2Fb") == 200
    assert list(github.repositories["ana/course"].environments) == ["a/b"]


def test_deleting_an_environment_takes_what_is_in_it_along(github: GitHubServer) -> None:
    status(github, "PUT", STAG)
    status(github, "POST", f"{STAG}/variables", {"name": "A", "value": "x"})
    assert [status(github, "DELETE", STAG), status(github, "DELETE", STAG)] == [204, 404]
    assert status(github, "GET", f"{STAG}/variables") == 404
    status(github, "PUT", STAG)
    assert ask(github, "GET", f"{STAG}/variables")[1] == {"total_count": 0, "variables": []}


@pytest.mark.parametrize(
    ("plan", "private", "plain", "with_reviewers"),
    [
        ("free", False, 200, 200),
        ("free", True, 422, 422),
        ("pro", True, 200, 422),
        ("team", True, 200, 422),
        ("enterprise", True, 200, 200),
    ],
)
def test_what_a_plan_has(plan: str, private: bool, plain: int, with_reviewers: int) -> None:
    with GitHubServer() as github:
        repo = github.add_repository("ana/course", plan=plan, private=private)
        code, told, _ = ask(github, "PUT", STAG, CUSTOM)
        assert code == plain
        assert code == 200 or "plan" in told["message"]
        assert status(github, "PUT", STAG, {"reviewers": [{"type": "User", "id": repo.owner_id}]}) == with_reviewers
        assert ask(github, "GET", "/user")[1]["plan"]["name"] == plan
        assert "plan" not in ask(github, "GET", "/users/ana")[1]
        if plain == 422:
            repo.environments["stag"] = Environment(name="stag")
            assert ask(github, "GET", f"{COURSE}/environments")[1] == {"total_count": 0, "environments": []}
            assert status(github, "GET", STAG) == 404


def test_accounts_and_their_keys(github: GitHubServer) -> None:
    github.add_user("bia", id=42)
    github.keys["bia"] = ["ssh-ed25519 AAAA"]
    github.add_repository("school/course", owner_type="Organization", owner_id=9)
    assert ask(github, "GET", "/users/BIA")[1]["id"] == 42
    assert ask(github, "GET", "/users/school")[1]["type"] == "Organization"
    assert ask(github, "GET", "/users/bia/keys")[1] == [{"id": 1, "key": "ssh-ed25519 AAAA"}]
    assert [status(github, "GET", f"/users/nobody{rest}") for rest in ("", "/keys")] == [404, 404]
    github.tells_plan = False
    assert "plan" not in ask(github, "GET", "/user")[1]


def test_the_subject_of_tokens_can_be_made_another(github: GitHubServer) -> None:
    path = f"{COURSE}/actions/oidc/customization/sub"
    assert ask(github, "GET", path)[:2] == (200, {"use_default": True})
    custom = {"use_default": False, "include_claim_keys": ["repo", "context"]}
    assert status(github, "PUT", path, custom) == 201
    assert ask(github, "GET", path)[1] == custom
    assert status(github, "PUT", path, {"use_default": False, "include_claim_keys": ["a", "a"]}) == 422


def test_collaborators_of_an_organization(github: GitHubServer) -> None:
    repo = github.add_repository("school/course", owner_type="Organization", plan="team")
    github.add_user("bia")
    path = "/repos/school/course/collaborators"
    code, invited, _ = ask(github, "PUT", f"{path}/bia", {"permission": "maintain"})
    assert (code, invited["permissions"], invited["invitee"]["login"]) == (201, "maintain", "bia")
    assert (repo.invitations, repo.collaborators) == ({"bia": "maintain"}, {})
    assert status(github, "GET", f"{path}/bia") == 404
    repo.collaborators["bia"] = repo.invitations.pop("bia")
    assert status(github, "PUT", f"{path}/bia", {"permission": "pull"}) == 204
    assert status(github, "GET", f"{path}/bia") == 204
    assert [(one["login"], one["role_name"]) for one in ask(github, "GET", path)[1]] == [("bia", "read")]
    assert ask(github, "GET", f"{path}/bia/permission")[1]["permission"] == "read"
    assert status(github, "PUT", f"{path}/bia", {"permission": "boss"}) == 422
    assert status(github, "PUT", f"{path}/nobody") == 404
    assert [status(github, "DELETE", f"{path}/bia"), repo.collaborators] == [204, {}]


def test_in_a_persons_repository_every_collaborator_pushes(github: GitHubServer) -> None:
    github.add_user("bia")
    assert status(github, "PUT", f"{COURSE}/collaborators/bia", {"permission": "admin"}) == 201
    assert github.repositories["ana/course"].invitations == {"bia": "push"}
    assert status(github, "PUT", f"{COURSE}/collaborators/ana") == 422
    assert [one["login"] for one in ask(github, "GET", f"{COURSE}/collaborators")[1]] == ["ana"]


def test_who_may_not(github: GitHubServer) -> None:
    code, told, headers = ask(github, "GET", COURSE, token="wrong")
    assert (code, told["message"]) == (401, "Bad credentials")
    assert headers["X-RateLimit-Limit"] == "5000"
    assert int(headers["X-RateLimit-Reset"]) > github.now.timestamp()
    assert status(github, "GET", "/repos/ana/other") == 404

    repo = github.repositories["ana/course"]
    repo.permissions.update(admin=False)
    code, told, _ = ask(github, "PUT", STAG)
    assert (code, told["message"]) == (403, "Must have admin rights to Repository.")
    assert status(github, "GET", f"{COURSE}/actions/secrets") == 200
    repo.permissions.update(push=False, maintain=False)
    assert status(github, "GET", f"{COURSE}/actions/secrets") == 403

    repo.permissions = dict.fromkeys(repo.permissions, True)
    repo.archived = True
    code, told, _ = ask(github, "PUT", STAG)
    assert (code, told["message"]) == (403, "Repository was archived so is read-only.")
    assert ask(github, "GET", COURSE)[1]["archived"] is True


def test_a_classic_token_has_scopes(github: GitHubServer) -> None:
    github.add_repository("ana/closed", private=True, plan="pro")
    assert ask(github, "GET", COURSE)[2]["X-OAuth-Scopes"] == "repo"
    github.scopes = ("gist",)
    assert ask(github, "GET", COURSE)[2]["X-OAuth-Scopes"] == "gist"
    assert status(github, "GET", "/repos/ana/closed") == 404
    assert status(github, "PUT", STAG) == 403
    assert status(github, "GET", "/user") == 200


def test_a_fine_grained_token_has_permissions(github: GitHubServer) -> None:
    github.scopes = None
    github.denied = {"environments": "read", "secrets": None, "administration": "read", "variables": "read"}
    status(github, "GET", COURSE)
    github.repositories["ana/course"].environments["stag"] = Environment(name="stag")
    expected = [
        ("GET", f"{STAG}/variables", None, 200, "environments=read"),
        ("POST", f"{STAG}/variables", {"name": "A", "value": "x"}, 403, "environments=write"),
        ("GET", f"{COURSE}/actions/secrets", None, 403, "secrets=read"),
        ("POST", f"{COURSE}/actions/variables", {"name": "A", "value": "x"}, 403, "actions_variables=write"),
        ("PUT", STAG, None, 403, "administration=write"),
        ("GET", f"{COURSE}/environments", None, 200, "actions=read"),
    ]
    for method, path, body, code, permission in expected:
        answered, told, headers = ask(github, method, path, body)
        assert (method, path, answered, headers["X-Accepted-GitHub-Permissions"]) == (method, path, code, permission)
        assert "X-OAuth-Scopes" not in headers
        assert code == 200 or told["message"] == "Resource not accessible by personal access token"


def test_faults_strike_as_often_as_told(github: GitHubServer) -> None:
    path = f"{COURSE}/actions/variables"
    github.fail("POST", "/variables$", 503, headers={"Retry-After": "2"}, body={"message": "wait"}, times=2, skip=1)
    answers = [ask(github, "POST", path, {"name": f"V{number}", "value": "x"}) for number in range(4)]
    assert [answer[0] for answer in answers] == [201, 503, 503, 201]
    assert (answers[1][1], answers[1][2]["Retry-After"]) == ({"message": "wait"}, "2")
    assert list(github.repositories["ana/course"].variables) == ["V0", "V3"]
    limited = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5"}
    github.fail("GET", "/user$", 403, headers=limited, times=-1)
    assert [ask(github, "GET", "/user")[2]["X-RateLimit-Remaining"] for _ in range(3)] == ["0", "0", "0"]


@pytest.mark.parametrize(("before", "kept"), [(True, []), (False, ["A"])])
def test_a_dropped_connection(github: GitHubServer, before: bool, kept: list[str]) -> None:
    github.drop("POST", "/variables", before=before)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(github, "POST", f"{COURSE}/actions/variables", {"name": "A", "value": "x"})
    assert list(github.repositories["ana/course"].variables) == kept
    assert github.requests[-1].status is None


def test_every_request_is_kept(github: GitHubServer) -> None:
    ask(github, "POST", f"{COURSE}/actions/variables", {"name": "A", "value": "x"})
    status(github, "GET", f"{COURSE}/actions/variables?per_page=5")
    first, second = github.requests
    assert (first.method, first.path, first.status) == ("POST", f"{COURSE}/actions/variables", 201)
    assert first.body == {"name": "A", "value": "x"}
    assert first.headers["Content-Type"] == "application/json"
    assert (second.path, second.body) == (f"{COURSE}/actions/variables?per_page=5", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", f"{COURSE}/invitations", None, "no such operation"),
        ("PUT", f"{COURSE}/actions/variables/A", {"value": "x"}, "no such operation"),
        ("POST", f"{COURSE}/actions/variables", {"name": "A"}, "'value' is a required property"),
        ("POST", f"{COURSE}/actions/variables", None, "a body is required"),
        ("PUT", f"{COURSE}/actions/secrets/A", {"encrypted_value": "no base64!", "key_id": "1"}, "does not match"),
        ("PUT", f"{COURSE}/actions/secrets/A", {"encrypted_value": "c2Vj", "key_id": 1}, "is not of type 'string'"),
        ("PUT", STAG, {"wait_timer": "5"}, "wait_timer: '5' is not of type 'integer'"),
        ("PUT", STAG, {"waits": 5}, "'waits' was unexpected"),
        ("PUT", STAG, {"reviewers": [{"type": "Bot", "id": 1}]}, "reviewers.0.type: 'Bot' is not one of"),
        ("PUT", STAG, {"deployment_branch_policy": {"protected_branches": True}}, "required property"),
        ("GET", f"{COURSE}/actions/variables?per_page=many", None, "query parameter 'per_page'"),
        ("GET", f"{COURSE}/actions/variables?size=3", None, "no query parameter 'size' is known"),
        ("GET", f"{COURSE}/actions/variables?page=1&page=2", None, "query parameter 'page': given more than once"),
        ("GET", f"{COURSE}/collaborators?permission=boss", None, "'boss' is not one of"),
        ("DELETE", STAG, {"force": True}, "a body where none is known"),
        ("GET", "/meta", None, "does not know how to answer GET /meta"),
    ],
)
def test_what_the_description_refuses_fails_the_test(method: str, path: str, body: object, said: str) -> None:
    def send() -> None:
        with GitHubServer() as github:
            github.add_repository("ana/course")
            assert status(github, method, path, body) >= 400
            assert len(github.problems) == 1

    with pytest.raises(AssertionError, match="would not have understood") as failed:
        send()
    assert said in str(failed.value)


def test_a_path_outside_of_the_prefix_fails_the_test() -> None:
    def send() -> None:
        with GitHubServer("/api/v3") as github:
            github.url = github.url.removesuffix("/api/v3")
            status(github, "GET", "/user")

    with pytest.raises(AssertionError, match="outside of /api/v3"):
        send()


def test_a_failure_inside_the_block_is_said_along() -> None:
    def send() -> None:
        with GitHubServer() as github:
            status(github, "GET", "/nowhere")
            raise KeyError("what the test saw")

    with pytest.raises(AssertionError, match="no such operation") as failed:
        send()
    assert isinstance(failed.value.__cause__, KeyError)


def test_nothing_is_left_even_with_a_client_connected() -> None:
    before = threading.active_count()
    with GitHubServer() as github:
        host = github.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", "/user", headers={"Authorization": f"token {github.token}"})
        assert connection.getresponse().read()
        assert threading.active_count() > before
    assert threading.active_count() == before
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(host, timeout=20).request("GET", "/user")


def test_the_description_is_githubs_and_carries_its_licence() -> None:
    assert description()["info"]["license"]["name"] == "MIT"
    found = find("GET", "/repos/ana/course/actions/secrets/public-key")
    assert found is not None
    assert found.path.endswith("/secrets/public-key")
