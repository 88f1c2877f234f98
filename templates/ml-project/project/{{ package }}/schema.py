"""What a file of laptop offers looks like: its columns, how their texts are read, and which rows cannot be used.

A value is good if it can be read. Reading is tolerant ('8 GB', '8GB', '1 TB', 'R$ 3.499,90', 'Sim', ' 64-bit '), and
what cannot be read is never guessed: the row is reported with its line, its column and the reason.

A library for schemas (pandera) was tried: it would say the same things twice, once to check a value and once to read
it, and it doubles the time until pandas is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import ProjectError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["category", "size", "years", "stars", "generation", "bits", "flag", "count", "price"]
Value = float | str | None

TARGET = "Price"
# How people write that they do not know. 'Not Available' is what the course's file has.
_MISSING = {"", "na", "n/a", "n.a.", "nan", "none", "null", "-", "--", "?", "not available", "unknown", "nd", "n/d"}
_NUMBER = re.compile(r"[-+]?\d[\d.,]*")
_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_GIGABYTES = {"": 1.0, "mb": 1 / 1024, "gb": 1.0, "tb": 1024.0}


@dataclass(frozen=True)
class Column:
    """One column of the raw file.

    `values` are the usual ones, for forms and reports; others are taken too (a new brand is no mistake) unless the
    column is `closed`. `low` and `high` bound a number: GB, years, stars, pieces, or reais. A column that is not
    `required` may be empty in a row; the model fills the gap.
    """

    name: str
    kind: Kind
    meaning: str
    values: tuple[str, ...] = ()
    closed: bool = False
    required: bool = False
    low: float = 0
    high: float = math.inf

    @property
    def numeric(self) -> bool:
        """Whether `parse` gives a number."""
        return self.kind != "category"

    def parse(self, text: object) -> Value:
        """Return what a text says: a number, a word in its usual spelling, or None if it says that nobody knows.

        Raises ValueError with the reason, in words, if it cannot be read or cannot be true.
        """
        plain = " ".join(str(text).split()) if text is not None else ""
        if plain.casefold() in _MISSING:
            return None
        value = self._word(plain) if self.kind == "category" else _READERS[self.kind](plain)
        if isinstance(value, float) and not self.low <= value <= self.high:
            raise ValueError(f"{plain!r} is not between {self.low:g} and {self.high:g}")
        return value

    def _word(self, text: str) -> str:
        # 'asus' and 'ASUS' are one brand.
        for usual in self.values:
            if usual.casefold() == text.casefold():
                return usual
        if self.closed:
            raise ValueError(f"{text!r} is none of {', '.join(self.values)}")
        return text

    def spell(self, value: Value) -> str:
        """Return the usual text of a value that `parse` gave; of None the empty text."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        number = f"{value:.10g}"
        if self.kind == "size":
            return f"{number} GB"
        if self.kind == "years":
            return "No warranty" if value == 0 else f"{number} year{'' if value == 1 else 's'}"
        if self.kind == "stars":
            return f"{number} star{'' if value == 1 else 's'}"
        if self.kind == "generation":
            return f"{number}th"
        if self.kind == "bits":
            return f"{number}-bit"
        if self.kind == "flag":
            return "Yes" if value else "No"
        return number


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be used: its place in the frame's index (of a file: the line), the column, the text there."""

    row: int
    column: str
    value: str
    reason: str


