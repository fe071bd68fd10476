"""People of the demo do what the connector's duties ask, in the tenant, before they say so.

The words are those that the Entra connector really writes for the demo's leaver; the domain, the
tenant and the synchronisation are those of the sandbox, on one turned clock.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from connectors.contract import Credential, Holding, gather
from connectors.entra import EntraConnector
from deprovisioner.demo.deeds import Office
from deprovisioner.demo.duties import Done, Duties
from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.forest.content import account_name, company_domain
from deprovisioner.sandbox.forest.store import link
from deprovisioner.sandbox.graph import GraphServer, Link, Store, Table, Tenant
from deprovisioner.sandbox.synchronisation import Synchronisation
from reconcile.views import QuestionView
from tests.support.entra_tenant import Clock, settings_for, subject_of

AT = datetime(2026, 12, 18, tzinfo=UTC)


def asked(words: str, question_id: str = "duty/entra/7") -> QuestionView:
    """A duty as the case asks it."""
    about = question_id.rpartition("/")[2]
    return QuestionView(question_id, "duty", "entra", about, words, AT, AT, ("done",), "", "", None)


@dataclass
class Work:
    """The demo's office, and what the connector sees of the leaver."""

    office: Office
    carrier: Synchronisation
    connector: EntraConnector
    clock: Clock

    def survey(self) -> dict[str, Holding]:
        """Every holding of the leaver's own account, by key."""
        found = gather(self.connector.find(subject_of(self.office.leaver))).items
        (own,) = [one for one in found if one.native_id == self.office.leaver_id]
        return {one.key: one for one in gather(self.connector.survey(own)).items}

    def see_to(self, holding: Holding) -> Done:
        """Give a holding's duty to the people."""
        return Duties(self.office).see_to(asked(holding.duty))

    def let_time_pass(self) -> None:
        """The next synchronisation, and what the tenant does later."""
        self.carrier.cycle()
        self.clock.forward(600)

    def take_the_rest(self) -> None:
        """Block the leaver, and take away what the connector would."""

        def change(store: Store) -> None:
            who, view = self.office.leaver_id, store.view(store.now)
            store.change(Table.USERS, who, accountEnabled=False)
            for group in view.sources(Link.MEMBER, who):
                store.unlink(Link.MEMBER, group, who)
            for table in (Table.ROLE_ELIGIBILITIES, Table.GROUP_ELIGIBILITIES,
                          Table.GROUP_ASSIGNMENTS):  # fmt: skip
                for row in view.where(table, principalId=who):
                    store.drop(table, row["id"])
            for device in view.every(Table.DEVICES):
                store.change(Table.DEVICES, device["id"], accountEnabled=False)

        self.office.edit(change)


@pytest.fixture
def work() -> Iterator[Work]:
    """A hybrid company in which the leaver still holds everything."""
    clock, numbers = Clock(), count()

    def secret() -> str:
        return f"Secret-{next(numbers)}"

    company = Company(secret=secret, certificate=lambda _name: b"\x30\x00", seed=1)
    domain = company_domain(company, clock, uuid.uuid4, secret)
    with GraphServer(Tenant(company.people), clock=clock) as graph:
        carrier = Synchronisation(domain, graph, timedelta(hours=1))
        carrier.cycle()
        settings = settings_for(graph, active_directory="ad", keep_mailbox="shared")
        connector = EntraConnector("entra", settings, Credential.ACT, clock)
        office = Office(graph, domain, company.demo_leaver(), company.demo_successor(), clock)
        try:
            yield Work(office, carrier, connector, clock)
        finally:
            connector.close()


def test_what_is_said_to_be_done_is_gone(work: Work) -> None:
    """Each duty that is answered names something that the connector then sees no more."""
    before = work.survey()
    answers = {key: work.see_to(one) for key, one in before.items() if one.duty}
    work.let_time_pass()
    after = work.survey()

    done = {key for key, said in answers.items() if said is Done.DONE}
    looked_at_only = {key for key in done if before[key].label.startswith("federated")}
    assert {before[key].kind for key in done} >= {
        "duty.other", "grant.group", "grant.policy", "ownership.device", "ownership.entry",
    }  # fmt: skip
    assert set(after) & done == looked_at_only
    assert Done.NOTHING_THERE not in answers.values()  # every word of the connector is understood


def test_what_the_world_does_not_allow_yet_is_not_confirmed(work: Work) -> None:
    """A rule reads an old attribute, the leaver is still in, a report still has them: not yet."""
    holdings = work.survey().values()
    waiting = [one for one in holdings if one.duty and work.see_to(one) is Done.NOT_YET]

    assert {one.kind for one in waiting} == {"grant.group", "ownership.report", "secret_known"}

    state = work.office.domain.store.state()
    for one in waiting:
        if one.kind == "ownership.report":
            report = next(
                person
                for person in work.office.graph.tenant.people
                if person.manager == work.office.leaver.employment_id
            )
            item = state.find(account_name(report))
            guid = work.office.successor.object_guid
            work.office.domain.store.put(item.with_values(manager=(link(guid),)))
    work.take_the_rest()
    work.let_time_pass()
    work.take_the_rest()  # the synchronisation opened the account again: the domain masters it

    assert {work.see_to(one) for one in waiting} == {Done.DONE}


def test_machines_are_taken_back_and_their_keys_kept(work: Work) -> None:
    """The recovery key lies in the safe before the object that has it is deleted."""
    work.take_the_rest()
    machines = [one for one in work.survey().values() if one.kind == "device"]

    assert {work.see_to(one) for one in machines} == {Done.DONE}
    assert len(work.office.safe) == 2  # what opens the disk, and the local administrator
    assert not [one for one in work.survey().values() if one.kind == "device"]


def test_a_federated_credential_that_leads_elsewhere_is_deleted(work: Work) -> None:
    """One that trusts a pipeline of the company stays; one of somebody's own does not."""
    (ours,) = list(work.office.graph.truth.every(Table.FEDERATED_CREDENTIALS))[:1]
    (holding,) = [one for one in work.survey().values() if one.label.startswith("federated")]
    assert work.see_to(holding) is Done.DONE
    assert work.office.graph.truth.get(Table.FEDERATED_CREDENTIALS, ours["id"])

    issuer = {"issuer": "https://ci.example.com.attacker.example"}
    work.office.edit(lambda store: store.change(Table.FEDERATED_CREDENTIALS, ours["id"], **issuer))
    assert work.see_to(holding) is Done.DONE
    assert not work.office.graph.truth.get(Table.FEDERATED_CREDENTIALS, ours["id"])


def test_a_duty_that_nobody_understands_stays_open(work: Work) -> None:
    """About a holding it is never confirmed; what a card cannot see is looked at, and said so."""
    people: Callable[[QuestionView], Done] = Duties(work.office).see_to

    assert people(asked("Polish the bell.")) is Done.NOT_YET
    assert people(asked("Hand over the service.", "duty/entra/service/x-1")) is Done.NOT_YET
    assert people(asked("Look on the hosts.", "duty/ad/gap/session")) is Done.NOTHING_THERE
    assert Duties().see_to(asked("Polish the bell.")) is Done.NOT_YET
