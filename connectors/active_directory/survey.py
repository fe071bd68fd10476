"""Everything one account holds on one domain controller, read in one session with its canaries.

The order is that in which things are taken: sign-in (A01 to A05), groups (A07 to A10), what other
objects say (A15 to A19), what lies on the account (A11 to A14, A20 to A26), and last what follows
from the groups (A12) and the place (A28). Called by the connector's ``survey``, which joins the
readings of all controllers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors._directory.entries import Entry
from connectors._directory.results import OutOfRange, Referred, Truncated
from connectors.active_directory import memberships, own, sight, sign_in
from connectors.active_directory.access import Access
from connectors.active_directory.domain import OWNER_GROUP_DACL, Domain
from connectors.active_directory.links import Links
from connectors.active_directory.person import Person
from connectors.active_directory.rows import ADMIN_COUNT, BACK_LINKS, DESCRIPTOR, OWN
from connectors.contract import Account, Holding, Page

_STOPPED: Final = (Truncated, Referred, OutOfRange)
_OTHER_DOMAIN: Final = "another domain or a trust, which only_domain says there is not"


def whole(domain: Domain, account: Account) -> Entry | None:
    """Read the account's own object with all that a survey judges."""
    wanted = (
        *sign_in.STATE,
        *sight.ALWAYS_THERE,
        *memberships.ATTRIBUTES,
        *domain.known_among((*OWN, *BACK_LINKS)),
        ADMIN_COUNT,
        DESCRIPTOR,
    )
    return domain.account_entry(account, wanted, [OWNER_GROUP_DACL])


def survey(domain: Domain, account: Account) -> Iterator[Page[Holding]]:
    """Yield pages of holdings; the last page has the end. An account that is gone yields none.

    Of a gone account, groups that still name its login are reported: the next bearer of the name
    would inherit them.
    """
    gaps: list[str] = []
    try:
        entry = whole(domain, account)
        person = Person.of(domain, account, entry)
        if entry is None:
            gaps += sight.of_absent(domain, account.native_id)
        else:
            gaps += sight.of_account(domain, entry)
            seen = memberships.holdings(domain, person, entry)
            gaps += seen.gaps
            yield Page((*sign_in.holdings(domain, person, entry), *seen.holdings))
        yield from _elsewhere(domain, person, gaps)
        if entry is not None:
            yield Page(tuple(own.holdings(domain, person, entry)))
            yield Page(tuple(own.standing(domain, person, entry)))
        gaps += other_domains(domain) if domain.settings.only_domain else []
    except _STOPPED as stop:
        yield Page((), sight.end(domain, [str(stop)], complete=False))
        return
    yield Page((), sight.end(domain, gaps))


def other_domains(domain: Domain) -> list[str]:
    """Say when the forest has more domains, or trusts, than the settings say (A09)."""
    partitions = domain.session.everything(
        f"CN=Partitions,{domain.facts.configuration}", "(nETBIOSName=*)", ["nCName"]
    )
    trusts = domain.everything(domain.settings.base, "(objectClass=trustedDomain)", ["cn"])
    if not partitions:
        return ["the list of domains"]
    return [_OTHER_DOMAIN] if len(partitions) > 1 or trusts else []


def left_over(domain: Domain, person: Person, entry: Entry) -> list[str]:
    """Name what still stands in the way of deleting: groups and references of other objects."""
    groups = memberships.holdings(domain, person, entry).holdings
    return [holding.kind for holding in groups if not holding.duty] + Links(domain, person).left()


def _elsewhere(domain: Domain, person: Person, gaps: list[str]) -> Iterator[Page[Holding]]:
    links, access = Links(domain, person), Access(domain, person)
    used: set[str] = set()
    for page in links.pages():
        used |= sight.used_after_all(domain, page)
        yield Page(tuple(links.holdings(page)))
    for page in access.pages():
        used |= sight.used_after_all(domain, page)
        yield Page(tuple(access.holdings(page)))
    if person.entry is not None:
        used |= sight.used_after_all(domain, [person.entry])
        gaps += links.gaps(person.entry)
    gaps += access.gaps()
    gaps += [f"{name} is named unused and is used" for name in sorted(used)]
