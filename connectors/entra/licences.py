"""Row E50: licences, given directly or through a group. The last of all rows.

Taking away the licence that carries a mailbox starts the clock of its deletion, so it waits until
the mailbox was seen to live on by itself (lessons: conversion before licence). What a group gives
goes with the group; Graph refuses to take it directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.queries import asking, found, listed, parts, text, texts
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, KeepMailbox, Settings
from connectors.entra.steps import Look, take

LICENCE: Final = kind("grant.licence")
_PLAN: Final = "EXCHANGE"
_PATIENCE: Final = timedelta(hours=1)
_CONVERT_FIRST: Final = "the mailbox is converted to a shared one first"
_WITH_ITS_GROUP: Final = "goes when the group that gives it was left"


def _read(leaver: Leaver) -> RowReading:
    return RowReading(tuple(_holdings(leaver, leaver.user)))


def _holdings(leaver: Leaver, user: Object) -> Iterator[Holding]:
    for row in parts(user, "licenseAssignmentStates"):
        sku, group = text(row, "skuId"), text(row, "assignedByGroup")
        image: dict[str, Json] = {"sku": sku, "disabled": list(texts(row, "disabledPlans"))}
        yield leaver.holding(
            LICENCE,
            f"{sku}:{group}" if group else sku,
            f"licence {sku} of group {group}" if group else f"licence {sku}",
            restore={**image, "group": group} if group else image,
        )


def _current(leaver: Leaver) -> set[str]:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    request = asking(user.to_get_request_information(), select=("id", "licenseAssignmentStates"))
    return {one.native_id for one in _holdings(leaver, leaver.graph.get(request))}


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_gone, leaver, one)) for one in holdings]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    there = holding.native_id in _current(leaver)
    shown: dict[str, Json] = {"assigned": there}
    sku, _, group = holding.native_id.partition(":")
    if there and group:
        return Look(reached=False, read_back=shown, wait=(_WITH_ITS_GROUP, leaver.later()))
    if there and _carries_the_mailbox(leaver, sku):
        return Look(reached=False, read_back=shown, wait=(_CONVERT_FIRST, leaver.now() + _PATIENCE))
    body: dict[str, Json] = {"addLicenses": [], "removeLicenses": [sku]}
    return Look(not there, shown, lambda: [_assign(leaver, body)])


def _carries_the_mailbox(leaver: Leaver, sku: str) -> bool:
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
    return mailbox is not None and text(mailbox, "userPurpose") == "user"


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
