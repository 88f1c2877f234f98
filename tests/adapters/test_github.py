"""GitHub's API as we use it, against the stand-in that checks each request; and what is said when GitHub says no."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bootstrap.adapters.github import GitHub
from bootstrap.adapters.github_token import find_token
from bootstrap.core.github import Environment, Key, Login, Repository, Scope, Wanted, compare
from bootstrap.errors import GitHubFailed
from bootstrap.workflows.github import Site, remove, sync, what_is_ours
from tests.github.server import GitHubServer
from tests.github.state import Environment as Theirs
from tests.github.state import Repository as Stored
from tests.github.state import Secret, Variable

WANTED = Wanted(
    "stag",
    "stag",
    "environment",
    {"AWS_REGION": "us-east-1", "DATA_BUCKET": "b", "DVC_REMOTE_URL": "s3://b/dvc/ci", "MLFLOW_TRACKING_URI": "u"},
    {},
    Key("AKIAEXAMPLE", "geheim-é"),
    Login("ci", "correct-horse"),
)


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer() as found:
        yield found


@pytest.fixture
def stored(server: GitHubServer) -> Stored:
    return server.add_repository("ana/course", id=77, owner_id=55)


@pytest.fixture
def hub(server: GitHubServer, stored: Stored) -> GitHub:
    assert stored.id == 77
    return hub_at(server)


def hub_at(server: GitHubServer, waited: list[float] | None = None) -> GitHub:
    return GitHub(server.url, "ana/course", server.token, sleep=(waited if waited is not None else []).append)


def site(hub: GitHub, want: Wanted = WANTED, repository: Repository | None = None) -> Site:
    looked = repository or hub.look()
    return Site(hub, looked, want.env, want.branch, dict(want.reviewers), hub.found(want.scope, want.env), None, "keys")


def bring(hub: GitHub, want: Wanted = WANTED, *, replace_foreign: bool = False) -> int:
    return len(sync(site(hub, want), want, replace_foreign=replace_foreign, progress=lambda _: None))


def values(vault: Stored | Theirs) -> dict[str, str]:
    return {name: secret.value for name, secret in vault.secrets.items()}


# --- writing and reading ---


def test_what_is_written_is_there_and_a_second_time_nothing_is(
    hub: GitHub, server: GitHubServer, stored: Stored
) -> None:
    assert bring(hub) == 10
    stag = stored.environments["stag"]
    assert values(stag) == WANTED.secrets()
    assert {name: one.value for name, one in stag.variables.items() if name != "BOOTSTRAP_SYNC"} == WANTED.variables
    assert (stag.branch_policy, stag.branches) == ("custom", ["stag"])
    before = len(server.requests)
    assert bring(hub) == 0
    assert {request.method for request in server.requests[before:]} == {"GET"}


def test_more_than_a_page(hub: GitHub, stored: Stored) -> None:
    stored.variables.update({f"V{number:03}": Variable(str(number)) for number in range(120)})
    assert len(hub.found("repository", "stag").variables) == 120


def test_an_environment_keeps_what_we_do_not_ask_about(hub: GitHub, server: GitHubServer, stored: Stored) -> None:
    ana, bia = server.add_user("ana"), server.add_user("bia")
    stored.environments["stag"] = Theirs("stag", reviewers=[("User", ana)], wait_timer=5, prevent_self_review=True)
    bring(hub, replace(WANTED, reviewers={"bia": bia}))
    stag = stored.environments["stag"]
    assert (stag.wait_timer, stag.prevent_self_review) == (5, True)
    assert sorted(stag.reviewers) == [("User", one) for one in sorted((ana, bia))]


def test_remove_takes_away_what_is_ours_and_leaves_the_rest(hub: GitHub, stored: Stored) -> None:
    stored.environments["prod"] = Theirs("prod")
    stored.environments["stag"] = Theirs("stag")
    stored.environments["stag"].secrets["THEIRS"] = Secret("theirs")
    bring(hub)
    gone = remove(hub, hub.look(), "stag")
    assert "the secret AWS_SECRET_ACCESS_KEY" in gone
    stag = stored.environments["stag"]
    assert (values(stag), dict(stag.variables), stag.branch_policy) == ({"THEIRS": "theirs"}, {}, None)
    assert set(stored.environments) == {"prod", "stag"}
    assert remove(hub, hub.look(), "stag") == []


def test_remove_takes_the_environment_along_that_we_made(hub: GitHub, stored: Stored) -> None:
    bring(hub)
    remove(hub, hub.look(), "stag")
    assert stored.environments == {}


def test_what_somebody_else_wrote_is_not_overwritten_unasked(hub: GitHub, stored: Stored) -> None:
    stored.environments["stag"] = Theirs("stag")
    stored.environments["stag"].secrets["AWS_ACCESS_KEY_ID"] = Secret("theirs")
    with pytest.raises(GitHubFailed) as caught:
        bring(hub)
    assert "AWS_ACCESS_KEY_ID already, and not from here; nothing was written" in caught.value.message
    assert "--replace" in caught.value.hint
    assert values(stored.environments["stag"]) == {"AWS_ACCESS_KEY_ID": "theirs"}
    bring(hub, replace_foreign=True)
    assert values(stored.environments["stag"]) == WANTED.secrets()


def test_an_environment_that_somebody_made_by_hand_is_not_taken_for_ours(hub: GitHub, stored: Stored) -> None:
    stored.environments["stag"] = Theirs(
        "stag", branch_policy="custom", policies={1: ("branch", "stag")}, wait_timer=30
    )
    bring(hub)
    remove(hub, hub.look(), "stag")
    assert stored.environments["stag"].wait_timer == 30


def test_a_variable_of_somebody_else_s_with_the_right_value_stays(hub: GitHub, stored: Stored) -> None:
    stored.environments["stag"] = Theirs("stag")
    stored.environments["stag"].variables["AWS_REGION"] = Variable("us-east-1")
    bring(hub)
    remove(hub, hub.look(), "stag")
    assert {name: one.value for name, one in stored.environments["stag"].variables.items()} == {
        "AWS_REGION": "us-east-1"
    }


def test_a_new_branch_takes_the_place_of_the_old_one(hub: GitHub, stored: Stored) -> None:
    bring(hub)
    moved = replace(WANTED, branch="develop")
    bring(hub, moved)
    assert stored.environments["stag"].branches == ["develop"]
    assert values(stored.environments["stag"]) == WANTED.secrets()
    assert bring(hub, moved) == 0


def test_reviewers_come_and_go_and_those_of_others_stay(hub: GitHub, server: GitHubServer, stored: Stored) -> None:
    ana, bia = server.add_user("ana"), server.add_user("bia")
    stored.environments["stag"] = Theirs("stag", reviewers=[("User", ana)])
    bring(hub, replace(WANTED, reviewers={"bia": bia}))
    bring(hub)
    assert stored.environments["stag"].reviewers == [("User", ana)]


def test_rules_that_are_empty_are_not_sent(hub: GitHub, server: GitHubServer) -> None:
    """GitHub refuses them, even empty, for a private repository of a small plan."""
    bring(hub)
    (sent,) = [one.body for one in server.requests if one.method == "PUT" and one.path.endswith("/environments/stag")]
    assert list(sent) == ["deployment_branch_policy"]


def test_something_that_does_not_exist_yet_is_not_written(hub: GitHub, stored: Stored) -> None:
    with pytest.raises(GitHubFailed, match="MLflow password of `ci` is not in"):
        bring(hub, replace(WANTED, login=Login("ci", "to come")))
    assert stored.environments == {}


@pytest.mark.parametrize("cut", ["/variables$", "/variables/BOOTSTRAP_SYNC"])
def test_what_was_begun_is_known_for_ours(server: GitHubServer, stored: Stored, cut: str) -> None:
    server.drop("POST" if cut.endswith("$") else "PATCH", cut, times=4, skip=1 if cut.endswith("$") else 0)
    with pytest.raises(GitHubFailed):
        bring(hub_at(server))
    hub = hub_at(server)
    assert what_is_ours(hub, hub.look(), "stag") != []
    remove(hub, hub.look(), "stag")
    assert stored.environments == {}
    assert what_is_ours(hub, hub.look(), "stag") == []


# --- where there are no environments ---


def test_a_private_repository_of_a_free_plan(server: GitHubServer) -> None:
    stored = server.add_repository("ana/course", private=True, plan="free")
    stored.secrets["THEIRS"] = Secret("theirs")
    hub = hub_at(server)
    assert hub.look().scope == "repository"
    want = replace(WANTED, scope="repository")
    bring(hub, want)
    assert values(stored) == {**want.secrets(), "THEIRS": "theirs"}
    assert stored.variables["STAG_AWS_REGION"].value == "us-east-1"
    assert bring(hub, want) == 0
    remove(hub, hub.look(), "stag")
    assert (values(stored), stored.variables, stored.environments) == ({"THEIRS": "theirs"}, {}, {})


def test_where_the_plan_is_not_told_it_is_said_how_to_go_on(server: GitHubServer) -> None:
    server.add_repository("ana/course", private=True, plan="free")
    server.tells_plan = False
    with pytest.raises(GitHubFailed) as caught:
        bring(hub_at(server))
    assert "write environments = false under [github]" in caught.value.hint
    hub = replace(hub_at(server), environments=False)
    assert bring(hub, replace(WANTED, scope="repository")) == 8


@pytest.mark.parametrize(("private", "plan", "scope"), [(True, "pro", "environment"), (False, "free", "environment")])
def test_where_there_are_environments(server: GitHubServer, private: bool, plan: str, scope: Scope) -> None:
    server.add_repository("ana/course", private=private, plan=plan)
    assert hub_at(server).look().scope == scope


def test_enterprise_has_its_api_under_a_path() -> None:
    with GitHubServer(prefix="/api/v3") as server:
        stored = server.add_repository("ana/course")
        bring(hub_at(server))
        assert values(stored.environments["stag"]) == WANTED.secrets()


# --- trouble on the way ---


CUTS = {
    "dropped before the third secret": ("PUT", "/secrets/", {"skip": 2, "times": 4}),
    "dropped after each secret was taken": ("PUT", "/secrets/", {"times": 4, "before": False}),
    "dropped after the variable was made": ("POST", "/variables$", {"times": 4, "before": False}),
    "dropped as the environment is made": ("PUT", "/environments/stag$", {"times": 4, "before": False}),
    "dropped at the end": ("PATCH", "/variables/BOOTSTRAP_SYNC", {"times": 4}),
}


@pytest.mark.parametrize(("method", "path", "how"), CUTS.values(), ids=CUTS.keys())
def test_after_a_connection_that_broke_the_same_again_goes_on(
    server: GitHubServer, stored: Stored, method: str, path: str, how: dict[str, int]
) -> None:
    server.drop(method, path, **how)  # type: ignore[arg-type]
    with pytest.raises(GitHubFailed, match="cannot be reached"):
        bring(hub_at(server))
    bring(hub_at(server))
    assert values(stored.environments["stag"]) == WANTED.secrets()
    assert bring(hub_at(server)) == 0
    remove(hub_at(server), hub_at(server).look(), "stag")
    assert stored.environments == {}


WAITS = {
    "a server's error": ({"status": 502}, [1.0]),
    "told to wait": ({"status": 403, "headers": {"Retry-After": "7"}}, [7.0]),
    "told to wait, by the other code": ({"status": 429, "headers": {"Retry-After": "3"}}, [3.0]),
    "told to wait by an error": ({"status": 503, "headers": {"Retry-After": "2"}}, [2.0]),
}


@pytest.mark.parametrize(("fault", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_what_passes_by_itself_is_tried_again(
    server: GitHubServer, stored: Stored, fault: dict[str, object], seconds: list[float]
) -> None:
    waited: list[float] = []
    server.fail("PUT", "/secrets/AWS_ACCESS_KEY_ID", **fault)  # type: ignore[arg-type]
    bring(hub_at(server, waited))
    assert waited == seconds
    assert values(stored.environments["stag"]) == WANTED.secrets()


ALWAYS = {"times": -1}
REFUSALS: dict[str, tuple[dict[str, object], str, str]] = {
    "401": ({"status": 401}, "refuses the token", "It may have expired"),
    "403 and what is missing": (
        {"status": 403, "headers": {"X-Accepted-GitHub-Permissions": "environments=write,secrets=write"}},
        "may not touch the secret AWS_ACCESS_KEY_ID: it lacks the permission `environments: write`, `secrets: write`",
        "Give the token that permission for ana/course",
    ),
    "403 in words": ({"status": 403, "body": {"message": "Must have admin rights"}}, "Must have admin rights", ""),
    "a pause without a header": (
        {"status": 403, "body": {"message": "You have exceeded a secondary rate limit"}},
        "asks for a pause",
        "in some minutes",
    ),
    "403 of an archive": (
        {"status": 403, "body": {"message": "Repository was archived so is read-only."}},
        "ana/course is archived",
        "Unarchive it",
    ),
    "no more requests this hour": (
        {"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}},
        "answers no more requests",
        "Run the same command again in ",
    ),
    "too many at once": ({"status": 429, "headers": {"Retry-After": "900"}}, "no more requests", "in 15 min"),
    "404": ({"status": 404}, "does not show the secret AWS_ACCESS_KEY_ID to this token", "`repository` under [github]"),
    "422": (
        {"status": 422, "body": {"message": "Validation failed", "errors": ["bad name"]}},
        "does not take the secret AWS_ACCESS_KEY_ID: Validation failed bad name",
        "Correct it",
    ),
    "500 without end": ({"status": 500}, "failed over the secret AWS_ACCESS_KEY_ID (HTTP 500)", "goes on where it"),
}


@pytest.mark.parametrize(("fault", "said", "advice"), REFUSALS.values(), ids=REFUSALS.keys())
def test_each_refusal_has_its_own_message(
    server: GitHubServer, stored: Stored, fault: dict[str, object], said: str, advice: str
) -> None:
    assert stored.id == 77
    server.fail("PUT", "/secrets/AWS_ACCESS_KEY_ID", **fault, **ALWAYS)  # type: ignore[arg-type]
    with pytest.raises(GitHubFailed) as caught:
        bring(hub_at(server))
    assert said in caught.value.message
    assert advice in caught.value.hint
    for secret in (server.token, *WANTED.secrets().values()):
        if len(secret) > 2:
            assert secret not in caught.value.message + caught.value.hint


def test_no_such_repository(server: GitHubServer) -> None:
    with pytest.raises(GitHubFailed, match="has no repository ana/course"):
        hub_at(server).look()


def test_a_renamed_repository(server: GitHubServer) -> None:
    """GitHub leads on from the old name; the stand-in does not know that, so it is asked under another's."""
    server.add_repository("ana/Course-2027")
    with pytest.raises(GitHubFailed, match="ana/course is called ana/Course-2027 now"):
        renamed(hub_at(server)).look()


