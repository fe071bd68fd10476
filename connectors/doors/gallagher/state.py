"""What Command Centre shows of a cardholder, read into the nouns of this room. Pure.

Called by ``system``. ``status.value`` is the site's own word and translated: only ``status.type``
says whether a credential works. Membership addresses change, so a grant is known by its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from connectors.contract import HoldingState, Json, Kind
from connectors.doors.contract import (
    ACCOUNT,
    CARD,
    DOOR,
    MOBILE_PASS,
    ROLE,
    Held,
    Panel,
    PanelState,
    Person,
)
from connectors.doors.gallagher.command_centre import Row, link, path
from connectors.faults import Malformed

WORKS: Final = frozenset({"pending", "active"})
"""``pending`` will work by itself; every other type does not until somebody changes it."""
_STOPPED: Final = frozenset({"expired", "inactive"})
MOBILE: Final = frozenset({"mobile", "digitalId", "transact", "applePass"})
OUT_OF_STEP: Final = frozenset(
    {
        "unconfigured",
        "remoteServerOffline",
        "processOffline",
        "controllerOffline",
        "notPolled",
        "deviceNotResponding",
    }
)
"""Any of these on a door: what it was last told is not known."""
_CARD_KEPT: Final = ("number", "issueLevel", "from", "until")
_MEMBERSHIP_KEPT: Final = ("from", "until")
_GROUPS: Final[Mapping[Kind, tuple[str, str]]] = {
    DOOR: ("accessGroups", "accessGroup"),
    ROLE: ("operatorGroups", "operatorGroup"),
}


def person_of(row: Row, number_field: str) -> Person:
    """Read a cardholder; the number is only there while a group of theirs shows the field."""
    number, name = row.get(f"@{number_field}"), row.get("name")
    display = name or " ".join(
        str(row.get(part)) for part in ("firstName", "lastName") if row.get(part)
    )
    return Person(path(row), str(number) if number is not None else "", str(display or ""))


def held_of(row: Row, person: Person) -> list[Held]:
    """Read all that a cardholder has."""
    authorised = row.get("authorised")
    if not isinstance(authorised, bool):
        raise Malformed("doors: a cardholder without authorised", code="gallagher:cardholder")
    state = HoldingState.LIVE if authorised else HoldingState.CONTAINED
    account = Held(ACCOUNT, person.id, state, person.display, restore={"authorised": authorised})
    cards = [_card(one) for one in _rows(row, "cards")]
    grants = [one for of in _GROUPS for one in _grants(row, of)]
    return [account, *cards, *grants]


def _rows(row: Row, name: str) -> Sequence[Row]:
    rows = row.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise Malformed("doors: a list of an unknown shape", code="gallagher:list")
    return rows


def _card(row: Row) -> Held:
    status, kept = row.get("status"), {name: row.get(name) for name in _CARD_KEPT}
    if not isinstance(status, dict) or status.get("type") not in WORKS | _STOPPED:
        raise Malformed("doors: a card in a state of no known type", code="gallagher:card")
    state = HoldingState.LIVE if status["type"] in WORKS else HoldingState.CONTAINED
    of = MOBILE_PASS if row.get("credentialClass") in MOBILE else CARD
    kind_of_card = row.get("type")
    return Held(
        of,
        path(row),
        state,
        str(kind_of_card.get("name", "card")) if isinstance(kind_of_card, dict) else "card",
        restore={
            **{name: value for name, value in kept.items() if value is not None},
            "value": status.get("value"),
            "type": link(kind_of_card),
        },
        last_used=moment(row.get("lastUsedTime")),
    )


def _grants(row: Row, of: Kind) -> list[Held]:
    several, single = _GROUPS[of]
    by_group: dict[str, list[Row]] = {}
    for membership in _rows(row, several):
        by_group.setdefault(path(membership.get(single)), []).append(membership)
    return [
        Held(
            of,
            group,
            HoldingState.LIVE,
            str(rows[0][single].get("name") or group),
            restore={
                "group": link(rows[0][single]),
                "memberships": [_membership(one) for one in rows],
            },
        )
        for group, rows in by_group.items()
    ]


def _membership(row: Row) -> Mapping[str, Json]:
    kept: dict[str, Json] = {"href": link(row)}
    return kept | {name: row[name] for name in _MEMBERSHIP_KEPT if row.get(name)}


def removal(held: Held) -> Mapping[str, Any]:
    """Make the body that removes a credential, or every membership in one group."""
    if held.kind in _GROUPS:
        memberships: Any = held.restore["memberships"]
        gone = [{"href": one["href"]} for one in memberships]
        return {_GROUPS[held.kind][0]: {"remove": gone}}
    return {"cards": {"remove": [{"href": held.id}]}}


def addition(of: Kind, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make the body that puts a removed card or all memberships of a group back."""
    if of in _GROUPS:
        several, single = _GROUPS[of]
        name = single.lower()
        group = {name: {"href": before["group"]}}
        rows = [
            group | {part: one[part] for part in _MEMBERSHIP_KEPT if part in one}
            for one in before["memberships"]
        ]
        return {several: {"add": rows}}
    kept = {name: before[name] for name in _CARD_KEPT if name in before}
    card = {"type": {"href": before["type"]}, "status": {"value": before["value"]}, **kept}
    return {"cards": {"add": [card]}}


def panels_of(doors: Iterable[Row], flags: Mapping[str, frozenset[str]]) -> list[Panel]:
    """Judge doors by their flags; one of which nothing was said is out of reach.

    No acknowledgement exists for one cardholder: a door in step is one without fault flags.
    """
    panels = []
    for door in doors:
        native_id = str(door.get("id"))
        said = flags.get(native_id)
        there = said is not None and not said & OUT_OF_STEP
        state = PanelState.DONE if there else PanelState.OFFLINE
        panels.append(Panel(native_id, str(door.get("name") or native_id), state))
    return panels


def moment(text: object) -> datetime | None:
    """Read an instant of the vendor's; a time without a zone is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed("doors: a time that is none", code="gallagher:time") from error
    if at.utcoffset() is None:
        raise Malformed("doors: a time without a zone", code="gallagher:time")
    return at
