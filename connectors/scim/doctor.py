"""What ``doctor`` asks of a SCIM target: reachability, tokens, dialect, canary, clock.

Called by the connector's ``probe``. Nothing is changed: the one write that is tried goes to an id
that nobody has, so that it can only be turned down or not found.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from connectors.contract import Credential, Probe
from connectors.faults import Fault, Missing, Refused, Unauthorised
from connectors.scim.dialect import PATCH_SCHEMA
from connectors.scim.finding import LOGIN, MAIL
from connectors.scim.listing import Cut
from connectors.scim.survey import memberships
from connectors.scim.target import USERS, Target
from connectors.scim.wire import at
from connectors.secret import SecretUnavailable

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
NOBODY: Final = "deprovisioner-doctor-nobody"


def probe(target: Target) -> Iterator[Probe]:
    """Yield one line per check. Raises faults when the target cannot be spoken to at all."""
    announced = target.announcement
    yield Probe("reachable", holds=True, detail=_features(target))
    yield _two_tokens(target)
    yield _canary(target)
    yield _filters(target)
    if target.settings.uses("groups"):
        yield _groups(target)
    yield _write(target)
    said_at = announced.said_at if announced else None
    if said_at is not None:
        apart = abs(said_at - target.clock())
        right = apart <= CLOCK_TOLERANCE
        advice = "" if right else "set the clock of one of the two: evidence carries their times"
        yield Probe("clock", right, f"{apart.total_seconds():.0f} s apart", advice)


def _features(target: Target) -> str:
    if target.announcement is None:
        return "no ServiceProviderConfig: forms are tried as settings say"
    features = target.features
    words = {
        "patch": features.patch,
        "filter": features.filter,
        "etag": features.etag,
        "changePassword": features.change_password,
    }
    said = {True: "yes", False: "no", None: "not said"}
    return "announces " + ", ".join(f"{name}: {said[value]}" for name, value in words.items())


def _two_tokens(target: Target) -> Probe:
    """Two names may lead to one secret; then nothing checks anything."""
    try:
        act, verify = target.settings.act.reveal(), target.settings.verify.reveal()
    except SecretUnavailable:
        return Probe("two tokens", holds=True, detail="the other token is not readable from here")
    same = hmac.compare_digest(act.encode(), verify.encode())
    advice = "issue a second token: one acts, the other verifies" if same else ""
    return Probe("two tokens", holds=not same, advice=advice)


def _canary(target: Target) -> Probe:
    try:
        if target.canary is None:
            advice = "set canary to a user who never leaves and whom this token may read"
            return Probe("canary", holds=False, detail="not seen", advice=advice)
    except Cut as cut:
        return Probe("canary", holds=False, detail=str(cut))
    hidden = ", ".join(target.unseen)
    advice = "give the canary a value of each, or name it unused where nobody has it"
    return Probe("canary", not hidden, hidden and f"not shown: {hidden}", hidden and advice)


def _filters(target: Target) -> Probe:
    paths = (*target.settings.certain, LOGIN, MAIL)
    try:
        found = [path for path in paths if target.proven(path)]
    except Cut as cut:
        return Probe("filters", holds=False, detail=str(cut))
    detail = f"{len(found)} of {len(paths)} filters find the canary"
    return Probe("filters", holds=True, detail=detail if found else f"{detail}: everybody is read")


def _groups(target: Target) -> Probe:
    if target.canary is None:
        return Probe("canary group", holds=False, detail="the canary user is not seen")
    try:
        _, _, seen = memberships(target, target.canary.id, target.canary)
    except Cut as cut:
        return Probe("canary group", holds=False, detail=str(cut))
    advice = "" if seen else "put the canary user into the group that canary.group names by its id"
    return Probe("canary group", holds=seen, advice=advice)


def _write(target: Target) -> Probe:
    """Try to change nobody: not found means that the token may write."""
    body = {
        "schemas": [PATCH_SCHEMA],
        "Operations": [{"op": "replace", "path": "active", "value": True}],
    }
    acting = target.credential is Credential.ACT
    check = "may write" if acting else "verifying token"
    try:
        target.service.send("PATCH", at(USERS, NOBODY), body)
    except Unauthorised:
        advice = "give the acting token write rights on /Users and /Groups" if acting else ""
        return Probe(check, holds=not acting, detail="may not write", advice=advice)
    except Missing:
        detail = "" if acting else "may write too; the connector does not. Read-only is better"
        return Probe(check, holds=True, detail=detail)
    except Refused:
        return Probe(check, holds=True, detail="not proven: PATCH is not taken before it is read")
    except Fault as error:
        return Probe(check, holds=False, detail=error.code)
    return Probe(check, holds=False, detail="a change of nobody was answered with success")
