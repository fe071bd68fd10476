"""Query options: read from the address, refused when not understood, applied to a list.

Called by `service` around every read. Nothing is silently ignored: an option that the fake does
not know is a 400, and so is an advanced query without its header (facts of the vendor: `$count`,
`$search`, `ne`, `not` and `endswith` on directory objects need `ConsistencyLevel: eventual`).
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from deprovisioner.sandbox.graph import filters
from deprovisioner.sandbox.graph.errors import bad_request, unsupported
from deprovisioner.sandbox.graph.store import Record, View
from deprovisioner.sandbox.graph.vocabulary import Kind

Expansion = Callable[[View, Record], object]
"""What `$expand` puts under a member."""

_PAGING = frozenset({"$top", "$skiptoken", "$select", "$filter", "$count", "$expand"})
_SEARCH = re.compile(r'^"(displayName|mail|description):([^"]+)"$')


@dataclass(frozen=True, slots=True)
class Typed:
    """A record with its type."""

    kind: Kind
    record: Record


@dataclass(frozen=True, slots=True)
class Query:
    """The options of one request, as text."""

    options: Mapping[str, str]
    advanced: bool
    """The request carries `ConsistencyLevel: eventual`."""

    @classmethod
    def read(cls, text: str, consistency: str) -> "Query":
        """Read a query string; raises GraphError 400 on an option given twice."""
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50)
        options = dict(pairs)
        if len(options) != len(pairs):
            raise bad_request("Query option was specified more than once.", "BadRequest")
        if consistency not in {"", "eventual"}:
            raise bad_request("Invalid ConsistencyLevel header.", "BadRequest")
        return cls(options, consistency == "eventual")

    def allow(self, names: frozenset[str]) -> None:
        """Refuse options that a resource does not take."""
        for name in self.options:
            if name not in names:
                raise bad_request(
                    f"The query parameter '{name}' is not supported here.", "BadRequest"
                )

    def selected(self, kind: Kind) -> frozenset[str] | None:
        """Return the members asked for, None when none are named; raises GraphError 400."""
        text = self.options.get("$select")
        if text is None:
            return None
        names = frozenset(name.strip() for name in text.split(","))
        for name in sorted(names - kind.members):
            raise bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{name}' "
                f"on type 'microsoft.graph.{kind.name}'.",
                "BadRequest",
            )
        return names

    def expanded(self, known: Mapping[str, Expansion]) -> tuple[str, ...]:
        """Return the links to expand; raises GraphError 400."""
        text = self.options.get("$expand")
        if text is None:
            return ()
        names = tuple(part.partition("(")[0].strip() for part in text.split(","))
        for name in names:
            if name not in known:
                raise bad_request(
                    "Parsing OData Select and Expand failed: Could not find a property named "
                    f"'{name}'.",
                    "BadRequest",
                )
        return names

    def top(self, default: int, most: int) -> int:
        """Return the size of a page; raises GraphError 400."""
        text = self.options.get("$top", str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise bad_request(
                f"Invalid page size specified: '{text}'. Must be between 1 and {most} inclusive."
            )
        return int(text)

    def counts(self) -> bool:
        """Tell whether the number of all items is asked for; raises GraphError 400."""
        text = self.options.get("$count", "false")
        if text not in {"true", "false"}:
            raise bad_request("$count is true or false.", "BadRequest")
        return text == "true"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: its items, how many there are in all, and where to go on."""

    items: tuple[Typed, ...]
    total: int
    token: str | None


def choose(query: Query, kind: Kind, items: Iterable[Typed], *, directory: bool) -> list[Typed]:
    """Filter and search a list; raises GraphError 400 on what is not supported."""
    chosen = list(items)
    if directory and query.counts() and not query.advanced:
        raise unsupported("$count needs the header ConsistencyLevel: eventual.")
    if "$filter" in query.options:
        wanted = filters.parse(query.options["$filter"])
        _check(wanted, kind, advanced=query.advanced and (query.counts() or not directory))
        chosen = [item for item in chosen if wanted.passes(item.record)]
    if "$search" in query.options:
        chosen = _search(query, chosen)
    return chosen


def _check(wanted: filters.Filter, kind: Kind, *, advanced: bool) -> None:
    for member, asked in wanted.used:
        operator = asked.replace("any ", "any-")
        if operator in kind.basic.get(member, ()):
            continue
        if operator not in kind.advanced.get(member, ()):
            raise unsupported(
                f"Unsupported or invalid query filter clause specified for property '{member}' of "
                f"resource '{kind.name}'."
            )
        if not advanced:
            raise unsupported(
                f"Operator '{asked}' on '{member}' needs the header ConsistencyLevel: eventual and "
                "$count=true."
            )


def _search(query: Query, items: list[Typed]) -> list[Typed]:
    found = _SEARCH.match(query.options["$search"])
    if not query.advanced:
        raise unsupported("Request with $search needs the header ConsistencyLevel: eventual.")
    if found is None:
        raise bad_request('Syntax error in $search: only "member:text" is understood here.')
    member, text = found.group(1), found.group(2).casefold()
    return [item for item in items if text in str(item.record.get(member) or "").casefold()]


def cut(query: Query, items: list[Typed], *, default: int, most: int) -> Page:
    """Return one page in the order of ids; raises GraphError 400 on a token we did not give."""
    size, total = query.top(default, most), len(items)
    ordered = sorted(items, key=lambda item: str(item.record["id"]))
    if "$skiptoken" in query.options:
        after = _from_token(query.options["$skiptoken"])
        ordered = [item for item in ordered if str(item.record["id"]) > after]
    page = tuple(ordered[:size])
    token = _to_token(str(page[-1].record["id"])) if len(ordered) > size else None
    return Page(page, total, token)


def token_for_empty_page(query: Query) -> str:
    """Return the token that starts the same page again, for a page that comes empty first."""
    return query.options.get("$skiptoken") or _to_token("")


def _to_token(last: str) -> str:
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = ""
    if not text.startswith("after:"):
        raise bad_request(
            "The skip token is malformed or has expired.", "Directory_ExpiredPageToken"
        )
    return text.removeprefix("after:")


def show(typed: Typed, selected: frozenset[str] | None, *, mixed: bool) -> Record:
    """Return what the wire shows of a record: the members asked for, or those shown unasked.

    `id` comes only when it is asked for or nothing is; a member without a value is null where it
    was named, and left out where it was not.
    """
    kind, record = typed.kind, typed.record
    if selected is not None:
        shown = {name: record.get(name) for name in sorted(selected & kind.members)}
    elif kind.shown is not None:
        shown = {name: record.get(name) for name in sorted(kind.shown)}
    else:
        shown = {name: value for name, value in record.items() if name in kind.members}
    return {"@odata.type": kind.odata_type, **shown} if mixed else shown
