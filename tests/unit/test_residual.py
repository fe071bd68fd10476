"""The residual-access clock, as a pure function of the facts of a case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Card, HoldingState, Stage, Strength, Support, kind
from policies.dispose import Disposition
from policies.model import Revocation, Transfer
from reconcile.case import CaseState
from reconcile.facts import (
    CaseFacts,
    HoldingFacts,
    OperationFacts,
    OperationState,
    Step,
    SurveyFacts,
    SystemFacts,
)
from reconcile.residual import Reach, Shortening, latest_end, residual_access

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
SESSION = kind("session")


def _facts(
    *held: tuple[HoldingState, timedelta | None],
    strength: Strength = Strength.NOW,
    blind: str | None = "",
) -> CaseFacts:
    card = Card("example", (Support(SESSION, frozenset(Stage), revokes=strength),), timedelta(0))
    system = SystemFacts("git", card, frozenset(Step))
    surveys = () if blind is None else (SurveyFacts("git", Step.SURVEY, NOW, blind, 1, False),)
    holdings = tuple(
        HoldingFacts(
            number,
            "git",
            SESSION,
            state,
            sole=False,
            duty="",
            disposition=_DISPOSITION,
            residual_until=None if life is None else NOW + life,
        )
        for number, (state, life) in enumerate(held)
    )
    return CaseFacts(
        "case",
        next(iter(CaseState)),
        False,
        NOW,
        {},
        {},
        {},
        False,
        (system,),
        holdings=holdings,
        surveys=surveys,
    )


_DISPOSITION = Disposition(
    contain=True,
    preserve=False,
    transfer=Transfer.NEVER,
    revoke=Revocation.ON_TIME,
    destroy=False,
    retain=None,
    wanted=HoldingState.GONE,
    rule="policy:1",
    why="",
)


@pytest.mark.parametrize("blind", [None, "cut short"])
def test_what_was_not_read_is_never_ended(blind: str | None) -> None:
    """Law 2: an unread or blind system is not known, also where nothing was found."""
    last = residual_access(_facts(blind=blind), NOW).last
    assert last is not None
    assert last.reach is Reach.UNKNOWN


def test_a_live_holding_is_above_every_date() -> None:
    """What still issues has no end, whatever the end of what it issued before."""
    held = (HoldingState.LIVE, timedelta(hours=1)), (HoldingState.CONTAINED, timedelta(days=9))
    last = residual_access(_facts(*held), NOW).last
    assert last is not None
    assert (last.reach, last.holding, last.at) == (Reach.LASTING, 0, None)


@pytest.mark.parametrize(
    ("strength", "reach"),
    [
        (Strength.NOW, Reach.ENDED),
        (Strength.BOUNDED, Reach.UNKNOWN),
        (Strength.ON_EXPIRY, Reach.UNKNOWN),
        (Strength.NEVER, Reach.LASTING),
    ],
)
def test_a_block_without_a_date_counts_as_the_card_says(strength: Strength, reach: Reach) -> None:
    """Only where the card says a block works at once does a missing date mean the end."""
    last = residual_access(_facts((HoldingState.CONTAINED, None), strength=strength), NOW).last
    assert last is not None
    assert last.reach is reach


def test_what_a_gone_key_issued_is_not_known_without_a_date() -> None:
    """A key that is gone does not end its tickets: without a date their end is not known."""
    facts = _facts((HoldingState.GONE, None), strength=Strength.BOUNDED)
    assert residual_access(facts, NOW).reach is Reach.UNKNOWN


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([HoldingState.CONTAINED, HoldingState.GONE]),
            st.integers(-9999, 9999).map(lambda minutes: timedelta(minutes=minutes)),
        ),
        max_size=6,
    )
)
def test_the_clock_is_the_last_date_still_to_come(
    held: list[tuple[HoldingState, timedelta]],
) -> None:
    """Of dated holdings, gone ones too, the latest future date wins; none means ended."""
    last = residual_access(_facts(*held), NOW).last
    ahead = max((NOW + life for _, life in held if life > timedelta(0)), default=None)
    assert last is not None
    assert last.at == ahead
    assert last.reach is (Reach.DATED if ahead else Reach.ENDED)


def test_an_excluded_system_is_not_known() -> None:
    """Nobody looked there: the clock says so instead of an end."""
    facts = _facts()
    (system,) = facts.systems
    clock = residual_access(replace(facts, systems=(replace(system, excluded="sold"),)), NOW).last
    assert clock is not None
    assert (clock.reach, clock.why) == (Reach.UNKNOWN, "not looked at: sold")


@pytest.mark.parametrize(
    ("changes", "shortening"),
    [
        ({"duty": "rotate it"}, Shortening.DUTY),
        ({"state": HoldingState.GONE}, Shortening.CONFIRMED),
        ({}, Shortening.NONE),
    ],
)
def test_the_clock_names_who_shortens_it(changes: dict[str, Any], shortening: Shortening) -> None:
    """A task of a person is one, what is gone was taken, and nothing planned is nothing."""
    facts = _facts((HoldingState.LIVE, None))
    (holding,) = facts.holdings
    until = NOW + timedelta(hours=1)
    held = replace(holding, residual_until=until, **changes)
    clock = residual_access(replace(facts, holdings=(held,)), NOW).last
    assert clock is not None
    assert clock.shortening is shortening


def test_what_the_plan_takes_is_said_to_be_planned() -> None:
    """An operation that takes it is the action; a holding that the policy leaves has none."""
    facts = _facts((HoldingState.LIVE, None))
    taking = OperationFacts(1, "git", Step.REVOKE, OperationState.TODO, 0, 0, NOW)
    facts = replace(facts, operations=(taking,))
    (holding,) = facts.holdings
    clock = residual_access(facts, NOW).last
    assert clock is not None
    assert clock.shortening is Shortening.PLANNED
    kept = replace(holding, disposition=replace(_DISPOSITION, wanted=HoldingState.LIVE))
    clock = residual_access(replace(facts, holdings=(kept,)), NOW).last
    assert clock is not None
    assert (clock.reach, clock.shortening) == (Reach.LASTING, Shortening.NONE)


def test_where_no_system_is_known_nothing_is_over() -> None:
    """Nobody looked anywhere: the leaver's clock is not known, and no end was told."""
    facts = replace(_facts(), systems=())
    assert residual_access(facts, NOW).reach is Reach.UNKNOWN
    assert latest_end(facts) is None