def renamed(hub: GitHub) -> GitHub:
    class Renamed(GitHub):
        def _repo(self) -> str:
            return "/repos/ana/Course-2027"

    return Renamed(hub.api_url, hub.repository, hub.token)


def test_an_archived_repository(server: GitHubServer) -> None:
    server.add_repository("ana/course", archived=True)
    with pytest.raises(GitHubFailed, match="is archived on GitHub"):
        hub_at(server).look()


def test_a_token_of_no_administrator(server: GitHubServer) -> None:
    server.add_repository("ana/course", permissions={"admin": False, "push": True, "pull": True})
    with pytest.raises(GitHubFailed, match="is no administrator of ana/course"):
        hub_at(server).look()


def test_a_wrong_token(server: GitHubServer, stored: Stored) -> None:
    with pytest.raises(GitHubFailed, match="refuses the token"):
        dataclasses.replace(hub_at(server), token="ghp_wrong").look()
    assert stored.environments == {}


@pytest.mark.parametrize("private", [False, True])
def test_a_classic_token_needs_one_scope(server: GitHubServer, private: bool) -> None:
    server.add_repository("ana/course", private=private)
    server.scopes = ("public_repo", "gist")
    with pytest.raises(GitHubFailed, match="lacks the scope `repo`"):
        hub_at(server).look()


