"""The population stability index (PSI): how far a column's values today are from those of the training data.

For shares a (training) and b (recent) of the same bins it is the sum of (b - a) · ln(b / a): 0 for equal shares, more
the further apart. Practice in credit scoring reads above 0.1 as a change, above 0.25 as a large one.

With few rows chance alone makes it large. If nothing changed, PSI · n·m/(n+m) follows a chi-squared distribution with
one degree of freedom less than there are bins, n and m being the numbers of rows (B. Yurdakul, "Statistical properties
of population stability index", Western Michigan University, 2018). So a column counts as drifted only if its PSI is
large and chance does not explain it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGED = 0.1
DRIFTED = 0.25
# Of a hundred reports in which nothing changed, about one has a column that says otherwise.
CHANCE = 0.01
# A bin nobody is in would make the logarithm infinite: as if half a row were in it.
_HALF_A_ROW = 0.5
_NUMBER_BINS = 10
# More values than these are no list to choose from; the rarest share one bin.
_MOST_VALUES = 12
REST = "…"
MISSING = "—"
# Numbers from here on are written without decimals.
_LARGE = 10_000

Verdict = Literal["same", "changed", "drifted"]


@dataclass(frozen=True)
class Comparison:
    """One column then and now: `bins` are in words, `before` and `now` are shares from 0 to 1, in the bins' order.

    `chance` is how probable such a PSI is if nothing changed, from 0 to 1.
    """

    column: str
    bins: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    psi: float
    chance: float
    verdict: Verdict


def compare(training: pd.DataFrame, recent: pd.DataFrame, columns: Sequence[str]) -> list[Comparison]:
    """Compare each of `columns`, the most drifted first; both frames have a row or more."""
    found = [_compared(name, training[name], recent[name], CHANCE / len(columns)) for name in columns]
    return sorted(found, key=lambda one: one.psi, reverse=True)


def _compared(name: str, training: pd.Series, recent: pd.Series, level: float) -> Comparison:
    # It ships no types; with stubs for it installed, there is nothing to ignore.
    from scipy.stats import chi2  # type: ignore[import-untyped, unused-ignore]

    before, now = _counts(training, recent)
    shares_before, shares_now = _shares(before), _shares(now)
    psi = float(((shares_now - shares_before) * np.log(shares_now / shares_before)).sum())
    n, m = len(training), len(recent)
    chance = float(chi2.sf(psi * n * m / (n + m), max(len(before) - 1, 1)))
    verdict: Verdict = "same"
    if chance < level and psi >= CHANGED:
        verdict = "drifted" if psi >= DRIFTED else "changed"
    return Comparison(
        column=name,
        bins=tuple(str(one) for one in before.index),
        before=tuple(float(one) for one in before / n),
        now=tuple(float(one) for one in now / m),
        psi=psi,
        chance=chance,
        verdict=verdict,
    )


def _shares(counts: pd.Series) -> np.ndarray:
    filled = counts.to_numpy(dtype=float)
    filled = np.where(filled == 0, _HALF_A_ROW, filled)
    return np.asarray(filled / filled.sum())


def _counts(training: pd.Series, recent: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return how many rows are in each bin, then and now, with the same bins in the same order."""
    binned = _in_tenths if _is_number(training) else _by_value
    before, now, order = binned(training, recent)
    before, now = (one.fillna(MISSING) for one in (before, now))
    present = [name for name in [*order, MISSING] if (before == name).any() or (now == name).any()]
    return before.value_counts().reindex(present, fill_value=0), now.value_counts().reindex(present, fill_value=0)


def _is_number(training: pd.Series) -> bool:
    """Tell a measure from a code: a number, and so many different ones that they are no list to choose from."""
    numbers = pd.to_numeric(training, errors="coerce")
    return bool(numbers.isna().equals(training.isna()) and numbers.nunique() > _MOST_VALUES)


def _in_tenths(training: pd.Series, recent: pd.Series) -> tuple[pd.Series, pd.Series, list[str]]:
    """Cut both at the training data's tenths: each bin had about the same number of rows then."""
    before, now = (pd.to_numeric(one, errors="coerce") for one in (training, recent))
    edges = np.unique(np.nanquantile(before, np.linspace(0, 1, _NUMBER_BINS + 1)[1:-1]))
    shown = [f"{edge:,.4g}" if abs(edge) < _LARGE else f"{edge:,.0f}" for edge in edges]
    order = [f"≤ {shown[0]}", *(f"{low} – {high}" for low, high in itertools.pairwise(shown)), f"> {shown[-1]}"]
    cut = [pd.Series(np.searchsorted(edges, one), index=one.index).map(dict(enumerate(order))) for one in (before, now)]
    return cut[0].where(before.notna()), cut[1].where(now.notna()), list(dict.fromkeys(order))


def _by_value(training: pd.Series, recent: pd.Series) -> tuple[pd.Series, pd.Series, list[str]]:
    """Take each value as a bin, the most frequent first; one that is new today is a bin too, the rarest share one."""
    before, now = (one.astype("string").str.strip() for one in (training, recent))
    shares = before.value_counts(normalize=True).add(now.value_counts(normalize=True), fill_value=0)
    kept = [str(one) for one in shares.sort_values(ascending=False, kind="stable").index[:_MOST_VALUES]]
    before, now = (one.where(one.isna() | one.isin(kept), REST) for one in (before, now))
    return before, now, [*kept, REST]
