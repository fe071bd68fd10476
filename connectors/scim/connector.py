"""The SCIM connector: one target, spoken to with one of its two tokens.

Claims ``Probes, Finds, Surveys, Lists, Contains, Preserves, Revokes, Restores, Destroys``; SCIM has
no transfer. Each method opens one view of the target and hands over to the module of its rows; see
the package's docstring for what a target holds and what cannot be undone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

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
from connectors.faults import Malformed, Refused, Unauthorised
from connectors.scim import doctor, finding
from connectors.scim.card import PASSWORD, card
from connectors.scim.changes import Changes
from connectors.scim.listing import Cut
from connectors.scim.settings import Settings
from connectors.scim.survey import memberships, survey
from connectors.scim.target import Target
from connectors.scim.wire import MEDIA_TYPE, Service

_LIST_TYPE = "application/json"


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> ScimConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return ScimConnector(name, settings, credential, clock)


class ScimConnector:
    """One target and one token. One instance per thread."""

    def __init__(
        self, name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._clock = clock
        self._service = Service(settings, credential, clock)

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return card(self._settings)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def probe(self) -> Iterator[Probe]:
        """Check the target without changing anything."""
        yield from doctor.probe(self._target())

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find users by what proves them, and candidates by address and login."""
        yield from finding.find(self._target(), self._name, subject)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all users."""
        yield from finding.list_accounts(self._target(), self._name)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read the user and their groups, from both sides."""
        yield from survey(self._target(), account)

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Switch the user off."""
        changes = self._changes(account)
        signing_in = [one for one in holdings if _is_sign_in(one)]
        done = (
            {one.holding_key: one for one in changes.deactivate(signing_in)} if signing_in else {}
        )
        return [
            done[one.key]
            if _is_sign_in(one)
            else Effect(one.key, Outcome.REFUSED, why="nothing to contain apart from the account")
            for one in holdings
        ]

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Bring the user as the target has it, and the groups it is in. A cut list raises."""
        if not holdings:
            return
        target = self._target()
        user = target.user(account.native_id)
        if user is not None:
            yield Export("user.json", MEDIA_TYPE, iter([user.whole().encode()]))
        if self._settings.uses("groups"):
            try:
                joined, unseen, seen = memberships(target, account.native_id, user)
            except Cut as cut:
                raise Malformed(f"scim: {cut}", code="scim:list") from cut
            if unseen or not seen:
                raise Malformed("scim: not all groups could be read", code="scim:list")
            listed = [{"id": one.group_id, "displayName": one.label} for one in joined]
            yield Export("groups.json", _LIST_TYPE, iter([json.dumps(listed).encode()]))

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take away memberships, roles, entitlements and certificates, one by one."""
        changes = self._changes(account)
        return [
            Effect(one.key, Outcome.REFUSED, why="ends with the account: contain, then destroy")
            if _is_sign_in(one)
            else changes.revoke(one)
            for one in holdings
        ]

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images."""
        changes = self._changes(account)
        signing_in = [one for one in holdings if _is_sign_in(one)]
        done = (
            {one.holding_key: one for one in changes.reactivate(signing_in)} if signing_in else {}
        )
        return [done[one.key] if _is_sign_in(one) else changes.put_back(one) for one in holdings]

    def destroy(self, account: Account) -> Effect:
        """Delete the user, where settings say that DELETE does."""
        return self._changes(account).delete()

    # ----------------------------------------------------------------------------- one call
    def _target(self) -> Target:
        return Target(self._service, self._settings, self._credential, self._clock)

    def _changes(self, account: Account) -> Changes:
        if self._credential is not Credential.ACT:
            raise Unauthorised("scim: the verifying token changes nothing", code="scim:verify")
        canary = self._settings.canary
        known = {account.native_id, *(one.value for one in account.identifiers)}
        if {canary.id, canary.external_id} & known:
            raise Refused("scim: the canary is never changed", code="scim:canary")
        return Changes(self._target(), account, lambda: secrets.token_urlsafe(32))


def _is_sign_in(holding: Holding) -> bool:
    return holding.kind == PASSWORD or holding.kind.startswith("account.")
