"""The GitLab connector: one instance, or one top-level group, spoken to with one of two tokens.

Claims ``Probes, Finds, Surveys, Lists, Watches, Contains, Preserves, Transfers, Revokes, Restores,
Destroys``. What a person holds is read and changed by the rows of :data:`ROWS`; this module asks
each for its part and keeps protected identities out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from requests.adapters import BaseAdapter

from connectors.contract import (
    Account,
    Activity,
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
from connectors.faults import Fault, Missing, Refused, Unauthorised
from connectors.gitlab import account as account_row
from connectors.gitlab import (
    bots,
    credentials,
    deploy_keys,
    doctor,
    enterprise,
    finding,
    identities,
    invitations,
    machines,
    memberships,
    outward,
    projects,
    rules,
    schedules,
    sight,
    watching,
    work,
)
from connectors.gitlab.card import card
from connectors.gitlab.rows import Change, Leaver, Row
from connectors.gitlab.session import GitLab
from connectors.gitlab.settings import Settings

ROWS: Final[tuple[Row, ...]] = (
    schedules.PIPELINES,  # before the block, which only cancels them some time after it
    account_row.row(os.urandom),
    memberships.row(group_mode=False),  # the successor needs them for what follows
    memberships.row(group_mode=True),
    projects.ROW,
    credentials.ROW,
    enterprise.ROW,
    bots.ROW,
    machines.AGENTS,
    machines.RUNNERS,
    schedules.SCHEDULES,
    deploy_keys.ROW,
    identities.ROW,
    rules.ROW,
    work.ENTRIES,
    work.CODE_OWNERS,
    invitations.ROW,
    outward.ROW,
)
"""Every row, in the order in which holdings are reported, and so handed over and revoked."""


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> GitLabConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return GitLabConnector(name, settings, credential, clock)


class GitLabConnector:
    """One GitLab and one token. Safe for threads."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        *,
        adapter: BaseAdapter | None = None,
        rows: Sequence[Row] = ROWS,
    ) -> None:
        """Remember the settings; no I/O. ``adapter`` and ``rows`` are for tests of the room."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._rows = tuple(row for row in rows if not row.absent(settings))
        self._gitlab = GitLab(settings, settings.token(credential), clock, adapter)

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return card(self._settings, self._rows)

    def close(self) -> None:
        """Let go of connections."""
        self._gitlab.close()

    def probe(self) -> Iterator[Probe]:
        """Check token, scopes, rights, canary and clock without changing anything."""
        yield from doctor.probe(self._gitlab, self._credential)

    # ----------------------------------------------------------------------------------- reads
    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find accounts by HR number and provider's id, and candidates by everything else."""
        yield from finding.find(self._gitlab, self._credential, self._name, subject)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all users."""
        yield from finding.list_accounts(self._gitlab, self._credential, self._name)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read the user, the canary and every row; a user that is not there holds nothing."""
        gitlab = self._gitlab
        canary = sight.canary(gitlab)
        leaver = self._leaver(account)
        gaps: list[str] = []
        if leaver is not None:
            around, missing = sight.projects(gitlab)
            gaps += missing
            leaver = replace(leaver, projects=around, groups=sight.groups(gitlab))
            for row in self._rows:
                reading = row.read(leaver)
                gaps += reading.gaps
                if reading.holdings:
                    yield Page(reading.holdings)
        yield Page((), sight.end(gitlab, self._credential, canary, gaps))

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Page through events of the account since a moment."""
        yield from watching.activity(self._gitlab, self._credential, account, since)

    # ---------------------------------------------------------------------------------- writes
    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Cancel pipelines, scramble the password, block; in group mode leave every place."""
        return self._change(account, holdings, lambda row: row.contain, "contained")

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take away tokens, keys, links, rules and memberships."""
        return self._change(account, holdings, lambda row: row.revoke, "revoked")

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images what can come back: last taken, first back."""
        rows = tuple(reversed(self._rows))
        return self._change(account, holdings, lambda row: row.restore, "put back", rows=rows)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Make the successor owner, member, assignee."""

        def handing_over(row: Row) -> Change | None:
            transfer = row.transfer
            if transfer is None:
                return None
            return lambda leaver, mine: transfer(leaver, mine, successor)

        return self._change(account, holdings, handing_over, "handed over")

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream what must be kept. Raises faults; ``Transient`` while GitLab makes an export."""
        self._may_write(account)
        leaver = self._leaver(account)
        if leaver is None:
            raise Missing("the user is not there", code="gitlab:user")
        for row in self._rows:
            mine = [holding for holding in holdings if row.owns(holding)]
            if row.export is not None and mine:
                yield from row.export(leaver, mine)

    def destroy(self, account: Account) -> Effect:
        """Delete the user, never with hard_delete; not in group mode."""
        self._may_write(account)
        leaver = self._leaver(account)
        key = account_row.account_key(account)
        if leaver is None:
            return Effect(key, Outcome.ALREADY, {"user": "absent"})
        if self._settings.owner:
            return Effect(key, Outcome.REFUSED, why="a group owner cannot delete an account")
        return account_row.destroy(leaver)

    # -------------------------------------------------------------------------------- one call
    def _change(
        self,
        account: Account,
        holdings: Sequence[Holding],
        stage: Callable[[Row], Change | None],
        what: str,
        *,
        rows: Sequence[Row] = (),
    ) -> Sequence[Effect]:
        """Hand each holding to its row; one effect each, in order."""
        self._may_write(account)
        leaver = self._leaver(account)
        if leaver is None:
            absent = {"user": "absent"}
            return [Effect(one.key, Outcome.ALREADY, absent) for one in holdings]
        effects: dict[str, Effect] = {}
        for row in rows or self._rows:
            mine = [holding for holding in holdings if row.owns(holding)]
            change = stage(row)
            if mine and change is not None:
                effects |= {effect.holding_key: effect for effect in change(leaver, mine)}
        why = f"this kind cannot be {what} here"
        return [
            effects.get(one.key) or Effect(one.key, Outcome.REFUSED, why=one.duty or why)
            for one in holdings
        ]

    def _may_write(self, account: Account) -> None:
        """Law 5: protected identities are never touched; the verifying token changes nothing."""
        if self._credential is not Credential.ACT:
            raise Unauthorised("the verifying token changes nothing", code="gitlab:verifier")
        protected = {*self._settings.protected, self._settings.canary.id}
        if int(account.native_id) in protected:
            raise Refused("a protected identity is never changed", code="gitlab:protected")

    def _leaver(self, account: Account) -> Leaver | None:
        """Read the user anew for one call; None when it is not there."""
        (user,) = self._gitlab.objects([(f"/users/{int(account.native_id)}", None)])
        if isinstance(user, Missing):
            return None
        if isinstance(user, Fault):
            raise user
        return Leaver(self._gitlab, account, user, self._credential is Credential.VERIFY)
