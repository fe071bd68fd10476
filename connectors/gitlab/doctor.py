"""What ``doctor`` asks of a GitLab: token, scopes, rights, canary, clock; nothing is changed.

Called by the connector's ``probe``. Scopes are what the token says of itself; that reads answer as
they should is seen by the canary.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from connectors.contract import Credential, Probe
from connectors.faults import Fault, Unauthorised
from connectors.gitlab import sight
from connectors.gitlab.answers import Object, instant, number, text
from connectors.gitlab.session import GitLab

_CLOCK: Final = timedelta(seconds=30)
_SOON: Final = timedelta(days=14)
_OWNER: Final = 50


def probe(gitlab: GitLab, credential: Credential) -> Iterator[Probe]:
    """Yield one line per check. Raises the fault when the token is not accepted at all."""
    token = gitlab.get("/personal_access_tokens/self")
    yield Probe("token", holds=True, detail="accepted")
    yield _expiry(gitlab, token)
    yield from _scopes(gitlab, credential, token)
    yield from _rights(gitlab)
    yield from _canary(gitlab)
    yield _clock(gitlab)


def _expiry(gitlab: GitLab, token: Object) -> Probe:
    ends = instant(token.get("expires_at"))
    if ends is None:
        return Probe("token expiry", holds=True, detail="it does not expire")
    left = ends - gitlab.clock()
    advice = "" if left > _SOON else "make a new token: every case waits when this one has ended"
    return Probe("token expiry", left > _SOON, f"{left.days} days left", advice)


def _scopes(gitlab: GitLab, credential: Credential, token: Object) -> Iterator[Probe]:
    given = token.get("scopes")
    scopes = {str(one) for one in given} if isinstance(given, list | tuple) else set[str]()
    shown = ", ".join(sorted(scopes))
    if credential is Credential.VERIFY:
        able = bool(scopes & {"api", "read_api"})
        yield Probe("scope to read", able, shown, "" if able else "give it read_api")
        too_much = sorted(scopes & {"api", "sudo"})
        advice = f"take away {', '.join(too_much)}: this token only verifies" if too_much else ""
        yield Probe("scopes to change nothing", not too_much, shown, advice)
        return
    wanted = {"api"} | ({"sudo"} if gitlab.settings.sudo else set())
    missing = sorted(wanted - scopes)
    advice = f"give it {', '.join(missing)} (or set sudo: false)" if missing else ""
    yield Probe("scopes to act", not missing, shown, advice)


def _rights(gitlab: GitLab) -> Iterator[Probe]:
    user = gitlab.get("/user")
    settings = gitlab.settings
    if settings.owner:
        path = f"/groups/{settings.group}/members/all/{number(user, 'id')}"
        try:
            level = number(gitlab.get(path), "access_level")
        except Fault as fault:
            yield Probe("owner of the group", holds=False, detail=str(fault), advice="make it so")
            return
        advice = "" if level >= _OWNER else "make our user Owner of the group"
        yield Probe("owner of the group", level >= _OWNER, advice=advice)
        return
    admin = user.get("is_admin") is True
    advice = "" if admin else "make our user an administrator (with Admin Mode: scope admin_mode)"
    yield Probe("administrator", admin, advice=advice)
    kept = number(user, "id") in settings.protected
    advice = "" if kept else "name our own user id in protected"
    yield Probe("our own user is protected", kept, advice=advice)


def _canary(gitlab: GitLab) -> Iterator[Probe]:
    settings = gitlab.settings
    try:
        seen = sight.canary(gitlab).seen
        gaps = sight.projects(gitlab)[1]
        user = gitlab.get(f"/users/{settings.canary.id}")
    except Fault as fault:
        yield Probe("canary", holds=False, detail=str(fault), advice="grant administrator rights")
        return
    advice = "" if seen else "no user has the id, username and email that the settings name"
    yield Probe("canary", seen, advice=advice)
    advice = "" if not gaps else "name a project that both tokens see, and the canary is in"
    yield Probe("canary's project", not gaps, ", ".join(gaps), advice)
    if not settings.owner:
        blocked = text(user, "state") == "blocked"
        advice = "" if blocked else "block the canary: nobody signs in with it"
        yield Probe("canary is blocked", blocked, advice=advice)
    yield _sees_tokens(gitlab)


def _sees_tokens(gitlab: GitLab) -> Probe:
    """Without the right, GitLab refuses this list; it is the one that closing depends on."""
    settings = gitlab.settings
    if settings.owner:
        return Probe("credentials", holds=True, detail="see the card for what a group shows")
    try:
        gitlab.every("/personal_access_tokens", {"user_id": settings.canary.id})
    except Unauthorised:
        return Probe("credentials", holds=False, advice="grant administrator rights")
    return Probe("credentials", holds=True)


def _clock(gitlab: GitLab) -> Probe:
    shown = gitlab.server_time
    if shown is None:
        return Probe("clock", holds=False, advice="GitLab's answers carry no date")
    apart = abs(gitlab.clock() - shown)
    advice = "" if apart <= _CLOCK else "set the clocks by NTP: evidence carries their times"
    return Probe("clock", apart <= _CLOCK, f"{apart.total_seconds():.0f} s apart", advice)
