"""What the API takes: the raw columns of the schema but the price, checked, and described for OpenAPI.

The rules are those of `schema.py`: a value that training takes is one that the API takes. Replace the dataset there,
and this follows.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from ..schema import FEATURES
from .words import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from ..schema import Column

MOST_ROWS = 1000
# No value of a laptop is as long as that; what is may be anything, and would stand in the log.
_LONGEST = 100
_MISSING = "is missing"
# What /docs and the page begin with, where the schema has such a column.
_A_LAPTOP = {
    "brand": "Lenovo",
    "processor_brand": "Intel",
    "processor_name": "Core i5",
    "processor_gnrtn": "11th",
    "ram_gb": "8 GB",
    "ram_type": "DDR4",
    "ssd": "512 GB",
    "hdd": "0 GB",
    "os": "Windows",
    "os_bit": "64-bit",
    "graphic_card_gb": "0 GB",
    "weight": "ThinNlight",
    "warranty": "1 year",
    "Touchscreen": "No",
    "msoffice": "No",
    "rating": "4 stars",
    "Number of Ratings": 120,
    "Number of Reviews": 15,
}


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one value; `row` counts from 1, `column` is empty for a whole row."""

    row: int
    column: str
    words: str


@lru_cache(maxsize=1)
def row_model() -> type[BaseModel]:
    """Return the pydantic model of one row: every value a text, empty where nobody knows."""
    fields: dict[str, Any] = {}
    # Columns have names with spaces, which no attribute can have.
    for place, column in enumerate(FEATURES):
        kind = Annotated[str, BeforeValidator(_reader(column)), WithJsonSchema(_described(column))]
        default: Any = ... if column.required else ""
        fields[f"column_{place}"] = (kind, Field(default, alias=column.name))
    return create_model("Row", __config__=ConfigDict(extra="forbid", title="Row"), **fields)


def example() -> dict[str, object]:
    """Return a row that the model can answer."""
    return {column.name: _example(column) for column in FEATURES}


def request_body() -> dict[str, Any]:
    """Return how OpenAPI describes the body of a request: a row or several, with an example that works."""
    row = {"$ref": "#/components/schemas/Row"}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": MOST_ROWS}
    examples = {"one row": {"value": example()}, "two rows": {"value": [example(), example()]}}
    return {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [row, rows]}, "examples": examples}},
    }


def row_schema() -> dict[str, Any]:
    """Return how OpenAPI describes one row."""
    return row_model().model_json_schema(by_alias=True)


def check(given: Sequence[object], language: str) -> tuple[list[dict[str, str]], list[Wrong]]:
    """Return the rows as texts by column, and what is wrong with those that cannot be used, in words."""
    rows: list[dict[str, str]] = []
    wrong: list[Wrong] = []
    for number, one in enumerate(given, 1):
        try:
            rows.append(row_model().model_validate(one).model_dump(by_alias=True))
        except ValidationError as error:
            wrong += [_in_words(number, dict(each), language) for each in error.errors(include_url=False)]
    return rows, wrong


def frame(rows: Sequence[dict[str, str]]) -> pd.DataFrame:
    """Return rows as the model takes them: raw columns, one text a cell."""
    import pandas as pd

    made: pd.DataFrame = pd.DataFrame(rows, columns=[column.name for column in FEATURES], dtype=str)
    return made


def _reader(column: Column) -> Callable[[object], str]:
    """Return what takes a value out of JSON and gives the text of it. Its ValueError says what is wrong."""

    def read(value: object) -> str:
        if isinstance(value, bool):
            text = "Yes" if value else "No"
        elif isinstance(value, float):
            text = f"{value:.10g}"
        elif isinstance(value, int | str):
            text = str(value)
        elif value is None:
            text = ""
        else:
            raise ValueError("is neither a text nor a number")
        if len(text) > _LONGEST:
            raise ValueError(f"is longer than {_LONGEST} characters")
        # Spelt as usual, a value that somebody writes in their own way is counted with the others in the drift report.
        known = column.parse(text)
        if known is None and column.required:
            raise ValueError(_MISSING)
        return column.spell(known)

    return read


def _described(column: Column) -> dict[str, Any]:
    about: dict[str, Any] = {"description": column.meaning, "example": _example(column)}
    if column.kind == "count":
        about |= {"type": "integer", "minimum": int(column.low)}
    else:
        about |= {"type": "string"} | ({"enum": list(column.values)} if column.closed else {})
    return about | ({"examples": list(column.values)} if column.values else {})


def _example(column: Column) -> object:
    usual = column.values[0] if column.values else max(int(column.low), 0)
    return _A_LAPTOP.get(column.name, usual)


def _in_words(row: int, error: dict[str, Any], language: str) -> Wrong:
    column = str(error["loc"][0]) if error["loc"] else ""
    if not column:
        return Wrong(row, "", say(language, "no_row"))
    if error["type"] == "missing":
        return Wrong(row, column, say(language, "missing"))
    if error["type"] == "extra_forbidden":
        names = [each.name for each in FEATURES]
        close = difflib.get_close_matches(column.casefold(), [name.casefold() for name in names], 1, 0.7)
        usual = next((name for name in names if close and name.casefold() == close[0]), "")
        return Wrong(row, column, say(language, "close" if usual else "unknown", close=usual))
    reason = str(error.get("ctx", {}).get("error", error["msg"]))
    if reason == _MISSING:
        return Wrong(row, column, say(language, "missing"))
    if language == "en":
        return Wrong(row, column, reason)
    by_name = {each.name: each for each in FEATURES}
    return Wrong(row, column, say(language, "unread", value=repr(error["input"]), example=_example(by_name[column])))
