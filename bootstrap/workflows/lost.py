"""An environment that this folder knows nothing of: its record was lost, or it was brought up on another machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bootstrap.adapters.aws import inventory
from bootstrap.core.inventory import EVERYWHERE
from bootstrap.core.mlflow_kind import kind_wanted
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed
from bootstrap.workflows import local
from bootstrap.workflows.down_preview import look_through
from bootstrap.workflows.mlflow_machine import OnMachine
from bootstrap.workflows.mlflow_server import Nowhere, Server, on_laptop
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
            return replace(draft(project, place, _as_named(project, place)), region=region)
        for blind in found.blind:
            story.note(f"Not looked at: {blind.place.kind} ({blind.place.region}): {blind.reason}")
    return None


def _as_named(project: Project, place: Place) -> Server:
    """Return the MLflow that the environment most likely has; what is on DagsHub is not ours to take down."""
    kind = kind_wanted(project.spec, place.names.env, place.kind)
    if kind == "laptop" and place.emulator is not None:
        return on_laptop(project, place.names.env, place.names.bucket, place.emulator)
    return OnMachine(project, place) if kind == "ec2" else Nowhere()


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
