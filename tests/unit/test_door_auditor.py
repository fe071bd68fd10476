"""The look at the door sites says no while a door still opens, whatever else was taken away."""

from __future__ import annotations

from datetime import UTC, datetime

from deprovisioner.sandbox import door_auditor
from deprovisioner.sandbox.doors.sites import DoorSites
from deprovisioner.sandbox.running import new_company


def _now() -> datetime:
    return datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_before_anything_is_done_nobody_is_out() -> None:
    """The leaver has badges at both sites, and both looks say so."""
    company = new_company(_now)
    sites = DoorSites(company, _now)

    looks = door_auditor.look(sites, company.demo_leaver())

    assert [one.holds for one in looks] == [False, False]
    assert door_auditor.holds_now(sites, company.demo_leaver()) > len(looks)


def test_one_card_left_is_seen() -> None:
    """In Berlin all but one card is taken away: that look still says no."""
    company = new_company(_now)
    sites, leaver = DoorSites(company, _now), company.demo_leaver()
    (holder,) = (
        one for one in sites.berlin.people.values() if one.number == leaver.employee_number
    )
    holder.access.clear()
    holder.operator.clear()
    holder.authorised = False
    del holder.cards[1:]

    berlin = door_auditor.look(sites, leaver)[0]

    assert not berlin.holds
    assert berlin.seen == f"card {holder.cards[0].id}"
