"""Row E50: licences that were given directly, and what a group left behind. The last of all rows.

Taking away the licence that carries a mailbox starts the clock of its deletion, so it waits until
the mailbox was seen to live on by itself (lessons: conversion before licence). A licence that a
group gives goes with the membership, which is the holding; it is reported here only when the
membership is gone and the licence is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.queries import (
    asking,
    found,
    listed,
    membership,
    parts,
    readable,
    text,
    texts,
)
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, KeepMailbox, Settings
from connectors.entra.steps import Look, take, take_away
from connectors.faults import Fault, Missing

LICENCE: Final = kind("grant.licence")
_PLAN: Final = "EXCHANGE"
_NEEDS_NO_LICENCE: Final = frozenset({"shared", "room", "equipment"})
_CONVERT_FIRST: Final = "the mailbox is converted to a shared one first"


def _read(leaver: Leaver) -> RowReading:
    if leaver.user.get("licenseAssignmentStates") is None:  # nobody's is shown as an empty list
        return RowReading(gaps=("licences of the user (needs User.Read.All)",))
    states = parts(leaver.user, "licenseAssignmentStates")
    given = [row for row in states if text(row, "assignedByGroup")]
    answers = leaver.graph.objects(
        [membership(leaver.graph, text(row, "assignedByGroup"), leaver.id) for row in given]
    )
    reading = RowReading(tuple(_holding(leaver, row) for row in states if row not in given))
    for row, answer in zip(given, answers, strict=True):
        if isinstance(answer, Missing):
            reading += RowReading((_holding(leaver, row),))
        elif isinstance(answer, Fault):
            _, gaps = readable(answer, "groups that give licences", "GroupMember.Read.All")
            reading += RowReading(gaps=tuple(gap for gap in gaps if gap not in reading.gaps))
    return reading


def _holding(leaver: Leaver, row: Object) -> Holding:
    sku, group = text(row, "skuId"), text(row, "assignedByGroup")
    image: dict[str, Json] = {"sku": sku, "disabled": list(texts(row, "disabledPlans"))}
    label = f"licence {sku}" + (f" left behind by group {group}" if group else "")
    return leaver.holding(LICENCE, _native(row), label, restore={**image, "group": group})


def _native(row: Object) -> str:
    sku, group = text(row, "skuId"), text(row, "assignedByGroup")
    return f"{sku}:{group}" if group else sku


def _current(leaver: Leaver) -> set[str]:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    request = asking(user.to_get_request_information(), select=("id", "licenseAssignmentStates"))
    return {_native(row) for row in parts(leaver.graph.get(request), "licenseAssignmentStates")}


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take_away(leaver, one, partial(_look_gone, leaver, one)) for one in holdings]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    there = holding.native_id in _current(leaver)
    shown: dict[str, Json] = {"assigned": there}
    sku, _, group = holding.native_id.partition(":")
    if there and group:
        path = f"/users/{segment(leaver.id)}/reprocessLicenseAssignment"
        return Look(reached=False, read_back=shown, write=lambda: [leaver.graph.raw("POST", path)])
    if there and keeps_a_mailbox(leaver, sku):
        return Look(reached=False, read_back=shown, wait=convert_first(leaver))
    body: dict[str, Json] = {"addLicenses": [], "removeLicenses": [sku]}
    return Look(not there, shown, lambda: [_assign(leaver, body)])


def convert_first(leaver: Leaver) -> tuple[str, datetime]:
    """Say why a licence, or the group that gives it, waits, and when to look again."""
    return _CONVERT_FIRST, leaver.now() + leaver.settings.patience


def keeps_a_mailbox(leaver: Leaver, sku: str) -> bool:
    """Whether this licence keeps a mailbox alive that nobody has converted yet."""
    settings = leaver.settings
    if settings.keep_mailbox is not KeepMailbox.SHARED or not settings.has(Feature.EXCHANGE):
        return False
    user = leaver.graph.client.users.by_user_id(leaver.id)
    details = listed(leaver.graph, user.license_details.to_get_request_information())
    plans = [
        text(plan, "servicePlanName")
        for row in details
        if text(row, "skuId") == sku
        for plan in parts(row, "servicePlans")
    ]
    if not any(name.startswith(_PLAN) for name in plans):
        return False
    mailbox = found(leaver.graph, user.mailbox_settings.to_get_request_information())
    return mailbox is not None and not converted(mailbox)


def converted(mailbox: Object) -> bool:
    """Whether Graph says that the mailbox lives on without a licence; not said is no (Law 2)."""
    return text(mailbox, "userPurpose") in _NEEDS_NO_LICENCE


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_there, leaver, one)) for one in holdings]


def _look_there(leaver: Leaver, holding: Holding) -> Look:
    there = holding.native_id in _current(leaver)
    shown: dict[str, Json] = {"assigned": there}
    image = holding.restore
    if not there and image.get("group"):
        return Look(
            reached=False, read_back=shown, wait=("comes back with the group", leaver.later())
        )
    added: dict[str, Json] = {
        "skuId": text(image, "sku"), "disabledPlans": texts(image, "disabled"),
    }  # fmt: skip
    body: dict[str, Json] = {"addLicenses": [added], "removeLicenses": []}
    return Look(there, shown, lambda: [_assign(leaver, body)])


def _assign(leaver: Leaver, body: dict[str, Json]) -> RequestInformation:
    """Both lists are sent, also when empty: Graph demands both."""
    return leaver.graph.raw("POST", f"/users/{segment(leaver.id)}/assignLicense", body)


def _card(settings: Settings) -> RowCard:
    note = (
        "A licence that carries a mailbox is taken away once the mailbox is seen to be shared."
        if settings.keep_mailbox is KeepMailbox.SHARED
        else "A licence is taken away whatever becomes of the mailbox: Exchange deletes it about "
        "30 days later (keep_mailbox is exported)."
    )
    support = Support(
        LICENCE,
        frozenset({Stage.PRESERVE, Stage.REVOKE}),
        rights=("LicenseAssignment.ReadWrite.All", "MailboxSettings.Read"),
    )
    return RowCard((support,), notes=(note,))


ROW: Final = Row(
    "licences", frozenset({LICENCE}), _card, _read, revoke=_revoke, restore=_restore
)  # fmt: skip
