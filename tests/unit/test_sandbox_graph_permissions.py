"""Every route of the fake Graph asks for a token and for its permission, before anything else."""

import re
from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.graph import App
from deprovisioner.sandbox.graph.routing import ANYBODY, Route
from tests.support.sandbox_graph import World, world


@pytest.fixture(scope="module")
def tenant() -> Iterator[World]:
    """One tenant for tests that are refused anyway."""
    with world() as made:
        yield made


def guarded(tenant: World) -> list[Route]:
    """Return every route that needs a permission."""
    return [one for one in tenant.graph.service.table.routes if one.needs != ANYBODY]


def address(tenant: World, route: Route) -> str:
    """Return an address of a route, with the cloud-only leaver in the first place."""
    path = re.sub(r"\{user\}", tenant.user("cloud_leaver"), route.path)
    beta = path.startswith("/beta/")
    root = tenant.graph.url if beta else tenant.graph.base_url
    return root + re.sub(r"\{\w+\}", "00000000-0000-0000-0000-00000000000x", path)


def test_a_token_is_needed(tenant: World) -> None:
    """Without a token no route is there, not even one that does not exist."""
    paths = [(one.method, address(tenant, one)) for one in guarded(tenant)]

    states = {
        tenant.act.request(method, path, headers={"Authorization": ""}).status_code
        for method, path in [*paths, ("GET", f"{tenant.graph.base_url}/nonsense")]
    }

    assert states == {401}


def test_the_verifier_changes_nothing(tenant: World) -> None:
    """With what a reader is consented to, every route that changes something is refused."""
    changing = [one for one in guarded(tenant) if one.method != "GET" and not _only_reads(one)]

    answered = {
        (one.method, one.path): tenant.verify.request(one.method, address(tenant, one)).status_code
        for one in changing
    }

    assert {key: state for key, state in answered.items() if state != 403} == {}
    assert len(changing) > 80
    assert tenant.graph.witness.changes == ()


def _only_reads(route: Route) -> bool:
    """Some questions are asked by POST."""
    return route.path.rpartition("/")[2] in {
        "getByIds",
        "getMemberGroups",
        "getMemberObjects",
        "checkMemberGroups",
        "checkMemberObjects",
    }


def test_nothing_is_read_without_consent(tenant: World) -> None:
    """An app without any permission is refused everywhere, reads too."""
    registration = tenant.graph.registrations.of(App.ACTOR)
    kept = set(registration.permissions)
    tenant.graph.withdraw(App.ACTOR, *kept)

    states = {
        tenant.act.request(one.method, address(tenant, one)).status_code for one in guarded(tenant)
    }

    tenant.graph.consent(App.ACTOR, *kept)
    assert states == {403}


def test_one_permission_opens_what_it_names(tenant: World) -> None:
    """The narrow permission alone is enough for the one thing it is for."""
    who = tenant.user("successor")
    registration = tenant.graph.registrations.of(App.ACTOR)
    kept = set(registration.permissions)
    tenant.graph.withdraw(App.ACTOR, *kept)
    tenant.graph.consent(App.ACTOR, "User.RevokeSessions.All")

    revoked = tenant.act.post(f"users/{who}/revokeSignInSessions").status_code
    blocked = tenant.act.patch(f"users/{who}", json={"accountEnabled": False}).status_code

    tenant.graph.consent(App.ACTOR, *kept)
    assert (revoked, blocked) == (200, 403)
