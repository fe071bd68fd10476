"""The look into the tenant past the connector: it must be able to find something."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deprovisioner.sandbox import tenant_auditor
from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.graph import GraphServer, Link, Store, Table, Tenant
from deprovisioner.sandbox.people import Person
from tests.support.sandbox_graph import Clock, population


@dataclass
class Tenancy:
    """A tenant, and a leaver of it who holds nothing special."""

    graph: GraphServer
    clock: Clock
    person: Person

    @property
    def who(self) -> str:
        """The person's object id."""
        return self.graph.tenant.user_id(self.person.employment_id)

    def looks(self) -> tuple[Look, ...]:
        """Look at the person."""
        return tenant_auditor.look(self.graph, self.person, self.graph.tenant.successor)

    def block(self) -> None:
        """Block the account, as somebody would in the portal."""
        self.graph.edit(lambda store: store.change(Table.USERS, self.who, accountEnabled=False))

    def end_sessions(self) -> None:
        """End the sessions now."""
        now = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.graph.edit(
            lambda store: store.change(Table.USERS, self.who, signInSessionsValidFromDateTime=now)
        )


@pytest.fixture
def plain() -> Tenancy:
    """Somebody whom nothing in the tenant names, and who is neither blocked nor out."""
    clock = Clock()
    graph = GraphServer(Tenant(population()), clock=clock)
    managers = {person.manager for person in population()}
    person = next(
        one
        for one in population()[100:]
        if one.employment_id not in managers
        and not tenant_auditor.holds_now(graph, one)
        and one.employment_id != graph.tenant.privileged_leaver.employment_id
    )
    return Tenancy(graph, clock, person)


def test_before_anything_was_done_nothing_is_as_it_must_be() -> None:
    """The leaver holds one of everything, and every look says so."""
    graph = GraphServer(Tenant(population()), clock=Clock())
    leaver = graph.tenant.leaver

    looks = tenant_auditor.look(graph, leaver, graph.tenant.successor)

    assert [one.holds for one in looks] == [False] * 5
    for word in ("managedDevices", "policies Members of Atlas", "oauth2PermissionGrants"):
        assert word in looks[3].seen
    assert "fido2AuthenticationMethod" in looks[2].seen
    assert tenant_auditor.holds_now(graph, leaver) > 35


def test_sessions_count_as_ended_only_after_the_block(plain: Tenancy) -> None:
    """A session that ended before the account was blocked may have begun again."""
    assert plain.looks()[0].seen == "enabled"
    plain.end_sessions()
    plain.clock.forward(minutes=1)
    plain.block()
    assert (plain.looks()[0].holds, plain.looks()[0].seen) == (False, "disabled, sessions live on")

    plain.end_sessions()
    assert plain.looks()[0].holds


def test_a_block_that_was_undone_in_between_is_told(plain: Tenancy) -> None:
    """Enabled again and blocked again: the sessions of the time between have to end too."""
    plain.block()
    plain.end_sessions()
    plain.clock.forward(minutes=1)
    plain.graph.edit(lambda store: store.change(Table.USERS, plain.who, accountEnabled=True))
    plain.block()

    assert not plain.looks()[0].holds


@pytest.mark.parametrize("kind", [Link.MEMBER, Link.OWNER, Link.SPONSOR])
def test_one_planted_mention_is_found(plain: Tenancy, kind: Link) -> None:
    """A link to somebody who holds nothing else is named."""
    assert plain.looks()[3].holds
    group = plain.graph.tenant.group_id("Platform Engineers")

    plain.graph.edit(lambda store: store.link(kind, group, plain.who))

    assert plain.looks()[3] == Look(plain.looks()[3].what, holds=False, seen=f"{kind} of {group}")


def test_an_id_inside_a_record_is_found(plain: Tenancy) -> None:
    """However deep: a reviewer in a query of a review."""

    def plant(store: Store) -> None:
        query = {"reviewers": [{"query": f"/users/{plain.who}"}]}
        store.put(Table.POLICIES, {"id": "review-1", "displayName": "Planted", **query})

    plain.graph.edit(plant)

    assert plain.looks()[3].seen == "policies Planted"


def test_an_application_that_has_no_new_owner_is_found(plain: Tenancy) -> None:
    """Made by the person, owned by nobody: the successor should have it."""
    application = next(iter(plain.graph.truth.every(Table.APPLICATIONS)))["id"]
    plain.graph.edit(lambda store: store.link(Link.CREATED, plain.who, application))
    successor = plain.graph.tenant.user_id(plain.graph.tenant.successor.employment_id)
    plain.graph.edit(lambda store: store.unlink(Link.OWNER, application, successor))
    assert not plain.looks()[4].holds

    plain.graph.edit(lambda store: store.link(Link.OWNER, application, successor))
    assert plain.looks()[4].holds
