"""Rows E60, E62, E64 and E72: the mailbox itself: its backup, its auto-reply, its conversion.

All need a mailbox that is alive, so this row stands before the licences. The auto-reply is a duty
that Graph lets us do; the conversion to a shared mailbox is a person's, and is seen to be done.
Forwarding, holds, rights on other mailboxes and the address list are not in Graph at all: they
stand on the card with their commands. The export itself is in ``mail_export``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import (
    Effect,
    Gap,
    Holding,
    Json,
    Outcome,
    Stage,
    Strength,
    Support,
    kind,
)
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.licences import converted
from connectors.entra.mail_export import export
from connectors.entra.queries import part, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Feature, KeepMailbox, Settings
from connectors.entra.steps import Look, take_away, take_when_there
from connectors.faults import Fault

MAILBOX: Final = kind("data.mailbox")
AUTO_REPLY: Final = kind("duty.handover")
CONVERSION: Final = kind("duty.other")
_OTHER_DATA: Final = kind("data.home")
_TAG: Final = re.compile(r"<[^>]+>")
_CONVERT: Final = (
    'Convert the mailbox before its licence goes. In Exchange Online PowerShell: Set-Mailbox "{id}"'
    ' -Type Shared; then give the successor access: Add-MailboxPermission "{id}" -User <successor> '
    "-AccessRights FullAccess. A shared mailbox above 50 GB, with an archive or on hold, keeps its "
    "licence."
)
_NOT_IN_GRAPH: Final = (
    "forwarding, holds, rights on other mailboxes and the address list are not in Graph"
)
_BY_POWERSHELL: Final = (
    "In Exchange Online PowerShell (Connect-ExchangeOnline), with the object id of the user as "
    "<id>: where a hold is due, Set-Mailbox <id> -LitigationHoldEnabled $true, an hour before any "
    "licence goes. Look at Get-Mailbox <id> | Format-List Forwarding*,DeliverToMailboxAndForward "
    "and end it with Set-Mailbox <id> -ForwardingSmtpAddress $null -ForwardingAddress $null. Take "
    "away rights on other mailboxes: Get-EXOMailbox -ResultSize Unlimited | "
    "Get-EXOMailboxPermission | Where-Object User -eq <user principal name>, then "
    "Remove-MailboxPermission; Get-EXORecipientPermission -Trustee <id>, then "
    "Remove-RecipientPermission. Hide it: Set-Mailbox <id> -HiddenFromAddressListsEnabled $true. "
    "The in-place archive and recoverable items are in no backup of ours: use eDiscovery."
)
_OTHERS: Final = (
    "chats, Planner, To Do, Bookings, Forms, Loop and OneNote are not read: what is there stays "
    "with the account"
)
_REASSIGN: Final = (
    "Go through the person's Planner tasks, Bookings pages, Forms and OneNote notebooks with the "
    "successor: reassign tasks, add another owner to shared forms and bookings, move notebooks."
)
_PARTS: Final = (
    "The mailbox export holds messages as MIME, the calendar and the contacts as JSON; not the "
    "in-place archive, not recoverable items."
)
_ON_PREMISES: Final = (
    "A mailbox on an Exchange server of your own is not in Graph: it counts as none in the cloud."
)


def _read(leaver: Leaver) -> RowReading:
    answer = leaver.graph.objects([_settings(leaver)])[0]
    rows, gaps = seen_or_missing(
        answer if isinstance(answer, Fault) else [answer], "the mailbox", "MailboxSettings.Read"
    )
    if not rows:
        return RowReading(gaps=gaps)  # 404: none in the cloud
    mailbox = leaver.holding(MAILBOX, leaver.id, "mailbox")
    return RowReading((mailbox, *_tasks(leaver, rows[0])))


def _settings(leaver: Leaver) -> RequestInformation:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    return user.mailbox_settings.to_get_request_information()


def _tasks(leaver: Leaver, mailbox: Object) -> list[Holding]:
    """What has to happen to a mailbox that lives on: it answers, and it needs no licence."""
    holdings = []
    if leaver.settings.auto_reply and not _answers(leaver, mailbox):
        image: dict[str, Json] = {"automaticRepliesSetting": dict(_reply_of(mailbox))}
        holdings.append(
            leaver.holding(AUTO_REPLY, "auto-reply", "answer to who writes", restore=image)
        )
    shared = leaver.settings.keep_mailbox is KeepMailbox.SHARED
    if shared and not converted(mailbox):
        duty = _CONVERT.format(id=leaver.id)
        holdings.append(
            leaver.holding(CONVERSION, "shared-mailbox", "conversion to shared", duty=duty)
        )
    return holdings


def _reply_of(mailbox: Object) -> Object:
    return part(mailbox, "automaticRepliesSetting")


def _answers(leaver: Leaver, mailbox: Object) -> bool:
    """Whether everybody who writes gets our text; Exchange wraps it into HTML of its own."""
    reply = _reply_of(mailbox)
    told = [text(reply, name) for name in ("internalReplyMessage", "externalReplyMessage")]
    wanted = _plain(leaver.settings.auto_reply)
    always = text(reply, "status") == "alwaysEnabled" and text(reply, "externalAudience") == "all"
    return always and all(wanted in _plain(html.unescape(_TAG.sub(" ", one))) for one in told)


def _plain(words: str) -> str:
    return " ".join(words.split())


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, one, partial(_look_answering, leaver))
        if one.kind == AUTO_REPLY
        else Effect(one.key, Outcome.REFUSED, why=one.duty or "stays until the account is deleted")
        for one in holdings
    ]


def _look_answering(leaver: Leaver) -> Look:
    answers = _answers(leaver, leaver.graph.get(_settings(leaver)))
    words = html.escape(leaver.settings.auto_reply)
    reply: dict[str, Json] = {
        "status": "alwaysEnabled",
        "externalAudience": "all",
        "internalReplyMessage": words,
        "externalReplyMessage": words,
    }
    return Look(answers, {"answers": answers}, lambda: [_reply_request(leaver, reply)])


def _reply_request(leaver: Leaver, reply: Mapping[str, Json]) -> RequestInformation:
    path = f"/users/{segment(leaver.id)}/mailboxSettings"
    return leaver.graph.raw("PATCH", path, {"automaticRepliesSetting": reply})


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_when_there(leaver, one, partial(_look_as_before, leaver, one), "the mailbox")
        if one.kind == AUTO_REPLY
        else Effect(one.key, Outcome.ALREADY, {"mailbox": "is the person's"})
        for one in holdings
    ]


def _look_as_before(leaver: Leaver, holding: Holding) -> Look:
    before = part(holding.restore, "automaticRepliesSetting")
    mailbox = leaver.graph.get(_settings(leaver))
    status = text(mailbox, "automaticRepliesSetting", "status")
    same = status == text(before, "status") and not _answers(leaver, mailbox)
    return Look(same, {"status": status}, lambda: [_reply_request(leaver, before)])


def _card(settings: Settings) -> RowCard:
    read = ("Mail.Read", "MailboxSettings.Read", "Calendars.Read", "Contacts.Read")
    supports = (
        Support(MAILBOX, frozenset({Stage.PRESERVE}), rights=read),
        Support(AUTO_REPLY, frozenset({Stage.REVOKE}), rights=("MailboxSettings.ReadWrite",)),
        Support(
            CONVERSION,
            frozenset(),
            revokes=Strength.NEVER,
            rights=("MailboxSettings.Read",),
            duty="Convert the mailbox to a shared one.",
        ),
    )
    gaps = (Gap(MAILBOX, _NOT_IN_GRAPH, _BY_POWERSHELL), Gap(_OTHER_DATA, _OTHERS, _REASSIGN))
    return RowCard(supports, gaps if settings.has(Feature.EXCHANGE) else (), (_PARTS, _ON_PREMISES))


ROW: Final = Row(
    "mailbox", frozenset({MAILBOX, AUTO_REPLY, CONVERSION}), _card, _read,
    revoke=_revoke, restore=_restore, export=export,
    absent=lambda settings: not settings.has(Feature.EXCHANGE),
)  # fmt: skip
