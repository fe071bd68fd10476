"""The pretend Entra Connect: the tenant says what the domain says, and nothing is made up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

import pytest

from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.forest.content import SYNCED_GROUP, account_name, company_domain
from deprovisioner.sandbox.forest.domain import COMPANY, Domain
from deprovisioner.sandbox.forest.identifiers import sid_text
from deprovisioner.sandbox.forest.store import Item, link, target_of
from deprovisioner.sandbox.graph import GraphServer, Link, Record, Store, Table, Tenant
from deprovisioner.sandbox.people import Person
from deprovisioner.sandbox.running import DomainKind, Sandbox, TenantKind
from deprovisioner.sandbox.synchronisation import AUTHOR, Synchronisation
from tests.support.sandbox_graph import Clock
from tests.support.waiting import wait_until

DISABLED = b"66050"


@dataclass
class Hybrid:
    """A domain, a tenant that was synchronised once, and the clock of both."""

    company: Company
    domain: Domain
    graph: GraphServer
    carrier: Synchronisation
    clock: Clock

    def account(self, person: Person) -> Item:
        """A person's account in the domain."""
        return self.domain.store.state().find(account_name(person))

    def user(self, person: Person) -> Record:
        """A person's account in the tenant."""
        key = self.graph.tenant.user_id(person.employment_id)
        found = self.graph.truth.get(Table.USERS, key)
        assert found is not None
        return found

    def say(self, person: Person, **values: tuple[bytes, ...]) -> None:
        """Write attributes in the domain, and carry them over."""
        self.domain.store.put(self.account(person).with_values(**values))
        self.carrier.cycle()


@pytest.fixture
def hybrid() -> Hybrid:
    """The company in both worlds, after the first cycle."""
    clock, numbers = Clock(), count()
    secret: Callable[[], str] = lambda: f"Secret-{next(numbers)}"  # noqa: E731 - one use
    company = Company(secret=secret, certificate=lambda _name: b"\x30\x00", seed=1)
    domain = company_domain(company, clock, uuid.uuid4, secret)
    graph = GraphServer(Tenant(company.people), clock=clock)
    carrier = Synchronisation(domain, graph, timedelta(hours=1))
    carrier.cycle()
    clock.forward(minutes=1)
    return Hybrid(company, domain, graph, carrier, clock)


def test_a_cycle_that_finds_nothing_new_writes_nothing(hybrid: Hybrid) -> None:
    """What differs is written once, by the synchronisation; after that both worlds agree."""
    before = len(hybrid.graph.witness.changes)
    hybrid.carrier.cycle()

    assert {change.by for change in hybrid.graph.witness.changes} == {AUTHOR}
    assert len(hybrid.graph.witness.changes) == before
    leaver = hybrid.company.demo_leaver()
    sid = sid_text(hybrid.account(leaver).values["objectsid"][0])
    assert hybrid.user(leaver)["onPremisesSecurityIdentifier"] == sid


def test_an_account_disabled_in_the_domain_is_disabled_in_the_tenant(hybrid: Hybrid) -> None:
    """The leaver's only, and back again when it is enabled there."""
    leaver, successor = hybrid.company.demo_leaver(), hybrid.company.demo_successor()
    enabled = hybrid.account(leaver).values["useraccountcontrol"]

    hybrid.say(leaver, useraccountcontrol=(DISABLED,))
    assert hybrid.user(leaver)["accountEnabled"] is False
    assert hybrid.user(successor)["accountEnabled"] is True

    hybrid.say(leaver, useraccountcontrol=enabled)
    assert hybrid.user(leaver)["accountEnabled"] is True


def test_a_block_in_the_cloud_alone_does_not_last(hybrid: Hybrid) -> None:
    """The domain masters a hybrid person: the next cycle opens what is open there."""
    leaver, contractor = hybrid.company.demo_leaver(), hybrid.graph.tenant.cloud_leaver
    keys = [hybrid.graph.tenant.user_id(one.employment_id) for one in (leaver, contractor)]

    def block(store: Store) -> None:
        for key in keys:
            store.change(Table.USERS, key, accountEnabled=False)

    hybrid.graph.edit(block)
    hybrid.carrier.cycle()

    assert hybrid.user(leaver)["accountEnabled"] is True
    assert hybrid.user(contractor)["accountEnabled"] is False  # in the cloud only


def test_members_and_managers_follow_the_domain(hybrid: Hybrid) -> None:
    """Out of a synced group, another manager; groups of the cloud keep their members."""
    leaver, successor = hybrid.company.demo_leaver(), hybrid.company.demo_successor()
    tenant, state = hybrid.graph.tenant, hybrid.domain.store.state()
    me = tenant.user_id(leaver.employment_id)
    report = next(one for one in hybrid.company.people if one.manager == leaver.employment_id)
    group = state.find(f"CN={SYNCED_GROUP},OU=Groups,{COMPANY}")
    kept = tuple(one for one in group.values["member"] if target_of(one) != leaver.object_guid)
    hybrid.domain.store.put(group.with_values(member=kept))

    hybrid.say(report, manager=(link(successor.object_guid),))

    view = hybrid.graph.truth
    assert view.targets(Link.MEMBER, tenant.group_id(SYNCED_GROUP)) == [
        tenant.user_id(successor.employment_id)
    ]
    assert view.sources(Link.MANAGER, me) == []
    assert view.linked(Link.MEMBER, tenant.group_id("Platform Engineers"), me)


def test_a_dynamic_group_follows_a_changed_attribute_later(hybrid: Hybrid) -> None:
    """The department changes in the domain; the group's rule is evaluated after a while."""
    leaver, tenant = hybrid.company.demo_leaver(), hybrid.graph.tenant
    group, me = tenant.group_id("R&D Platform (dynamic)"), tenant.user_id(leaver.employment_id)

    hybrid.say(leaver, department=(b"Former staff",))
    assert hybrid.graph.truth.linked(Link.MEMBER, group, me)

    hybrid.clock.now += hybrid.graph.delays.dynamic
    assert not hybrid.graph.truth.linked(Link.MEMBER, group, me)


def test_whoever_is_deleted_in_the_domain_says_nothing_any_more(hybrid: Hybrid) -> None:
    """Deletions are not carried over: what was there last stays."""
    leaver = hybrid.company.demo_leaver()
    hybrid.domain.store.put(replace(hybrid.account(leaver), deleted=True))

    hybrid.carrier.cycle()

    assert hybrid.user(leaver)["accountEnabled"] is True


def test_a_running_company_synchronises_by_itself() -> None:
    """Nobody calls a cycle: the tenant follows within a few."""
    with Sandbox(domain=DomainKind.FAKE, tenant=TenantKind.FAKE) as sandbox:
        leaver, store = sandbox.company.demo_leaver(), sandbox.domain.domain.store
        account, graph = store.state().find(account_name(leaver)), sandbox.graph
        key = graph.tenant.user_id(leaver.employment_id)
        store.put(account.with_values(useraccountcontrol=(DISABLED,)))

        wait_until(lambda: not (graph.truth.get(Table.USERS, key) or {})["accountEnabled"], 20)
