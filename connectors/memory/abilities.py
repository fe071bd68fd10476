"""What the remembered world can do with each kind: one table, from which the card is made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from connectors.contract import KINDS, Kind, Stage, Strength, Support

_CONTAIN, _TRANSFER, _REVOKE = Stage.CONTAIN, Stage.TRANSFER, Stage.REVOKE

STAGES: Final[Mapping[str, frozenset[Stage]]] = {
    "account.": frozenset({_CONTAIN, Stage.DESTROY}),
    "session": frozenset({_CONTAIN, _REVOKE}),
    "credential.": frozenset({_CONTAIN, _REVOKE}),
    "grant.group": frozenset({_TRANSFER, _REVOKE}),
    "grant.": frozenset({_REVOKE}),
    "ownership.": frozenset({_TRANSFER, _REVOKE}),
    "alias": frozenset({_REVOKE}),
    "data.": frozenset({Stage.PRESERVE}),
}
"""By the first prefix that fits; a kind that fits none is a person's work."""

BUNDLE: Final = "sign-in"
"""The account and its password are blocked in one request, as directories do."""

NO_RESTORE: Final = "a session does not come back; the person signs in again"
DUTY: Final = "collect or change this by hand, and confirm"


def stages_of(kind: Kind) -> frozenset[Stage]:
    """Find the stages of a kind; empty means a duty."""
    return next(
        (stages for prefix, stages in STAGES.items() if kind.startswith(prefix)), frozenset()
    )


def is_shared(kind: Kind) -> bool:
    """Tell whether several people can hold the same thing, so that somebody can be the last."""
    return kind == "grant.group" or kind.startswith("ownership.")


def supports(asynchronous: Mapping[str, timedelta]) -> tuple[Support, ...]:
    """Declare every word of the vocabulary; ``asynchronous`` kinds are revoked later."""
    return tuple(_support(kind, asynchronous.get(kind)) for kind in sorted(KINDS))


def _support(kind: Kind, bound: timedelta | None) -> Support:
    stages = stages_of(kind)
    if not stages:
        return Support(kind, stages, revokes=Strength.NEVER, duty=DUTY)
    in_bundle = kind.startswith("account.") or kind == "credential.password"
    return Support(
        kind,
        stages,
        revokes=Strength.NOW if bound is None else Strength.BOUNDED,
        revoke_bound=bound or timedelta(0),
        rights=("write",),
        not_restorable=NO_RESTORE if kind == "session" else "",
        bundle=BUNDLE if in_bundle else "",
    )
