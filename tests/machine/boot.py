"""Boots the MLflow machine in an emulated computer and checks what it does: README.md in this folder says how."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.machine.cloud import BUCKET, PASSWORD, Cloud
from tests.machine.container import Container
from tests.machine.guest import HOST_SEEN_FROM_INSIDE, Guest
from tests.machine.old import OLD, old_databases
from tests.machine.rendering import SAMPLE, UserData, render
from tests.machine.root import Root, blank_disk, run
from tests.ports import some_port

HOST = SAMPLE["hostname"]
DATA = "/srv/data/mlflow"
AUTHORITY = "/srv/data/caddy/caddy/pki/authorities/local/root.crt"
API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
BACKUP = "mlflow/.backup"
_LARGE = 64 * 1024 * 1024


@dataclass
class Proof:
    """What is running, and what was found."""

    work: Path
    cloud: Cloud
    guest: Guest | Container
    began: float = field(default_factory=time.monotonic)
    checks: int = 0

    # --- telling ---

    def say(self, text: str) -> None:
        """Print a line of the story."""
        self._print("  ", text)

    def check(self, what: str, good: object, found: object = "") -> None:
        """Print a line of what was checked. Raises RuntimeError if it is not so."""
        if not good:
            raise RuntimeError(f"{what}: {found}")
        self.checks += 1
        self._print("ok", what)

    def fail(self, why: str) -> None:
        """Print the line that is the last one."""
        self._print("FAILED", f"{why}\nThe console's log is {self.guest.console}.")

    def _print(self, mark: str, text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {mark}  {text}\n")
        sys.stdout.flush()

    # --- asking ---

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        login: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
        plain: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """Make a request of the machine by its name; return status, headers and body. No redirect is followed."""
        context = None if plain else ssl.create_default_context(cafile=str(self.authority))
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        url = f"{'http' if plain else 'https'}://{HOST}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})  # noqa: S310
        if isinstance(body, dict):
            request.add_header("Content-Type", "application/json")
        if login:
            request.add_header("Authorization", f"Basic {b64encode(':'.join(login).encode()).decode()}")
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=240) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def json(self, path: str, **request: Any) -> dict[str, Any]:
        """Make a request that has to be answered with 200, and return the answer."""
        status, _, body = self.ask(path, **request)
        if status != 200:
            raise RuntimeError(f"{path} answers {status}: {body[:500]!r}")
        parsed: dict[str, Any] = json.loads(body)
        return parsed

    @property
    def authority(self) -> Path:
        """The certificate of Caddy's own authority, as a file here."""
        return self.work / "authority.crt"

    @property
    def admin(self) -> tuple[str, str]:
        """The administrator's login, with the password that the operator finds."""
        return "admin", self.cloud.password()

    @contextmanager
    def names(self) -> Iterator[None]:
        """Let the machine's name lead to the emulated computer, for every client in this process."""
        usual = socket.getaddrinfo
        ports = {443: self.guest.https_port, 80: self.guest.http_port}

        def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            if host == HOST:
                return usual("127.0.0.1", ports[int(port)], *rest, **more)
            return usual(host, port, *rest, **more)

        socket.getaddrinfo = look_up
        try:
            yield
        finally:
            socket.getaddrinfo = usual

    # --- the checks ---

    def until_it_serves(self) -> None:
        """Wait until ssh, setup and the server are there, telling of each."""
        guest = self.guest
        guest.wait("answer to ssh", lambda: guest.ssh("echo yes", timeout=60))
        self.say("the machine answers")

    def until_healthy(self) -> None:
        """Wait until setup has ended and the server answers over HTTPS."""
        guest = self.guest
        guest.wait("end of setup", lambda: guest.ssh("test -e /opt/mlflow-machine/ready && echo yes", timeout=60))
        self.say("setup has ended")
        guest.wait("certificate", lambda: guest.ssh(f"test -s {AUTHORITY} && echo yes", timeout=60))
        self.authority.write_text(guest.ssh(f"cat {AUTHORITY}"), encoding="ascii")
        guest.wait("health", lambda: self.ask("/health")[0] == 200)
        self.check("HTTPS answers /health without a login, with a certificate of the host's name", True)

    def the_first_boot(self) -> None:
        """Check what cloud-init, setup and systemd made."""
        ssh = self.guest.ssh
        status = json.loads(ssh("cloud-init status --wait --format=json || true", timeout=900))
        self.check("cloud-init has ended well", status["status"] == "done" and not status["errors"], status)
        said = ssh("cloud-init schema --system")
        self.check("cloud-init finds the user data valid", "Valid" in said, said)
        units = "mlflow.service caddy.service mlflow-backup.timer"
        active = ssh(f"systemctl is-active {units}").split()
        self.check(f"{units} are active", active == ["active"] * 3, active)
        enabled = ssh(f"systemctl is-enabled {units} unattended-upgrades.service").split()
        self.check("and enabled, as are unattended upgrades", enabled == ["enabled"] * 4, enabled)
        failed = ssh("systemctl --failed --plain --no-legend")
        self.check("no unit has failed", not failed.strip(), failed)
        mounted = json.loads(ssh("findmnt --json -o SOURCE,FSTYPE,OPTIONS /srv/data"))["filesystems"][0]
        options = set(mounted["options"].split(","))
        device = "/dev/loop" if self.guest.is_container else "/dev/nvme"
        good = mounted["source"].startswith(device) and {"nosuid", "nodev", "noexec"} <= options
        self.check(f"the volume is mounted: {mounted['source']} {mounted['fstype']}", good, mounted)
        if not self.guest.is_container:
            swap = ssh("swapon --show=NAME,SIZE --noheadings")
            self.check("there is swap", "/swapfile" in swap, swap)
        listens = ssh("ss -Hltn")
        outside = {line.split()[3].rpartition(":")[2] for line in listens.splitlines() if "127.0.0" not in line}
        self.check("only ssh and Caddy listen to others", outside <= {"22", "80", "443", "5355"}, listens)
        modes = ssh(f"find {DATA} -type f -printf '%m %u %f\\n'").splitlines()
        good = modes and all(line.startswith("600 mlflow ") for line in modes)
        self.check("every file of the server is 0600 and its own", good, modes)
        score = ssh("systemd-analyze security --no-pager mlflow.service | tail -1").strip()
        self.check(f"systemd-analyze: {score.lstrip('→ ')}", float(score.split(":")[1].split()[0]) <= 1.5, score)
        score = ssh("systemd-analyze security --no-pager caddy.service | tail -1").strip()
        self.check(f"systemd-analyze: {score.lstrip('→ ')}", float(score.split(":")[1].split()[0]) <= 2.5, score)

    def who_gets_in(self) -> None:
        """Check headers, logins and origins."""
        status, headers, _ = self.ask("/", plain=True)
        self.check("HTTP leads to HTTPS", (status, headers["location"]) == (308, f"https://{HOST}/"), headers)
        _, headers, _ = self.ask("/health")
        wanted = {
            "strict-transport-security": "max-age=31536000",
            "x-content-type-options": "nosniff",
            "x-frame-options": "SAMEORIGIN",
            "referrer-policy": "same-origin",
        }
        good = wanted.items() <= headers.items() and "caddy" not in headers.get("server", "").lower()
        self.check("security headers are sent, once each", good, headers)
        status, _, _ = self.ask(f"{API}/experiments/search?max_results=1")
        self.check("nobody gets in without a login", status == 401, status)
        status, _, _ = self.ask(f"{API}/experiments/search?max_results=1", login=("admin", "password1234"))
        self.check("nor with MLflow's well-known password", status == 401, status)
        described = self.cloud.client("ssm").describe_parameters()["Parameters"][0]
        self.check("the password is a SecureString", described["Type"] == "SecureString", described)
        tags = self.cloud.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=PASSWORD)["TagList"]
        found = {tag["Key"]: tag["Value"] for tag in tags}
        good = found == {"bootstrap:project": "course", "bootstrap:env": "stag"}
        self.check("with the environment's tags", good, tags)
        status, _, _ = self.ask(f"{API}/experiments/search?max_results=1", login=self.admin)
        self.check("the password that the operator finds logs in", status == 200, status)
        for origin, wanted_status in ((f"https://{HOST}", 200), ("https://example.org", 403)):
            body = {"name": f"from {origin}"}
            sent = {"Origin": origin}
            status, _, _ = self.ask(
                f"{API}/experiments/create", method="POST", body=body, login=self.admin, headers=sent
            )
            self.check(f"a page of {origin} changes something: {wanted_status}", status == wanted_status, status)

    def artifacts(self) -> str:
        """Log a run with MLflow's own client, and return its id."""
        before = dict(os.environ)
        name, password = self.admin
        os.environ |= {
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.authority),
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "300",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "NO_PROXY": "*",
        }
        try:
            import mlflow

            client = mlflow.MlflowClient(f"https://{HOST}")
            experiment = client.create_experiment("proof")
            run_id: str = client.create_run(experiment).info.run_id
            client.log_metric(run_id, "accuracy", 0.9)
            mlflow.set_tracking_uri(f"https://{HOST}")
            client.log_text(run_id, "hello from the proof", "note.txt")
            key = f"mlflow/{experiment}/{run_id}/artifacts/note.txt"
            self.check(f"an artifact lands at {key}", key in self.cloud.keys_below("mlflow/"))
            large = self.work / "large.bin"
            large.write_bytes(os.urandom(_LARGE))
            began = time.monotonic()
            client.log_artifact(run_id, str(large))
            size = self.cloud.client("s3").head_object(Bucket=BUCKET, Key=key.replace("note.txt", "large.bin"))
            good = size["ContentLength"] == _LARGE
            self.check(f"one of {_LARGE >> 20} MiB too, in {time.monotonic() - began:.0f} s", good, size)
            return run_id
        finally:
            os.environ.clear()
            os.environ.update(before)

    def sandbox(self) -> None:
        """Try from inside the server's sandbox what should not work there."""
        ssh = self.guest.ssh
        ssh("cat > /opt/mlflow-machine/probe.py", text=Path(__file__).with_name("probe.py").read_text("utf-8"))
        command = "/opt/mlflow/bin/python /opt/mlflow-machine/probe.py"
        unit = f"[Service]\nType=oneshot\nExecStart={command}\n"
        ssh(
            "cat > /run/systemd/system/mlflow-probe.service && mkdir -p /run/systemd/system/mlflow-probe.service.d && "
            "cp /etc/systemd/system/mlflow.service.d/hardening.conf /run/systemd/system/mlflow-probe.service.d/ && "
            "systemctl daemon-reload && systemctl start mlflow-probe.service",
            text=unit,
        )
        said = ssh("journalctl -q -o cat -u mlflow-probe.service | grep '^{'")
        found = json.loads(said)
        self.say(f"inside the sandbox: {said.strip()}")
        may = {DATA, "/tmp", "/var/tmp", "/dev/shm"}  # noqa: S108
        self.check(f"it writes to {DATA} and its own /tmp, and nowhere else", set(found["writes"]) <= may, found)
        self.check("it does write there", {DATA, "/tmp"} <= set(found["writes"]), found)  # noqa: S108
        self.check("it reads neither Caddy's keys nor disks nor the passwords of users", not found["reads"], found)
        self.check("it has none of root's powers", not found["powers"] and found["user"] != 0, found)
        self.check("it reaches the keys of the role", found["reaches the role's keys"], found)

    def secrets(self) -> None:
        """Look for the password and the Flask key everywhere but where they belong."""
        for name, secret in (
            ("password", self.cloud.password()),
            ("Flask key", self.guest.ssh(f"cat {DATA}/flask_secret_key").strip()),
        ):
            places = "/etc /opt/mlflow-machine /var/log /var/lib/cloud /var/lib/systemd /run /srv"
            look = f"grep -rlIF -f /dev/stdin {places} 2>/dev/null || true"
            found = self.guest.ssh(look, text=secret, timeout=600).split()
            home = "basic_auth.ini" if name == "password" else "flask_secret_key"
            self.check(f"the {name} stands in one file: {found[0]}", found == [f"{DATA}/{home}"], found)
            journal = self.guest.ssh("journalctl -q --no-pager | grep -cF -f /dev/stdin || true", text=secret).strip()
            shown = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -cF -f /dev/stdin || true"
            argv = self.guest.ssh(shown, text=secret).strip()
            self.check(f"the {name} is in no log and no argument", (journal, argv) == ("0", "0"), (journal, argv))

    def backup(self, run_id: str) -> None:
        """Ask for a copy of the database, and look at it; then try to get it as a member."""
        s3 = self.cloud.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"{BACKUP}/wanted", Body=b"")
        began = time.monotonic()
        self.guest.wait("copy", lambda: f"{BACKUP}/wanted" not in self.cloud.keys_below(BACKUP), seconds=600)
        copy = self.work / "copy.db"
        s3.download_file(BUCKET, f"{BACKUP}/mlflow.db", str(copy))
        with closing(sqlite3.connect(copy)) as database:
            found = database.execute("SELECT run_uuid FROM runs").fetchall()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            whole = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        took = time.monotonic() - began
        good = whole and (run_id,) in found and "users" not in tables
        self.check(f"a copy was there {took:.0f} s after it was wanted, without logins", good, found)
        body = {"username": "ana", "password": "a-password-of-ana"}
        self.json("/api/2.0/mlflow/users/create", method="POST", body=body, login=self.admin)
        ana = (body["username"], body["password"])
        status, _, _ = self.ask(f"{ARTIFACTS}/.backup/mlflow.db", login=ana)
        listed, _, _ = self.ask(f"{ARTIFACTS}?path=.backup", login=ana)
        self.check("a member gets neither the copy nor a list of it", (status, listed) == (403, 403), (status, listed))
        status, _, _ = self.ask(f"{ARTIFACTS}/.backup/mlflow.db", login=self.admin)
        self.check("the administrator does", status == 200, status)

    def still_there(self, run_id: str, password: str) -> None:
        """Check that runs, artifact and password are what they were."""
        self.check("the password is the same", self.cloud.password() == password)
        found = self.json(f"{API}/runs/get?run_id={run_id}", login=self.admin)["run"]
        good = found["data"]["metrics"][0]["value"] == 0.9
        self.check("the run is there with its metric", good, found)
        status, _, body = self.ask(f"/get-artifact?run_id={run_id}&path=note.txt", login=self.admin)
        self.check("and its artifact", (status, body) == (200, b"hello from the proof"), body)
        status, _, _ = self.ask(f"{API}/experiments/search?max_results=1", login=("ana", "a-password-of-ana"))
        self.check("a member's login is still good", status == 200, status)

    def certificate(self) -> str:
        """Return the fingerprint of Caddy's authority."""
        return self.guest.ssh(f"sha256sum {AUTHORITY}").split()[0]

    def upgrade(self) -> None:
        """Give the machine the databases of an older MLflow, and let it start on them."""
        old = old_databases(self.work)
        ssh = self.guest.ssh
        ssh("systemctl stop mlflow.service")
        for name in ("mlflow.db", "auth.db"):
            self.guest.put(old / name, f"/root/{name}")
            ssh(f"install -m 0600 -o mlflow -g mlflow /root/{name} {DATA}/{name} && rm /root/{name}")
        ssh(f"rm -f {DATA}/*-wal {DATA}/*-shm; cat > {DATA}/mlflow-version", text=f"{OLD}\n")
        ssh("systemctl start mlflow.service")
        self.guest.wait("health after the upgrade", lambda: self.ask("/health")[0] == 200)
        copies = ssh(f"cd {DATA} && ls before-*/").split()
        self.check(f"before it touched them it copied the databases of {OLD}", "mlflow.db" in copies, copies)
        now = ssh(f"cat {DATA}/mlflow-version").strip()
        self.check(f"they are of {now} now", now != OLD, now)
        found = self.json(f"{API}/experiments/get-by-name?experiment_name=old", login=("admin", "of-old-times-12"))
        runs = self.json(
            f"{API}/runs/search",
            method="POST",
            body={"experiment_ids": [found["experiment"]["experiment_id"]]},
            login=("admin", "of-old-times-12"),
        )["runs"]
        good = [metric["value"] for metric in runs[0]["data"]["metrics"]] == [0.5]
        self.check("the old run, with its metric and its login, is there", good, runs)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def rendered(work: Path, port: int) -> UserData:
    """Render the user data for the emulated computer."""
    program = shutil.which("terraform")
    if program is None:
        raise RuntimeError("terraform is not on PATH")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    folder = work / "rendered"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    endpoint = f"http://{HOST_SEEN_FROM_INSIDE}:{port}"
    return render(program, plain, folder, certificate="internal", endpoint_url=endpoint)