def _amount(text: str) -> float:
    """Read a number written the Brazilian or the English way: `3.499,90`, `3,499.90`, `3.499`, `3499.9`."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    comma, dot = text.rfind(","), text.rfind(".")
    if _GROUPS.fullmatch(text.lstrip("+-")) and (comma < 0 or dot < 0):
        plain = text.replace(",", "").replace(".", "")
    elif comma > dot:
        plain = text.replace(".", "").replace(",", ".")
    else:
        plain = text.replace(",", "")
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _count(text: str) -> float:
    number = _amount(text)
    if number != int(number):
        raise ValueError(f"{text!r} is not a whole number")
    return number


def _price(text: str) -> float:
    return _amount(re.sub(r"(?i)^(R\$|BRL)\s*|\s*(BRL|reais)$", "", text))


def _size(text: str) -> float:
    found = re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?)\s*([A-Za-z]*)", text)
    factor = _GIGABYTES.get(found[2].casefold()) if found else None
    if found is None or factor is None:
        raise ValueError(f"{text!r} is not a size such as '8 GB' or '1 TB'")
    return float(found[1].replace(",", ".")) * factor


def _years(text: str) -> float:
    if re.fullmatch(r"(?i)(no|without|sem)( warranty| garantia)?|none", text):
        return 0.0
    found = re.fullmatch(r"(?i)(\d+(?:[.,]\d+)?)\s*(years?|anos?|months?|m[eê]s(?:es)?)?", text)
    if found is None:
        raise ValueError(f"{text!r} is not a warranty such as '1 year' or 'No warranty'")
    number = float(found[1].replace(",", "."))
    return number / 12 if (found[2] or "").casefold().startswith("m") else number


def _stars(text: str) -> float:
    found = re.fullmatch(r"(?i)(\d+(?:[.,]\d+)?)\s*(stars?|estrelas?)?", text)
    if found is None:
        raise ValueError(f"{text!r} is not a rating such as '3 stars'")
    return float(found[1].replace(",", "."))


def _generation(text: str) -> float:
    found = re.fullmatch(r"(?i)(\d+)\s*(st|nd|rd|th|ª|º|a)?(\s*gen(eration)?\.?)?", text)
    if found is None:
        raise ValueError(f"{text!r} is not a generation such as '11th'")
    return float(found[1])


def _bits(text: str) -> float:
    found = re.fullmatch(r"(?i)(32|64)[\s-]*(bits?)?", text)
    if found is None:
        raise ValueError(f"{text!r} is neither '32-bit' nor '64-bit'")
    return float(found[1])


def _flag(text: str) -> float:
    word = text.casefold()
    if word in ("yes", "y", "sim", "s", "true", "1"):
        return 1.0
    if word in ("no", "n", "não", "nao", "false", "0"):
        return 0.0
    raise ValueError(f"{text!r} is neither 'Yes' nor 'No'")


_READERS: dict[Kind, Callable[[str], float]] = {
    "size": _size,
    "years": _years,
    "stars": _stars,
    "generation": _generation,
    "bits": _bits,
    "flag": _flag,
    "count": _count,
    "price": _price,
}

COLUMNS: tuple[Column, ...] = (
    Column(
        "brand",
        "category",
        "who sells it under their name",
        ("ASUS", "Lenovo", "acer", "Avita", "HP", "DELL", "MSI", "APPLE"),
        required=True,
    ),
    Column("processor_brand", "category", "who makes the processor", ("Intel", "AMD", "M1"), required=True),
    Column(
        "processor_name",
        "category",
        "the processor's family",
        (
            *("Core i3", "Core i5", "Core i7", "Core i9", "Celeron Dual", "Pentium Quad"),
            *("Ryzen 3", "Ryzen 5", "Ryzen 7", "Ryzen 9", "M1"),
        ),
        required=True,
    ),
    Column(
        "processor_gnrtn",
        "generation",
        "the processor's generation",
        ("4th", "7th", "8th", "9th", "10th", "11th", "12th"),
        low=1,
        high=30,
    ),
    Column("ram_gb", "size", "memory", ("4 GB", "8 GB", "16 GB", "32 GB"), required=True, low=0.5, high=1024),
    Column("ram_type", "category", "kind of memory", ("DDR3", "DDR4", "DDR5", "LPDDR3", "LPDDR4", "LPDDR4X")),
    Column(
        "ssd",
        "size",
        "solid-state disk; 0 GB if it has none",
        ("0 GB", "128 GB", "256 GB", "512 GB", "1024 GB", "2048 GB", "3072 GB"),
        high=65536,
    ),
    Column("hdd", "size", "hard disk; 0 GB if it has none", ("0 GB", "512 GB", "1024 GB", "2048 GB"), high=65536),
    Column("os", "category", "operating system", ("Windows", "DOS", "Mac")),
    Column("os_bit", "bits", "32 or 64 bit", ("32-bit", "64-bit")),
    Column(
        "graphic_card_gb",
        "size",
        "memory of a graphic card of its own",
        ("0 GB", "2 GB", "4 GB", "6 GB", "8 GB"),
        high=256,
    ),
    Column("weight", "category", "what it is made for", ("Casual", "ThinNlight", "Gaming")),
    Column("warranty", "years", "warranty", ("No warranty", "1 year", "2 years", "3 years"), high=20),
    Column("Touchscreen", "flag", "has a touch screen", ("No", "Yes")),
    Column("msoffice", "flag", "comes with Office", ("No", "Yes")),
    Column(TARGET, "price", "price in reais (BRL)", required=True, low=100, high=10_000_000),
    Column("rating", "stars", "what buyers gave it", ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), high=5),
    Column("Number of Ratings", "count", "how many buyers gave it stars", high=1e9),
    Column("Number of Reviews", "count", "how many buyers wrote about it", high=1e9),
)
BY_NAME = {column.name: column for column in COLUMNS}
FEATURES = tuple(column for column in COLUMNS if column.name != TARGET)


def with_usual_names(names: Iterable[str]) -> list[str]:
    """Return the names of a file's columns as the schema spells them; those it does not know stay as they are."""
    usual = {name.casefold(): name for name in BY_NAME}
    plain = [" ".join(name.replace("\ufeff", "").split()) for name in names]
    return [usual.get(name.casefold(), name) for name in plain]


