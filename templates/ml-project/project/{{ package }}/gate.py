"""When a model is good enough; asked by `evaluate`, and by `promote` of what the registry says about a version."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import ProjectError


def missed(metrics: Mapping[str, float], gate: Mapping[str, object]) -> list[str]:
    """Return in words which criteria a model misses; none: it is good enough.

    R² has to be above the number in the gate, MAPE below it. A model without these metrics misses them. Raises
    ProjectError if the gate is not made of two numbers.
    """
    told = []
    for name, sign, words in (("r2", 1, "R²"), ("mape", -1, "MAPE")):
        wanted = gate.get(name)
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
            raise ProjectError(f"`gate.{name}` in params.yaml should be a number, not {wanted!r}.")
        found = metrics.get(name)
        if found is None:
            told.append(f"{words} was never measured")
        # Not a number compares as false with everything, and so is missed.
        elif not sign * found > sign * wanted:
            told.append(f"{words} is {found:.3f} and should be {'above' if sign > 0 else 'below'} {wanted:g}")
    return told