def prove(proof: Proof, user_data: UserData) -> None:
    """Walk through the life of a machine."""
    guest = proof.guest
    proof.say("first boot: a fresh root disk; a blank volume is attached while it waits")
    guest.seed("i-0000000000000000a", user_data.raw)
    guest.start(with_volume=False)
    proof.until_it_serves()
    guest.attach()
    proof.say("the volume is attached")
    proof.until_healthy()
    proof.the_first_boot()
    proof.who_gets_in()
    run_id = proof.artifacts()
    proof.sandbox()
    proof.backup(run_id)
    proof.secrets()
    password, certificate = proof.cloud.password(), proof.certificate()

    proof.say("second boot: the same disks")
    guest.power_off()
    guest.start(with_volume=True)
    proof.until_it_serves()
    proof.until_healthy()
    proof.still_there(run_id, password)
    skipped = guest.ssh("systemctl show -p ConditionResult --value mlflow-setup.service").strip()
    proof.check("nothing was set up again", skipped == "no", skipped)

    proof.say("a new machine: a fresh root disk, another instance, the same volume")
    guest.power_off()
    guest.replace()
    guest.seed("i-0000000000000000b", user_data.raw)
    guest.start(with_volume=True)
    proof.until_it_serves()
    proof.until_healthy()
    proof.still_there(run_id, password)
    proof.check("Caddy's certificates came along", proof.certificate() == certificate)

    proof.say(f"an upgrade: the volume has the databases of MLflow {OLD}")
    proof.upgrade()
    guest.power_off()


