"""A proof as a table for people: one block for everybody of the same role, and by name only what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from bootstrap import ui
from bootstrap.workflows.access import Subject, Tried
from bootstrap.workflows.proof import Proof

# The actions that every folder has, and what they are called at the top of a column.
_COLUMNS = {
    "list": "LIST",
    "read": "READ",
    "write": "WRITE",
    "delete": "DELETE",
    "copy from it": "COPY",
    "abort an upload": "ABORT",
    "read an old version": "OLD: READ",
    "delete an old version": "OLD: DELETE",
    "change": "CHANGE",
}
_NAMES_SHOWN = 8


def proof_text(proof: Proof) -> str:
    """Return the whole proof as text. `yes` and `no` say what was found, `-` that it could not be tried."""
    blocks = []
    for role in dict.fromkeys(one.role for one in proof.subjects):
        people = [one for one in proof.subjects if one.role == role]
        names = {one.name for one in people}
        blocks.append(_block(role, people, [one for one in proof.cells if one.subject in names]))
    return "\n\n".join([*blocks, _verdict(proof)])


def _block(role: str, people: Sequence[Subject], found: Sequence[Tried]) -> str:
    teams = {one.name: one.team for one in people}
    # The same place under one name for all of the role; everything else about it is the same by construction.
    cells: dict[tuple[str, str], list[Tried]] = {}
    for one in found:
        place = one.cell.place if len(people) == 1 else _in_general(one, teams[one.subject])
        cells.setdefault((place, one.cell.action), []).append(one)
    folders = list(dict.fromkeys(place for place, action in cells if action in _COLUMNS and place.endswith("/")))
    columns = [action for action in _COLUMNS if any((place, action) in cells for place in folders)]
    rows = [
        (f"  {place}", *(_word(cells[place, action]) if (place, action) in cells else "" for action in columns))
        for place in folders
    ]
    shown = ", ".join(one.name for one in people[:_NAMES_SHOWN]) + (", …" if len(people) > _NAMES_SHOWN else "")
    lines = [click.style(f"{role} ({len(people)}): {shown}", bold=True)]
    lines.append(ui.table(rows, ("  PLACE", *(_COLUMNS[action] for action in columns))))
    others = {key: tried for key, tried in cells.items() if key[0] not in folders or key[1] not in columns}
    for title, wanted in (("allowed", "yes"), ("refused", "no")):
        if listed := [f"{place}: {action}" for (place, action), tried in others.items() if _word(tried) == wanted]:
            lines.append(f"  {title}: {'; '.join(listed)}")
    reasons: dict[str, list[str]] = {}
    for (place, action), tried in cells.items():
        if _word(tried) == "-":
            reasons.setdefault(tried[0].why, []).append(f"{place}: {action}")
    lines += [f"  not tried, {why}: {'; '.join(listed)}" for why, listed in reasons.items()]
    return "\n".join(lines)


def _in_general(one: Tried, team: str) -> str:
    """Return a place's name with `own` or `another` instead of the person's own or somebody else's."""
    place = one.cell.place
    for folder, own, name in (("dvc/", team, "team"), ("MLflow ", team, "team"), ("members/", one.subject, "name")):
        if place.startswith(folder) and place != folder:
            owner = place.removeprefix(folder).rstrip("/")
            return f"{folder}<{'own' if owner == own else 'another'} {name}>/"
    return place


def _word(tried: Iterable[Tried]) -> str:
    found = list(tried)
    if any(not one.right for one in found):
        return click.style("WRONG", fg="red", bold=True)
    if all(one.found is None for one in found):
        return "-"
    return "yes" if found[0].cell.allowed else "no"


def _verdict(proof: Proof) -> str:
    untried = sum(one.found is None for one in proof.cells)
    rest = f"; {untried} more could not be tried here" if untried else ""
    tried = len(proof.cells) - untried
    simulated = sum(one.how == "simulated" for one in proof.cells)
    how = f" ({simulated} of them by IAM's simulator)" if simulated else ""
    if not proof.wrong:
        return f"All {tried} tries{how} came out as they should{rest}."
    lines = [f"{len(proof.wrong)} of {tried} tries{how} are NOT as they should be{rest}:"]
    for one in proof.wrong:
        is_, should = ("allowed", "refused") if one.found else ("refused", "allowed")
        lines.append(f"  {one.subject}: {one.cell.action}, {one.cell.place}: {is_}, should be {should}")
    return "\n".join(lines)
