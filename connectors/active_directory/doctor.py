"""What ``doctor`` asks of a domain: controllers, canaries, rights, clock; nothing is changed.

Rights are read from ``allowedAttributesEffective``, which a controller computes for the identity
that asks (MS-ADTS 3.1.1.4.5.17): no write is tried. Called by the connector's ``probe``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from connectors._directory.entries import Entry
from connectors.active_directory import sight
from connectors.active_directory.controllers import Controllers
from connectors.active_directory.destroying import NO_BIN, has_recycle_bin
from connectors.active_directory.domain import OWNER_GROUP_DACL, Domain
from connectors.active_directory.rows import DESCRIPTOR
from connectors.active_directory.survey import other_domains
from connectors.active_directory.values import generalized
from connectors.contract import Credential, Probe
from connectors.faults import Fault

_CLOCK: Final = timedelta(seconds=30)
"""Kerberos takes five minutes; more than this apart is a clock nobody looks after."""
_EFFECTIVE: Final = "allowedAttributesEffective"
_ON_PERSON: Final = ("userAccountControl", "accountExpires", "unicodePwd", "servicePrincipalName")
_ON_GROUP: Final = ("member",)


def probe(controllers: Controllers, home: Domain) -> Iterator[Probe]:
    """Yield one line per check."""
    yield Probe("reachable", holds=True, detail=f"{home.facts.host} took our password")
    yield from _controllers(controllers, home)
    yield from _canaries(home)
    yield _coverage(home)
    yield from _sight(home)
    yield from _rights(home)
    yield _deleted(home)
    yield _clock(home)
    yield _domains(home)
    if home.credential is Credential.ACT:
        yield _bin(home)
        yield from _unit(home)


def _controllers(controllers: Controllers, home: Domain) -> Iterator[Probe]:
    """Every controller is read by verification, so every one must answer the verifier."""
    others, gaps = controllers.others(home)
    advice = "give read on CN=Sites of the configuration partition" if gaps else ""
    yield Probe("list of controllers", not gaps, f"{len(others) + 1} found", advice)
    if home.credential is Credential.ACT:
        return
    for controller in others:
        check = f"controller {controller.host}"
        try:
            controllers.at(controller.host)
        except Fault as fault:
            advice = "name its address in controllers, or bring it back; cases stay open meanwhile"
            yield Probe(check, holds=False, detail=str(fault), advice=advice)
        else:
            yield Probe(check, holds=True, detail="took our password")


def _canaries(domain: Domain) -> Iterator[Probe]:
    end = sight.end(domain)
    left_out = sight.gaps_of_settings(domain)
    hidden = [gap for gap in end.gaps if gap not in left_out]
    advice = "" if end.canary.seen else "a canary object cannot be read by this identity"
    yield Probe("canaries", end.canary.seen, advice=advice)
    advice = "give read rights on them, or name another canary" if hidden else ""
    yield Probe("canary attributes", not hidden, detail=", ".join(hidden), advice=advice)


def _coverage(domain: Domain) -> Probe:
    """Fail for each watched attribute that nothing proves; the acting identity names examples."""
    missing = sight.unproven(domain)
    if not missing:
        return Probe("canary coverage", holds=True, detail="every watched attribute is proven")
    acting = domain.credential is Credential.ACT
    words = [_advice(domain, name) if acting else name for name in missing]
    advice = "; ".join(words) + ": a canary that has it, or unused"
    return Probe("canary coverage", holds=False, detail=", ".join(missing), advice=advice)


def _advice(domain: Domain, name: str) -> str:
    """Name an object that has an attribute, where one is seen."""
    if name == DESCRIPTOR:
        return f"{name}: every object has it"
    try:
        pages = domain.search(domain.settings.base, f"({name}=*)", ["1.1"])
        example = next((entry.dn for page in pages for entry in page), "")
    except Fault:  # a limit: then there is only the other advice
        example = ""
    return f"{name}: such as {example}" if example else f"{name}: seen nowhere"


def _sight(domain: Domain) -> Iterator[Probe]:
    """Whether rights on people's objects show everything, judged on the canaries among them."""
    hidden = [gap for entry in _people(domain) for gap in sight.of_account(domain, entry)]
    advice = "grant Read all properties on people's objects" if hidden else ""
    yield Probe("sight on accounts", not hidden, detail=", ".join(hidden), advice=advice)


