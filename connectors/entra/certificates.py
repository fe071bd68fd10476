"""Row E10: the certificates that a person may sign in with, named on the user object.

Called by the connector through :data:`ROW`. They outlive a new password. Those of a synced user
are written in Active Directory. Not here: certificates of applications.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.entra.account import user_request
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Settings
from connectors.entra.steps import Look, take

CERTIFICATE: Final = kind("credential.certificate")
_NATIVE_ID: Final = "certificateUserIds"
_MASTERED_ABROAD: Final = (
    "In Active Directory: clear what is synchronised to certificateUserIds for this person "
    "(altSecurityIdentities, or the attribute that the synchronisation rule names)."
)


def _card(_settings: Settings) -> RowCard:
    support = Support(
        CERTIFICATE,
        frozenset({Stage.PRESERVE, Stage.REVOKE}),
        rights=("User.ReadWrite.All",),
    )
    note = "Federated identities on the user object stay with the blocked account."
    return RowCard((support,), notes=(note,))


def _read(leaver: Leaver) -> RowReading:
    bound = _bound(leaver.user)
    if not bound:
        return RowReading()
    mastered_here = not (leaver.synced and leaver.settings.active_directory)
    duty = _MASTERED_ABROAD if leaver.synced else ""
    holding = leaver.holding(
        CERTIFICATE,
        _NATIVE_ID,
        "certificates to sign in with",
        restore={_NATIVE_ID: bound},
        duty=duty,
    )
    return RowReading((holding,)) if mastered_here else RowReading()


def _bound(user: Object) -> list[str]:
    info = user.get("authorizationInfo")
    ids = info.get(_NATIVE_ID) if isinstance(info, Mapping) else None
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take(leaver, one, partial(_look, leaver, ()), duty=_MASTERED_ABROAD) for one in holdings
    ]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take(leaver, one, partial(_look, leaver, _kept(one)), duty=_MASTERED_ABROAD)
        for one in holdings
    ]


def _kept(holding: Holding) -> tuple[str, ...]:
    ids = holding.restore.get(_NATIVE_ID)
    return tuple(one for one in ids if isinstance(one, str)) if isinstance(ids, list) else ()


def _look(leaver: Leaver, wanted: Sequence[str]) -> Look:
    bound = _bound(leaver.graph.get(user_request(leaver.graph, leaver.id)))
    body: dict[str, Json] = {"authorizationInfo": {_NATIVE_ID: list(wanted)}}
    request = leaver.graph.raw("PATCH", f"/users/{segment(leaver.id)}", body)
    reached = sorted(bound) == sorted(wanted)
    return Look(reached, {"certificates": len(bound)}, lambda: [request])


ROW: Final = Row(
    name="E10 certificates to sign in with",
    kinds=frozenset({CERTIFICATE}),
    card=_card,
    read=_read,
    revoke=_revoke,
    restore=_restore,
)
