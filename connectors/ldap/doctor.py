"""What ``doctor`` asks of a directory: reachability, canaries, rights, clock; nothing is changed.

Called by the connector's ``probe``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from connectors._directory.entries import any_of, normal_dn
from connectors._directory.session import NO_ATTRIBUTES
from connectors.contract import Credential, Probe
from connectors.faults import Fault
from connectors.ldap import coverage, rights, watched
from connectors.ldap.directory import PPOLICY_CONTROL, Directory
from connectors.ldap.references import ROWS
from connectors.ldap.settings import Product

_CLOCK: Final = timedelta(seconds=30)
"""Servers show whole seconds; more than this apart is a clock nobody looks after."""


def probe(directory: Directory) -> Iterator[Probe]:
    """Yield one line per check."""
    product = directory.product
    yield Probe("reachable", holds=True, detail=f"{product.value} answered and took our password")
    yield _base(directory)
    yield from _canaries(directory)
    yield _coverage(directory)
    if directory.credential is Credential.ACT:
        yield _branches(directory)
    yield from rights.probe(directory)
    yield _lock(directory)
    if directory.settings.read_sessions:
        yield _clock(directory)


def _base(directory: Directory) -> Probe:
    contexts = {text.casefold() for text in directory.session.root.texts("namingContexts")}
    base = directory.settings.base.casefold()
    holds = any(base == context or base.endswith("," + context) for context in contexts)
    return Probe("base", holds, advice="" if holds else "base is below none of namingContexts")


def _canaries(directory: Directory) -> Iterator[Probe]:
    end = directory.end()
    left_out = coverage.gaps(directory.settings, directory.product, directory.credential)
    hidden = [gap for gap in end.gaps if gap not in left_out]
    yield Probe(
        "canaries",
        end.canary.seen,
        advice="" if end.canary.seen else "a canary object cannot be read by this identity",
    )
    yield Probe(
        "canary attributes",
        not hidden,
        detail=", ".join(hidden),
        advice="give read and search rights on them, or name another canary" if hidden else "",
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
    """Fail for each watched attribute that nothing proves; the acting identity names examples."""
    settings, acting = directory.settings, directory.credential is Credential.ACT
    missing = coverage.unproven(settings, directory.product, directory.credential)
    gaps = coverage.gaps(settings, directory.product, directory.credential)
    words = [_advice(directory, name) if acting else name for name in missing]
    words += [gap for gap in gaps if "account base" in gap]
    found = {name: _example(directory, name) for name in settings.unused if acting}
    wrong = [f"{name} is named unused, but {dn} has it" for name, dn in found.items() if dn]
    if not words and not wrong:
        return Probe("canary coverage", holds=True, detail="every watched attribute is proven")
    advice = "; ".join([*words, *wrong])
    if not acting:
        advice += ": add entries that have them to canaries (the acting identity names some)"
    return Probe("canary coverage", holds=False, detail=", ".join(gaps), advice=advice)


def _branches(directory: Directory) -> Probe:
    """Name branches that name people and have no canary: a note, for rights often end at one."""
    settings = directory.settings
    proven = {_branch(canary.dn, settings.base) for canary in settings.canaries}
    naming = any_of([f"({row.attribute}=*)" for row in ROWS])
    try:
        pages = directory.session.search(settings.base, naming, [NO_ATTRIBUTES])
        found = {_branch(entry.dn, settings.base) for page in pages for entry in page}
    except Fault as fault:
        return Probe("canary branches", holds=False, detail=str(fault), advice="lift its limits")
    left = ", ".join(sorted(found - proven))
    advice = f"people are named below {left}: add an entry of each to canaries" if left else ""
    return Probe("canary branches", holds=True, detail=left, advice=advice)


def _branch(dn: str, base: str) -> str:
    """Fold the name of the container right below the base in which an entry lies."""
    parts = normal_dn(dn).removesuffix(normal_dn(base)).rstrip(",").split(",")
    return parts[-1] if len(parts) > 1 else ""


def _advice(directory: Directory, name: str) -> str:
    example = _example(directory, name)
    if example:
        return f"{name}: add an entry that has it to canaries, such as {example}"
    return f"{name}: this identity sees it nowhere; add it to unused, if nobody uses it"


def _example(directory: Directory, name: str) -> str:
    """Name an entry that has an attribute; empty when none is seen."""
    found = f"({coverage.base_name(name)}=*)"
    try:
        pages = directory.session.search(directory.settings.base, found, [NO_ATTRIBUTES])
        return next((entry.dn for page in pages for entry in page), "")
    except Fault:  # a limit or an undefined attribute: then there is only the other advice
        return ""


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