def _rights(domain: Domain) -> Iterator[Probe]:
    missing: list[str] = []
    may: list[str] = []
    for entry in (*_people(domain), *_groups(domain)):
        is_person = "user" in {text.casefold() for text in entry.texts("objectClass")}
        effective = {text.casefold() for text in entry.texts(_EFFECTIVE)}
        for name in _ON_PERSON if is_person else _ON_GROUP:
            (may if name.casefold() in effective else missing).append(name)
    if domain.credential is Credential.VERIFY:
        detail = f"may write {', '.join(sorted(set(may)))}" if may else "may write nothing tried"
        advice = "take every write right from the verifying identity" if may else ""
        yield Probe("writes nothing", not may, detail, advice)
        return
    # A password is reset by an extended right, which this attribute does not show.
    lacking = sorted(set(missing) - {"unicodePwd"})
    holds = not lacking and bool(may)
    advice = "" if holds else "grant write on them; name a person and a group among the canaries"
    detail = f"may not write {', '.join(lacking)}" if lacking else "read, not tried"
    yield Probe("write rights", holds, detail, advice)


def _deleted(domain: Domain) -> Probe:
    """An account that is gone is believed to be when it is seen among the deleted objects."""
    place = f"CN=Deleted Objects,{domain.settings.base}"
    seen = domain.sees_deleted(place)
    advice = f'dsacls "{place}" /takeownership, then /G <identity>:LCRP' if not seen else ""
    return Probe("deleted objects", seen, advice=advice)


def _clock(domain: Domain) -> Probe:
    """Compare with the controller's clock, which its root entry shows."""
    entry = domain.session.read("", ["currentTime"])
    shown = generalized(entry.text("currentTime")) if entry else None
    if shown is None:
        return Probe("clock", holds=False, advice="the controller does not show its time")
    apart = abs(domain.clock() - shown)
    advice = "" if apart <= _CLOCK else "set the clocks by NTP: evidence carries their times"
    return Probe("clock", apart <= _CLOCK, f"{apart.total_seconds():.0f} s apart", advice)


def _domains(domain: Domain) -> Probe:
    found = other_domains(domain)
    if not domain.settings.only_domain:
        detail = "others exist" if found else "there is no other: only_domain may be set"
        return Probe("other domains", holds=True, detail=detail)
    advice = "unset only_domain: groups elsewhere become a duty" if found else ""
    return Probe("other domains", not found, advice=advice)


def _bin(domain: Domain) -> Probe:
    """A note: destroy works without, but nothing comes back."""
    on = has_recycle_bin(domain)
    return Probe("recycle bin", holds=True, detail="on" if on else f"off: {NO_BIN}")


def _unit(domain: Domain) -> Iterator[Probe]:
    unit = domain.settings.leavers_ou
    if not unit:
        return
    entry = domain.session.read(unit, ["allowedChildClassesEffective"])
    may = entry is not None and "user" in {
        text.casefold() for text in entry.texts("allowedChildClassesEffective")
    }
    detail = "keep it in the scope of a cloud sync, or the move deletes the cloud user"
    advice = "" if may else "leavers_ou is not there, or may not take users from this identity"
    yield Probe("leavers_ou", may, detail, advice)


def _people(domain: Domain) -> Iterator[Entry]:
    yield from _matching(domain, domain.settings.account_filter)


def _groups(domain: Domain) -> Iterator[Entry]:
    yield from _matching(domain, "(objectClass=group)")


def _matching(domain: Domain, found_by: str) -> Iterator[Entry]:
    attributes = ("objectClass", *sight.ALWAYS_THERE, DESCRIPTOR, _EFFECTIVE)
    for canary in domain.settings.canaries:
        entry = domain.session.read(canary.dn, attributes, found_by, [OWNER_GROUP_DACL])
        if entry is not None:
            yield entry
