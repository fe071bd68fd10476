"""The fake GitLab against the product's own document: every route is walked, both sides are judged.

The document says what a message may look like. What the product does (state, order, refusals) is in
`tests/unit/test_sandbox_gitlab_*.py`. The document is beside the repository; where it is absent
these tests are skipped and say so.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import yaml

from deprovisioner.sandbox.gitlab import Account
from tests.support.sandbox_gitlab import World, ask, forge
from tests.support.sandbox_gitlab_walk import AREAS, READS, Step, filled, names
from tests.support.vendor_contracts import FOLDER, CheckedTransport, contract

DOCUMENT = "gitlab.yaml"
NOT_IN_THE_DOCUMENT = frozenset(
    {
        # Shown on GitLab's page of branches, cut from the document; read to date an export.
        "GET /projects/{project}/repository/branches/{branch}",
    }
)
NOT_HERE = frozenset({"POST /projects/import"})
"""What the document has and the fake does not: it takes in no archives."""
Area = Callable[[dict[str, str]], Iterator[Step]]


@pytest.fixture(scope="module")
def untouched() -> Iterator[World]:
    """One forge for all tests that only read."""
    contract(DOCUMENT)
    with forge() as world:
        yield world


@pytest.fixture
def world() -> Iterator[World]:
    """A forge of one's own, for tests that change it."""
    contract(DOCUMENT)
    with forge() as made:
        yield made


def judged(world: World) -> httpx.Client:
    """Open a client whose every exchange is held to the document."""
    transport = CheckedTransport(contract(DOCUMENT), httpx.HTTPTransport())
    return world.client(Account.ACTOR, transport=transport)


def test_reads(untouched: World) -> None:
    """Every read and its answer are what the document allows."""
    known, checked = names(untouched), judged(untouched)
    plain = untouched.client()

    for path in READS:
        client = plain if "/repository/branches/" in path else checked
        ask(client, "GET", filled(path, known), 200)


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.__name__)
def test_writes(world: World, area: Area) -> None:
    """Every change, its refusals and its second call are what the document allows."""
    client = judged(world)

    for method, path, status, body in area(names(world)):
        ask(client, method, path, status, body)


def test_an_export_is_what_the_document_allows(world: World) -> None:
    """The three reads around a download, and the archive itself."""
    client, project = judged(world), names(world)["project"]
    ask(client, "POST", f"/projects/{project}/export", 202, {})
    world.clock.forward(minutes=2)

    ask(client, "GET", f"/projects/{project}/export", 200)
    archive = ask(client, "GET", f"/projects/{project}/export/download", 200)

    assert archive.startswith(b"\x1f\x8b")


def test_every_route_is_walked(world: World) -> None:
    """No route of the fake goes unjudged, and the document has no operation that is missing."""
    known = names(world)
    walked = {("GET", filled(path, known)) for path in READS}
    walked |= {("GET", f"/projects/{known['project']}/export/download")}
    walked |= {step[:2] for area in AREAS for step in area(known)}
    table = world.gitlab.service.table

    met = set()
    for method, path in walked:
        parts = tuple(path.partition("?")[0].strip("/").split("/"))
        met.add(table.find(method, parts)[0])

    assert set(table.routes) - met == set()


def test_the_document_is_covered(world: World) -> None:
    """What the document has, the fake has; what it has more is named with its reason."""
    theirs = {shape(method, path) for method, path, _ in operations()}
    ours = {shape(route.method, route.path) for route in world.gitlab.service.table.routes}

    # `self` is a place of its own in the document and a token like others here.
    selves = {one for one in theirs if "/self" in one}
    assert theirs - ours - selves == {shape(*one.split(" ")) for one in NOT_HERE}
    assert ours - theirs == {shape(*one.split(" ")) for one in NOT_IN_THE_DOCUMENT}


def test_no_query_is_made_up() -> None:
    """Every parameter of the walk is one that the document has (the judge lets others pass)."""
    contract(DOCUMENT)
    allowed = {shape(method, path): known for method, path, known in operations()}

    for path in READS:
        raw, _, query = path.partition("?")
        given = {name for name, _ in parse_qsl(query)}
        known = allowed.get(
            shape("GET", raw.replace("/main", "/{x}").replace("/CODEOWNERS", "/{x}"))
        )
        assert known is None or given <= known | {"pagination"}, path


@cache
def operations() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Read the operations of the document: method, path, names of query parameters."""
    return tuple(_operations())


def _operations() -> Iterator[tuple[str, str, frozenset[str]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load((FOLDER / DOCUMENT).read_text("utf-8"), loader)  # noqa: S506 - a safe loader
    shared = document["components"].get("parameters", {})
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            found = [*item.get("parameters", []), *item[method].get("parameters", [])]
            full = [
                shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in found
            ]
            query = frozenset(one["name"] for one in full if one["in"] == "query")
            yield method.upper(), path.removeprefix("/api/v4"), query


def shape(method: str, path: str) -> str:
    """Return an operation with its places unnamed."""
    parts = ["{}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    return f"{method} /{'/'.join(parts)}"
