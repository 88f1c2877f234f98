"""A container (systemd-nspawn) that boots a root as the emulated computer does, on this machine's own processor.

Minutes instead of half an hour, for less: the kernel is this machine's, the volume a loop device, and swap and limits
of memory are not tried. Network and metadata are at the same addresses as in the emulated computer.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.machine.root import Root, run
from tests.machine.waiting import wait_for

# Everything is mounted in a namespace of its own; systemd wants the one hierarchy of control groups.
_BOOT = """
set -e
mount --make-rprivate /
umount -l /sys/fs/cgroup || true
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "$WORK/upper" "$WORK/workdir" "$WORK/merged"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$WORK/upper,workdir=$WORK/workdir" "$WORK/merged"
exec nsenter --net="/proc/$NETWORK/ns/net" systemd-nspawn --register=no --keep-unit --resolv-conf=off --quiet \
  --directory="$WORK/merged" --machine=mlflow --console=pipe --bind="$LOOP" --bind="$BY_ID:/dev/disk/by-id" --boot
"""
_NAMES = "[Resolve]\nDNS=169.254.169.3\n"
_NETWORK = "network: {config: disabled}\n"
# In a container systemd passes over what /etc/fstab says of disks; this is what it would make of it.
_MOUNT = "[Mount]\nWhat=/dev/disk/by-id/{name}\nWhere=/srv/data\nType=ext4\nOptions=nosuid,nodev,noexec\n"


@dataclass
class Container:
    """One machine: a root of its own over the tree of `root`, and the volume, an image of a disk."""

    root: Root
    folder: Path
    name: str
    volume: Path
    volume_id: str
    keys: Path
    https_port: int
    http_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)
    loop: str = field(default="", init=False)
    is_container = True

    @property
    def console(self) -> Path:
        """What the machine says while it boots."""
        return self.folder / "console.log"

    @property
    def _volume_name(self) -> str:
        return f"nvme-Container_{self.volume_id.replace('-', '')}"

    @property
    def upper(self) -> Path:
        """What differs from the tree: the root disk of this machine."""
        return self.folder / self.name / "upper"

    def seed(self, instance: str, user_data: bytes) -> None:
        """Hand out the very bytes that EC2 would; NoCloud finds them in a folder instead of on a disk."""
        shutil.rmtree(self.folder / self.name, ignore_errors=True)
        seed = self.upper / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        (seed / "user-data").write_bytes(user_data)
        (seed / "meta-data").write_text(f"instance-id: {instance}\nlocal-hostname: mlflow\n", encoding="ascii")
        for place, text in (
            ("etc/systemd/resolved.conf.d/proof.conf", _NAMES),
            ("etc/cloud/cloud.cfg.d/91_network.cfg", _NETWORK),
            ("etc/systemd/system/srv-data.mount", _MOUNT.format(name=self._volume_name)),
        ):
            (self.upper / place).parent.mkdir(parents=True, exist_ok=True)
            (self.upper / place).write_text(text, encoding="ascii")

    def start(self, *, with_volume: bool) -> None:
        """Switch it on; without the volume, `attach` brings that later."""
        by_id = self.folder / "by-id"
        shutil.rmtree(by_id, ignore_errors=True)
        by_id.mkdir(parents=True)
        self.loop = self.loop or run(["losetup", "--find", "--show", str(self.volume)]).strip()
        if with_volume:
            self.attach()
        network = self._network()
        environ = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "TREE": str(self.root.tree),
            "WORK": str(self.folder / self.name),
            "NETWORK": str(network),
            "LOOP": self.loop,
            "BY_ID": str(by_id),
        }
        with self.console.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", _BOOT],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def attach(self) -> None:
        """Attach the volume while the machine runs."""
        (self.folder / "by-id" / self._volume_name).symlink_to(f"../../{Path(self.loop).name}")

    def ssh(self, command: str, *, text: str = "", timeout: float = 300.0) -> str:
        """Run a shell command as root on the machine and return what it says. Raises RuntimeError if it fails."""
        return self._inside(["bash", "-c", command], text.encode(), timeout)

    def put(self, source: Path, target: str) -> None:
        """Copy a file to the machine."""
        self._inside(["bash", "-c", 'cat > "$0"', target], source.read_bytes(), 300.0)

    def wait(self, what: str, there: Callable[[], object], *, seconds: float = 600.0) -> None:
        """Wait until `there` returns something true. Raises RuntimeError if it does not, or the machine ends."""
        wait_for(self.process, what, there, seconds=seconds, pause=1.0)

    def replace(self) -> None:
        """Become another machine, with a fresh root disk and the same volume."""
        self.name = "replaced"

    def power_off(self) -> None:
        """Shut it down in order, as EC2 stops a machine, and wait until it is off."""
        if self.process is not None:
            with contextlib.suppress(RuntimeError, OSError):
                self.ssh("systemctl poweroff --no-block")
            self.process.wait(timeout=300)
        self.kill()

    def kill(self) -> None:
        """Switch it off, whatever it does."""
        if self.process is not None:
            if self.process.poll() is None:
                # nspawn ends its container with it when it is told twice.
                self.process.terminate()
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(timeout=30)
            self.process.kill()
            self.process.wait()
            self.process = None
        for helper in reversed(self.helpers):
            helper.kill()
            helper.wait()
        self.helpers.clear()

    def put_away(self) -> None:
        """Give back what outlives the container."""
        self.kill()
        if self.loop:
            run(["losetup", "--detach", self.loop])
            self.loop = ""

    def _inside(self, argv: Sequence[str], text: bytes, timeout: float) -> str:
        leader = self._leader()
        entered = ["nsenter", f"--target={leader}", "--all", *argv]
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(entered, env=environ, input=text, capture_output=True, timeout=timeout)
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            error = done.stderr.decode(errors="replace")
            raise RuntimeError(f"{argv[-1]!r} on the machine: {done.returncode}\n{said}\n{error}")
        return said

    def _leader(self) -> int:
        """Return the number that the machine's first process has here."""
        if self.process is None:
            raise RuntimeError("the machine is off")
        below = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        for child in below:
            if Path(f"/proc/{child}/comm").read_text("ascii").strip() in ("systemd", "init"):
                return int(child)
        raise RuntimeError("the machine has not begun")

    def _network(self) -> int:
        """Make the machine's network and, behind it, the address of the metadata; return a process that is in it."""
        inner, outer = (self._helper(["unshare", "--net", "sleep", "infinity"]) for _ in range(2))
        for pid in (inner, outer):
            _until(partial(_is_apart, pid), "network")
        for pid, argv in (
            (inner, f"ip link add meta type veth peer name meta netns {outer}"),
            (inner, "ip addr add 169.254.171.1/30 dev meta"),
            (inner, "ip link set meta up"),
            (outer, "ip addr add 169.254.171.2/30 dev meta"),
            (outer, "ip link set meta up"),
            (outer, "ip link set lo up"),
            (outer, "ip addr add 169.254.169.254/32 dev lo"),
            (outer, "ip route add default via 169.254.171.1"),
            (inner, "ip route add 169.254.169.254/32 via 169.254.171.2"),
        ):
            run(["nsenter", f"--target={pid}", "--net", *argv.split()])
        metadata = [sys.executable, str(Path(__file__).with_name("metadata.py")), str(self.keys), "--listen"]
        self._helper(["nsenter", f"--target={outer}", "--net", *metadata])
        api = self.folder / "slirp"
        api.unlink(missing_ok=True)
        self._helper(
            ["slirp4netns", "--configure", "--cidr=169.254.169.0/24", f"--api-socket={api}", str(inner), "tap0"]
        )
        _until(api.exists, "network to the outside")
        for outside, inside in ((self.https_port, 443), (self.http_port, 80)):
            _ask(api, {"proto": "tcp", "host_addr": "127.0.0.1", "host_port": outside, "guest_port": inside})
        return inner

    def _helper(self, argv: list[str]) -> int:
        with (self.folder / "helpers.log").open("ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.helpers.append(process)
        return process.pid


def _is_apart(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _ask(api: Path, arguments: dict[str, object]) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(api))
        connection.sendall(json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    if b"error" in answer:
        raise RuntimeError(f"slirp4netns: {answer.decode()}")


def _until(there: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not there():
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within 30 s")
        time.sleep(0.05)
