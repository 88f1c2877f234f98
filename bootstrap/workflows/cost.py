"""`cost`: what an environment costs in a month by list prices, and what AWS says it has cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from bootstrap.adapters.aws import buckets, cost_explorer, emptying
from bootstrap.adapters.aws.cost_explorer import Spent
from bootstrap.core.cost import Monthly, monthly
from bootstrap.core.price_table import COST_EXPLORER_USD
from bootstrap.core.record import Record, Target
from bootstrap.errors import BootstrapError, Declined
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import open_place, reach

TAG_KEYS = ("bootstrap:project", "bootstrap:env")
# https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
ACTIVATE = "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status " + " ".join(
    f"TagKey={key},Status=Active" for key in TAG_KEYS
)


@dataclass(frozen=True)
class Cost:
    """An environment's cost. `target` says where it is up, None if it is not; `monthly` is what it costs on AWS.

    `spent` are the months that AWS was asked about, None if it was not.
    """

    env: str
    target: Target | None
    monthly: Monthly
    spent: tuple[Spent, ...] | None = None

    @property
    def is_attributed(self) -> bool:
        """Whether AWS knows of any cost of this environment: without activated tags it never does."""
        return any(month.usd for month in self.spent or ())

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        spent = None
        if self.spent is not None:
            spent = [
                asdict(month) | {"start": month.start.isoformat(), "end": month.end.isoformat()} for month in self.spent
            ]
        return {"env": self.env, "target": self.target, "monthly": self.monthly.as_dict(), "spent": spent}


def cost(project: Project, env: str, profile: str | None, story: Story) -> Cost:
    """Work out what an environment costs on AWS: as it is up there, or else as bootstrap.toml would have it.

    Only of one that is up on AWS it asks AWS, how much is in the bucket; without credentials it says so and goes on.
    """
    record = project.record(env)
    if record is None or record.target == "local":
        if record is not None:
            project = project.as_recorded(record)
        table = project.spec.environment(env)
        return Cost(env, record.target if record else None, monthly(table, project.spec.region))
    project = project.as_recorded(record)
    stored = _stored(project, record, profile, story)
    return Cost(env, "aws", monthly(project.spec.environment(env), record.region, stored))


def actual(
    project: Project, env: str, profile: str | None, story: Story, confirm: Callable[[str], bool], today: date
) -> Cost:
    """Ask AWS, too, what the last full month has cost, and this one so far; `confirm` is asked first, as that costs.

    Raises Declined on a no, AwsFailed without credentials or the permission, BootstrapError for one on a laptop.
    """
    record = project.record(env)
    if record is not None and record.target == "local":
        raise BootstrapError(
            f"'{env}' is up on this laptop: AWS sends no bill for it.",
            hint=f"What it would cost on AWS: bootstrap cost --env {env}",
        )
    place = open_place(project.as_recorded(record) if record else project, env, "aws", profile, story)
    if not confirm(f"AWS takes ${COST_EXPLORER_USD:g} for the answer. Ask?"):
        raise Declined("AWS was not asked.")
    start, end = months_to_ask(today)
    with story.step("Asking Cost Explorer"):
        spent = cost_explorer.spent(place.aws, place.names.project, env, start, end)
    found = cost(project, env, profile, story)
    return Cost(env, found.target, found.monthly, tuple(spent))


def months_to_ask(today: date) -> tuple[date, date]:
    """Return the first day of the last full month, and the day after `today`, which is not asked about any more."""
    this_month = today.replace(day=1)
    return (this_month - timedelta(days=1)).replace(day=1), today + timedelta(days=1)


def _stored(project: Project, record: Record, profile: str | None, story: Story) -> int | None:
    """Return how many bytes are in the bucket, every version counted; None, and a note, if nobody could count."""
    try:
        place = reach(project, record, profile, story)
        if place is None or not buckets.exists(place.aws, record.bucket, record.account_id):
            return 0
        with story.step(f"Counting what is in {record.bucket}") as step:
            return emptying.survey(
                place.aws, record.bucket, progress=lambda count: step.detail(f"{count:,} versions")
            ).bytes
    except BootstrapError as error:
        story.note(f"What is in the bucket is not counted: {error.message}")
        return None
