"""The policy that whoever runs `up` needs: filled in for one project, and taken apart into questions for IAM.

templates/aws/operator-policy.json has the statements, in parts; docs/generate_operator_policy.py makes it of the API
calls that the tests see.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bootstrap.core.access import Ask
from bootstrap.core.names import Names
from bootstrap.core.spec import Spec

Part = Literal["base", "archive", "github", "ec2", "budget"]
# base: what every project needs. archive: another bucket for archives. github: with a repository. ec2: MLflow on a
# machine. budget: with `budget_usd`, and for `cost --actual`.
PARTS: tuple[Part, ...] = ("base", "archive", "github", "ec2", "budget")

Document = Literal["base", "server"]
# What becomes a policy of its own: together they could be longer than IAM takes.
DOCUMENTS: dict[Document, tuple[Part, ...]] = {"base": ("base", "archive", "github"), "server": ("ec2", "budget")}

# Of a managed policy; white space does not count.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
MANAGED_POLICY_MAX = 6144

# In place of an account that is not known: any, as IAM's patterns say it.
ANY_ACCOUNT = "*"


@dataclass(frozen=True)
class Whose:
    """What the placeholders stand for. `account` has twelve digits or is ANY_ACCOUNT; `archive` is a bucket's name."""

    project: str
    account: str = ANY_ACCOUNT
    partition: str = "aws"
    archive: str | None = None


def parts_of(spec: Spec, env: str | None, archive: str | None = None) -> tuple[Part, ...]:
    """Return the parts that a project needs, or one environment of it."""
    tables = [spec.environment(name) for name in ((env,) if env is not None else spec.environment_names)]
    wanted: dict[Part, bool] = {
        "base": True,
        "archive": archive is not None,
        "github": spec.github.repository is not None,
        "ec2": any(one.mlflow is None or one.mlflow.kind == "ec2" for one in tables),
        "budget": any(one.budget_usd is not None for one in tables),
    }
    return tuple(part for part in PARTS if wanted[part])


def operator_policy(template: Mapping[str, Any], whose: Whose, parts: Collection[Part]) -> dict[str, Any]:
    """Return the policy document with these parts of the template."""
    statements: list[Any] = []
    for part in PARTS:
        # Two parts may need the same one.
        statements += [one for one in template[part] if part in parts and one not in statements]
    text = json.dumps(statements)
    for name, value in asdict(whose).items():
        text = text.replace(f"@@{name.upper()}@@", value or "")
    return {"Version": "2012-10-17", "Statement": json.loads(text)}


def size_of(policy: Mapping[str, Any]) -> int:
    """Return how many characters IAM counts of a policy."""
    return len(json.dumps(policy, separators=(",", ":")))


def asks_of(policy: Mapping[str, Any], names: Names, region: str) -> Iterator[Ask]:
    """Yield a question for each action of a policy: may the operator do it, on a thing of this environment's?

    Statements with a condition are asked with what they want to see.
    """
    for statement in policy["Statement"]:
        context = tuple(_context(statement.get("Condition", {})))
        resource = _listed(statement["Resource"])[0].replace(":*:", f":{region}:")
        for action in statement["Action"]:
            yield Ask(action, _example(resource, names), context)


def _example(pattern: str, names: Names) -> str:
    """Return a resource that a pattern of ours is for: nobody's simulator takes half a name."""
    bucket = f"{names.project}--*"
    for one, example in (
        (f":s3:::{bucket}/*", f":s3:::{names.bucket}/dataset/x"),
        (f":s3:::{bucket}", f":s3:::{names.bucket}"),
        (f"/{names.project}/*", f"{names.iam_path}{names.project}.{names.env}.x"),
    ):
        if pattern.endswith(one):
            return pattern.removesuffix(one) + example
    return pattern if pattern == "*" else pattern.replace("*", "x")


def _context(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for wanted in condition.values():
        for key, value in wanted.items():
            yield key, _listed(value)[0].replace("*", "x")


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
