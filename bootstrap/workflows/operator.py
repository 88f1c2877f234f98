"""What `up` finds out about whoever runs it, before it changes anything on AWS; `bootstrap doctor` tells the rest."""

from __future__ import annotations

import json
from typing import Any

from bootstrap.adapters.aws import buckets
from bootstrap.assets import TEMPLATES
from bootstrap.core.caller import kind_of
from bootstrap.errors import BootstrapError
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

ROOT_USER = (
    "You are signed in as the account's root user, which nothing can limit. Make yourself an IAM user or an SSO "
    "identity for this: docs/operator-policy.md has the policy that it needs."
)
ACADEMY = (
    "This is a learner lab of AWS Academy (role voclabs): nobody can make IAM users or roles in it. `up` makes a user "
    "for `ci` and one for each member, so nothing can be brought up there, with or without MLflow."
)
ACADEMY_FIX = "Rehearse on this laptop: bootstrap up --env {env} --local. Or use an AWS account of your own."


def operator_template() -> dict[str, Any]:
    """Return the statements of the operator's policy, by part, with placeholders for project and account."""
    content: dict[str, Any] = json.loads((TEMPLATES / "aws" / "operator-policy.json").read_text(encoding="utf-8"))
    return content


def heed_operator(project: Project, place: Place, story: Story) -> None:
    """Note a root user; raise BootstrapError for a learner lab, and for a project that is up in another region.

    On the local target nothing is asked. On AWS it costs one request, and none if this folder knows the environment.
    """
    if place.caller is None:
        return
    kind = kind_of(place.caller.arn)
    if kind == "root":
        story.note(ROOT_USER)
    if kind == "academy":
        raise BootstrapError(ACADEMY, hint=ACADEMY_FIX.format(env=place.names.env))
    if project.record(place.names.env) is None:
        refuse_other_region(project, place)


def refuse_other_region(project: Project, place: Place) -> None:
    """Raise BootstrapError if the project's state bucket is in another region than bootstrap.toml says.

    A bucket's name is the same in every region, so nothing else would tell before Terraform fails in the middle.
    """
    names, region = place.names, place.aws.region
    there = buckets.region_of(place.aws, names.state_bucket, names.account)
    if there is not None and there != region:
        raise BootstrapError(
            f"{project.spec.where('region')}: region is '{region}', but '{names.project}' is up in '{there}': its "
            f"state bucket {names.state_bucket} is there.",
            hint=f'Write region = "{there}". To move: take down every environment first.',
        )
