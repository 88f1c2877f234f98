"""An environment that this folder knows nothing of: its record was lost, or it was brought up on another machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bootstrap.adapters.aws import inventory
from bootstrap.core.inventory import EVERYWHERE
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed
from bootstrap.workflows import local
from bootstrap.workflows.down_preview import look_through
from bootstrap.workflows.mlflow_kinds import own_server_wanted
from bootstrap.workflows.prepare import draft
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, at_emulator, open_place


def found_elsewhere(project: Project, env: str, profile: str | None, story: Story) -> Record | None:
    """Return what follows from names and from what is there; None if nothing is, or nobody may look.

    Only for a project that somebody has named: a folder's name alone could be that of another's. Raises ConfigError for
    an environment that bootstrap.toml does not have, BootstrapError for credentials that are a member's.
    """
    joined = any((one.project, one.env) == (project.spec.project, env) for one in project.joined())
    # A record that we cannot read, for instance a newer version's, is a record all the same.
    if joined or not project.has_config or (project.env_folder(env) / "record.json").exists():
        return None
    project.spec.environment(env)
    for place in _places(project, env, profile, story):
        with story.step(f"Looking for what there is of {env}"):
            found = look_through(project, place, env)
        regions = [thing.region for thing in found.things if thing.kind == inventory.BUCKET]
        if found.things:
            region = next((one for one in regions if one != EVERYWHERE), place.aws.region)
            return replace(draft(project, place, own_server_wanted(project, place)), region=region)
        for blind in found.blind:
            story.note(f"Not looked at: {blind.place.kind} ({blind.place.region}): {blind.reason}")
    return None


def _places(project: Project, env: str, profile: str | None, story: Story) -> Iterator[Place]:
    if emulator := local.running_emulator(project):
        # An `up --local` that died before it could write anything down.
        yield at_emulator(project, env, emulator)
    try:
        with story.step(f"'{env}' is not up here; asking AWS whether it is elsewhere"):
            place = open_place(project, env, "aws", profile, story)
        yield place
    except AwsFailed as error:
        story.note(f"It could not be looked for in AWS: {error.message}")
