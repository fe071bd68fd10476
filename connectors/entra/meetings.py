"""Row E65: meetings to come that the person organises.

Only the organiser's mailbox can cancel, so this comes before the licences. Nobody can take a
meeting over: the successor sets it up again, then the person's own is cancelled and everybody
invited is told. All meetings are one holding, because it is one task for the successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Outcome, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.mail_export import IMMUTABLE
from connectors.entra.queries import asking, listed, parts, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take_away
from connectors.faults import Transient

MEETINGS: Final = kind("ownership.schedule")
_HORIZON: Final = timedelta(days=730)
_NOT_DONE: Final = frozenset({"graph:connect", "graph:429", "graph:503"})
"""Faults, up to the second colon, after which nothing went out; after any other it may have."""
_CANCELLED: Final = "The organiser has left the organisation."
_NOT_BACK: Final = "a cancelled meeting does not come back"
_SET_UP_AGAIN: Final = (
    "The successor sets up the meetings of this person that go on; then confirm. The person's own "
    "are cancelled after that, and everybody invited is told."
)


def _read(leaver: Leaver) -> RowReading:
    answer = leaver.graph.gather([_coming(leaver)])[0]
    rows, gaps = seen_or_missing(answer, "meetings", "Calendars.ReadBasic")
    count = len(_organised(rows))
    label = f"{count} meetings to come that this person organises"
    holdings = (leaver.holding(MEETINGS, "meetings", label),) if count else ()
    return RowReading(holdings, gaps)


def _coming(leaver: Leaver) -> RequestInformation:
    """Ask for what happens from now on; both dates are said, or Graph refuses."""
    begin, end = leaver.now(), leaver.now() + _HORIZON
    span = f"startDateTime={segment(begin.isoformat())}&endDateTime={segment(end.isoformat())}"
    return asking(
        leaver.graph.raw("GET", f"/users/{segment(leaver.id)}/calendarView?{span}"),
        select=("id", "seriesMasterId", "isOrganizer", "isCancelled", "attendees"),
        top=leaver.settings.page_size,
        headers=IMMUTABLE,
    )


def _organised(rows: Sequence[Object]) -> list[str]:
    """Meetings with somebody invited, a series once."""
    mine = (
        row
        for row in rows
        if row.get("isOrganizer") is True
        and row.get("isCancelled") is not True
        and parts(row, "attendees")
    )
    return list(dict.fromkeys(text(row, "seriesMasterId") or text(row, "id") for row in mine))


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_cancel(leaver, one) for one in holdings]


def _cancel(leaver: Leaver, holding: Holding) -> Effect:
    """Cancel what is still to come; then nothing is sent before a late re-read.

    Neither after a lost answer nor while a replica shows a meeting that is cancelled: otherwise
    everybody invited gets the mail twice.
    """
    until = leaver.now() + leaver.settings.settle
    try:
        effect = take_away(leaver, holding, partial(_look, leaver), lost=_NOT_BACK)
    except Transient as fault:
        if ":".join(fault.code.split(":")[:2]) in _NOT_DONE:
            raise
        why = "Graph did not say whether a meeting was cancelled: read again before asking again"
        return Effect(holding.key, Outcome.PENDING, pending_until=until, why=why, lost=_NOT_BACK)
    late = effect.outcome is Outcome.PENDING
    return replace(effect, pending_until=until, lost=_NOT_BACK) if late else effect


def _look(leaver: Leaver) -> Look:
    left = _organised(listed(leaver.graph, _coming(leaver)))
    shown: dict[str, Json] = {"meetings": len(left)}
    return Look(not left, shown, lambda: [_cancellation(leaver, one) for one in left])


def _cancellation(leaver: Leaver, meeting: str) -> RequestInformation:
    path = f"/users/{segment(leaver.id)}/events/{segment(meeting)}/cancel"
    return asking(leaver.graph.raw("POST", path, {"Comment": _CANCELLED}), headers=IMMUTABLE)


def _card(_settings: Settings) -> RowCard:
    support = Support(
        MEETINGS,
        frozenset({Stage.PRESERVE, Stage.REVOKE}),
        rights=("Calendars.ReadWrite",),
        not_restorable=_NOT_BACK,
        duty=_SET_UP_AGAIN,
    )
    return RowCard((support,), notes=(f"Meetings are read {_HORIZON.days} days ahead.",))


ROW: Final = Row(
    "meetings", frozenset({MEETINGS}), _card, _read, revoke=_revoke,
    absent=lambda settings: not settings.has(Feature.EXCHANGE),
)  # fmt: skip
