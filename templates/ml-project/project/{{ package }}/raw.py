"""Read and write the project's CSV files, every cell as the text it is."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ProjectError
from .schema import Problem, with_usual_names

if TYPE_CHECKING:
    import pandas as pd


def read(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """Return a file of the world outside, its index the line of each row, and the rows with too many or too few cells.

    Takes commas, semicolons and tabs, UTF-8 (with or without the mark that Excel writes) and Windows' own encoding.
    Raises ProjectError if the file is not there, or empty.
    """
    import pandas as pd

    text = _text(path)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: dict[int, list[str]] = {}
    problems: list[Problem] = []
    names: list[str] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = with_usual_names(cells)
        elif len(cells) != len(names):
            told = f"has {len(cells)} cells where the first line has {len(names)}"
            problems.append(Problem(reader.line_num, "", delimiter.join(cells), told))
        else:
            rows[reader.line_num] = cells
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ProjectError(f"{path}: two columns are called {', '.join(twice)}.", "Rename one in its first line.")
    return pd.DataFrame.from_dict(rows, orient="index", columns=names, dtype=str), problems


def read_own(path: Path) -> pd.DataFrame:
    """Return a file that an earlier step wrote: texts, none of them taken for a missing value."""
    import pandas as pd

    if not path.is_file():
        raise ProjectError(f"{path} is not there.", "`dvc repro` makes it; `dvc pull` fetches your team's.")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_own(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame, with the same bytes on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError(
            f"{path} is not there.",
            "`data.file` in params.yaml names it; `dvc pull` fetches your team's, `dvc repro` makes the sample.",
        ) from None
    except OSError as error:
        told = "is a folder, not a file" if path.is_dir() else f"cannot be read: {error.strerror}"
        raise ProjectError(f"{path} {told}.", "Name a CSV file.") from None
    # A NUL is in no text of these two encodings; UTF-16 and spreadsheets are full of them.
    if b"\0" in content:
        raise ProjectError(
            f"{path} is no CSV text in UTF-8 or Latin-1.", "In Excel: Save as, then `CSV UTF-8 (comma delimited)`."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if not text.strip():
        raise ProjectError(f"{path} is empty.", "It should begin with a line that names the columns.")
    return text
