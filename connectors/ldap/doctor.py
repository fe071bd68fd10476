"""What ``doctor`` asks of a directory: reachability, rights, canaries, clock; nothing is changed.

Called by the connector's ``probe``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from connectors.contract import Credential, Probe
from connectors.ldap import watched
from connectors.ldap.directory import PPOLICY_CONTROL, Directory
from connectors.ldap.references import ROWS
from connectors.ldap.settings import Product

_CLOCK: Final = timedelta(seconds=30)
"""Servers show whole seconds; more than this apart is a clock nobody looks after."""
_PROVEN: Final = (*(row.attribute for row in ROWS), "sshPublicKey")


def probe(directory: Directory) -> Iterator[Probe]:
    """Yield one line per check."""
    product = directory.product
    yield Probe("reachable", holds=True, detail=f"{product.value} answered and took our password")
    yield _base(directory)
    yield from _canaries(directory)
    yield _lock(directory)
    if directory.settings.read_sessions:
        yield _clock(directory)
    yield _coverage(directory)


def _base(directory: Directory) -> Probe:
    contexts = {text.casefold() for text in directory.session.root.texts("namingContexts")}
    base = directory.settings.base.casefold()
    holds = any(base == context or base.endswith("," + context) for context in contexts)
    return Probe("base", holds, advice="" if holds else "base is below none of namingContexts")


def _canaries(directory: Directory) -> Iterator[Probe]:
    end = directory.end()
    yield Probe(
        "canaries",
        end.canary.seen,
        advice="" if end.canary.seen else "a canary object cannot be read by this identity",
    )
    yield Probe(
        "canary attributes",
        not end.gaps,
        detail=", ".join(end.gaps),
        advice="give read rights on them, or name another canary" if end.gaps else "",
    )


def _lock(directory: Directory) -> Probe:
    if directory.product is Product.THREE_EIGHT_NINE:
        return Probe("lock", holds=True, detail="by nsAccountLock")
    if not directory.session.offers(PPOLICY_CONTROL):
        advice = "load the ppolicy overlay; without it accounts can only be scrambled"
        return Probe("lock", holds=False, advice=advice)
    policy = directory.settings.default_password_policy
    entry = directory.session.read(policy, ["pwdLockout"]) if policy else None
    holds = entry is not None and entry.text("pwdLockout").casefold() == "true"
    advice = "" if holds else "default_password_policy must name a policy with pwdLockout TRUE"
    return Probe("lock", holds, detail="by pwdAccountLockedTime", advice=advice)


def _coverage(directory: Directory) -> Probe:
    """Name what no canary proves; a hint, because a directory may not use an attribute at all."""
    proven = {
        name.casefold() for canary in directory.settings.canaries for name in canary.attributes
    }
    unproven = [name for name in _PROVEN if name.casefold() not in proven]
    words = f"no canary shows: {', '.join(unproven)}" if unproven else ""
    who = "verifying" if directory.credential is Credential.VERIFY else "acting"
    return Probe("canary coverage", holds=True, detail=f"{who} identity; {words}".rstrip("; "))


def _clock(directory: Directory) -> Probe:
    """Compare with the server's clock, which only the monitor shows."""
    base = directory.settings.monitor_base
    dn, attribute = base, "currentTime"
    if directory.product is Product.OPENLDAP:
        dn, attribute = f"cn=Current,cn=Time,{base}", "monitorTimestamp"
    entry = directory.session.read(dn, [attribute])
    shown = watched.instant(entry.text(attribute)) if entry else None
    if shown is None:
        advice = f"give read rights on {attribute} of {dn}"
        return Probe("clock", holds=False, advice=advice)
    apart = abs(directory.clock() - shown)
    advice = "" if apart <= _CLOCK else "set the clocks by NTP: evidence carries their times"
    return Probe("clock", apart <= _CLOCK, f"{apart.total_seconds():.0f} s apart", advice)
