"""The MLflow server of the local target, and MLflow's REST API for accounts and permissions."""

from __future__ import annotations

import base64
import configparser
import json
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.adapters import servers
from bootstrap.adapters.files import write_atomic
from bootstrap.adapters.process import Call
from bootstrap.errors import BootstrapError

NAME = "the MLflow server"
ADMIN = "admin"
DEFAULT_EXPERIMENT = "0"
_READY_PATH = "/health"
_READY_SECONDS = 120.0


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

    def admin(self, server: servers.Server) -> MlflowApi:
        """Return the API as its administrator."""
        return MlflowApi(server.url, ADMIN, self._admin_password())

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
            "admin_password": self._admin_password() or new_password(),
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        write_atomic(self._settings, f"[mlflow]\n{text}", mode=0o600)

    def _admin_password(self) -> str:
        settings = configparser.ConfigParser(interpolation=None)
        settings.read(self._settings, encoding="utf-8")
        return settings.get("mlflow", "admin_password", fallback="")


@dataclass(frozen=True)
class MlflowApi:
    """MLflow's REST API as one person. https://mlflow.org/docs/latest/api_reference/auth/rest-api.html"""

    url: str
    username: str
    password: str = field(repr=False)

    def login_works(self) -> bool:
        """Tell whether the server accepts this login."""
        status, _ = self._request("GET", "/api/2.0/mlflow/users/current")
        return status == 200

    def refuses_anonymous(self) -> bool:
        """Tell whether the server turns away a request without a login."""
        status, _ = self._request("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}, login=False)
        return status == 401

    def ensure_user(self, username: str, password: str) -> None:
        """Create a user, or give an existing one this password (administrator only). Raises BootstrapError."""
        login = {"username": username, "password": password}
        status, answer = self._request("POST", "/api/2.0/mlflow/users/create", login)
        if status != 200 and answer.get("error_code") == "RESOURCE_ALREADY_EXISTS":
            status, answer = self._request("PATCH", "/api/2.0/mlflow/users/update-password", login)
        self._expect(status, answer, f"give {username} an account")

    def ensure_experiment_permission(self, username: str, experiment_id: str, permission: str) -> None:
        """Give a user exactly this permission on an experiment (administrator only). Raises BootstrapError."""
        path = "/api/3.0/mlflow/users/permissions"
        resource = {"username": username, "resource_type": "experiment", "resource_id": experiment_id}
        grant = {**resource, "permission": permission}
        status, answer = self._request("POST", f"{path}/grant", grant)
        if status != 200 and answer.get("error_code") == "RESOURCE_ALREADY_EXISTS":
            # It does not say which permission is there; taking that away first leaves the one we want.
            self._request("POST", f"{path}/revoke", resource)
            status, answer = self._request("POST", f"{path}/grant", grant)
        self._expect(status, answer, f"give {username} access to experiment {experiment_id}")

    def _expect(self, status: int, answer: Mapping[str, Any], what: str) -> None:
        if status != 200:
            said = answer.get("message") or answer.get("error_code") or "no reason given"
            raise BootstrapError(
                f"MLflow at {self.url} would not {what}: {said} (HTTP {status}).",
                hint="Run the same command again; it goes on where it stopped.",
            )

    def _request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, login: bool = True
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        if login:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        local = urllib.parse.urlsplit(self.url).hostname in ("127.0.0.1", "localhost")
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        try:
            with urllib.request.build_opener(proxies).open(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except (urllib.error.URLError, OSError) as error:
            raise BootstrapError(
                f"MLflow at {self.url} cannot be reached: {error}.",
                hint="`bootstrap status` shows what runs.",
            ) from error


def new_password() -> str:
    """Make a random password of 192 bits, of characters that need no quoting anywhere."""
    return secrets.token_urlsafe(24)


def _json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _sqlite(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"
