"""What `bootstrap doctor` finds: a value for each check, and how what was found is judged. All of it is pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from bootstrap.core.counts import counted

Level = Literal["ok", "warning", "problem"]
Group = Literal["This machine", "Your files", "AWS", "Permissions", "GitHub"]
GROUPS: tuple[Group, ...] = ("This machine", "Your files", "AWS", "Permissions", "GitHub")

Version = tuple[int, ...]

# AWS refuses a request whose time is five minutes off; S3 takes fifteen.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_SKEW_REFUSED_SECONDS = 300
# A clock that is kept by the network is never this far off.
_SKEW_ODD_SECONDS = 60
_MB = 10**6
_GB = 10**9
# The working copies, plans and logs of one environment are a few MB.
_LITTLE_SPACE, _NO_SPACE = 1 * _GB, 100 * _MB


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it (empty: nothing)."""

    group: Group
    what: str
    level: Level
    says: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, in the order of GROUPS."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> int:
        """How many things will stop `up`."""
        return sum(one.level == "problem" for one in self.findings)

    @property
    def warnings(self) -> int:
        """How many things may surprise."""
        return sum(one.level == "warning" for one in self.findings)

    @property
    def verdict(self) -> str:
        """The report in one sentence."""
        if self.problems:
            also = f", {counted(self.warnings, 'warning')}" if self.warnings else ""
            return f"{counted(self.problems, 'problem')}{also}: the lines behind → say what to do."
        return f"No problem, {counted(self.warnings, 'warning')}." if self.warnings else "No problem."

    def as_dict(self) -> dict[str, object]:
        """Return it for `--json`."""
        return {
            "problems": self.problems,
            "warnings": self.warnings,
            "findings": [asdict(one) for one in self.findings],
        }


# botocore's words for a config or credentials file that is no INI file.
_UNREADABLE = "Unable to parse config file"


def without_echoes(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out what is wrong only because one of AWS's two files cannot be read: `aws` then says nothing at all, and
    nobody can sign in. The file's own line says what to mend.
    """
    told = any(one.group == "Your files" and one.level == "problem" for one in findings)
    broken = told and any(_UNREADABLE in one.says for one in findings)
    echoes = {("This machine", "aws"), ("AWS", "credentials")}
    return [one for one in findings if not (broken and one.level == "problem" and (one.group, one.what) in echoes)]


def in_order(findings: Sequence[Finding]) -> Report:
    """Return a report of findings, by group; within one they stay in their order."""
    return Report(tuple(sorted(findings, key=lambda one: GROUPS.index(one.group))))


def version_in(text: str) -> Version | None:
    """Return the first version that a program says: `git version 2.39.5` is (2, 39, 5); None if it says none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def shown(version: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def judge_skew(ahead: float | None) -> Finding:
    """Judge this machine's clock, which is `ahead` seconds ahead of AWS's; None: AWS did not say its time."""
    if ahead is None:
        return Finding("AWS", "clock", "ok", "AWS did not say its time, so it could not be compared.")
    off = abs(ahead)
    if off < _SKEW_ODD_SECONDS:
        return Finding("AWS", "clock", "ok", "as AWS's, to the minute")
    way = "ahead of" if ahead > 0 else "behind"
    says = f"{_duration(off)} {way} AWS's"
    fix = "Switch on the network time of your system (Linux: sudo timedatectl set-ntp true)."
    if off < _SKEW_REFUSED_SECONDS:
        return Finding("AWS", "clock", "warning", f"{says}; from five minutes on AWS refuses every request", fix)
    return Finding("AWS", "clock", "problem", f"{says}; AWS refuses every request", fix)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return counted(minutes, "minute") if minutes < 120 else counted(round(minutes / 60), "hour")


def judge_room(where: str, free: int, *, download: bool) -> Finding:
    """Judge the room on a disk, in bytes. `download`: the AWS provider, some 700 MB unpacked, goes there too."""
    needs = _GB if download else _NO_SPACE
    says = f"{free / _GB:.1f} GB free at {where}"
    if free < needs:
        more = "; the AWS provider alone takes 0.7 GB" if download else ""
        return Finding("This machine", "disk", "problem", f"{says}{more}", "Make room on that disk.")
    if free < needs + _LITTLE_SPACE:
        return Finding("This machine", "disk", "warning", f"{says}, which is little", "Make room on that disk.")
    return Finding("This machine", "disk", "ok", says)


def judge_quota(what: str, used: int, most: int, needs: int, fix: str, source: str = "") -> Finding:
    """Judge what an account may still make of a thing. `source`: where `most` comes from if AWS did not say it."""
    says = f"{used} of {most:,}{f' ({source})' if source else ''}"
    if needs and most - used < needs:
        return Finding("AWS", what, "problem", f"{says}; this needs {needs} more", fix)
    if needs and most - used < 2 * needs + most // 20:
        return Finding("AWS", what, "warning", f"{says}; few are left", fix)
    return Finding("AWS", what, "ok", says)


def judge_permissions(allowed: dict[str, bool], fix: str) -> list[Finding]:
    """Return a line for each service, naming what is missing: `allowed` by action (`s3:CreateBucket`)."""
    findings = []
    for service in sorted({action.partition(":")[0] for action in allowed}):
        asked = sorted(action for action in allowed if action.startswith(f"{service}:"))
        missing = [action for action in asked if not allowed[action]]
        if len(missing) == len(asked) > 1:
            findings.append(Finding("Permissions", service, "problem", f"none of {len(asked)} actions is allowed", fix))
        elif missing:
            says = f"missing {len(missing)} of {len(asked)}: {', '.join(missing)}"
            findings.append(Finding("Permissions", service, "problem", says, fix))
        else:
            findings.append(Finding("Permissions", service, "ok", f"{counted(len(asked), 'action')}, all allowed"))
    return findings
