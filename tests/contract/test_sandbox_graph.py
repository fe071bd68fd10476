"""The fake Graph against the vendor's own document: every route is walked, both sides are judged.

The document says what a message may look like. What the service does (state, order, refusals) is
in `tests/unit/test_sandbox_graph_*.py`. The document is beside the repository; where it is absent
these tests are skipped and say so.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import yaml

import deprovisioner.sandbox.graph as graph_package
from deprovisioner.sandbox.graph import App, GraphServer, Table, Tenant
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words
from deprovisioner.sandbox.people import people
from tests.support.sandbox_graph import Clock
from tests.support.sandbox_graph_walk import (
    AREAS,
    DIRECTORY_READS,
    PEOPLE_READS,
    Step,
    Walk,
    filled,
    names,
)
from tests.support.vendor_contracts import FOLDER, CheckedTransport, contract

NOT_IN_THE_DOCUMENT = {
    "/groups/{group}/members/{member}": "left out on purpose: it deletes the object itself",
    "/groups/{group}/owners/{owner}": "left out on purpose: it deletes the object itself",
    **{
        f"/applications/microsoft.graph.agentIdentityBlueprint/{{blueprint}}/sponsors{end}": (
            "the document has sponsors of agents only"
        )
        for end in ("", "/$ref", "/{sponsor}/$ref")
    },
}
"""Paths of the fake that the document does not have, with the reason."""


@contextmanager
def walking() -> Iterator[Walk]:
    """Start a tenant, with a judged client that has the actor's token."""
    document, clock = contract("graph.yaml"), Clock()
    with GraphServer(Tenant(people(1)), clock=clock) as graph:
        transport = CheckedTransport(document, httpx.HTTPTransport())
        headers = {"Authorization": f"Bearer {graph.token(App.ACTOR, timedelta(days=9))}"}
        with httpx.Client(
            transport=transport, base_url=graph.base_url + "/", headers=headers
        ) as client:
            yield Walk(graph, clock, client)


@pytest.fixture
def walk() -> Iterator[Walk]:
    """A tenant of one's own, for tests that change it."""
    with walking() as made:
        yield made


@pytest.fixture(scope="module")
def untouched() -> Iterator[Walk]:
    """One tenant for all tests that only read."""
    with walking() as made:
        yield made


@pytest.mark.parametrize("path", PEOPLE_READS + DIRECTORY_READS)
def test_reads(untouched: Walk, path: str) -> None:
    """Every read and its answer are what the vendor's document allows."""
    untouched.forward(seconds=11)  # the logs answer five requests in ten seconds

    answer = untouched.ask("GET", filled(path, names(untouched)), 200)

    assert "@odata.context" in answer


def with_last(body: object, last: str) -> object:
    """Put the id of the answer before into a body."""
    if not isinstance(body, dict):
        return body
    return {name: last if value == "{last}" else value for name, value in body.items()}


def step_through(walk: Walk, steps: Iterator[Step]) -> None:
    """Take the steps in their order."""
    last = ""
    for method, path, status, body in steps:
        if method == "WAIT":
            walk.forward(seconds=status)
            continue
        answer = walk.ask(method, path.replace("{last}", last), status, with_last(body, last))
        if method == "POST" and isinstance(answer, dict):
            last = id_in(answer) or last


def id_in(answer: dict[str, Any]) -> str:
    """Return the id of what was made, or of the first of several."""
    several = answer.get("value")
    made = several[0] if isinstance(several, list) and several else answer
    return str(made.get("id") or made.get("keyId") or "") if isinstance(made, dict) else ""


def test_writes(walk: Walk) -> None:
    """Every change, its refusals and its second call are what the vendor's document allows."""
    for area in AREAS:
        step_through(walk, area(walk, names(walk)))


def test_batch(walk: Walk) -> None:
    """A batch and its answers are what the document allows, also when one of them failed."""
    requests = [
        {"id": "1", "method": "GET", "url": f"/users/{walk.user}"},
        {"id": "2", "method": "GET", "url": "/users/nobody"},
        {"id": "3", "method": "GET", "url": "/users", "dependsOn": ["2"]},
    ]

    answer = walk.ask("POST", "/$batch", 200, {"requests": requests})

    states = {item["id"]: item["status"] for item in answer["responses"]}
    assert states == {"1": 200, "2": 404, "3": 424}


def test_counts(untouched: Walk) -> None:
    """Counts are plain numbers."""
    eventual = {"ConsistencyLevel": "eventual"}
    group = names(untouched)["group"]

    users = untouched.ask("GET", "/users/$count", 200, **eventual)
    members = untouched.ask("GET", f"/groups/{group}/members/$count", 200, **eventual)

    assert int(users) == sum(1 for _ in untouched.graph.truth.every(Table.USERS))
    assert int(members) == 4


BASE_TYPES = words("directoryObject authenticationMethod")
"""Types that lists are declared with: here the members of all types below them."""


def kinds() -> Iterator[Kind]:
    """Find every type that the fake has a table for."""
    for found in pkgutil.iter_modules(graph_package.__path__):
        module = importlib.import_module(f"{graph_package.__name__}.{found.name}")
        yield from (one for one in vars(module).values() if isinstance(one, Kind))


def test_no_member_is_made_up() -> None:
    """Every member that can be selected or filtered is one that the vendor's document has."""
    contract("graph.yaml")  # skipped where there is none
    schemas = document("graph.yaml")["components"]["schemas"]

    invented = {}
    for kind in {one.name: one for one in kinds() if one.name not in BASE_TYPES}.values():
        known = set(schemas[f"microsoft.graph.{kind.name}"]["properties"])
        filtered = {path.partition("/")[0] for path in (*kind.basic, *kind.advanced)}
        if (kind.members | filtered) - known:
            invented[kind.name] = (kind.members | filtered) - known

    assert invented == {}


def document(name: str) -> Any:
    """Read a vendor's document as it is written."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((FOLDER / name).read_text("utf-8"), loader)  # noqa: S506 - a safe loader


def test_every_route_is_walked(walk: Walk) -> None:
    """No route of the fake goes unjudged: each is met by a path of the tables above."""
    known = names(walk)
    walked = {("GET", filled(path, known)) for path in PEOPLE_READS + DIRECTORY_READS}
    walked |= {("GET", "/users/$count"), ("GET", f"/groups/{known['group']}/members/$count")}
    walked |= {("POST", "/$batch")}
    for area in AREAS:
        walked |= {(method, path) for method, path, *_ in area(walk, known)}

    table = walk.graph.service.table
    met = set()
    for method, path in walked - {("WAIT", "")}:
        parts = tuple(
            part.removesuffix("()") for part in path.partition("?")[0].strip("/").split("/")
        )
        route, _ = table.find(method, parts)
        met.add((route.method, route.path))

    missed = {
        (route.method, route.path)
        for route in table.routes
        if route.path not in NOT_IN_THE_DOCUMENT and not route.path.startswith("/beta/")
    } - met
    assert not missed
