"""The model registry: versions of the model, and three names for them.

`candidate` is the newest, `staging` the one that is tried out, `champion` the one that the API serves. An alias is
moved only to a version whose metrics pass the gate, and the registry keeps what it pointed to before, for `rollback`.
https://mlflow.org/docs/latest/ml/model-registry/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import settings, tracking
from .errors import ProjectError
from .gate import missed

CANDIDATE, STAGING, CHAMPION = "candidate", "staging", "champion"
# Alias → the one whose version it takes unless a version is named.
BEFORE = {STAGING: CANDIDATE, CHAMPION: STAGING}
_MOST = 20
_DO = f"python -m {__package__}"


@dataclass(frozen=True)
class Registry:
    """One registered model. `client` is MLflow's, or what answers like it."""

    client: Any
    name: str

    def add(self, run_id: str, sha256: str) -> tuple[str, bool]:
        """Make a version of a run's model and call it the candidate. Return it, and False if it was there already."""
        self._ensure()
        existing = self._versions_of(sha256)
        if existing:
            version, new = existing[-1], False
        else:
            run = self.client.get_run(run_id)
            source, model_id = _model_of(run)
            tags = {tracking.MODEL_TAG: sha256, "gate": run.data.tags.get("gate", "")}

            def make() -> Any:
                return self.client.create_model_version(self.name, source, run_id, tags, model_id=model_id)

            made = self._do(make, "register a version")
            version, new = str(made.version), True
        self._set(CANDIDATE, version)
        return version, new

    def promote(self, alias: str, version: str | None, gate: Mapping[str, object]) -> tuple[str, str | None]:
        """Move an alias to a version, by default to that of the alias before it; return it and what was there.

        Raises ProjectError if there is no such version, or if its metrics miss the gate: then nothing is moved.
        """
        version = version or self.version_of(BEFORE[alias])
        if version is None:
            raise ProjectError(
                f"No version of {self.name} is called {BEFORE[alias]}.",
                f"First: {_DO} {'register' if alias == STAGING else 'promote --to staging'}. Or name one: --version N.",
            )
        if told := missed(self._metrics(version), gate):
            raise ProjectError(
                f"Version {version} of {self.name} is not good enough for {alias}: {'; '.join(told)}.",
                "`gate` in params.yaml sets what is asked for.",
            )
        current = self.version_of(alias)
        if current != version:
            if current is not None:
                self._remember(alias, [*self.history(alias), current])
            self._set(alias, version)
        return version, current

    def rollback(self, alias: str) -> tuple[str, str]:
        """Give an alias back to the version that had it before; return that, and the one that had it until now."""
        current, history = self.version_of(alias), self.history(alias)
        if current is None or not history:
            raise ProjectError(
                f"There is nothing left to undo: no version of {self.name} was {alias} before.",
                f"To choose one: {_DO} promote --to {alias} --version N.",
            )
        earlier = history[-1]
        self._set(alias, earlier)
        self._remember(alias, history[:-1])
        return earlier, current

    def version_of(self, alias: str) -> str | None:
        """Return the version that an alias points to, or None."""

        def look_up() -> Any:
            return self.client.get_model_version_by_alias(self.name, alias)

        found = self._do(look_up, f"look up {alias}", absent=True)
        return str(found.version) if found is not None else None

    def history(self, alias: str) -> list[str]:
        """Return the versions that had an alias before, the last one at the end."""
        model = self._do(lambda: self.client.get_registered_model(self.name), "look it up", absent=True)
        text = model.tags.get(f"before.{alias}", "[]") if model is not None else "[]"
        try:
            found = json.loads(text)
        except ValueError:
            return []
        return [str(one) for one in found] if isinstance(found, list) else []

    def _ensure(self) -> None:
        # Made first and not looked up: a server with logins says of what is not there that one may not see it.
        self._do(lambda: self.client.create_registered_model(self.name), "make it", there=True)

    def _metrics(self, version: str) -> dict[str, float]:
        found = self._do(lambda: self.client.get_model_version(self.name, version), "look it up", absent=True)
        if found is None:
            raise ProjectError(f"{self.name} has no version {version}.", f"{_DO} register makes one.")
        run = self._do(lambda: self.client.get_run(found.run_id), "look up its run", absent=True)
        return dict(run.data.metrics) if run is not None else {}

    def _versions_of(self, sha256: str) -> list[str]:
        def search() -> Any:
            return self.client.search_model_versions(f"name = '{self.name}'")

        found = self._do(search, "list its versions", absent=True) or []
        return sorted((str(one.version) for one in found if one.tags.get(tracking.MODEL_TAG) == sha256), key=int)

    def _remember(self, alias: str, versions: list[str]) -> None:
        text = json.dumps(versions[-_MOST:])
        self._do(lambda: self.client.set_registered_model_tag(self.name, f"before.{alias}", text), "write its history")

    def _set(self, alias: str, version: str) -> None:
        def set_it() -> None:
            self.client.set_registered_model_alias(self.name, alias, version)

        self._do(set_it, f"call version {version} {alias}")

    def _do(self, call: Callable[[], Any], what: str, *, absent: bool = False, there: bool = False) -> Any:
        """Make one call; None for what is not there (`absent`), or is there already (`there`), where that is fine.

        Raises ProjectError for all other refusals.
        """
        from mlflow.exceptions import MlflowException

        try:
            return call()
        except MlflowException as error:
            code = str(getattr(error, "error_code", ""))
            # MLflow says of an alias that is not set that the parameter is invalid.
            unset = code == "INVALID_PARAMETER_VALUE" and "alias" in str(error).casefold() and "not found" in str(error)
            if absent and (code == "RESOURCE_DOES_NOT_EXIST" or unset):
                return None
            if there and code == "RESOURCE_ALREADY_EXISTS":
                return None
            hint = f"If nobody has made it yet: {_DO} register. If a teammate has, it is not yours yet: your "
            hint += "instructor runs `bootstrap onboard --roster members.csv` again."
            if "ENDPOINT_NOT_FOUND" in code or "404" in str(error):
                hint = "This server may have no aliases: then move the model's stage on its web page (DagsHub has one)."
            raise ProjectError(f"MLflow would not {what} ({self.name}): {str(error).splitlines()[0]}", hint) from None


