"""One leaver's whole case in the pretend tenant, for tests of the Entra connector's rows.

Survey, hand over, take away and put back in the order and with the calls of the core: one call for
each holding, in the order of the survey. The tenant's true state is `office.rig.graph.truth`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import httpx

from connectors.conformance.rig import opened
from connectors.contract import (
    Account,
    Credential,
    Effect,
    Holding,
    Outcome,
    Reading,
    gather,
)
from connectors.entra import EntraConnector
from deprovisioner.sandbox.graph import Link, Store, Table
from deprovisioner.sandbox.people import Person
from tests.support.entra_tenant import EntraRig, subject_of, tenant

WHOLE_DAY = timedelta(days=1)


@dataclass
class Office:
    """A tenant, who leaves, and the connector that acts."""

    rig: EntraRig
    account: Account
    actor: EntraConnector
    successor: Account

    def survey(self, credential: Credential = Credential.ACT) -> Reading[Holding]:
        """Read everything; the acting connector's read unless the verifier is asked for."""
        if credential is Credential.ACT:
            return gather(self.actor.survey(self.account))
        with opened(self.rig, credential) as verifier:
            return gather(verifier.survey(self.account))

    def held(self, kind: str, label: str = "") -> Holding:
        """Return the one holding of a kind, or the one whose label begins so."""
        items = self.survey().items
        found = [one for one in items if one.kind == kind and one.label.startswith(label)]
        assert len(found) == 1, f"{len(found)} holdings of {kind}"
        return found[0]

    def kinds(self) -> set[str]:
        """Which kinds the verifier sees."""
        return {str(one.kind) for one in self.survey(Credential.VERIFY).items}

    def revoke(self, holding: Holding) -> Effect:
        """Take one holding away."""
        return self.actor.revoke(self.account, [holding])[0]

    def restore(self, holding: Holding) -> Effect:
        """Put one holding back."""
        return self.actor.restore(self.account, [holding])[0]

    def hand_over(self, holding: Holding) -> Effect:
        """Give one holding to the successor."""
        return self.actor.transfer(self.account, [holding], self.successor)[0]

    def revoke_all(self, holdings: Sequence[Holding], rounds: int = 4) -> dict[str, Effect]:
        """Take away what can be, coming back a day later as often as the core would."""
        done: dict[str, Effect] = {}
        for _ in range(rounds):
            for holding in holdings:
                if holding.key not in done:
                    effect = self.revoke(holding)
                    if effect.outcome in {Outcome.DONE, Outcome.ALREADY}:
                        done[holding.key] = effect
            self.wait(WHOLE_DAY)
        return done

    def wait(self, time: timedelta) -> None:
        """Turn the tenant's clock."""
        self.rig.pass_time(self.rig.now() + time)

    def change(self, table: Table, key: str, **members: object) -> None:
        """Change a record as somebody else would."""
        self.rig.graph.edit(lambda store: _changed(store, table, key, members))

    def unlink(self, link: Link, source: str, target: str) -> None:
        """Untie two objects as somebody else would."""
        self.rig.graph.edit(lambda store: store.unlink(link, source, target))

    def of_user(self, table: Table) -> list[Mapping[str, object]]:
        """The true records of the leaver in a table that keeps them under the user's id."""
        rows = self.rig.graph.truth.where(table, _user=self.account.native_id)
        return cast("list[Mapping[str, object]]", rows)


def _changed(store: Store, table: Table, key: str, members: Mapping[str, object]) -> None:
    store.change(table, key, **members)


@contextmanager
def office(
    who: str = "cloud_leaver",
    transport: type[httpx.BaseTransport] | None = None,
    **more: object,
) -> Iterator[Office]:
    """Open an office for one of the tenant's leavers; ``more`` are settings."""
    with tenant(transport or httpx.HTTPTransport, more=more) as rig:
        person = cast("Person", getattr(rig.graph.tenant, who))
        with opened(rig, Credential.ACT) as actor:
            assert isinstance(actor, EntraConnector)
            account = _account(rig, person)
            case = Office(rig, account, actor, _account(rig, rig.graph.tenant.successor))
            case.change(Table.MAILBOXES, account.native_id, userPurpose="user")
            yield case


def _account(rig: EntraRig, person: Person) -> Account:
    subject = subject_of(person)
    return Account("entra", rig.graph.tenant.user_id(person.employment_id), subject.upn)
