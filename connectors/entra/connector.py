"""The Entra connector: one tenant, spoken to with one of its two app registrations.

Claims ``Probes, Finds, Surveys, Lists, Watches, Contains, Preserves, Transfers, Revokes, Restores,
Destroys``. What a person holds is read and changed by the rows of :data:`ROWS`; this module asks
each for its part, keeps protected identities out, and ends sessions once more after a group or a
role was left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

import httpx

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
from connectors.entra import (
    agents,
    applications,
    certificates,
    delegations,
    devices,
    doctor,
    drive,
    finding,
    groups,
    licences,
    mailbox,
    meetings,
    mentions,
    methods,
    packages,
    reporting,
    roles,
    sight,
    sign_in,
    teams,
    watching,
)
from connectors.entra.account import account_key, user_request
from connectors.entra.card import card
from connectors.entra.deletion import destroy
from connectors.entra.graph import Bounds, Graph
from connectors.entra.line import Line
from connectors.entra.rows import Change, Leaver, Row, RowReading
from connectors.entra.settings import App, Settings
from connectors.entra.tokens import (
    AppTokens,
    GivenToken,
    Tokens,
    certificate_issuer,
    secret_issuer,
)
from connectors.faults import Fault, Missing, Refused, Unauthorised

ROWS: Final[tuple[Row, ...]] = (
    sign_in.row(os.urandom),
    methods.ROW,
    certificates.ROW,
    devices.ROW,
    roles.ELIGIBLE,  # before the active ones: an eligible role activates itself again
    packages.ROW,  # before groups: a package puts its groups back
    roles.ACTIVE,
    applications.GRANTED,
    applications.OWNED,
    agents.ROW,
    mentions.ROW,
    reporting.ROW,
    drive.ROW,
    delegations.ROW,
    meetings.ROW,
    mailbox.ROW,
    teams.NUMBERS,
    licences.ROW,  # mailbox and drive go with the licence
    teams.CHANNELS,  # before groups: who left the team is not in its channels any more
    groups.ROW,  # after licences: those that a group gives leave with it
)
"""Every row, in the order in which holdings are reported and so revoked."""


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> EntraConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return EntraConnector(name, settings, credential, clock)


class EntraConnector:
    """One tenant and one app registration. Safe for threads."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        *,
        transport: httpx.BaseTransport | None = None,
        rows: Sequence[Row] = ROWS,
    ) -> None:
        """Remember the settings; no I/O. ``transport`` and ``rows`` are for tests of the room."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._rows = tuple(row for row in rows if not row.absent(settings))
        self._every_row = tuple(rows)
        self._graph = Graph(
            settings.serves,
            _tokens(settings, settings.app(credential)),
            clock,
            base_url=settings.base_url,
            bounds=Bounds(
                answer_bytes=settings.max_answer_bytes,
                connect_timeout=settings.connect_timeout,
                read_timeout=settings.receive_timeout,
                answer_timeout=settings.answer_timeout,
            ),
            line=_line(settings),
            transport=transport,
        )

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return card(self._settings, self._every_row)

    def close(self) -> None:
        """Let go of connections and threads."""
        self._graph.close()

    def probe(self) -> Iterator[Probe]:
        """Check token, rights, canary and clock without changing anything."""
        yield from doctor.probe(self._graph, self._settings, self._credential, self._rows)

    # ----------------------------------------------------------------------------------- reads
    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find accounts by HR number and immutable id, and candidates by everything else."""
        yield from finding.find(self._graph, self._settings, self._credential, self._name, subject)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all users."""
        yield from finding.list_accounts(self._graph, self._settings, self._credential, self._name)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read the user, the canary and every row; a user that is not there holds nothing."""
        graph, settings = self._graph, self._settings
        user, known = graph.objects(
            [user_request(graph, account.native_id), sight.canary_user(graph, settings)]
        )
        canary = sight.canary_of(settings, known)
        reads: list[Callable[[], RowReading]] = [self._canary_groups]
        if not isinstance(user, Fault):
            verifying = self._credential is Credential.VERIFY
            leaver = Leaver(graph, settings, account, user, verifying)
            reads += [_reads(row, leaver) for row in self._rows]
        elif not isinstance(user, Missing):
            raise user
        gaps: list[str] = []
        for reading in graph.together(reads):
            gaps += reading.gaps
            if reading.holdings:
                yield Page(reading.holdings)
        yield Page((), sight.end(graph, self._credential, canary, gaps))

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Page through sign-ins of the account since a moment."""
        yield from watching.activity(self._graph, self._settings, self._credential, account, since)

    # ---------------------------------------------------------------------------------- writes
    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Block the account, scramble its password, end sessions, stop devices and methods."""
        return self._change(account, holdings, lambda row: row.contain, "contained")

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take away grants, methods and links; then end sessions again where tokens carry them."""
        return self._change(account, holdings, lambda row: row.revoke, "revoked", again=True)

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images what can come back: last taken, first back.

        A licence brings the mailbox that a rule lies in, a group the team that a channel is in.
        """
        rows = tuple(reversed(self._rows))
        return self._change(account, holdings, lambda row: row.restore, "put back", rows=rows)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Make the successor owner or member."""

        def handing_over(row: Row) -> Change | None:
            transfer = row.transfer
            if transfer is None:
                return None
            return lambda leaver, mine: transfer(leaver, mine, successor)

        return self._change(account, holdings, handing_over, "handed over")

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream what must be kept."""
        leaver = self._leaver(account)
        if leaver is None:
            raise Missing("the user is not there", code="entra:user")
        for row in self._rows:
            mine = [holding for holding in holdings if holding.kind in row.kinds]
            if row.export is not None and mine:
                yield from row.export(leaver, mine)

    def destroy(self, account: Account) -> Effect:
        """Delete the user; it can be restored for 30 days."""
        self._may_write(account)
        leaver = self._leaver(account)
        if leaver is None:
            key = account_key(account)
            return Effect(key, Outcome.ALREADY, {"user": "absent"})
        return destroy(leaver)

    # ----------------------------------------------------------------------------- one call
    def _canary_groups(self) -> RowReading:
        answer = self._graph.gather([sight.canary_groups(self._graph, self._settings)])[0]
        return RowReading(gaps=sight.group_gaps(self._settings, answer))

    def _change(
        self,
        account: Account,
        holdings: Sequence[Holding],
        stage: Callable[[Row], Change | None],
        what: str,
        *,
        again: bool = False,
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
            mine = [holding for holding in holdings if holding.kind in row.kinds]
            change = stage(row)
            if not mine or change is None:
                continue
            done = change(leaver, mine)
            effects |= {effect.holding_key: effect for effect in done}
            ended = any(_took(effect) for effect in done) and not leaver.guest
            if again and row.ends_sessions and ended:
                # Also after "already": a crash between the two must not leave them out (Law 6).
                sign_in.end_sessions(leaver)
        return [effects.get(one.key) or self._left_alone(one, what) for one in holdings]

    def _left_alone(self, holding: Holding, what: str) -> Effect:
        support = self.card().support(holding.kind)
        told = (support.not_restorable or support.duty) if support else ""
        why = holding.duty or told or f"{holding.kind} cannot be {what} here"
        return Effect(holding.key, Outcome.REFUSED, why=why)

    def _may_write(self, account: Account) -> None:
        if self._credential is not Credential.ACT:
            raise Unauthorised("the verifying identity changes nothing", code="entra:verify")
        kept = {one.casefold() for one in (*self._settings.protected, self._settings.canary.id)}
        if account.native_id.casefold() in kept:  # ids are written in either case
            raise Refused("a protected identity is never changed", code="entra:protected")  # Law 5

    def _leaver(self, account: Account) -> Leaver | None:
        """Read the user anew for one call; None when it is not there."""
        graph = self._graph
        try:
            user = graph.get(user_request(graph, account.native_id))
        except Missing:
            return None
        verifying = self._credential is Credential.VERIFY
        return Leaver(graph, self._settings, account, user, verifying)


def _reads(row: Row, leaver: Leaver) -> Callable[[], RowReading]:
    return lambda: row.read(leaver)


def _took(effect: Effect) -> bool:
    return effect.outcome is not Outcome.REFUSED


def _line(settings: Settings) -> Line:
    return Line(settings.ca_file, settings.proxy)


def _tokens(settings: Settings, app: App) -> Tokens:
    if app.token is not None:
        return GivenToken(app.token)
    cloud, line = settings.serves, _line(settings)
    if app.certificate is not None:
        make = certificate_issuer(
            cloud.authority, settings.tenant, app.client_id, app.certificate, line
        )
    elif app.secret is not None:
        make = secret_issuer(cloud.authority, settings.tenant, app.client_id, app.secret, line)
    else:
        raise Unauthorised("no way to sign in is configured", code="entra:sign-in")
    return AppTokens(make, f"{cloud.graph}/.default")
