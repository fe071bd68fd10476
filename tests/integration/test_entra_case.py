"""Terminations through the whole core on the Entra connector: one closes, one rightly does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from connectors.contract import Credential
from connectors.entra import EntraConnector
from deprovisioner.sandbox.graph import GraphServer, Table, Tenant
from deprovisioner.sandbox.people import Person
from reconcile.case import CaseState
from reconcile.estate import System, abilities_of
from reconcile.event import Action
from tests.support.entra_tenant import population, settings_for
from tests.support.scenario import Scenario, scenario

TOKEN_LIFE = timedelta(hours=1)


@contextmanager
def company(folder: Path) -> Iterator[tuple[Scenario, GraphServer]]:
    """A core whose only system is the pretend tenant, on one clock."""
    with (
        scenario(folder) as core,
        GraphServer(Tenant(population()), clock=core.clock) as graph,
    ):
        times = {"settle": timedelta(minutes=1), "sync_cycle": timedelta(0)}
        settings = settings_for(graph, access_token_life=TOKEN_LIFE, **times)

        def connect(credential: Credential) -> EntraConnector:
            return EntraConnector("entra", settings, credential, core.clock)

        probe = connect(Credential.ACT)
        system = System("entra", connect, probe.card(), abilities_of(probe))
        core.change_estate(systems={"entra": system})
        yield core, graph


def contractor(graph: GraphServer) -> Person:
    """Somebody cloud-only who holds nothing that is a person's task."""
    tenant = graph.tenant
    special = {tenant.cloud_leaver.employment_id, tenant.privileged_leaver.employment_id}
    return next(
        person
        for person in tenant.people[100:]
        if not tenant.is_synced(person) and person.employment_id not in special
    )


def leaves(core: Scenario, graph: GraphServer, person: Person) -> str:
    """HR says that somebody leaves at once."""
    successor = f"E-{graph.tenant.successor.employee_number}"
    return core.receive(
        Action.IMMEDIATE,
        employment=person.employment_id,
        number=person.employee_number,
        successor=successor,
    )


def answer(core: Scenario, case_id: str) -> None:
    """A person confirms that the employment ends, and does what the card asks of people."""
    core.answer_all(case_id, confirm_termination="ends", duty="done")


def test_a_case_closes_when_the_last_token_has_ended(tmp_path: Path) -> None:
    """Blocked at once; seen twice by the other identity; closed once nothing issued can work."""
    with company(tmp_path) as (core, graph):
        person = contractor(graph)
        case_id = leaves(core, graph, person)
        core.settle(until=core.clock() + timedelta(minutes=5))
        user = graph.truth.get(Table.USERS, graph.tenant.user_id(person.employment_id)) or {}
        assert user["accountEnabled"] is False
        answer(core, case_id)
        core.settle(until=core.clock() + timedelta(minutes=40))
        assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
        core.settle(until=core.clock() + timedelta(hours=2))
        view = core.desk.case(case_id)
        assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)
        actors = {change.by for change in graph.witness.changes}
    assert actors == {"actor"}


def test_an_administrator_that_no_app_may_block_keeps_the_case_open(tmp_path: Path) -> None:
    """Refused by Graph, so open: with the command that a person has to give."""
    with company(tmp_path) as (core, graph):
        case_id = leaves(core, graph, graph.tenant.privileged_leaver)
        core.settle(until=core.clock() + timedelta(hours=1))
        answer(core, case_id)
        core.settle(until=core.clock() + timedelta(hours=1))
        view = core.desk.case(case_id)
        contain = next(each for each in view.operations if each.step == "contain")
    assert view.summary.state is not CaseState.CLOSED
    assert "Update-MgUser" in (contain.error or contain.waits)
