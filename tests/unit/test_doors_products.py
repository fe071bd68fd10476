"""Parsing and settings of the door products, and the folding of platform and panels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.contract import Credential, HoldingState, Stage, Strength
from connectors.doors import folding
from connectors.doors.contract import ACCOUNT, DOOR, Held, Inventory, Panel, PanelState, Person
from connectors.doors.gallagher.state import held_of, panels_of, person_of
from connectors.doors.unifi_access import state as unifi
from connectors.faults import Malformed
from connectors.registry import load
from tests.support.doors import NOBODY, GallagherDoors, HikvisionDoors, UniFiDoors, ZktecoDoors

LEAVER = Person("p", "1042", "Somebody")
PANELS = st.lists(
    st.builds(
        Panel,
        id=st.sampled_from(["a", "b", "c"]),
        name=st.just("Gate"),
        state=st.sampled_from(list(PanelState)),
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)
HELD = st.builds(
    Held,
    kind=st.sampled_from([ACCOUNT, DOOR]),
    id=st.just("x"),
    state=st.sampled_from(list(HoldingState)),
    panels=st.one_of(st.none(), st.frozensets(st.sampled_from(["a", "b", "c"]))),
)


@given(HELD, PANELS)
@settings(max_examples=300)
def test_less_than_live_needs_every_panel(held: Held, panels: list[Panel]) -> None:
    """Whatever the platform says, a thing is live while one panel of it is not in step."""
    inventory = Inventory(LEAVER, (held,), tuple(panels))
    folded = folding.fold(inventory)[0]
    concerned = [one for one in panels if held.panels is None or one.id in held.panels]

    settled = all(one.state is PanelState.DONE for one in concerned)

    assert folded.state is (held.state if settled else HoldingState.LIVE)
    assert bool(folding.panel_gaps(inventory)) == (
        held.state is not HoldingState.LIVE
        and any(one.state in {PanelState.OFFLINE, PanelState.FAILED} for one in concerned)
    )


def test_guards_are_told_by_the_panels_name() -> None:
    """The duty names the panel and not the person."""
    account = Held(ACCOUNT, "p", HoldingState.CONTAINED, "Somebody")
    inventory = Inventory(LEAVER, (account,), (Panel("a", "North gate", PanelState.OFFLINE),))

    holding = folding.reported(inventory, with_pre_image=False)[0]

    assert "North gate" in holding.duty
    assert "Tell the guards" in holding.duty
    assert "Somebody" not in holding.duty + "".join(folding.panel_gaps(inventory))


def test_slow_panel_is_no_duty() -> None:
    """A panel that is only behind is waited for, and no guard is woken."""
    account = Held(ACCOUNT, "p", HoldingState.CONTAINED)
    inventory = Inventory(LEAVER, (account,), (Panel("a", "Gate", PanelState.PENDING),))

    holding = folding.reported(inventory, with_pre_image=False)[0]

    assert (holding.duty, holding.state) == ("", HoldingState.LIVE)
    assert folding.panel_gaps(inventory) == ()


def cardholder(**more: Any) -> dict[str, Any]:
    return {"href": "https://cc.example.com/api/cardholders/325", "authorised": True} | more


def a_card(value: str, of: str) -> dict[str, Any]:
    return {
        "href": "https://cc.example.com/api/cardholders/325/cards/1",
        "number": "77",
        "status": {"value": value, "type": of},
        "type": {"href": "https://cc.example.com/api/card_types/600"},
    }


@pytest.mark.parametrize(
    ("value", "of", "expected"),
    [
        ("Disabled (manually)", "active", HoldingState.LIVE),
        ("Aktiv", "inactive", HoldingState.CONTAINED),
        ("Eingeladen", "pending", HoldingState.LIVE),
        ("Active", "expired", HoldingState.CONTAINED),
    ],
)
def test_words_of_a_state_mean_nothing(value: str, of: str, expected: HoldingState) -> None:
    """Only the type of a card's state counts: the words are the site's own, and translated."""
    row = cardholder(cards=[a_card(value, of)])

    assert held_of(row, person_of(row, "Number"))[1].state is expected


def test_state_of_unknown_type_is_malformed() -> None:
    """A type that the documentation does not know is not taken for inactive."""
    row = cardholder(cards=[a_card("Aktiv", "someday")])

    with pytest.raises(Malformed):
        held_of(row, person_of(row, "Number"))


@pytest.mark.parametrize("authorised", [None, "false", 0])
def test_authorised_is_a_truth_or_nothing(authorised: object) -> None:
    """A cardholder who is not said to be authorised or not is malformed, never contained."""
    row = cardholder(authorised=authorised)

    with pytest.raises(Malformed):
        held_of(row, person_of(row, "Number"))


def test_two_memberships_of_a_group_are_one_grant() -> None:
    """A grant is its group, and its pre-image has every membership with its dates."""
    group = {"href": "https://cc.example.com/api/access_groups/9", "name": "Staff"}
    rows = [
        {"href": f"https://cc.example.com/api/cardholders/325/access_groups/{one}",
         "accessGroup": group, "until": one}
        for one in ("a", "b")
    ]  # fmt: skip
    row = cardholder(accessGroups=rows)

    doors = [one for one in held_of(row, person_of(row, "N")) if one.kind == DOOR]

    assert [one.id for one in doors] == ["/api/access_groups/9"]
    memberships: Any = doors[0].restore["memberships"]
    assert [one["until"] for one in memberships] == ["a", "b"]


@pytest.mark.parametrize(
    "flags", [{"controllerOffline"}, {"notPolled"}, {"unconfigured"}, {"x", "deviceNotResponding"}]
)
def test_door_with_a_fault_flag_is_out_of_reach(flags: set[str]) -> None:
    """Every fault flag of the documentation keeps a case open; so does a door not told about."""
    doors = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"id": 3, "name": "C"}]

    panels = panels_of(doors, {"1": frozenset(flags), "2": frozenset({"open"})})

    assert [one.state for one in panels] == [
        PanelState.OFFLINE,
        PanelState.DONE,
        PanelState.OFFLINE,
    ]


def test_pin_and_card_of_a_console_stay_there() -> None:
    """That there is a PIN is reported and its token is not; a card's id does not show its token."""
    row = {
        "id": "u",
        "status": "ACTIVE",
        "pin_code": {"token": "hash-of-1234"},
        "nfc_cards": [{"token": "C0FFEE"}],
    }

    held = unifi.held_of(row, unifi.person_of(row))

    pins = [one for one in held if one.id == "pin"]
    assert "hash-of-1234" not in repr(held)
    assert len(pins) == 1
    assert not any("C0FFEE" in one.id + one.label for one in held)


