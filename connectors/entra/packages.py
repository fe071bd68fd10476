"""Row E35: access packages. Before groups: a package puts back what is taken out of its groups.

An assignment is known by package and policy, because undo makes a new one. Removal is a request
that entitlement management works on later; the assignments say when it is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.queries import asking, listed, literal, part, readable, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take, take_away

PACKAGE: Final = kind("grant.access_package")
_ENDED: Final = frozenset({"expired"})
_DUTY: Final = "remove the assignment in the Entra admin centre, Identity Governance"


def _read(leaver: Leaver) -> RowReading:
    answer = leaver.graph.gather([_list(leaver)])[0]
    rows, gaps = readable(answer, "access packages", "EntitlementManagement.Read.All")
    holdings = {
        _native(row): leaver.holding(
            PACKAGE,
            _native(row),
            text(row, "accessPackage", "displayName"),
            restore=_image(row),
        )
        for row in rows
        if text(row, "state") not in _ENDED
    }
    return RowReading(tuple(holdings.values()), gaps)


def _list(leaver: Leaver) -> RequestInformation:
    management = leaver.graph.client.identity_governance.entitlement_management
    return asking(
        management.assignments.to_get_request_information(),
        where=f"target/objectId eq {literal(leaver.id)}",
        expand="accessPackage,assignmentPolicy",
    )


def _native(row: Object) -> str:
    package, policy = text(row, "accessPackage", "id"), text(row, "assignmentPolicy", "id")
    return f"{package}:{policy}" if package else text(row, "id")


def _image(row: Object) -> dict[str, Json]:
    image: dict[str, Json] = {
        "package": text(row, "accessPackage", "id"), "policy": text(row, "assignmentPolicy", "id"),
    }  # fmt: skip
    schedule = part(row, "schedule")
    return {**image, "schedule": dict(schedule)} if schedule else image


def _current(leaver: Leaver, holding: Holding) -> list[Object]:
    rows = listed(leaver.graph, _list(leaver))
    live = [row for row in rows if text(row, "state") not in _ENDED]
    return [row for row in live if _native(row) == holding.native_id]


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, one, partial(_look_gone, leaver, one), duty=_DUTY) for one in holdings
    ]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    rows = _current(leaver, holding)
    bodies: list[dict[str, Json]] = [
        {"requestType": "adminRemove", "assignment": {"id": text(row, "id")}} for row in rows
    ]
    shown: dict[str, Json] = {"states": [text(row, "state") for row in rows]}
    return Look(not rows, shown, lambda: [_asked(leaver, body) for body in bodies])


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_there, leaver, one)) for one in holdings]


def _look_there(leaver: Leaver, holding: Holding) -> Look:
    image = holding.restore
    rows = _current(leaver, holding)
    body: dict[str, Json] = {
        "requestType": "adminAdd",
        "assignment": {
            "targetId": leaver.id,
            "assignmentPolicyId": text(image, "policy"),
            "accessPackageId": text(image, "package"),
        },
    }
    shown: dict[str, Json] = {"states": [text(row, "state") for row in rows]}
    return Look(bool(rows), shown, lambda: [_asked(leaver, body)])


def _asked(leaver: Leaver, body: dict[str, Json]) -> RequestInformation:
    path = "/identityGovernance/entitlementManagement/assignmentRequests"
    return leaver.graph.raw("POST", path, body)


def _card(_settings: Settings) -> RowCard:
    return RowCard(
        (
            Support(
                PACKAGE,
                frozenset({Stage.PRESERVE, Stage.REVOKE}),
                rights=("EntitlementManagement.ReadWrite.All",),
            ),
        )
    )


ROW: Final = Row(
    "access packages", frozenset({PACKAGE}), _card, _read, revoke=_revoke, restore=_restore,
    ends_sessions=True, absent=lambda settings: not settings.has(Feature.ACCESS_PACKAGES),
)  # fmt: skip
