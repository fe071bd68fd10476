"""One answer of several controllers: the worst of what each of them says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors._directory.servers import merged
from connectors.contract import (
    Canary,
    Credential,
    Holding,
    HoldingState,
    Page,
    ReadEnd,
    gather,
    kind,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LIVE, CONTAINED = HoldingState.LIVE, HoldingState.CONTAINED


def reading(state: HoldingState, hours: int = 0, *gaps: str) -> list[Page[Holding]]:
    """What one controller says of one account."""
    until = NOW + timedelta(hours=hours) if hours else None
    holding = Holding("id", kind("account.person"), "id", state=state, residual_until=until)
    end = ReadEnd(True, Canary("c", True), NOW, Credential.VERIFY, gaps)
    return [Page((holding,)), Page((), end)]


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ((CONTAINED, CONTAINED), CONTAINED),
        ((CONTAINED, LIVE), LIVE),
        ((LIVE, CONTAINED), LIVE),
        ((CONTAINED, LIVE, CONTAINED), LIVE),
    ],
    ids=str,
)
def test_live_on_one_is_live(states: tuple[HoldingState, ...], worst: HoldingState) -> None:
    """A controller that has not heard lets the person in."""
    joined = gather(merged((f"dc{n}", reading(one)) for n, one in enumerate(states)))

    assert [one.state for one in joined.items] == [worst]
    assert not joined.blind


def test_a_gap_names_its_controller() -> None:
    """What one cannot see blinds all of it."""
    pair = [("dc1", reading(CONTAINED)), ("dc2", reading(CONTAINED, 0, "the primary group"))]

    assert gather(merged(pair)).gaps == ("the primary group (dc2)",)


def test_a_reading_without_end_is_no_reading() -> None:
    """A controller that stops in the middle leaves the whole incomplete."""
    joined = gather(merged([("dc1", reading(CONTAINED)), ("dc2", reading(CONTAINED)[:1])]))

    assert joined.blind


@pytest.mark.parametrize("order", [(3, 9), (9, 3)])
def test_what_runs_out_last_counts(order: tuple[int, int]) -> None:
    """The residual time is the longest that any controller knows of."""
    pair = [(f"dc{hours}", reading(CONTAINED, hours)) for hours in order]

    (holding,) = gather(merged(pair)).items

    assert holding.residual_until == NOW + timedelta(hours=9)
