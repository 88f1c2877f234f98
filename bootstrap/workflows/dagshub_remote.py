"""The DVC remote on DagsHub: a second one beside ours, with the token in the file that git does not see.

The default remote stays the environment's bucket (docs/decisions/0018-mlflow-elsewhere.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bootstrap.adapters import dotenv, dvc
from bootstrap.adapters.files import check_writable, read_text, remove, write_atomic
from bootstrap.core.dagshub import DVC_URL, REMOTE, Hub, hub_of
from bootstrap.core.dvc_text import section_of, values, with_values, without_values
from bootstrap.core.plan import Step
from bootstrap.core.record import Record
from bootstrap.errors import ConfigError
from bootstrap.workflows.project import Project

_SECTION = section_of(REMOTE)
_SECRET_FILE = 0o600
# The shared section was there when we came: a teammate's commit brought it, and it stays.
_THEIRS = "theirs"


def hub_on_record(record: Record) -> Hub | None:
    """Return the repository on DagsHub that an environment's MLflow is at, if it is."""
    return hub_of(record.mlflow_tracking_uri) if record.mlflow == "dagshub" else None


def check(project: Project, place: Path, hub: Hub) -> None:
    """Raise ConfigError if the repository at `place` has another remote of that name.

    Raises BootstrapError if it cannot be written.
    """
    ours = any(one.dagshub_remote is not None for one in _all(project))
    shared = values(read_text(dvc.config_path(place)) or "", _SECTION)
    personal = values(read_text(dvc.local_path(place)) or "", _SECTION) or {}
    theirs = shared is not None and {**shared, **_shared(hub)} != shared
    if theirs or (not ours and _personal("").keys() & personal.keys()):
        raise ConfigError(
            f"{dvc.config_path(place).parent} has a DVC remote '{REMOTE}' that this tool did not write; it was left "
            "alone.",
            hint=f"Give it another name: dvc remote rename {REMOTE} my-{REMOTE}",
        )
    check_writable(dvc.local_path(place))


def steps(place: Path | None, record: Record, token: str | None) -> list[Step]:
    """Say whether the remote is missing or would change. `place` is None where there is no DVC repository yet."""
    hub = hub_on_record(record)
    if hub is None and record.dagshub_remote is not None:
        return [Step("delete", "laptop", f"the DVC remote {REMOTE}, with the token in .dvc/config.local")]
    if hub is None or token is None:
        return []
    if place is not None and _is_written(place, hub, token):
        return []
    what = f"the DVC remote {REMOTE} → {hub.s3_endpoint}, with the token in .dvc/config.local (ignored by git)"
    return [Step("create", "laptop", what)]


def write(
    project: Project, place: Path, record: Record, token: str | None, ignores_local: Callable[[], bool]
) -> Record:
    """Write the remote into the DVC repository at `place`; a second time the same changes nothing.

    One of a repository that the environment no longer names is taken out first. Without a token only what is shared is
    written. `ignores_local` tells whether git leaves the personal file alone.
    Returns the record with what `take_out` needs; it is saved before the files are written.
    """
    hub = hub_on_record(record)
    if record.dagshub_remote is not None and (hub is None or record.dagshub_remote["uri"] != hub.tracking_uri):
        take_out(project, place, record)
        record = replace(record, dagshub_remote=None)
        project.save(record)
    if hub is None:
        return record
    config, personal = dvc.config_path(place), dvc.local_path(place)
    before = {"uri": hub.tracking_uri, **(record.dagshub_remote or _of_another(project, record, hub) or {})}
    text = read_text(config) or ""
    before.setdefault("config", _THEIRS if values(text, _SECTION) is not None else dotenv.state(config))
    before.setdefault("local", dotenv.state(personal))
    if not ignores_local():
        before.setdefault("gitignore", dotenv.state(dvc.local_gitignore(place)))
    record = replace(record, dagshub_remote=before)
    project.save(record)
    write_atomic(config, with_values(text, _SECTION, _shared(hub)))
    if not ignores_local():
        dotenv.ignore(dvc.local_gitignore(place), dvc.LOCAL_IGNORED)
    if token is not None:
        found = read_text(personal) or ""
        write_atomic(personal, with_values(found, _SECTION, _personal(token)), mode=_SECRET_FILE)
    return record


def take_out(project: Project, place: Path, record: Record) -> bool:
    """Take out exactly what `write` wrote. Return False if that was nothing, or if another environment needs it."""
    before = record.dagshub_remote
    hub = hub_of(before["uri"]) if before is not None else None
    if hub is None or before is None:
        return False
    if _of_another(project, record, hub) is not None:
        return False
    personal, config = dvc.local_path(place), dvc.config_path(place)
    text = read_text(personal) or ""
    found = values(text, _SECTION) or {}
    # Whatever token it is by now: the lines are ours.
    mine = {name: value for name, value in found.items() if name in _personal("")}
    _put_back(personal, without_values(text, _SECTION, mine, before["local"]), before["local"])
    if before["config"] != _THEIRS:
        shared = read_text(config) or ""
        _put_back(config, without_values(shared, _SECTION, _shared(hub), before["config"]), before["config"])
    if "gitignore" in before and not personal.is_file():
        dotenv.no_longer_ignore(dvc.local_gitignore(place), dvc.LOCAL_IGNORED, before["gitignore"])
    return True


def _all(project: Project) -> list[Record]:
    return [*project.recorded(), *project.joined()]


def _of_another(project: Project, record: Record, hub: Hub) -> dict[str, str] | None:
    """Return what another environment that shares this remote remembers of how things were before it."""
    found = (one.dagshub_remote for one in _all(project) if one.owner != record.owner and one.dagshub_remote)
    return next((one for one in found if one["uri"] == hub.tracking_uri), None)


def _put_back(path: Path, text: str, before: str) -> None:
    if not path.is_file():
        return
    if not text and before == "no file":
        remove(path)
    else:
        write_atomic(path, text)


def _is_written(place: Path, hub: Hub, token: str) -> bool:
    found = [values(read_text(path) or "", _SECTION) or {} for path in (dvc.config_path(place), dvc.local_path(place))]
    wanted = [_shared(hub), _personal(token)]
    return all({**there, **want} == there for there, want in zip(found, wanted, strict=True))


def _shared(hub: Hub) -> dict[str, str]:
    return {"url": DVC_URL, "endpointurl": hub.s3_endpoint}


def _personal(token: str) -> dict[str, str]:
    return {"access_key_id": token, "secret_access_key": token}
