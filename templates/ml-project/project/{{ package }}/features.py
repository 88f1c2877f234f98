"""Step 3: hold a fifth of the rows back, and describe what the model gets.

The texts are turned into numbers inside the model (see model.py), so that the API can hand over what a person typed.
Here one can look at these numbers, and compare later input with them.
"""

from __future__ import annotations

from pathlib import Path

import click

from . import raw, settings
from .errors import ProjectError
from .schema import TARGET

REPORT = settings.REPORTS / "features.json"
_FEWEST = 50


def split(folder: Path, test_share: float, seed: int) -> str:
    """Write the rows to learn from, those held back, and a description of the features; return it in words.

    Both parts get cheap and dear laptops alike: with prices that differ a hundredfold, a few dear ones more in one
    part would decide the score. Raises ProjectError if there are too few rows, or the share is none.
    """
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import train_test_split

    from .model import Typed, prices

    frame = raw.read_own(folder / settings.CLEAN)
    if len(frame) < _FEWEST:
        raise ProjectError(f"{len(frame)} rows are too few to learn from and to hold some back.", "Have at least 50.")
    if not 0.05 <= test_share <= 0.5:
        raise ProjectError(f"`split.test_share` is {test_share:g}; it should be from 0.05 to 0.5.")
    price = prices(frame)
    tenths = pd.qcut(np.argsort(np.argsort(price)), min(10, len(frame) // 10), labels=False)
    train, test = train_test_split(frame, test_size=test_share, random_state=seed, stratify=tenths)
    raw.write_own(train.sort_index(), folder / settings.TRAIN)
    raw.write_own(test.sort_index(), folder / settings.TEST)
    typed = Typed().fit_transform(train)
    log_price = pd.Series(np.log(prices(train)), index=train.index)
    described: dict[str, object] = {}
    for name in typed.columns:
        values = typed[name]
        if values.dtype == float:
            varies = values.nunique() > 1
            correlation = values.corr(log_price, method="spearman") if varies else float("nan")
            described[name] = {
                "missing": int(values.isna().sum()),
                "min": _rounded(values.min()),
                "median": _rounded(values.median()),
                "max": _rounded(values.max()),
                "rank_correlation_with_price": _rounded(correlation),
            }
        else:
            counts = values.value_counts()
            described[name] = {"values": {str(word): int(count) for word, count in counts.items()}}
    report = {"train_rows": len(train), "test_rows": len(test)}
    ratio = float(price.max() / price.min())
    described[TARGET] = {"min": _rounded(price.min()), "max": _rounded(price.max()), "max_to_min": _rounded(ratio)}
    settings.write_json(folder / REPORT, report | {"columns": described})
    return f"{len(train)} rows to learn from, {len(test)} held back; the dearest costs {ratio:.0f} times the cheapest."


def _rounded(number: float) -> float | None:
    return None if number != number else round(float(number), 4)


@click.command()
def command() -> None:
    """Hold a fifth of the rows back, and describe what the model gets."""
    folder = settings.root()
    found = settings.params(folder)
    click.echo(split(folder, settings.number(found, "split.test_share"), int(settings.number(found, "split.seed"))))
