"""A synthetic sample: laptops that nobody ever sold, at prices that this file makes up.

It has the columns of the course's file and its kinds of dirt, so that the project runs on its first day. Nothing in it
was copied from real offers. What a brand or a processor costs here says nothing about what it costs in a shop.

The price is a product: of a factor for each property of the laptop, a few that depend on two properties, and chance.
The chance is about 12 % up or down, so no model can be much better than that, and one that is has looked at the answer.
"""

from __future__ import annotations

import csv
import io
import math
import random
from pathlib import Path

import click

from .errors import ProjectError
from .schema import COLUMNS

# The standard library's generator gives the same numbers in every version of Python; numpy's does not promise that.
_NOISE = 0.12
_DIRTY, _BAD, _TWICE = 0.03, 0.01, 0.015

# Name → (how often, factor on the price as a logarithm).
_BRANDS = {
    "ASUS": (28, 0.02),
    "Lenovo": (18, 0.0),
    "HP": (16, 0.05),
    "DELL": (16, 0.07),
    "acer": (7, -0.08),
    "MSI": (7, 0.14),
    "APPLE": (4, 0.42),
    "Avita": (4, -0.22),
}
# Name → (maker, for a machine of which class from 0 to 1, factor).
_PROCESSORS = {
    "Celeron Dual": ("Intel", 0.0, -0.64),
    "Pentium Quad": ("Intel", 0.08, -0.5),
    "Ryzen 3": ("AMD", 0.18, -0.24),
    "Core i3": ("Intel", 0.2, -0.2),
    "Ryzen 5": ("AMD", 0.42, 0.08),
    "Core i5": ("Intel", 0.45, 0.12),
    "Ryzen 7": ("AMD", 0.68, 0.36),
    "Core i7": ("Intel", 0.72, 0.44),
    "Ryzen 9": ("AMD", 0.92, 0.72),
    "Core i9": ("Intel", 0.97, 0.84),
}


def rows(count: int, seed: int) -> list[dict[str, str]]:
    """Return this many made-up laptops, spelt as the course's file spells them, and a little dirt among them."""
    chance = random.Random(seed)
    made: list[dict[str, str]] = []
    while len(made) < count:
        if made and chance.random() < _TWICE:
            made.append(dict(chance.choice(made)))
            continue
        row = _laptop(chance)
        if chance.random() < _DIRTY:
            _soil(row, chance)
        if chance.random() < _BAD:
            _spoil(row, chance)
        made.append(row)
    return made


