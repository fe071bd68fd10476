"""What ``doctor`` asks of a tenant: token, rights, canary, clock; nothing is changed.

Called by the connector's ``probe``. The rights are read from the ``roles`` claim of our own access
token: they are compared, never trusted, because Graph decides on every request anyway. A token
that cannot be read (a sandbox's) says nothing about rights, and that is said.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from connectors.contract import Credential, Probe
from connectors.entra import sight
from connectors.entra.card import rights
from connectors.entra.graph import Graph
from connectors.entra.rows import Row
from connectors.entra.settings import Settings
from connectors.faults import Fault

_CLOCK: Final = timedelta(seconds=30)
READER: Final = (
    "User.Read.All",
    "Directory.Read.All",
    "UserAuthenticationMethod.Read.All",
    "Device.Read.All",
)
"""What every read needs; rows name what only they need on the card."""
_TOO_MUCH: Final = frozenset({"ReadWrite", "Manage", "Remove", "EnableDisableAccount"})


def probe(
    graph: Graph, settings: Settings, credential: Credential, rows: Sequence[Row]
) -> Iterator[Probe]:
    """Yield one line per check. Raises the fault when no token can be had at all."""
    token = graph.token()
    yield Probe("token", holds=True, detail="the sign-in service gave us one")
    yield from _rights(token, settings, credential, rows)
    yield from _canary(graph, settings)
    yield _clock(graph)


def _rights(
    token: str, settings: Settings, credential: Credential, rows: Sequence[Row]
) -> Iterator[Probe]:
    roles = roles_of(token)
    if roles is None:
        detail = "the token does not show its permissions; the reads below say what is readable"
        yield Probe("permissions", holds=True, detail=detail)
        return
    missing = [right for right in READER if not _covered(right, roles)]
    advice = f"consent to {', '.join(missing)}" if missing else ""
    yield Probe("permissions to read", not missing, advice=advice)
    if credential is Credential.VERIFY:
        writing = sorted(role for role in roles if _writes(role))
        words = f"take away {', '.join(writing)}: this identity only verifies" if writing else ""
        yield Probe("permissions to change nothing", not writing, advice=words)
        return
    for row in rows:
        wanted = rights(row.card(settings))
        missing = [right for right in wanted if not _covered(right, roles)]
        advice = f"consent to {', '.join(missing)}" if missing else ""
        yield Probe(f"permissions for {row.name}", not missing, advice=advice)


def roles_of(token: str) -> frozenset[str] | None:
    """Read the ``roles`` of a JSON Web Token without believing it; None when it is none."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7519 section 3
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    roles = claims.get("roles", []) if isinstance(claims, dict) else None
    return frozenset(map(str, roles)) if isinstance(roles, list) else None


def _covered(right: str, roles: frozenset[str]) -> bool:
    """Tell whether a right, or one that includes it, is there.

    A right on the card is its name, with words behind it where there is more to say: which
    objects it is for, or that removing is enough (``(or .Remove.Directory ...)``).
    """
    name = right.split(maxsplit=1)[0]
    enough = {name, name.replace(".Read.", ".ReadWrite."), name.replace(".ReadBasic", ".Read")}
    if "(or .Remove" in right:
        enough.add(name.replace(".ReadWrite.", ".Remove."))
    return not roles.isdisjoint(enough)


def _writes(role: str) -> bool:
    return any(word in role for word in _TOO_MUCH)


def _canary(graph: Graph, settings: Settings) -> Iterator[Probe]:
    answer = graph.objects([sight.canary_user(graph, settings)])[0]
    groups = graph.gather([sight.canary_groups(graph, settings)])[0]
    try:
        seen = sight.canary_of(settings, answer).seen
        gaps = sight.group_gaps(settings, groups)
    except Fault as fault:
        yield Probe("canary", holds=False, detail=str(fault), advice="grant User.Read.All")
        return
    advice = "" if seen else "no user has the id and employee_id that the settings name"
    yield Probe("canary", seen, advice=advice)
    advice = "" if not gaps else "grant Directory.Read.All, or name a group the canary is in"
    yield Probe("canary memberships", not gaps, detail=", ".join(gaps), advice=advice)
    blocked = not isinstance(answer, Fault) and answer.get("accountEnabled") is False
    advice = "" if blocked else "block the canary: nobody signs in with it"
    yield Probe("canary is blocked", blocked, advice=advice)


def _clock(graph: Graph) -> Probe:
    shown = graph.server_time
    if shown is None:
        return Probe("clock", holds=False, advice="Graph's answers carry no date")
    apart = abs(graph.clock() - shown)
    advice = "" if apart <= _CLOCK else "set the clocks by NTP: evidence carries their times"
    return Probe("clock", apart <= _CLOCK, f"{apart.total_seconds():.0f} s apart", advice)
