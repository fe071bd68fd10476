"""The Active Directory connector: one domain, spoken to with one of its two identities.

Claims ``Probes, Finds, Surveys, Lists, Contains, Preserves, Transfers, Revokes, Restores,
Destroys``. Writes go to one controller; verification reads every controller by name. Each method
opens one view of a controller and hands over to the module of its rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from connectors._directory.servers import merged
from connectors.active_directory import destroying, doctor, export, finding, sign_in, survey
from connectors.active_directory.card import card
from connectors.active_directory.changes import Changes, ends_with_account
from connectors.active_directory.controllers import Controllers
from connectors.active_directory.domain import Domain
from connectors.active_directory.person import Person, untouchable
from connectors.active_directory.settings import Settings
from connectors.contract import (
    Account,
    Canary,
    Card,
    Credential,
    Effect,
    Export,
    Holding,
    Outcome,
    Page,
    Probe,
    ReadEnd,
    Subject,
)
from connectors.faults import Fault, Unauthorised

_OBJECT_ID_SIZE = 36


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> ActiveDirectoryConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return ActiveDirectoryConnector(name, settings, credential, clock)


class ActiveDirectoryConnector:
    """One domain and one identity. Safe for threads: each has its own connections."""

    def __init__(
        self, name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._clock = clock
        self._controllers = Controllers(settings, credential, clock)

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return card(self._settings)

    def close(self) -> None:
        """Close the connections of all threads."""
        self._controllers.close()

    def probe(self) -> Iterator[Probe]:
        """Check every controller without changing anything."""
        yield from doctor.probe(self._controllers, self._controllers.home())

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find accounts by HR number and immutable ids, and candidates by what is re-used."""
        yield from finding.find(self._controllers.home(), self._name, subject)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read everything; with the verifying identity on every controller (section 2.2)."""
        home = self._controllers.home()
        if self._credential is Credential.ACT:
            yield from survey.survey(home, account)
            return
        others, gaps = self._controllers.others(home)
        readings: list[tuple[str, Iterable[Page[Holding]]]] = [
            (home.facts.host, survey.survey(home, account)),
            *((one.host, self._survey_at(one.host, account)) for one in others),
        ]
        for page in merged(readings):
            yield _with_gaps(page, gaps)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all accounts."""
        yield from finding.list_accounts(self._controllers.home(), self._name)

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Disable and scramble; take off keys that work around it."""
        return self._write(
            account,
            holdings,
            lambda domain, bundle: sign_in.contain(domain, account, bundle, os.urandom),
            lambda changes, holding: changes.revoke(holding),  # no freeze exists for a key
        )

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream the object and everything that names the person as LDIF."""
        if holdings:
            yield from export.export(self._controllers.home(), account)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Put the successor in; ownerships leave the leaver in the same request."""
        return self._write(
            account,
            holdings,
            lambda _, bundle: [ends_with_account(holding) for holding in bundle],
            lambda changes, holding: changes.transfer(holding, successor),
        )

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take away grants, credentials and references, one by one."""
        return self._write(
            account,
            holdings,
            lambda _, bundle: [ends_with_account(holding) for holding in bundle],
            lambda changes, holding: changes.revoke(holding),
        )

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images; a deleted object first comes out of the recycle bin."""
        domain = self._acting()
        if domain.account_entry(account) is None:
            why = destroying.undelete(domain, account)
            if why:
                return [Effect(holding.key, Outcome.REFUSED, why=why) for holding in holdings]
        return self._write(
            account,
            holdings,
            lambda home, bundle: sign_in.restore(home, account, bundle),
            lambda changes, holding: changes.restore(holding),
        )

    def destroy(self, account: Account) -> Effect:
        """Delete the object, when nothing points at it any more."""
        domain = self._acting()
        if why := self._protected(domain, account):
            return destroying.refused(account, why)
        return destroying.destroy(domain, account)

    # ----------------------------------------------------------------------------- one call
    def _acting(self) -> Domain:
        if self._credential is not Credential.ACT:
            raise Unauthorised("the verifying identity changes nothing", code="ad:verify")
        return self._controllers.home()

    def _write(
        self,
        account: Account,
        holdings: Sequence[Holding],
        together: Callable[[Domain, Sequence[Holding]], Sequence[Effect]],
        single: Callable[[Changes, Holding], Effect],
    ) -> list[Effect]:
        """Work the bundle of sign-in in one go and the rest one by one; then push replication."""
        domain = self._acting()
        if why := self._protected(domain, account):
            return [Effect(holding.key, Outcome.REFUSED, why=why) for holding in holdings]
        bundle = [holding for holding in holdings if sign_in.signs_in(holding)]
        effects = {effect.holding_key: effect for effect in together(domain, bundle) if bundle}
        changes = Changes(domain, account) if len(bundle) < len(holdings) else None
        for holding in holdings:
            if changes is not None and not sign_in.signs_in(holding):
                effects[holding.key] = single(changes, holding)
        return self._pushed(domain, account, [effects[holding.key] for holding in holdings])

    def _pushed(self, domain: Domain, account: Account, effects: list[Effect]) -> list[Effect]:
        """Ask the other controllers to fetch what was changed; note their answers on one effect."""
        done = [place for place, one in enumerate(effects) if one.outcome is Outcome.DONE]
        if not done:
            return effects
        natives = [effects[place].holding_key.split("|")[2][:_OBJECT_ID_SIZE] for place in done]
        touched = {account.native_id, *(one for one in natives if _is_object(one))}
        said = self._controllers.push(domain, sorted(touched))
        last = effects[done[-1]]
        effects[done[-1]] = replace(last, read_back={**last.read_back, **said})
        return effects

    def _protected(self, domain: Domain, account: Account) -> str:
        entry = domain.account_entry(account)
        return untouchable(domain, Person.of(domain, account, entry)) if entry else ""

    def _survey_at(self, host: str, account: Account) -> Iterator[Page[Holding]]:
        """Survey one more controller; one that cannot be read makes the whole reading blind."""
        try:
            yield from survey.survey(self._controllers.at(host), account)
        except Fault as fault:  # Law 11: unreachable means open, and the reading says who it was
            yield Page((), self._unread(f"the domain controller: {fault}"))

    def _unread(self, gap: str) -> ReadEnd:
        canary = Canary("domain canaries", seen=False)
        return ReadEnd(
            complete=False, canary=canary, read_at=self._clock(), credential=self._credential,
            gaps=(gap,),
        )  # fmt: skip


def _with_gaps(page: Page[Holding], gaps: Sequence[str]) -> Page[Holding]:
    if page.end is None or not gaps:
        return page
    return Page(page.items, replace(page.end, gaps=(*page.end.gaps, *gaps)))


def _is_object(native_id: str) -> bool:
    return len(native_id) == _OBJECT_ID_SIZE and native_id.count("-") == 4  # noqa: PLR2004 - a GUID as text
