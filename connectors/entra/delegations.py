"""Rows E61 and E63: inbox rules that forward, and what others may do in the calendar.

Both are named by what they say, not by Graph's id: undo makes another id, and the order of rules
changes when one goes. Forwarding that is set on the mailbox itself, and rights on whole mailboxes,
are not in Graph: see ``mailbox``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Gap, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.clouds import CloudName
from connectors.entra.graph import segment
from connectors.entra.queries import listed, parts, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take_away, take_when_there

DELEGATION: Final = kind("grant.delegation")
_RULE: Final = "rule:"
_SHARE: Final = "calendar:"
_FORWARDS: Final = ("forwardTo", "forwardAsAttachmentTo", "redirectTo")
_RULE_MEANS: Final = ("displayName", "conditions", "actions", "exceptions")
_RULE_PARTS: Final = (*_RULE_MEANS, "sequence", "isEnabled")
_SHARE_PARTS: Final = ("emailAddress", "role", "isInsideOrganization", "isRemovable")
_BY_POWERSHELL: Final = (
    "In Exchange Online PowerShell: Get-InboxRule -Mailbox <id>, and Remove-InboxRule for rules "
    "that forward; Get-MailboxFolderPermission <id>:\\Calendar, and Remove-MailboxFolderPermission "
    "for people who may read or change the calendar."
)


def _rules_offered(settings: Settings) -> bool:
    """The schema of 21Vianet has no ``messageRules``."""
    return settings.cloud is not CloudName.CHINA


def _read(leaver: Leaver) -> RowReading:
    requests: list[RequestInformation] = []
    reads: list[tuple[str, str, Callable[[Leaver, Sequence[Object]], list[Holding]]]] = []
    if _rules_offered(leaver.settings):
        requests.append(_rules(leaver))
        reads.append(("inbox rules", "MailboxSettings.Read", _rule_holdings))
    if leaver.settings.read_calendar_permissions:
        requests.append(_shares(leaver))
        right = "Calendars.Read, or read_calendar_permissions off"
        reads.append(("calendar permissions", right, _share_holdings))
    reading = RowReading()
    answers = leaver.graph.gather(requests)
    for (what, right, holdings), answer in zip(reads, answers, strict=True):
        rows, gaps = seen_or_missing(answer, what, right)
        reading += RowReading(tuple(holdings(leaver, rows)), gaps)
    return reading


def _rules(leaver: Leaver) -> RequestInformation:
    inbox = leaver.graph.client.users.by_user_id(leaver.id).mail_folders.by_mail_folder_id("inbox")
    return inbox.message_rules.to_get_request_information()


def _shares(leaver: Leaver) -> RequestInformation:
    calendar = leaver.graph.client.users.by_user_id(leaver.id).calendar
    return calendar.calendar_permissions.to_get_request_information()


def _rule_holdings(leaver: Leaver, rows: Sequence[Object]) -> list[Holding]:
    return [
        leaver.holding(
            DELEGATION,
            _rule_name(row),
            f"rule that forwards: {text(row, 'displayName')}",
            restore=_image(row, _RULE_PARTS),
            duty=_BY_POWERSHELL if row.get("isReadOnly") is True else "",
        )
        for row in rows
        if any(parts(row, "actions", name) for name in _FORWARDS)
    ]


def _share_holdings(leaver: Leaver, rows: Sequence[Object]) -> list[Holding]:
    return [
        leaver.holding(
            DELEGATION,
            _share_name(row),
            f"{text(row, 'role')} on the calendar for {text(row, 'emailAddress', 'name')}",
            restore=_image(row, _SHARE_PARTS),
        )
        for row in rows
        if _is_share(row)
    ]


def _is_share(row: Object) -> bool:
    """Not the entry for "my organisation", which cannot be removed."""
    return row.get("isRemovable") is True and text(row, "role") != "none"


def _image(row: Object, names: Sequence[str]) -> dict[str, Json]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _rule_name(row: Object) -> str:
    return _RULE + _digest(_image(row, _RULE_MEANS))


def _share_name(row: Object) -> str:
    return _SHARE + _digest(text(row, "emailAddress", "address").casefold())


def _digest(of: Json) -> str:
    """An id that holds no address: ids end up in places where people's data may not (Law 10)."""
    canonical = json.dumps(of, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _ids(leaver: Leaver, holding: Holding) -> list[str]:
    """Find Graph's ids of today."""
    if holding.native_id.startswith(_RULE):
        rows = [(_rule_name(row), row) for row in listed(leaver.graph, _rules(leaver))]
    else:
        shares = listed(leaver.graph, _shares(leaver))
        rows = [(_share_name(row), row) for row in shares if _is_share(row)]
    return [text(row, "id") for name, row in rows if name == holding.native_id]


def _path(leaver: Leaver, holding: Holding) -> str:
    is_rule = holding.native_id.startswith(_RULE)
    below = "mailFolders/inbox/messageRules" if is_rule else "calendar/calendarPermissions"
    return f"/users/{segment(leaver.id)}/{below}"


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, one, partial(_look_gone, leaver, one), duty=_BY_POWERSHELL)
        for one in holdings
    ]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    ids, path = _ids(leaver, holding), _path(leaver, holding)
    return Look(
        not ids,
        {"there": len(ids)},
        lambda: [leaver.graph.raw("DELETE", f"{path}/{segment(one)}") for one in ids],
        refuse=holding.duty if ids else "",
    )


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_when_there(leaver, one, partial(_look_back, leaver, one), "the mailbox")
        for one in holdings
    ]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    ids, path = _ids(leaver, holding), _path(leaver, holding)
    body = holding.restore
    return Look(bool(ids), {"there": len(ids)}, lambda: [leaver.graph.raw("POST", path, body)])


def _card(settings: Settings) -> RowCard:
    support = Support(
        DELEGATION,
        frozenset({Stage.PRESERVE, Stage.REVOKE}),
        rights=("MailboxSettings.ReadWrite", "Calendars.ReadWrite"),
    )
    whole = _rules_offered(settings) and settings.read_calendar_permissions
    if whole or not settings.has(Feature.EXCHANGE):
        return RowCard((support,))
    why = "inbox rules or calendar permissions are not read here"
    return RowCard((support,), gaps=(Gap(DELEGATION, why, _BY_POWERSHELL),))


ROW: Final = Row(
    "delegations", frozenset({DELEGATION}), _card, _read, revoke=_revoke, restore=_restore,
    absent=lambda settings: not settings.has(Feature.EXCHANGE),
)  # fmt: skip
