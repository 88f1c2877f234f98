"""Makes what the MLflow server needs on the data volume, hands the password to the operator, and becomes the server.

Run by mlflow.service as the user mlflow. Settings come from machine.env; secrets are made here, before the first
start, and stand in files of mode 0600 on the data volume and, the password alone, in one SecureString of the
Systems Manager. They appear in no argument, no log and no unit file.
"""

from __future__ import annotations

import configparser
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import database

ADMIN = "admin"
DATABASES = ("mlflow.db", "auth.db")
# The same as on the local target, in bootstrap/adapters/mlflow.py, which says why.
GUARDS = {
    "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": (
        r"^((mlflow-artifacts|models|runs):/|(prompt-template|dummy-source)$)"
    ),
    "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH": "0",
}
# A role that was made a moment ago is not known everywhere at once.
_PUBLISH_SECONDS = 180.0


def main() -> NoReturn:
    """Prepare the data folder and become the server. Exits with a message if that cannot be."""
    data = Path(os.environ["MACHINE_DATA"])
    settings = data / "basic_auth.ini"
    first_start = not (data / "mlflow.db").exists()
    flask_key = _flask_key(data / "flask_secret_key")
    password = _password(settings) or secrets.token_urlsafe(24)
    _write(settings, auth_settings(data, password))
    publish_soon(password, os.environ, must=first_start)
    upgrade(data, version("mlflow"), first_start=first_start)
    command, environ = server(data, flask_key, os.environ)
    os.execve(command[0], command, environ)


def server(data: Path, flask_key: str, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the server. No secret is in the former."""
    host, port = environ["MACHINE_HOST"], environ["MACHINE_PORT"]
    hosts = ",".join((host, f"{host}:443", f"127.0.0.1:{port}", f"localhost:{port}"))
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", port, "--workers", "1"),
        *("--backend-store-uri", _sqlite(data / "mlflow.db")),
        *("--artifacts-destination", f"s3://{environ['MACHINE_BUCKET']}/mlflow"),
        *("--app-name", "basic-auth", "--allowed-hosts", hosts),
        # The browser says where a page came from; what it may then change has to be told of this address.
        *("--cors-allowed-origins", f"https://{host}"),
    ]
    own = {
        "MLFLOW_AUTH_CONFIG_PATH": str(data / "basic_auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": flask_key,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONUNBUFFERED": "1",
        # Nothing that lies in the data folder, where it starts, is code.
        "PYTHONSAFEPATH": "1",
    }
    if endpoint := environ.get("AWS_ENDPOINT_URL"):
        own["MLFLOW_S3_ENDPOINT_URL"] = endpoint
    kept = {name: value for name, value in environ.items() if not name.startswith("MLFLOW_")}
    return command, kept | GUARDS | own


def auth_settings(data: Path, password: str) -> str:
    """Return the text of basic_auth.ini; the same settings as on the local target."""
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": _sqlite(data / "auth.db"),
        "admin_username": ADMIN,
        "admin_password": password,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds": "60",
    }
    return "[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def publish_soon(password: str, environ: Mapping[str, str], *, must: bool) -> None:
    """Put the password where the operator finds it.

    Before the first start (`must`) nothing is served without it, since nobody could log in. Later on people's work
    goes on, and the next start tries again.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    end = time.monotonic() + (_PUBLISH_SECONDS if must else 0.0)
    while True:
        try:
            publish(boto3.client("ssm"), environ["MACHINE_PASSWORD_PARAMETER"], password)
        except (BotoCoreError, ClientError) as error:
            # The error names the call and the reason; what was sent is not in it.
            problem = f"The password cannot be put into {environ['MACHINE_PASSWORD_PARAMETER']}: {error}"
        else:
            return
        if time.monotonic() > end:
            if must:
                sys.exit(problem)
            print(problem, file=sys.stderr)
            return
        time.sleep(5)


def publish(ssm: Any, parameter: str, password: str) -> None:
    """Make `parameter` hold the password, encrypted, with the tags of the environment that its path names.

    Tags cannot go along with a value that replaces another.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    """
    _, project, env, *_ = parameter.split("/")
    value = {"Name": parameter, "Value": password, "Type": "SecureString"}
    tags = [{"Key": "bootstrap:project", "Value": project}, {"Key": "bootstrap:env", "Value": env}]
    try:
        ssm.put_parameter(**value, Description="Password of MLflow's administrator", Tags=tags)
    except ssm.exceptions.ParameterAlreadyExists:
        found = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
        if found != password:
            ssm.put_parameter(**value, Overwrite=True)


def upgrade(
    data: Path,
    now: str,
    *,
    first_start: bool,
    run: Callable[[list[str]], object] = lambda argv: subprocess.run(argv, check=True),
) -> None:
    """If another version of MLflow wrote the databases, copy them and let this one bring them up to date.

    The copies end up in `before-<version>-<moment>/`. A run that died halfway leaves its copies in `upgrade/`, and
    those are the ones to keep: the databases may be half new by then. The database of logins MLflow upgrades by
    itself when it starts. https://mlflow.org/docs/latest/self-hosting/architecture/backend-store/
    """
    stamp, unfinished = data / "mlflow-version", data / "upgrade"
    before = stamp.read_text(encoding="ascii").strip() if stamp.exists() else ""
    if not first_start and before != now:
        print(f"The databases are of MLflow {before or '(not known)'}, this is {now}: copying, then upgrading.")
        unfinished.mkdir(mode=0o700, exist_ok=True)
        for name in DATABASES:
            if (data / name).exists() and not (unfinished / name).exists():
                database.copy(data / name, unfinished / name, without_secrets=False)
        run([sys.executable, "-m", "mlflow", "db", "upgrade", _sqlite(data / "mlflow.db")])
        unfinished.rename(data / f"before-{now}-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}")
    if before != now:
        _write(stamp, now + "\n")


def _flask_key(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_hex(32))
    return path.read_text(encoding="ascii")


def _password(settings: Path) -> str:
    found = configparser.ConfigParser(interpolation=None)
    found.read(settings, encoding="utf-8")
    return found.get("mlflow", "admin_password", fallback="")


def _write(path: Path, text: str) -> None:
    """Write a file (0600) that is either the old one or the whole new one, whatever happens."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _sqlite(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


if __name__ == "__main__":
    main()
