"""Questions to Graph and what comes back: options on a builder's request, members of JSON.

Called by the rows of this room. No I/O of its own; names of query options are Graph's, with their
``$`` written as the SDK's templates want it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Json
from connectors.entra.answers import Row as Object
from connectors.entra.graph import Graph, segment
from connectors.entra.rows import seen
from connectors.faults import Fault, Missing, Refused

_NO_LICENCE: Final = ("LicenseRequired", "PremiumLicense", "NotLicensed")


def asking(
    request: RequestInformation,
    *,
    select: Sequence[str] = (),
    where: str = "",
    expand: str = "",
    top: int = 0,
    headers: Mapping[str, str] | None = None,
) -> RequestInformation:
    """Put query options on a request of a builder (the SDK encodes them) or of ``Graph.raw``."""
    options: dict[str, str] = {
        "select": ",".join(select), "filter": where, "expand": expand, "top": str(top or ""),
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value}
    if request.url_template:
        request.query_parameters.update({f"%24{name}": value for name, value in given.items()})
    elif given:
        encoded = (f"${name}={quote(value, safe='')}" for name, value in given.items())
        joint = "&" if "?" in request.url else "?"
        request.url = f"{request.url}{joint}{'&'.join(encoded)}"
    for name, value in (headers or {}).items():
        request.headers.try_add(name, value)
    return request


def readable(
    answer: Sequence[Object] | Fault, what: str, right: str
) -> tuple[Sequence[Object], tuple[str, ...]]:
    """Split an answer of ``gather``; a tenant without the licence for a thing is a gap too.

    Law 2: only the operator may say that a tenant has nothing of it (the setting ``absent``).
    """
    if isinstance(answer, Refused) and any(word in answer.code for word in _NO_LICENCE):
        return (), (f"{what} (the tenant has no licence for it: name it in absent)",)
    return seen(answer, what, right)


def found(graph: Graph, request: RequestInformation) -> Object | None:
    """Read one object by key; None where Graph says 404. Raises every other fault."""
    try:
        return graph.get(request)
    except Missing:
        return None


def listed(graph: Graph, request: RequestInformation) -> list[Object]:
    """Read all pages of one list. Raises faults."""
    return [row for page in graph.pages(request) for row in page]


def membership(graph: Graph, group: str, who: str) -> RequestInformation:
    """Ask for one membership by key; 404 is how Graph says that there is none."""
    return asking(
        graph.raw("GET", f"/groups/{segment(group)}/members/{segment(who)}"), select=("id",)
    )


def text(row: Mapping[str, Json], *path: str) -> str:
    """Read a text below ``path``; empty when it is not there or no text."""
    value: Json = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def part(row: Mapping[str, Json], *path: str) -> Object:
    """Read an object below ``path``; empty when it is not there."""
    value: Json = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def parts(row: Mapping[str, Json], *path: str) -> list[Object]:
    """Read the objects of a list below ``path``."""
    value: Json = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, list):
        return []
    return [one for one in value if isinstance(one, Mapping)]


def texts(row: Mapping[str, Json], name: str) -> list[str]:
    """Read the texts of a list."""
    value = row.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def type_of(row: Mapping[str, Json]) -> str:
    """Read the last word of ``@odata.type``: ``group``, ``application``."""
    return text(row, "@odata.type").rpartition(".")[2]


def literal(value: str) -> str:
    """Write a text into a filter: quotes are doubled (OData 4.01 part 2, 5.1.1.13.1)."""
    return "'" + value.replace("'", "''") + "'"