@pytest.mark.parametrize("name", ["hikvision", "gallagher", "unifi-access", "zkteco"])
def test_registry_opens_each_product(name: str) -> None:
    """Each product is a type of its own, with settings of its own."""
    made = load(name)

    assert made.settings.__module__.startswith("connectors.doors.")


@pytest.mark.parametrize("doors", [HikvisionDoors, GallagherDoors, UniFiDoors, ZktecoDoors])
@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://doors.example.com"},
        {"url": "https://user:word@doors.example.com"},
        {"canaries": ()},
        {"excluded_panels": {"a": " "}},
        {"verify_tls": False},
        {"page_size": 0},
    ],
)
def test_settings_refuse_what_is_unsafe(doors: Any, wrong: dict[str, Any]) -> None:
    """Clear text beyond loopback, no canary, an unexplained panel: refused when loaded."""
    with pytest.raises(ValidationError):
        doors(0).connector(Credential.ACT, **({"url": NOBODY} | wrong))


@pytest.mark.parametrize("doors", [HikvisionDoors, GallagherDoors, UniFiDoors, ZktecoDoors])
def test_card_says_what_does_not_come_back(doors: Any) -> None:
    """Whatever a stage takes can be put back, or the card says in words that it cannot."""
    connector = doors(0).connector(Credential.ACT, NOBODY)

    card = connector.card()

    assert card.support(ACCOUNT).stages == {Stage.CONTAIN, Stage.DESTROY}
    assert all(one.stages or one.duty for one in card.supports)
    assert all(gap.duty for gap in card.gaps)
    assert {one.revokes for one in card.supports if one.stages} == {Strength.BOUNDED}