@pytest.mark.parametrize("kind", ["environments", "administration"])
def test_a_fine_grained_token_is_tried_before_anything_is_written(
    server: GitHubServer, stored: Stored, kind: str
) -> None:
    server.scopes = None
    server.denied = {kind: "read"}
    with pytest.raises(GitHubFailed, match=f"`{kind}: write`"):
        bring(hub_at(server))
    assert stored.environments == {}


def test_a_name_that_github_refuses(server: GitHubServer, hub: GitHub) -> None:
    server.fail("PUT", "/environments/stag$", status=422, body={"message": "Name is invalid"})
    with pytest.raises(GitHubFailed, match="does not take the environment stag: Name is invalid"):
        hub.put_environment("stag", Environment("custom"))


def test_nobody_of_that_name(hub: GitHub) -> None:
    with pytest.raises(GitHubFailed, match="Nobody is called nobody-here"):
        hub.user_id("nobody-here")


def test_something_else_answers(server: GitHubServer, stored: Stored) -> None:
    assert stored.id == 77
    hub = dataclasses.replace(hub_at(server), api_url="http://127.0.0.1:1")
    with pytest.raises(GitHubFailed, match="cannot be reached"):
        hub.look()


def test_the_plan_is_what_is_done(hub: GitHub) -> None:
    here = site(hub)
    planned = compare(WANTED, here.found)
    assert sync(here, WANTED, replace_foreign=False, progress=lambda _: None) == planned


# --- the token ---

TOKENS = {
    "one": ({"GITHUB_TOKEN": "a"}, "a"),
    "the other": ({"GH_TOKEN": "b\n"}, "b"),
    "both": ({"GITHUB_TOKEN": "a", "GH_TOKEN": "b"}, "a"),
    "an empty one": ({"GITHUB_TOKEN": " ", "GH_TOKEN": "b"}, "b"),
}


@pytest.mark.parametrize(("environ", "token"), TOKENS.values(), ids=TOKENS.keys())
def test_where_the_token_comes_from(environ: dict[str, str], token: str) -> None:
    assert find_token(environ, "https://api.github.com") == token


def test_no_token() -> None:
    with pytest.raises(GitHubFailed, match="no token") as caught:
        find_token({"PATH": ""}, "https://api.github.com")
    assert "gh auth login" in caught.value.hint


def test_the_token_is_in_no_repr(hub: GitHub) -> None:
    assert hub.token not in repr(hub)