def open_registry(found: settings.Settings) -> Registry:
    """Return the project's registered model. Raises ProjectError if MLflow is not set up or does not answer."""
    return Registry(tracking.connect(found), found.model_name)


def load_registered(uri: str) -> tuple[Any, str]:
    """Return a registered model, `models:/NAME@ALIAS` or `models:/NAME/VERSION`, and its version."""
    found = settings.load()
    client = tracking.connect(found)
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException

    try:
        version = _version(client, uri)
        name = uri.removeprefix("models:/").partition("@")[0].partition("/")[0]
        pinned = f"models:/{name}/{version}" if uri.startswith("models:/") else uri
        return mlflow.sklearn.load_model(pinned), version
    except MlflowException as error:
        raise ProjectError(
            f"MLflow does not give {uri}: {str(error).splitlines()[0]}",
            f"{_DO} register, then promote, make a champion. If a teammate made it, it is not yours yet: your "
            "instructor runs `bootstrap onboard --roster members.csv` again.",
        ) from None


def _version(client: Any, uri: str) -> str:
    text = uri.partition(":/")[2]
    if "@" in text:
        name, _, alias = text.rpartition("@")
        return str(client.get_model_version_by_alias(name, alias).version)
    return text.rpartition("/")[2] if uri.startswith("models:/") else text.partition("/")[0][:12]


def _model_of(run: Any) -> tuple[str, str | None]:
    """Return where a run's model is, and its id; servers older than MLflow 3 know none. Of two, the last one."""
    logged = getattr(getattr(run, "outputs", None), "model_outputs", None) or []
    if not logged:
        return f"runs:/{run.info.run_id}/model", None
    return f"models:/{logged[-1].model_id}", str(logged[-1].model_id)
