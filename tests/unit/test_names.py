"""Every name is legal where it is used, at any legal project, environment and member."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bootstrap.core import names
from bootstrap.core.names import Names

# Few different characters, so that two drawn names are often nearly the same.
_PARTS = st.text("ab1", min_size=1, max_size=12) | st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1)


def _slugs(least: int, most: int) -> st.SearchStrategy[str]:
    joined = st.lists(_PARTS, min_size=1, max_size=8).map("-".join)
    short = joined.map(lambda text: text[:most].strip("-")).filter(lambda text: len(text) >= least)
    full = joined.map(lambda text: (text * most)[:most]).filter(names.SLUG.fullmatch)
    return short | full


projects = _slugs(*names.PROJECT_LENGTH).filter(lambda text: names.project_problem(text) is None)
environments = _slugs(*names.ENVIRONMENT_LENGTH).filter(lambda text: names.environment_problem(text) is None)
members = _slugs(*names.MEMBER_LENGTH)
accounts = st.text("0123456789", min_size=12, max_size=12)
ACCOUNT = "123456789012"


def is_bucket(name: str) -> bool:
    """AWS's rules for the name of a general purpose bucket, as its user guide lists them."""
    return (
        3 <= len(name) <= 63
        and re.fullmatch(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", name) is not None
        and ".." not in name
        and re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name) is None
        and not name.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
        and not name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"))
    )


@given(projects, environments, accounts)
@example("amzn-s3-dem", "o-1", ACCOUNT)
@example("a" * 32, "b" * 32, ACCOUNT)
def test_both_buckets_are_legal_and_carry_the_account(project: str, env: str, account: str) -> None:
    of = Names(project, env, account)
    for bucket in (of.bucket, of.state_bucket):
        assert is_bucket(bucket)
        assert bucket.endswith(account)
        assert bucket.startswith(f"{project}--")
    assert of.bucket != of.state_bucket


@given(projects, environments, members)
def test_an_iam_user_and_its_path_are_legal(project: str, env: str, member: str) -> None:
    of = Names(project, env, ACCOUNT)
    assert re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", of.iam_user(member))
    assert re.fullmatch(r"/[!-~]+/", of.iam_path)
    assert len(of.iam_path) <= 512


@given(st.tuples(projects, environments), st.tuples(projects, environments), members)
@example(("abc", "d-e"), ("abc-d", "e"), "f")
@example(("a" * 32, "b" * 31 + "c"), ("a" * 32, "b" * 31 + "d"), "e" * 64)
def test_two_environments_share_no_name(one: tuple[str, str], other: tuple[str, str], member: str) -> None:
    assume(one != other)
    first, second = Names(*one, ACCOUNT), Names(*other, ACCOUNT)
    assert first.bucket != second.bucket
    assert first.bucket != second.state_bucket
    assert first.iam_path != second.iam_path
    assert first.iam_user(member) != second.iam_user(member)
    assert (first.state_bucket, first.state_key("members")) != (
        second.state_bucket,
        second.state_key("members"),
    )


@given(st.tuples(environments, members), st.tuples(environments, members), projects)
@example(("a", "b-c"), ("a-b", "c"), "abc")
@example(("e", "m" * 63 + "1"), ("e", "m" * 63 + "2"), "p" * 32)
def test_two_members_of_a_project_share_no_user(one: tuple[str, str], other: tuple[str, str], project: str) -> None:
    assume(one != other)
    first, second = Names(project, one[0], ACCOUNT), Names(project, other[0], ACCOUNT)
    assert first.iam_user(one[1]) != second.iam_user(other[1])


@given(st.text(st.characters()) | st.text("ab-_ "), st.sampled_from(["project", "course"]))
@example("", "project")
@example("Sthree-data", "project")
@example("amzn-s3-demo", "project")
@example("xn", "project")
@example("\udcff", "project")
def test_slugify_makes_a_legal_project_of_anything(text: str, fallback: str) -> None:
    assert names.project_problem(names.slugify(text, fallback)) is None


@given(projects)
def test_slugify_leaves_a_legal_name_alone(project: str) -> None:
    assert names.slugify(project) == project


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Curso de São Paulo 2026", "curso-de-sao-paulo-2026"),
        ("ml__course", "ml-course"),
        ("a" * 31 + " b", "a" * 31),
        ("ab", "project-ab"),
        ("日本", "project"),
    ],
)
def test_slugify_keeps_what_it_can(text: str, slug: str) -> None:
    assert names.slugify(text) == slug


@pytest.mark.parametrize(
    "project",
    [
        "ab",
        "a" * 33,
        "",
        "a--b",
        "-ab",
        "ab-",
        "Abc",
        "a_b",
        "abc\n",
        "é12",
        "sthree",
        "amzn-s3-demo",
        "aws-course",
        "ssm1",
    ],
)
def test_what_no_project_can_be_called(project: str) -> None:
    assert names.project_problem(project)


@pytest.mark.parametrize("env", ["", "a" * 33, "Stag", "stag\n", "tfstate", "a.b", "a/b", "٣"])
def test_what_no_environment_can_be_called(env: str) -> None:
    assert names.environment_problem(env)


def test_the_names_of_an_mlflow_server() -> None:
    """IAM takes 64 characters for a role; SSM keeps parameters below a path of slashes."""
    names = Names("course", "stag", "123456789012")
    assert names.mlflow_server == "course.stag.mlflow"
    assert names.mlflow_password_parameter == "/course/stag/mlflow/admin-password"
    assert names.mlflow_snapshots_role == "course.stag.mlflow.snapshots"
    longest = Names("p" * 32, "e" * 32, "123456789012")
    assert len(longest.mlflow_server) <= 64
    assert len(longest.mlflow_snapshots_role) == 64
    # As Terraform works it out of that name, in infra/modules/mlflow_ec2/iam.tf.
    assert longest.mlflow_snapshots_role == "pppppppppppppppppppppppppppppppp.eeeeeeeeee-18d3526ba8.snapshots"


def test_a_budget_is_named_for_its_environment() -> None:
    assert Names("my-course", "stag", "123456789012").budget == "my-course.stag"
