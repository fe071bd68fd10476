"""The AWS connector: one organisation, spoken to with one of its two identities.

Claims ``Probes, Finds, Surveys, Lists, Watches, Contains, Preserves, Transfers, Revokes, Restores,
Destroys``. What a person holds is read and changed by the rows of :data:`IAM_ROWS` and
:data:`CENTER_ROWS`; this module asks each for its part and keeps protected identities out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from connectors.aws import (
    center,
    center_grants,
    credentials,
    deleting,
    doctor,
    factors,
    finding,
    memberships,
    owned,
    people,
    quarantine,
    report,
    resources,
    trail,
    trust,
    uploaded,
)
from connectors.aws.card import card
from connectors.aws.rows import Leaver, Row
from connectors.aws.session import Sessions
from connectors.aws.settings import Settings
from connectors.contract import (
    Account,
    Activity,
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
from connectors.faults import Missing, Refused, Unauthorised

IAM_ROWS: Final[tuple[Row, ...]] = (
    quarantine.ROW,  # first: a deleted key still mints another for seconds
    credentials.PASSWORD_ROW,
    credentials.KEYS_ROW,
    credentials.SERVICES_ROW,
    uploaded.SSH_ROW,
    uploaded.CERTIFICATES_ROW,
    owned.PAIRS_ROW,
    trust.ROW,  # trust and resources before anything that the user stands on
    resources.POLICIES_ROW,
    resources.GRANTS_ROW,
    owned.ROW,
    trail.ROW,
    factors.ROW,
    memberships.GROUPS_ROW,
    memberships.POLICIES_ROW,  # its last one is the boundary, which waits for all before
)
"""Rows of an IAM user, in the order in which holdings are reported and so contained and revoked."""
CENTER_ROWS: Final[tuple[Row, ...]] = (
    center.ROW,
    center_grants.APPLICATIONS_ROW,
    center_grants.ENTITLEMENTS_ROW,
    center_grants.ASSIGNMENTS_ROW,
    center_grants.GROUPS_ROW,
    trail.ROW,
)
"""Rows of an Identity Center user."""


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> AwsConnector:
    """Make the connector of system ``name``. Nothing is opened before the first call."""
    return AwsConnector(name, settings, credential, clock)


class AwsConnector:
    """One organisation and one identity. Safe for threads."""

    def __init__(
        self, name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._name = name
        self._settings = settings
        self._sessions = Sessions(settings, credential, clock)

    def card(self) -> Card:
        """Say what can be done with each kind."""
        rows = IAM_ROWS if self._settings.identity_center is None else (*IAM_ROWS, *CENTER_ROWS)
        return card(self._settings, rows)

    def close(self) -> None:
        """Let go of connections."""
        self._sessions.close()

    def probe(self) -> Iterator[Probe]:
        """Check accounts, canaries, rights and clock without changing anything."""
        rows = [row for row in (*IAM_ROWS, *CENTER_ROWS) if not row.absent(self._settings)]
        yield from doctor.probe(self._sessions, rows)

    # ----------------------------------------------------------------------------------- reads
    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find users in all accounts and in Identity Center."""
        yield from finding.find(self._sessions, self._name, subject)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all users."""
        yield from finding.list_accounts(self._sessions, self._name)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read canary, user and every row; a user that is not there holds nothing."""
        seen = self._canary_seen(account)
        leaver = people.leaver_of(self._sessions, account)
        gaps: list[str] = []
        found: list[Holding] = []
        for row in self._rows(account) if leaver else ():
            reading = row.read(leaver) if leaver else None
            if reading is None:
                continue
            gaps += reading.gaps
            found += reading.holdings
            if reading.holdings:
                yield Page(reading.holdings)
        if leaver is not None and self._is_iam(account):
            gaps += report.gaps(leaver, tuple(found))
        yield Page((), self._end(seen, gaps))

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Page through what CloudTrail recorded of the account since a moment."""
        seen = self._canary_seen(account)
        leaver = people.leaver_of(self._sessions, account)
        place = people.split(account)[0]
        if leaver is None:  # what a deleted user did is still recorded, under the name it had
            arn = f"arn:{self._settings.partition}:iam::{place}:user/{account.login}"
            native_id = people.split(account)[1]
            leaver = Leaver(self._sessions, account, place, native_id, account.login, {"Arn": arn})
        for one in trail.places(leaver):
            for events in trail.activity(leaver, one, since):
                if events:
                    yield Page(events)
        yield Page((), self._end(seen, []))

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Bring the user as AWS shows it, and the pre-images that are no secret."""
        if not holdings:
            return
        leaver = people.leaver_of(self._sessions, account)
        if leaver is None:
            raise Missing("the user is not there", code="aws:user")
        user = {key: value for key, value in leaver.user.items() if key != "ResponseMetadata"}
        yield Export("user.json", "application/json", iter([_written(user)]))
        kept = [
            {"kind": str(one.kind), "id": one.native_id, "was": dict(one.restore)}
            for one in holdings
            if one.restore
        ]
        if kept:
            yield Export("holdings.json", "application/json", iter([_written(kept)]))

    # ---------------------------------------------------------------------------------- writes
    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Deny everything, make credentials inactive, end what can be ended."""
        return self._change(account, holdings, lambda row: row.contain, "contained")

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take credentials, grants and names in policies away."""
        return self._change(account, holdings, lambda row: row.revoke, "revoked")

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images what can come back: last taken, first back."""
        return self._change(account, holdings, lambda row: row.restore, "put back", backwards=True)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Put the successor beside the leaver: member, principal, owner."""
        heir = people.leaver_of(self._sessions, successor)
        if heir is None:
            raise Refused("the successor is not there", code="aws:successor")
        same_sort = self._is_iam(account) == self._is_iam(successor)

        def change(row: Row) -> Callable[[Leaver, Holding], Effect] | None:
            transfer = row.transfer
            if transfer is None:
                return None
            if not same_sort or (row.name == "groups" and heir.place != people.split(account)[0]):
                why = "the successor has no user of this sort in this account"
                return lambda _leaver, one: Effect(one.key, Outcome.REFUSED, why=why)
            return lambda leaver, one: transfer(leaver, one, heir)

        return self._change(account, holdings, change, "handed over")

    def destroy(self, account: Account) -> Effect:
        """Delete the user; only what is below it goes with it."""
        self._may_write(account)
        leaver = people.leaver_of(self._sessions, account)
        if leaver is None:
            key = f"{account.native_id}|account.{account.kind}|{account.native_id}"
            return Effect(key, Outcome.ALREADY, {"user": "absent"})
        self._may_write_user(leaver)
        return deleting.destroy(leaver, self._rows(account))

    # ----------------------------------------------------------------------------- one call
    def _rows(self, account: Account) -> tuple[Row, ...]:
        rows = IAM_ROWS if self._is_iam(account) else CENTER_ROWS
        return tuple(row for row in rows if not row.absent(self._settings))

    def _is_iam(self, account: Account) -> bool:
        return people.center_of(self._settings, people.split(account)[0]) is None

    def _canary_seen(self, account: Account) -> bool:
        """Read the canary of the place that the user is in; not there is not seen (Law 2)."""
        place = people.split(account)[0]
        of = people.center_of(self._settings, place)
        try:
            if of is not None:
                user = people.center_user(self._sessions, of, of.canary)
                return user.get("UserId") == of.canary
            canary = self._settings.canary
            answer = self._sessions.call(place, "iam", "get_user", UserName=canary)
        except Missing:
            return False
        return bool(answer.get("User", {}).get("UserName") == canary)

    def _end(self, seen: bool, gaps: Sequence[str]) -> ReadEnd:  # noqa: FBT001 - one caller's word
        return ReadEnd(
            complete=True,
            canary=Canary(finding.CANARY, seen=seen),
            read_at=self._sessions.clock(),
            credential=self._sessions.credential,
            gaps=tuple(gaps),
        )

    def _change(
        self,
        account: Account,
        holdings: Sequence[Holding],
        stage: Callable[[Row], Callable[[Leaver, Holding], Effect] | None],
        what: str,
        *,
        backwards: bool = False,
    ) -> Sequence[Effect]:
        """Hand each holding to its row; one effect each, in order."""
        self._may_write(account)
        leaver = people.leaver_of(self._sessions, account)
        if leaver is None:
            absent = {"user": "absent"}
            return [Effect(one.key, Outcome.ALREADY, absent) for one in holdings]
        self._may_write_user(leaver)
        effects: dict[str, Effect] = {}
        rows = self._rows(account)
        for row in reversed(rows) if backwards else rows:
            change, mine = stage(row), [one for one in holdings if row.has(one)]
            if change is None or not mine:
                continue
            if row.together:  # one switch: the first turns it, and all that hang on it are told so
                told = change(leaver, mine[0])
                effects |= {one.key: replace(told, holding_key=one.key) for one in mine}
                continue
            effects |= {one.key: change(leaver, one) for one in mine}
        return [effects.get(one.key) or self._left_alone(one, what) for one in holdings]

    def _left_alone(self, holding: Holding, what: str) -> Effect:
        support = self.card().support(holding.kind)
        told = (support.not_restorable or support.duty) if support else ""
        why = holding.duty or told or f"{holding.kind} cannot be {what} here"
        return Effect(holding.key, Outcome.REFUSED, why=why)

    def _may_write(self, account: Account) -> None:
        if self._sessions.verifying:
            raise Unauthorised("the verifying identity changes nothing", code="aws:verify")
        place, native_id = people.split(account)
        of = people.center_of(self._settings, place)
        kept = {*self._settings.protected, of.canary if of else ""}
        if native_id in kept or account.native_id in kept:
            raise Refused("a protected identity is never changed", code="aws:protected")  # Law 5

    def _may_write_user(self, leaver: Leaver) -> None:
        """Our own keys and the canary are known by name or ARN only: compare what was just read."""
        own = self._settings.act.access_key_id, self._settings.verify.access_key_id
        if self._is_iam(leaver.account) and leaver.login == self._settings.canary:
            raise Refused("the canary is never changed", code="aws:protected")  # Law 5
        if self._is_iam(leaver.account) and any(own):
            keys = leaver.iam_list("list_access_keys", "AccessKeyMetadata")
            if any(one.get("AccessKeyId") in own for one in keys):
                raise Refused("our own identity is never changed", code="aws:protected")  # Law 5


def _written(value: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode()
