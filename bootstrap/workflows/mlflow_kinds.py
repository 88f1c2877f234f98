"""Chooses the MLflow of an environment: by bootstrap.toml for what `up` makes, by the record for what is up."""

from __future__ import annotations

from bootstrap.adapters.dagshub import Dagshub, HubLogin
from bootstrap.adapters.mlflow_api import MlflowApi
from bootstrap.core.dagshub import hub_of
from bootstrap.core.mlflow_kind import hub_wanted, kind_wanted
from bootstrap.core.record import Record
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.mlflow_dagshub import at_dagshub
from bootstrap.workflows.mlflow_machine import OnMachine
from bootstrap.workflows.mlflow_server import Nowhere, Server, on_laptop
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place
from bootstrap.workflows.verify import Check, Login


def server_wanted(project: Project, place: Place, laptop: Laptop) -> Server:
    """Return the server that an environment is to have. Raises BootstrapError if it cannot even be asked for."""
    env = place.names.env
    if kind_wanted(project.spec, env, place.kind) == "dagshub" and (hub := hub_wanted(project.spec, env)) is not None:
        before = project.record(env)
        same = before is not None and before.mlflow_tracking_uri == hub.tracking_uri
        return at_dagshub(hub, project.environ, laptops.read_password(laptop, before) if before and same else None)
    return own_server_wanted(project, place)


def own_server_wanted(project: Project, place: Place) -> Server:
    """Return the server of our making that the file asks for; one on DagsHub is nobody's to administer or take down."""
    kind = kind_wanted(project.spec, place.names.env, place.kind)
    if kind == "laptop" and place.emulator is not None:
        return on_laptop(project, place.names.env, place.names.bucket, place.emulator)
    return OnMachine(project, place) if kind == "ec2" else Nowhere()


def server_up(project: Project, place: Place, record: Record) -> Server:
    """Return the server that an environment has, as it was brought up.

    One on DagsHub is nobody's to administer from here, so it counts as none.
    """
    if record.mlflow_tracking_uri is None:
        return Nowhere()
    if record.mlflow == "laptop" and place.emulator is not None:
        return on_laptop(project, record.env, record.bucket, place.emulator)
    return OnMachine(project, place) if record.mlflow == "ec2" else Nowhere()


def login_of(record: Record, password: str | None) -> Login | None:
    """Return an environment's MLflow as who has this password there; None without a server, a name or a password."""
    if not (record.mlflow_tracking_uri and record.mlflow_username and password):
        return None
    if (hub := hub_of(record.mlflow_tracking_uri)) is not None:
        return HubLogin(Dagshub(hub, password), record.mlflow_username)
    return MlflowApi(record.mlflow_tracking_uri, record.mlflow_username, password)


def checks_of(record: Record, password: str | None) -> list[Check]:
    """Try a login at MLflow; nothing to try without a server or a password."""
    login = login_of(record, password)
    return [] if login is None else [Check("log in to MLflow", True, login.login_works())]
