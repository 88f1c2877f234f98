"""A Debian 12 root like that of Debian's image for EC2, as a folder and as disks for an emulated computer.

Needs root's rights, and Debian's packages mmdebstrap, qemu-utils and e2fsprogs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.machine.rendering import UserData

# What Debian's image for EC2 has that matters here.
_PACKAGES = (
    *("systemd-sysv", "systemd-resolved", "systemd-timesyncd", "dbus", "udev", "kmod", "libpam-systemd"),
    *("linux-image-cloud-amd64", "cloud-init", "netplan.io", "openssh-server", "sudo", "iproute2", "procps"),
    *("ca-certificates", "e2fsprogs", "python3", "unattended-upgrades"),
)
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_PIP = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ntimeout = 180\n"


@dataclass(frozen=True)
class Root:
    """The root below `folder`, with the disks made of it."""

    folder: Path

    @property
    def tree(self) -> Path:
        """The root as a folder."""
        return self.folder / "tree"

    @property
    def kernel(self) -> Path:
        """Its kernel."""
        return self.tree / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What the kernel begins with."""
        return self.tree / "initrd.img"

    @property
    def image(self) -> Path:
        """The root as the image of a disk without partitions."""
        return self.folder / "root.img"

    def make(self) -> None:
        """Make the root from this machine's own package sources; one that is there stays."""
        if (self.folder / "made").exists():
            return
        shutil.rmtree(self.tree, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        sources = Path("/etc/apt/sources.list.d/debian.sources")
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
        run([*argv, "bookworm", str(self.tree), *([str(sources)] if sources.exists() else [])])
        # How this machine reaches the registries: by name, and with the authorities that it trusts.
        shutil.copyfile(f"/{_CERTIFICATES}", self.tree / _CERTIFICATES)
        (self.tree / "etc/pip.conf").write_text(_PIP, encoding="utf-8")
        for settings in Path("/etc/apt/apt.conf.d").glob("*registry*"):
            shutil.copyfile(settings, self.tree / "etc/apt/apt.conf.d" / settings.name)
        (self.tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n", encoding="ascii")
        # An emulated processor takes minutes to make a locale; Debian's image for EC2 has its own.
        (self.tree / "etc/cloud/cloud.cfg.d/90_proof.cfg").write_text("locale: false\n", encoding="ascii")
        (self.folder / "made").touch()

    def bake(self, user_data: UserData) -> None:
        """Run the two long steps of setup.sh here, which on an emulated processor take many times longer.

        The machine runs them again, and finds that little is left to do. Of the user data nothing else stays.
        """
        if (self.folder / "baked").exists():
            return
        here = self.tree / "opt/mlflow-machine"
        shutil.rmtree(here, ignore_errors=True)
        names = self.tree / "run/systemd/resolve/stub-resolv.conf"
        names.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile("/etc/resolv.conf", names)
        part = self.folder / "part"
        user_data.lay_out(part)
        shutil.copytree(part / "opt/mlflow-machine", here)
        steps = ". /opt/mlflow-machine/setup.sh && install_packages && install_mlflow"
        self.run_inside("bash", "-c", steps)
        shutil.rmtree(here)
        names.unlink()
        (self.folder / "baked").touch()

    def run_inside(self, *argv: str) -> str:
        """Run a program in the root, with this machine's network, and return what it says."""
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return run(["chroot", str(self.tree), *argv], environ)

    def make_image(self) -> None:
        """Make the image of the root."""
        self.image.unlink(missing_ok=True)
        run(["mkfs.ext4", "-q", "-L", "root", "-d", str(self.tree), str(self.image), "5G"])

    def new_disk(self, name: str) -> Path:
        """Make a disk that begins as the image and keeps what is written to itself."""
        disk = self.folder / f"{name}.qcow2"
        disk.unlink(missing_ok=True)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image), "-F", "raw", str(disk), "16G"])
        return disk


def blank_disk(path: Path, size: str) -> Path:
    """Make a disk with nothing on it."""
    path.unlink(missing_ok=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), size])
    return path


def run(argv: list[str], environ: dict[str, str] | None = None) -> str:
    """Run a program and return what it says. Raises RuntimeError with all of that if it fails."""
    done = subprocess.run(argv, env=environ or dict(os.environ), stdin=subprocess.DEVNULL, capture_output=True)
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{said}\n{done.stderr.decode(errors='replace')}")
    return said
