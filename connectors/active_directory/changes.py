"""Which module works on a holding, told by the shape of its id. Every call is about one person.

The connector's ``contain`` (for what has no freeze), ``revoke``, ``transfer`` and ``restore`` come
here with one holding at a time; sign-in is worked as a bundle by ``sign_in``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connectors.active_directory import access, links, memberships, own
from connectors.active_directory.domain import Domain
from connectors.active_directory.person import Person
from connectors.active_directory.rows import ADMIN_COUNT, GROUP, PLACE
from connectors.contract import Account, Effect, Holding, Outcome

Write = Callable[[Domain, Person, Holding], Effect]
_ENDS_WITH_ACCOUNT: Final = "ends with the account: contain, then destroy"


class Changes:
    """The edits of one call: one account, one session."""

    def __init__(self, domain: Domain, account: Account) -> None:
        """Read the person's object once; it is where it is now, whatever its name was."""
        self._domain, self._account = domain, account
        self._person = Person.of(domain, account, domain.account_entry(account, own.READ))

    @property
    def person(self) -> Person:
        """Whom this call is about."""
        return self._person

    def revoke(self, holding: Holding) -> Effect:
        """Take one holding away."""
        if holding.duty:
            return Effect(holding.key, Outcome.REFUSED, why=holding.duty)
        take, _ = _work(holding)
        return take(self._domain, self._person, holding)

    def restore(self, holding: Holding) -> Effect:
        """Put one holding back from its pre-image."""
        if not holding.restore:
            return Effect(holding.key, Outcome.REFUSED, why="no pre-image was stored")
        _, put_back = _work(holding)
        return put_back(self._domain, self._person, holding)

    def transfer(self, holding: Holding, successor: Account) -> Effect:
        """Make the successor owner or member."""
        if holding.duty:
            return Effect(holding.key, Outcome.REFUSED, why=holding.duty)
        domain = self._domain
        heir = Person.of(domain, successor, domain.account_entry(successor))
        if heir.entry is None:
            return Effect(holding.key, Outcome.REFUSED, why="the successor has no account here")
        if links.is_reference(holding.native_id):
            return links.transfer(domain, self._person, heir, holding)
        if holding.kind == GROUP:
            return memberships.transfer(domain, heir, holding)
        return Effect(holding.key, Outcome.REFUSED, why="nothing of this kind is handed over")


def _work(holding: Holding) -> tuple[Write, Write]:
    """Return what takes a holding away and what puts it back."""
    native = holding.native_id
    if native == PLACE:
        return own.move, own.move_back
    if native == ADMIN_COUNT.lower():
        return own.revoke_admin_count, own.restore_admin_count
    if access.is_access(native):
        return access.revoke, access.restore
    if links.is_reference(native):
        return links.revoke, links.restore
    if holding.kind == GROUP:
        return memberships.revoke, memberships.restore
    return own.revoke_value, own.restore_value


def ends_with_account(holding: Holding) -> Effect:
    """Say that sign-in is not revoked: it is contained, and goes with the account."""
    return Effect(holding.key, Outcome.REFUSED, why=_ENDS_WITH_ACCOUNT)