def text(count: int, seed: int) -> str:
    """Return the sample as the text of a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [column.name for column in COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(count, seed))
    return out.getvalue()


def _laptop(chance: random.Random) -> dict[str, str]:
    brand = chance.choices(list(_BRANDS), [often for often, _ in _BRANDS.values()])[0]
    level = min(1.0, max(0.0, chance.betavariate(1.7, 2.1) + (0.15 if brand in ("MSI", "APPLE") else 0.0)))
    log_price = math.log(2600) + _BRANDS[brand][1]
    if brand == "APPLE":
        processor, maker, generation = "M1", "M1", None
        log_price += 0.5
    else:
        # The nearest in class, give or take.
        near = level + chance.gauss(0, 0.09)
        processor = min(_PROCESSORS, key=lambda name: abs(_PROCESSORS[name][1] - near))
        maker, _, factor = _PROCESSORS[processor]
        log_price += factor
        named = processor not in ("Celeron Dual", "Pentium Quad")
        generation = chance.choice((8, 10, 10, 11, 11, 11, 12)) if named else None
        log_price += 0.05 * ((generation or 10) - 10)
    ram = _step((4, 8, 16, 32), level + chance.gauss(0, 0.11))
    ssd = _step((0, 128, 256, 512, 1024, 2048), level * 0.9 + 0.12 + chance.gauss(0, 0.1))
    hdd = chance.choice((512, 1024, 1024, 2048)) if ssd <= 256 and brand != "APPLE" and chance.random() < 0.7 else 0
    gaming = brand != "APPLE" and level > 0.5 and chance.random() < (0.75 if brand == "MSI" else 0.4)
    card = _step((2, 4, 4, 6, 8, 16), level + chance.gauss(0, 0.12)) if gaming else chance.choice((0, 0, 0, 0, 2))
    weight = "Gaming" if gaming else chance.choice(("Casual", "Casual", "ThinNlight"))
    touch, office = chance.random() < 0.12, chance.random() < 0.3
    warranty = chance.choices((0, 1, 2, 3), (38, 50, 9, 3))[0]
    system = "Mac" if brand == "APPLE" else "DOS" if chance.random() < 0.05 else "Windows"
    bits = 64 if brand == "APPLE" or chance.random() < 0.88 else 32
    fast = brand == "APPLE" or (weight == "ThinNlight" and chance.random() < 0.6)
    ram_type = ("LPDDR4X" if fast else "DDR4") if generation != 12 else "DDR5"
    log_price += 0.31 * math.log2(ram / 8) + 0.085 * math.log2(1 + ssd / 128) + 0.04 * math.log2(1 + hdd / 512)
    log_price += 0.15 * math.log2(1 + card) + 0.03 * warranty + 0.1 * touch + 0.05 * office
    log_price += {"Mac": 0.05, "DOS": -0.06}.get(system, 0.0) + {"ThinNlight": 0.08, "Gaming": 0.05}.get(weight, 0.0)
    # What two properties do together: such as memory is dearer where a good brand solders it in.
    log_price += 0.06 * (brand == "APPLE") * math.log2(ram / 8) + 0.05 * (brand == "MSI") * math.log2(1 + card)
    log_price += 0.04 * (ram >= 16) * math.log2(1 + ssd / 128)
    # Rare ones are dear for reasons that are in no column.
    log_price += chance.gauss(0, _NOISE) + (chance.uniform(0.1, 0.4) if level > 0.93 else 0.0)
    ratings = int(math.exp(chance.gauss(4.0, 1.8))) if chance.random() < 0.75 else 0
    values: dict[str, float | str | None] = {
        "brand": brand,
        "processor_brand": maker,
        "processor_name": processor,
        "processor_gnrtn": generation,
        "ram_gb": ram,
        "ram_type": ram_type,
        "ssd": ssd,
        "hdd": hdd,
        "os": system,
        "os_bit": bits,
        "graphic_card_gb": card,
        "weight": weight,
        "warranty": warranty,
        "Touchscreen": touch,
        "msoffice": office,
        "Price": round(math.exp(log_price) / 10) * 10 - 1,
        "rating": chance.choices((1, 2, 3, 4, 5), (3, 4, 30, 48, 15))[0],
        "Number of Ratings": ratings,
        "Number of Reviews": int(ratings * chance.uniform(0.05, 0.2)),
    }
    spelt = {column.name: column.spell(values[column.name]) for column in COLUMNS}
    return spelt | {"processor_gnrtn": spelt["processor_gnrtn"] or "Not Available"}


def _step(steps: tuple[int, ...], level: float) -> int:
    return steps[min(len(steps) - 1, max(0, int(level * len(steps))))]


def _soil(row: dict[str, str], chance: random.Random) -> None:
    """Spell something in another way that still can be read."""
    name = chance.choice(("ram_gb", "brand", "warranty", "rating", "os_bit", "weight"))
    row[name] = {
        "ram_gb": row["ram_gb"].replace(" ", ""),
        "brand": f" {row['brand'].lower()} ",
        "warranty": "NA",
        "rating": "Not Available",
        "os_bit": row["os_bit"].replace("-", " "),
        "weight": row["weight"].upper(),
    }[name]


def _spoil(row: dict[str, str], chance: random.Random) -> None:
    """Make a row one that cannot be used."""
    name, value = chance.choice((("Price", ""), ("Price", "on request"), ("ram_gb", "8 cores"), ("ssd", "yes")))
    row[name] = value


@click.command()
def command() -> None:
    """Write the synthetic sample. The same `sample.rows` and `sample.seed` give the same file, byte for byte."""
    from . import settings

    folder = settings.root()
    found = settings.params(folder)
    count, seed = (int(settings.number(found, f"sample.{name}")) for name in ("rows", "seed"))
    if count < 1:
        raise ProjectError(f"`sample.rows` in params.yaml should be at least 1, not {count}.")
    path = Path("data/raw/laptop_prices_sample.csv")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text(count, seed), encoding="utf-8", newline="\n")
    click.echo(f"{path}: {count} made-up laptops (synthetic: nobody sold them).")
