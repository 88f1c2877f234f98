"""The MLflow server of the local target; `mlflow_api` talks to it."""

from __future__ import annotations

import configparser
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters import servers
from bootstrap.adapters.files import write_atomic
from bootstrap.adapters.process import Call

NAME = "the MLflow server"
ADMIN = "admin"
_READY_PATH = "/health"
_READY_SECONDS = 120.0
_LOGIN_CACHE_SECONDS = 60
# What the server reads and writes for people it reads and writes with its own key, which opens more than theirs. So
# nobody may tell it where, by an address such as s3://: it would hand out another team's files, or Terraform's state.
_GUARDS = {
    # Where a version of a model comes from: these are addresses for which MLflow checks the right to read, and the
    # two words that stand for a prompt.
    "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": (
        r"^((mlflow-artifacts|models|runs):/|(prompt-template|dummy-source)$)"
    ),
    # Where the artifacts of an experiment go: nowhere of one's own choice is short enough.
    "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH": "0",
}


@dataclass(frozen=True)
class MlflowServer:
    """The MLflow server of one environment; `folder` (0700) holds its databases, settings, record and log."""

    folder: Path

    @property
    def record(self) -> Path:
        """Where the running process is remembered."""
        return self.folder / "server.json"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def _settings(self) -> Path:
        return self.folder / "basic_auth.ini"

    @property
    def _flask_key(self) -> Path:
        return self.folder / "flask_secret_key"

    @property
    def has_data(self) -> bool:
        """Whether it was ever started: its databases are there."""
        return (self.folder / "mlflow.db").is_file()

    def recorded(self) -> servers.Server | None:
        """Return the server that was started last, running or not."""
        return servers.recorded(self.record)

    def running(self) -> servers.Server | None:
        """Return the server if its process runs; it may still be starting."""
        server = self.recorded()
        return server if server and server.alive else None

    def start(self, *, port: int, bucket: str, instance: str, environ: Mapping[str, str]) -> servers.Server:
        """Start it on `port` with artifacts in `s3://<bucket>/mlflow/`, without waiting for it.

        `environ` says how it reaches S3. Its passwords are made here, before the first start, and stay in files
        of mode 0600.
        """
        self._prepare()
        servers.end(self.record)
        hosts = ",".join((f"127.0.0.1:{port}", f"localhost:{port}", "127.0.0.1", "localhost"))
        call = Call(
            (
                *(sys.executable, "-m", "mlflow", "server"),
                *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", _sqlite(self.folder / "mlflow.db")),
                *("--artifacts-destination", f"s3://{bucket}/mlflow"),
                *("--app-name", "basic-auth", "--allowed-hosts", hosts),
            ),
            cwd=self.folder,
            env={name: value for name, value in environ.items() if not name.startswith("MLFLOW_")}
            | _GUARDS
            | {
                "MLFLOW_AUTH_CONFIG_PATH": str(self._settings),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": self._flask_key.read_text(encoding="ascii"),
                # Three worker pools that only scheduled jobs need: 8 s and 1.4 GB.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_S3_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"],
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "DO_NOT_TRACK": "true",
                "PYTHONUNBUFFERED": "1",
            },
        )
        return servers.launch(call, name=NAME, port=port, instance=instance, record=self.record, log=self.log)

    def wait(self, server: servers.Server) -> None:
        """Wait until the server answers. Raises BootstrapError with the end of its log if it does not."""
        servers.wait_until_ready(server, name=NAME, path=_READY_PATH, log=self.log, timeout=_READY_SECONDS)

    def stop(self) -> bool:
        """Stop it; its data stays in `folder`. Return False if it was not running."""
        return servers.end(self.record)

    def admin_password(self) -> str:
        """Return the password of its administrator, empty before the first start."""
        settings = configparser.ConfigParser(interpolation=None)
        settings.read(self._settings, encoding="utf-8")
        return settings.get("mlflow", "admin_password", fallback="")

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not self._flask_key.is_file():
            write_atomic(self._flask_key, secrets.token_hex(32), mode=0o600)
        # Written anew at each start, since the project's folder may have moved; the password stays as it was.
        settings = {
            "default_permission": "NO_PERMISSIONS",
            "database_uri": _sqlite(self.folder / "auth.db"),
            "admin_username": ADMIN,
            "admin_password": self.admin_password() or secrets.token_urlsafe(24),
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
            # Without it every request waits 100 ms for scrypt. A changed password and a deleted account empty the
            # cache at once in the process that was told, and there is only the one worker. What is left: an old
            # password that is being checked at the very moment it is changed can stay good for this long.
            "auth_cache_ttl_seconds": str(_LOGIN_CACHE_SECONDS),
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        write_atomic(self._settings, f"[mlflow]\n{text}", mode=0o600)


def _sqlite(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"
