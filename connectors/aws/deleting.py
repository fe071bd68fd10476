"""Deleting a user: whatever is left goes first, in the order that IAM demands.

AWS refuses (DeleteConflict) until everything below a user is gone, and names one blocker at a
time. So what is there is enumerated from the rows at this very call. A conflict that remains is
something that no row knows: it is reported and asked again, never a failed case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.aws import center_grants, people, quarantine
from connectors.aws.rows import Leaver, Row, pending
from connectors.aws.session import request_id
from connectors.contract import Effect, Holding, Kind, Outcome, kind
from connectors.faults import Missing, Refused

_CONFLICT: Final = "aws:DeleteConflict"
_UNKNOWN: Final = (
    "AWS says that something is still below the user which no row knows. Look: aws iam "
    "get-user, and the page Security credentials in the console; it is tried again"
)
_EXTERNAL: Final = (
    "the identity provider would make the user again: delete it there, and see here that it is gone"
)


def destroy(leaver: Leaver, rows: Sequence[Row]) -> Effect:
    """Delete the user of either sort. Raises faults."""
    center = people.center_of(leaver.settings, leaver.place)
    holding = leaver.holding(_kind(leaver, center=bool(center)), leaver.account.native_id)
    if center is not None and center.external:
        return Effect(holding.key, Outcome.REFUSED, why=_EXTERNAL)
    left = _emptied(leaver, rows)
    if left is not None:
        return pending(leaver, holding, {"user": "there"}, why=left)
    return _deleted(leaver, holding, center=center is not None)


def _kind(leaver: Leaver, *, center: bool) -> Kind:
    word = "person" if center else quarantine.kind_of(leaver.login, leaver.settings)
    return kind(f"account.{word}")


def _emptied(leaver: Leaver, rows: Sequence[Row]) -> str | None:
    """Take away what is still below the user; say what could not be."""
    for row in rows:
        if row.revoke is None or row.name not in BELOW:
            continue
        reading = row.read(leaver)
        if reading.gaps:
            return f"not readable: {', '.join(reading.gaps)}"
        for one in reading.holdings:
            if not row.has(one):
                continue
            effect = row.revoke(leaver, one)
            if effect.outcome is Outcome.REFUSED:
                raise Refused(f"{one.kind}: {effect.why}", code="aws:left")  # Law 5 among them
            if effect.outcome is Outcome.PENDING:
                return f"{one.kind}: {effect.why}"
    return None


BELOW: Final = frozenset(
    {
        "console password", "access keys", "service-specific credentials", "ssh public keys",
        "signing certificates", "MFA devices", "groups", "policies",
        "identity center groups", "account assignments", "identity center applications",
        "account access",
    }
)  # fmt: skip
"""Rows of what lies below a user; trust and resource policies are revoked by their own stage."""


def _deleted(leaver: Leaver, holding: Holding, *, center: bool) -> Effect:
    request = ""
    try:
        if center:
            answer = center_grants.delete_user(leaver)
        else:
            quarantine.lift(leaver)
            answer = leaver.iam("delete_user")
        request = request_id(answer)
    except Missing:
        pass  # the re-read decides (Law 6)
    except Refused as fault:
        if fault.code != _CONFLICT:
            raise
        quarantine.put_again(leaver)
        return pending(leaver, holding, {"user": "there"}, why=_UNKNOWN)
    if people.leaver_of(leaver.sessions, leaver.account) is not None:
        return pending(leaver, holding, {"user": "there"}, request)
    lost = "the user: whoever is made again has another id, which no old policy names"
    return Effect(holding.key, Outcome.DONE, {"user": "absent"}, request, lost=lost)
