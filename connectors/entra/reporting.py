"""Row E70: whose manager the person is. Approvals go to the manager, so nobody is left without.

A report has exactly one manager: they get the successor, and are never left with none. The
person's own manager stays with the account. Synced people have their manager in Active Directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Account, Effect, Holding, Json, Stage, Support, kind
from connectors.entra.graph import segment
from connectors.entra.queries import asking, found, readable, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Settings
from connectors.entra.steps import Look, take, take_away

REPORT: Final = kind("ownership.report")
_ONE_MANAGER: Final = "a report has one manager: name the successor instead of taking it away"
_IN_DIRECTORY: Final = (
    "The manager of this report is mastered in Active Directory: Set-ADUser -Manager there."
)


def _read(leaver: Leaver) -> RowReading:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    request = asking(
        user.direct_reports.to_get_request_information(),
        select=("id", "displayName", "onPremisesSyncEnabled"),
        top=leaver.settings.page_size,
    )
    rows, gaps = readable(leaver.graph.gather([request])[0], "direct reports", "User.Read.All")
    return RowReading(
        tuple(
            leaver.holding(
                REPORT,
                text(row, "id"),
                text(row, "displayName"),
                sole=True,
                restore={"report": text(row, "id")},
                duty=_IN_DIRECTORY if row.get("onPremisesSyncEnabled") is True else "",
            )
            for row in rows
        ),
        gaps,
    )


def _manager(leaver: Leaver, report: str) -> RequestInformation:
    manager = leaver.graph.client.users.by_user_id(report).manager
    return asking(manager.to_get_request_information(), select=("id",))


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    look = partial(_look, leaver, who=successor.native_id)
    return [take(leaver, one, partial(look, one)) for one in holdings]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look, leaver, one, who=leaver.id)) for one in holdings]


def _look(leaver: Leaver, holding: Holding, *, who: str) -> Look:
    report = holding.native_id
    now = text(found(leaver.graph, _manager(leaver, report)) or {}, "id")
    shown: dict[str, Json] = {"manager is": "as wanted" if now == who else "another"}
    if report == who:
        why = "the successor would be their own manager: choose somebody else for this report"
        return Look(reached=False, read_back=shown, refuse=why)
    body = leaver.graph.reference("users", who)
    path = f"/users/{segment(report)}/manager/$ref"
    return Look(
        now == who,
        shown,
        lambda: [leaver.graph.raw("PUT", path, body)],
        refuse=holding.duty if now != who else "",
    )


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """Nothing is taken away: only whether it is gone already is looked up."""
    return [take_away(leaver, one, partial(_look_gone, leaver, one)) for one in holdings]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    now = text(found(leaver.graph, _manager(leaver, holding.native_id)) or {}, "id")
    return Look(now != leaver.id, {"is manager": now == leaver.id}, refuse=_ONE_MANAGER)


def _card(_settings: Settings) -> RowCard:
    stages = frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE})
    return RowCard(
        (Support(REPORT, stages, rights=("User.ReadWrite.All",)),),
        notes=("The person's own manager stays with the account until it is deleted.",),
    )


ROW: Final = Row(
    "direct reports", frozenset({REPORT}), _card, _read,
    revoke=_revoke, restore=_restore, transfer=_transfer,
)  # fmt: skip
