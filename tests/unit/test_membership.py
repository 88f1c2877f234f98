"""Who is in an environment, and what it takes to make that equal to a roster."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bootstrap.core.membership import (
    Difference,
    Handover,
    Member,
    Membership,
    compare,
    from_tags,
    parse_membership,
    past_days,
)

ANA = Member("ana", team="red", handover=Handover("AKIA1", "2026-11-21T10:00:00+00:00", "code"))
BIA = Member("bia", "instructor", expires=date(2026, 12, 31))
NOW = Membership({"ana": ANA, "bia": BIA})


def test_it_comes_back_from_its_text_as_it_was() -> None:
    again = parse_membership(NOW.to_json())
    assert again == NOW
    assert again is not None
    assert again.members["ana"].handover == ANA.handover


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "members": []}', '{"format": 1, "members": [{}]}'])
def test_a_damaged_or_newer_object_is_not_guessed_at(text: str) -> None:
    assert parse_membership(text) is None


@pytest.mark.parametrize(
    ("wanted", "prune", "only", "summary"),
    [
        ((ANA, BIA), False, False, "1 without an invite yet"),
        ((ANA,), False, False, "no difference"),
        ((ANA,), True, False, "-1"),
        ((Member("ana", team="red"), Member("caio")), True, False, "+1 -1"),
        ((Member("caio"), Member("davi")), True, True, "+2"),
        ((Member("ana", "instructor", "blue"),), False, True, "~1 (1 role, 1 team)"),
        ((Member("ana", team="red", expires=date(2026, 12, 1)),), False, True, "~1 (1 expires)"),
        ((Member("bia", "instructor", "bia", date(2026, 12, 31)),), False, True, "1 without an invite yet"),
    ],
)
def test_the_difference_in_a_few_signs(wanted: tuple[Member, ...], prune: bool, only: bool, summary: str) -> None:
    assert compare(NOW, wanted, prune=prune, only=only).summary() == summary


def test_who_is_in_the_environment_and_not_in_the_roster_is_named_and_stays() -> None:
    found = compare(NOW, [ANA], prune=False)
    assert found.extra == ("bia",)
    assert found.is_empty
    assert Difference().is_empty


PAST, TODAY, LATER = date(2026, 11, 20), date(2026, 11, 21), date(2026, 12, 31)


@pytest.mark.parametrize(
    ("wanted", "otherwise", "told"),
    [
        ([Member("caio", expires=PAST), Member("davi", expires=TODAY), Member("eva")], None, ["caio"]),
        ([Member("caio", expires=PAST), Member("davi", expires=LATER), Member("eva")], PAST, ["caio", "eva"]),
        ([Member("ana", team="red", expires=PAST)], None, ["ana"]),  # changed
        ([Member("ana", team="red")], PAST, []),  # in already
        ([Member("bia", "instructor", expires=PAST)], None, ["bia"]),  # changed, and without an invite yet
    ],
)
def test_a_last_day_that_is_past_is_told_of_whoever_is_touched(
    wanted: list[Member], otherwise: date | None, told: list[str]
) -> None:
    difference = compare(NOW, wanted, prune=False, only=True)
    assert past_days(difference, wanted, TODAY, otherwise) == told


def test_whoever_waits_for_an_invite_with_a_past_day_is_told_and_whoever_is_in_is_not() -> None:
    both = [replace(ANA, expires=PAST), replace(BIA, expires=PAST)]
    now = Membership({one.name: one for one in both})
    assert past_days(compare(now, both, prune=False), both, TODAY) == ["bia"]


def test_a_changed_member_keeps_what_they_were_handed() -> None:
    after = NOW.with_members([Member("ana", "instructor")])
    assert after.members["ana"].handover == ANA.handover
    assert after.members["ana"].role == "instructor"


def test_a_lost_object_is_worked_out_from_the_tags_of_the_users() -> None:
    tags = [
        {"bootstrap:member": "ana", "bootstrap:role": "student", "bootstrap:team": "red"},
        {
            "bootstrap:member": "bia",
            "bootstrap:role": "instructor",
            "bootstrap:team": "bia",
            "bootstrap:expires": "2026-12-31",
        },
        {"bootstrap:member": "ci", "bootstrap:role": "ci", "bootstrap:team": "ci"},
        {"owner": "somebody else"},
    ]
    assert from_tags(tags) == NOW
