"""Lists cut into pages as GitLab does: by number with totals, or by keyset without.

Called by `service`. 20 rows unless asked for more, 100 at most; no totals above 10,000 rows; no
page by number beyond 50,000 rows where keyset paging is offered.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from deprovisioner.sandbox.gitlab.errors import Refusal, invalid
from deprovisioner.sandbox.gitlab.store import Record

DEFAULT, MOST = 20, 100
_COUNTED = 10_000
_FURTHEST = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page, the query of the next one, and the headers about the whole."""

    rows: Sequence[Record]
    following: Mapping[str, str] | None
    totals: Mapping[str, str]


def cut(rows: Sequence[Record], query: Mapping[str, str], keyset: frozenset[str]) -> Page:
    """Cut the page that was asked for; raises Refusal 400 and 405."""
    size = min(_positive(query, "per_page", DEFAULT), MOST)
    if keyset and query.get("pagination") == "keyset":
        return _by_keyset(rows, query, keyset, size)
    number = _positive(query, "page", 1)
    if keyset and (number - 1) * size >= _FURTHEST:
        words = f"Offset pagination has a maximum allowed offset of {_FURTHEST} for requests."
        raise Refusal(405, {"error": words})
    total = len(rows)
    pages = max(1, -(-total // size))
    kept = rows[(number - 1) * size : number * size]
    more = number < pages
    totals = {
        "X-Page": str(number),
        "X-Per-Page": str(size),
        "X-Next-Page": str(number + 1) if more else "",
        "X-Prev-Page": str(number - 1) if number > 1 else "",
    }
    if total <= _COUNTED:
        totals |= {"X-Total": str(total), "X-Total-Pages": str(pages)}
    following = {**query, "page": str(number + 1), "per_page": str(size)} if more else None
    return Page(kept, following, totals)


def _by_keyset(
    rows: Sequence[Record], query: Mapping[str, str], keyset: frozenset[str], size: int
) -> Page:
    by = query.get("order_by", "id")
    sort = query.get("sort", "desc" if by == "id" else "asc")
    if f"{by}:{sort}" not in keyset:
        words = "Keyset pagination is not yet available for this type of request"
        raise Refusal(405, {"error": words})
    falling = sort == "desc"
    ordered = sorted(rows, key=lambda row: (str(row[by]) if by != "id" else "", row["id"]))
    if falling:
        ordered.reverse()
    start = 0
    if "cursor" in query:
        last = _read(query["cursor"])
        keys = [(str(row[by]) if by != "id" else "", row["id"]) for row in ordered]
        start = sum(1 for key in keys if (key >= last if falling else key <= last))
    kept = ordered[start : start + size]
    following = None
    if start + size < len(ordered):
        key = (str(kept[-1][by]) if by != "id" else "", kept[-1]["id"])
        following = {**query, "cursor": _written(key), "per_page": str(size)}
    return Page(kept, following, {})


def link(base: str, following: Mapping[str, str]) -> str:
    """Return the `Link` header of a page that has a next one."""
    return f'<{base}?{urlencode(following)}>; rel="next"'


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isdigit():
        raise invalid(f"{name} is invalid")
    if int(text) == 0:
        raise invalid(f"{name} does not have a valid value")
    return int(text)


def _written(key: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _read(cursor: str) -> tuple[str, int]:
    try:
        value, number = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError):
        raise invalid("cursor is invalid") from None
    return str(value), int(number)
