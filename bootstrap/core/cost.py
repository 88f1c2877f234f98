"""What an environment costs in a month, part by part, by AWS's list prices.

Pure: how much it holds is passed in. Nothing is guessed: what is not in the price table is `not known`, with AWS's page
on it, and a sum with such a part in it is told as the least that it can be.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bootstrap.core.counts import counted
from bootstrap.core.price_table import (
    ADDRESS,
    BUDGET_PAGE,
    BUDGET_USD_A_DAY,
    DATA_OUT,
    FREE_BUDGETS,
    FREE_GB_OUT,
    HOURS_A_MONTH,
    MACHINES,
    READS,
    SNAPSHOT,
    STORAGE,
    VOLUME,
    WRITES,
    Rates,
)
from bootstrap.core.prices import GB, Estimate, in_dollars, monthly_storage
from bootstrap.core.record import Target
from bootstrap.core.spec import DagshubMlflow, Ec2Mlflow, EcsMlflow, Environment

# The disk that the machine's system is on, beside the one for data: infra/modules/mlflow_ec2.
SYSTEM_VOLUME_GB = 16
# How much of the data volume is taken as written: AWS keeps a block for a snapshot once something was written to it.
_WRITTEN = 0.1
_KEPT_DAYS = 7
_DAGSHUB_PAGE = "https://dagshub.com/pricing"
_EC2_CREDITS = (
    "on all month; AWS runs these types without a limit by default, and takes more for hours of full use"
    " (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html)"
)


@dataclass(frozen=True)
class Machine:
    """The machine that MLflow runs on: its EC2 type, and the size of its data volume in GB."""

    instance_type: str
    volume_gb: int


@dataclass(frozen=True)
class Line:
    """One part of the bill. `usd` is for a month, None if the price is not known; `price` is that of one unit.

    `note` says how it was counted; `page` is AWS's own on it, and `sources` where its price was read, and when, where
    there are such.
    """

    what: str
    amount: str
    price: str
    usd: float | None
    note: str = ""
    page: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extra:
    """What one more unit of use costs, on top: nobody knows beforehand how much of it there will be."""

    unit: str
    usd: float | None
    page: str
    note: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Monthly:
    """What an environment costs in a month in an AWS region, and what its use adds to that."""

    region: str
    lines: tuple[Line, ...]
    extras: tuple[Extra, ...]

    @property
    def known(self) -> float:
        """US dollars a month, of all that is known."""
        return round(sum(line.usd or 0.0 for line in self.lines), 6)

    @property
    def usd(self) -> float | None:
        """US dollars a month, None if a part of it is not known."""
        return self.known if all(line.usd is not None for line in self.lines) else None

    @property
    def in_short(self) -> str:
        """The sum for a sentence: `about $21.81 a month`, or the least it can be and what is not known."""
        missing = [line.what for line in self.lines if line.usd is None]
        if not missing:
            return f"about {in_dollars(self.known)} a month"
        if not self.known:
            return f"a sum that is not known ({', '.join(missing)})"
        return f"at least {in_dollars(self.known)} a month (not known: {', '.join(missing)})"

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "region": self.region,
            "usd": self.usd,
            "known_usd": self.known,
            "lines": [asdict(line) for line in self.lines],
            "extras": [asdict(extra) for extra in self.extras],
        }


def machine_of(table: Environment) -> Machine | None:
    """Return the machine that an environment's MLflow runs on in AWS, None if it has none.

    Without a word on MLflow it is the default one.
    """
    mlflow = table.mlflow if table.mlflow is not None else Ec2Mlflow(kind="ec2")
    return Machine(mlflow.instance_type, mlflow.volume_gb) if isinstance(mlflow, Ec2Mlflow) else None


def monthly(table: Environment, region: str, stored: int | None = 0) -> Monthly:
    """Work out what an environment costs on AWS; `stored` bytes are in its bucket, None if nobody could count them."""
    lines = [*_mlflow_lines(table, region), _storage_line(stored, region)]
    if table.budget_usd is not None:
        note = f"the first {FREE_BUDGETS} of an account are free, each further one ${BUDGET_USD_A_DAY:g} a day"
        lines.append(Line("budget with mails", "1", "free", 0.0, note, BUDGET_PAGE))
    lines.append(Line("users, roles, policies, parameters", "any", "free", 0.0))
    return Monthly(region, tuple(lines), _extras(region))


def in_plan(table: Environment, env: str, region: str, target: Target) -> Estimate:
    """Return what a plan says of the cost of the environment `env`, to go after "It costs"."""
    if target == "local":
        return Estimate(0.0, "nothing: all of it is on this laptop")
    found = monthly(table, region)
    each = STORAGE.usd.get(region)
    held = f", and ${each:g} for each GB in the bucket" if each is not None else ""
    return Estimate(found.usd, f"{found.in_short}{held}; part by part: bootstrap cost --env {env}")


def what_ends(machine: Machine | None, region: str, size: int) -> Estimate:
    """Return what ends when a machine (None: there is none) and `size` bytes in S3 Standard go."""
    storage = monthly_storage(size, region)
    if machine is None:
        return storage
    lines = _machine_lines(machine, region)
    known = sum(line.usd or 0.0 for line in lines)
    missing = [line.what for line in lines if line.usd is None]
    least = f"at least {in_dollars(known)}; not known: {', '.join(missing)}" if missing else in_dollars(known)
    says = (
        f"MLflow's machine ({machine.instance_type}) with its address, disks and snapshots: {least}"
        f" ({HOURS_A_MONTH} hours, list prices). {storage.says}"
    )
    if missing or storage.usd is None:
        return Estimate(None, says)
    return Estimate(round(known + storage.usd, 6), says)


def _priced(what: str, units: float, amount: str, rates: Rates | None, region: str, note: str = "") -> Line:
    """Return a line of `units` of something; where its price is not known the note names the page that has it."""
    usd = rates.usd.get(region) if rates is not None else None
    if rates is None or usd is None:
        page = rates.page if rates is not None else MACHINES["t3.small"].page
        return Line(what, amount, "not known", None, f"this version does not know the price in {region}: {page}", page)
    price = f"${usd:g} per {rates.unit}"
    return Line(what, amount, price, round(units * usd, 6), note, rates.page, _read(rates, region))


def _read(rates: Rates, region: str) -> tuple[str, ...]:
    return tuple(str(source) for source in rates.sources(region))


def _machine_lines(machine: Machine, region: str) -> list[Line]:
    data, written = machine.volume_gb, machine.volume_gb * _WRITTEN
    hours = f"{HOURS_A_MONTH} hours"
    full = SNAPSHOT.usd.get(region)
    kept = (
        f"incremental: a block is kept once for all of the {_KEPT_DAYS} daily ones; counted as if a tenth of the "
        "volume were written and seldom changed"
    )
    if full is not None:
        kept += f". With all {data} GB written: {in_dollars(data * full)}"
    return [
        _priced(
            f"machine for MLflow, {machine.instance_type}",
            HOURS_A_MONTH,
            hours,
            MACHINES.get(machine.instance_type),
            region,
            _EC2_CREDITS,
        ),
        _priced("its public IPv4 address", HOURS_A_MONTH, hours, ADDRESS, region),
        _priced(
            "its disks, gp3",
            SYSTEM_VOLUME_GB + data,
            f"{SYSTEM_VOLUME_GB} + {data} GB",
            VOLUME,
            region,
            "system and data; by their size, full or empty",
        ),
        _priced("daily snapshots of the data", written, f"about {written:g} GB", SNAPSHOT, region, kept),
    ]


def _mlflow_lines(table: Environment, region: str) -> list[Line]:
    if (machine := machine_of(table)) is not None:
        return _machine_lines(machine, region)
    if isinstance(table.mlflow, DagshubMlflow):
        note = f"AWS takes nothing for it; DagsHub has plans of its own: {_DAGSHUB_PAGE}"
        return [Line("MLflow at DagsHub", "1", "by its plan", 0.0, note, _DAGSHUB_PAGE)]
    if isinstance(table.mlflow, EcsMlflow):
        note = 'kind = "ecs" is not supported yet: https://aws.amazon.com/fargate/pricing/'
        return [Line("MLflow in a container", "1", "not known", None, note)]
    return []


def _storage_line(stored: int | None, region: str) -> Line:
    what = "files in S3, all versions"
    if stored is None:
        return Line(
            what, "not counted", "not known", None, f"what is in the bucket could not be counted: {STORAGE.page}"
        )
    if stored == 0:
        return Line(what, "0 GB so far", "by the GB", 0.0, page=STORAGE.page)
    amount = f"{stored / GB:,.1f} GB" if stored >= GB // 10 else counted(stored, "byte")
    return _priced(what, stored / GB, f"{amount} so far", STORAGE, region)


def _extras(region: str) -> tuple[Extra, ...]:
    free = f"the first {FREE_GB_OUT} GB a month of the whole account are free; what comes in is free"
    kinds = ((STORAGE, "GB in S3, a month", ""), (WRITES, WRITES.unit, ""), (READS, READS.unit, ""))
    return tuple(
        Extra(unit, usd, rates.page, note, _read(rates, region))
        for rates, unit, note in (*kinds, (DATA_OUT, DATA_OUT.unit, free))
        for usd in (rates.usd.get(region),)
    )