def check(frame: pd.DataFrame, *, target: bool = True) -> tuple[pd.DataFrame, list[Problem]]:
    """Return the rows that can be used, their texts as they are, and every problem of the others.

    `frame` has one text a cell. Without `target` the price may be missing, as in what is to be predicted. Raises
    ProjectError if a column is missing altogether; one that the schema does not know is left out.
    """
    wanted = [column for column in COLUMNS if target or column.name != TARGET]
    if absent := [column.name for column in wanted if column.name not in frame.columns]:
        raise ProjectError(
            f"Columns are missing: {', '.join(absent)}.",
            "The first line of the file has to name them; the list is COLUMNS in schema.py.",
        )
    problems: list[Problem] = []
    for column in wanted:
        # The same few texts come again and again: each is read once.
        verdicts: dict[str, str | None] = {}
        for row, cell in zip(frame.index, frame[column.name], strict=True):
            text = "" if cell is None or cell != cell else str(cell)
            if text not in verdicts:
                verdicts[text] = _verdict(column, text)
            if reason := verdicts[text]:
                problems.append(Problem(int(row), column.name, text, reason))
    bad = {problem.row for problem in problems}
    good = frame.loc[[row not in bad for row in frame.index], [column.name for column in wanted]]
    return good, sorted(problems, key=lambda problem: problem.row)


def unusual(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return column → word → how often, of the words that the schema does not list: new brands, or misspelt ones."""
    found: dict[str, dict[str, int]] = {}
    for column in FEATURES:
        if column.numeric or column.name not in frame.columns:
            continue
        for cell in frame[column.name]:
            value = column.parse(cell)
            if isinstance(value, str) and value not in column.values:
                counts = found.setdefault(column.name, {})
                counts[value] = counts.get(value, 0) + 1
    return found


def _verdict(column: Column, text: str) -> str | None:
    try:
        value = column.parse(text)
    except ValueError as error:
        return str(error)
    return "is missing" if value is None and column.required else None
