"""The LDAP connector: one directory, spoken to with one of its two identities.

Claims ``Probes, Finds, Surveys, Lists, Contains, Preserves, Transfers, Revokes, Restores,
Destroys``. Each method opens one view of the directory and hands over to the module of its rows;
see the package's docstring for what a directory holds and what cannot be undone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from connectors._directory.entries import Entry
from connectors._directory.servers import merged
from connectors._directory.session import Sessions
from connectors.contract import (
    Account,
    Card,
    Credential,
    Effect,
    Export,
    Holding,
    Outcome,
    Page,
    Probe,
    Subject,
)
from connectors.faults import Missing, Refused, Transient, Unauthorised
from connectors.ldap import doctor, export, finding, sign_in, survey
from connectors.ldap.card import PASSWORD, card
from connectors.ldap.changes import Changes, account_key, destroy_refused
from connectors.ldap.directory import Directory, recognise
from connectors.ldap.settings import Settings


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> LdapConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return LdapConnector(name, settings, credential, clock)


class LdapConnector:
    """One directory and one identity. Safe for threads: each has its own connection."""

    def __init__(
        self, name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._clock = clock
        self._servers = tuple(
            (endpoint, Sessions(endpoint, clock, settings.bounds))
            for endpoint in settings.endpoints(credential)
        )

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return card(self._settings)

    def close(self) -> None:
        """Close the connections of all threads."""
        for _, sessions in self._servers:
            sessions.close()

    def probe(self) -> Iterator[Probe]:
        """Check every server without changing anything."""
        for number in range(len(self._servers)):
            yield from doctor.probe(self._directory(number))

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find accounts by HR number, and candidates by address, login and pattern."""
        yield from finding.find(self._directory(), self._name, subject)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read everything; with the verifying identity on every replica too (L13)."""
        if len(self._servers) == 1:
            yield from survey.survey(self._directory(), account)
            return
        yield from merged(
            (f"server {number}", survey.survey(self._directory(number - 1), account))
            for number in range(1, len(self._servers) + 1)
        )

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all accounts."""
        yield from finding.list_accounts(self._directory(), self._name)

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Lock and scramble in one modify; stop keys, certificates and tickets."""
        directory = self._acting()
        signing_in = [holding for holding in holdings if _is_sign_in(holding)]
        if signing_in:
            done = sign_in.contain(directory, account, signing_in, os.urandom)
            effects = {effect.holding_key: effect for effect in done}
        else:
            effects = {}
        others = [holding for holding in holdings if not _is_sign_in(holding)]
        changes = Changes(directory, account) if others else None
        return [
            effects[holding.key]
            if changes is None or _is_sign_in(holding)
            else changes.contain(holding)
            for holding in holdings
        ]

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream the entry and everything that names the person as LDIF."""
        if holdings:
            yield from export.export(self._directory(), account)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Put the successor in; ownerships leave the leaver in the same request."""
        changes = Changes(self._acting(), account)
        return [changes.transfer(holding, successor) for holding in holdings]

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take away grants, credentials and references, one by one."""
        changes = Changes(self._acting(), account)
        return [
            Effect(holding.key, Outcome.REFUSED, why="ends with the account: contain, then destroy")
            if _is_sign_in(holding)
            else changes.revoke(holding)
            for holding in holdings
        ]

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images."""
        directory = self._acting()
        signing_in = [holding for holding in holdings if _is_sign_in(holding)]
        done = sign_in.restore(directory, account, signing_in) if signing_in else []
        effects = {effect.holding_key: effect for effect in done}
        others = [holding for holding in holdings if not _is_sign_in(holding)]
        changes = Changes(directory, account) if others else None
        return [
            effects[holding.key]
            if changes is None or _is_sign_in(holding)
            else changes.restore(holding)
            for holding in holdings
        ]

    def destroy(self, account: Account) -> Effect:
        """Delete the entry, when nothing points at it any more: a dangling DN is inherited."""
        directory = self._acting()
        entry = directory.account_entry(account)
        if entry is None:
            return Effect(account_key(account), Outcome.ALREADY, {"entry": "absent"})
        left = survey.references_left(directory, directory.identity(account, entry))
        if left:
            kinds = ", ".join(sorted(set(left)))
            return destroy_refused(account, f"{len(left)} references still point at it: {kinds}")
        if directory.below(entry.dn):
            return destroy_refused(account, "other entries lie below it")
        return self._delete(directory, account, entry)

    def _delete(self, directory: Directory, account: Account, entry: Entry) -> Effect:
        try:
            directory.session.delete(entry.dn)
        except Missing:
            pass  # somebody was faster; the re-read decides (Law 6)
        except Refused as error:
            return destroy_refused(account, str(error))
        if directory.account_entry(account) is not None:
            raise Transient("destroy: answered with success, read back there", code="ldap:silent")
        return Effect(account_key(account), Outcome.DONE, {"entry": "absent"})

    # ----------------------------------------------------------------------------- one call
    def _directory(self, number: int = 0) -> Directory:
        endpoint, sessions = self._servers[number]
        session = sessions.current()
        product = recognise(self._settings, session)
        return Directory(self._settings, self._credential, session, endpoint, product, self._clock)

    def _acting(self) -> Directory:
        if self._credential is not Credential.ACT:
            raise Unauthorised("the verifying identity changes nothing", code="ldap:verify")
        return self._directory()


def _is_sign_in(holding: Holding) -> bool:
    return holding.kind == PASSWORD or holding.kind.startswith("account.")
