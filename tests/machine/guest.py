"""An emulated computer (qemu) that boots a disk, as EC2 boots a machine, and is looked at over ssh.

The volume is an NVMe disk whose serial number is the volume's id, as on EC2's Nitro machines; user data come from a
NoCloud disk; 169.254.169.254 answers as EC2's does, and 169.254.169.2 is this machine, where the emulator of AWS is.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.machine.root import Root, run
from tests.machine.waiting import wait_for

HOST_SEEN_FROM_INSIDE = "169.254.169.2"
_NETWORK = "net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,dhcpstart=169.254.169.15"


@dataclass
class Guest:
    """One machine: a root disk of its own, and the volume. `folder` holds its NoCloud disk and the console's log."""

    root: Root
    folder: Path
    disk: Path
    volume: Path
    volume_id: str
    keys: Path
    ssh_port: int
    https_port: int
    http_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    is_container = False

    def seed(self, instance: str, user_data: bytes) -> None:
        """Write the NoCloud disk: the very bytes that EC2 would hand out, and a key for ssh."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "key"
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
        (self.folder / "user-data").write_bytes(user_data)
        meta = f"instance-id: {instance}\nlocal-hostname: mlflow\npublic-keys:\n  - {public}\n"
        (self.folder / "meta-data").write_text(meta, encoding="ascii")
        files = [str(self.folder / "user-data"), str(self.folder / "meta-data")]
        run(["genisoimage", "-quiet", "-o", str(self.folder / "seed.iso"), "-V", "cidata", "-J", "-R", *files])

    def start(self, *, with_volume: bool) -> None:
        """Switch it on; without the volume, `attach` brings that later."""
        metadata = f"{sys.executable} {Path(__file__).with_name('metadata.py')} {self.keys}"
        forwards = ((self.ssh_port, 22), (self.https_port, 443), (self.http_port, 80))
        network = ",".join(
            (
                f"user,id=net,{_NETWORK}",
                *(f"hostfwd=tcp:127.0.0.1:{outside}-:{inside}" for outside, inside in forwards),
                f"guestfwd=tcp:169.254.169.254:80-cmd:{metadata}",
            )
        )
        fast = Path("/dev/kvm").exists() and {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split())
        argv = [
            *("qemu-system-x86_64", "-accel", "kvm" if fast else "tcg,thread=multi", "-cpu", "max"),
            *("-m", "2048", "-smp", "2", "-display", "none", "-nodefaults"),
            *("-kernel", str(self.root.kernel), "-initrd", str(self.root.initrd)),
            *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
            *("-serial", f"file:{self.console}", "-monitor", f"unix:{self._monitor},server,nowait"),
            *("-drive", f"file={self.disk},format=qcow2,if=virtio,cache=unsafe"),
            *("-drive", f"file={self.folder / 'seed.iso'},format=raw,if=virtio,readonly=on"),
            *("-drive", f"file={self.volume},format=qcow2,if=none,id=volume,cache=unsafe"),
            *("-netdev", network, "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"),
        ]
        if with_volume:
            argv += ["-device", self._volume_device]
        with (self.folder / "qemu.log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def attach(self) -> None:
        """Attach the volume while the machine runs."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(f"device_add {self._volume_device}\n".encode())
            time.sleep(1)

    def ssh(self, command: str, *, text: str = "", timeout: float = 300.0) -> str:
        """Run a shell command as root on the machine and return what it says. Raises RuntimeError if it fails."""
        return self._inside(command, text.encode(), timeout)

    def _inside(self, command: str, text: bytes, timeout: float) -> str:
        argv = [
            *("ssh", "-q", "-F", "/dev/null", "-i", str(self.folder / "key"), "-p", str(self.ssh_port)),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"),
            *("-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15"),
            # To agree on keys takes an emulated processor longer than most of what is asked: once is enough.
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=300", "-o", f"ControlPath={self.folder}/ssh"),
            *("debian@127.0.0.1", f"sudo bash -c {shlex.quote(command)}"),
        ]
        done = subprocess.run(argv, input=text, capture_output=True, timeout=timeout)
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            error = done.stderr.decode(errors="replace")
            raise RuntimeError(f"`{command}` on the machine: {done.returncode}\n{said}\n{error}")
        return said

    def put(self, source: Path, target: str) -> None:
        """Copy a file to the machine."""
        self._inside(f"cat > {target}", source.read_bytes(), 600.0)

    def replace(self) -> None:
        """Become another machine, with a fresh root disk and the same volume."""
        self.disk = self.root.new_disk("replaced")

    def wait(self, what: str, there: Callable[[], object], *, seconds: float = 1500.0) -> None:
        """Wait until `there` returns something true. Raises RuntimeError if it does not, or the machine ends."""
        wait_for(self.process, what, there, seconds=seconds, pause=3.0)

    def power_off(self) -> None:
        """Shut it down in order, as EC2 stops a machine, and wait until it is off."""
        if self.process is not None:
            with contextlib.suppress(RuntimeError):
                self.ssh("systemctl poweroff --no-block")
            self.process.wait(timeout=300)
            self.process = None

    def kill(self) -> None:
        """Switch it off, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def put_away(self) -> None:
        """Nothing outlives it."""
        self.kill()

    @property
    def console(self) -> Path:
        """What the machine says while it boots."""
        return self.folder / "console.log"

    @property
    def _monitor(self) -> Path:
        return self.folder / "monitor"

    @property
    def _volume_device(self) -> str:
        return f"nvme,drive=volume,id=ebs,serial={self.volume_id.replace('-', '')}"