def a_computer(work: Path, root: Root, keys: Path) -> Guest:
    """Return the emulated computer, which is still off."""
    return Guest(
        root=root,
        folder=work / "guest",
        disk=work / "none",
        volume=blank_disk(work / "volume.qcow2", "8G"),
        volume_id=SAMPLE["volume_id"],
        keys=keys,
        ssh_port=some_port(),
        https_port=some_port(),
        http_port=some_port(),
    )


def a_container(work: Path, root: Root, keys: Path) -> Container:
    """Return the container, which is still off."""
    volume, folder = work / "volume.raw", work / "container"
    volume.unlink(missing_ok=True)
    run(["truncate", "--size=8G", str(volume)])
    folder.mkdir(exist_ok=True)
    return Container(
        root=root,
        folder=folder,
        name="first",
        volume=volume,
        volume_id=SAMPLE["volume_id"],
        keys=keys,
        https_port=some_port(),
        http_port=some_port(),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the proof and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="a folder that keeps the Debian root for the next time")
    parser.add_argument("--container", action="store_true", help="a container instead of an emulated computer")
    options = parser.parse_args(argv)
    work: Path = options.work or Path(tempfile.mkdtemp(prefix="machine-"))
    work.mkdir(parents=True, exist_ok=True)
    # Whoever ends this ends the computer and the emulator with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keys = work / "role.json"
    cloud = Cloud.start(work / "aws", keys)
    user_data, root = rendered(work, cloud.port), Root(work / "debian")
    guest = a_container(work, root, keys) if options.container else a_computer(work, root, keys)
    proof = Proof(work, cloud, guest)
    try:
        proof.say(f"user data: {len(user_data.raw)} bytes of 16384")
        root.make()
        proof.say("a Debian 12 root is there")
        root.bake(user_data)
        proof.say("its packages and MLflow are installed, by setup.sh itself")
        if isinstance(guest, Guest):
            root.make_image()
            guest.disk = root.new_disk("first")
        with proof.names():
            prove(proof, user_data)
    except (RuntimeError, OSError, KeyError, IndexError, ValueError) as error:
        proof.fail(f"{type(error).__name__}: {error}")
        return 1
    finally:
        guest.put_away()
        cloud.emulator.stop()
    proof.say(f"{proof.checks} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
