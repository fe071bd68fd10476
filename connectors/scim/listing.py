"""Reading lists page by page (RFC 7644 section 3.4.2.4), believing no count.

Called by ``target``. A list is whole when as many different resources came as the server says
there are and a page after the last one is empty. Everything else ends in words: :class:`Cut`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.faults import Malformed, Missing
from connectors.scim.resources import Resource, attribute, resource
from connectors.scim.settings import Settings
from connectors.scim.wire import NotSupported, Service


class Cut(Exception):
    """The list was not read whole; the message says how, in words without personal data."""


def pages(
    service: Service, settings: Settings, endpoint: str, wanted: str = ""
) -> Iterator[tuple[Resource, ...]]:
    """Yield pages of resources. Raises :class:`Cut` in the end when it was not all, and faults."""
    seen: set[str] = set()
    least, start = 0, 1
    while True:
        page, total = _page(service, settings, endpoint, wanted, start)
        fresh = tuple(one for one in page if one.id not in seen)
        # Some servers count only the page they send, and send fewer than were asked for: only a
        # look behind the last page proves the end, with a filter as well. What is found there may
        # be an empty page that counts itself, or, by a filter, the one answer once more.
        again = bool(wanted) and bool(page) and not fresh and total == least
        whole = len(seen) == least and (again or (not page and total <= least))
        if whole:
            return
        if total < least:  # Law 2: what moved up behind us was never shown
            raise Cut("the list became shorter while it was read")
        if page and (not fresh or len({one.id for one in fresh}) != len(page)):
            raise Cut("the list shows a resource twice")
        seen.update(one.id for one in fresh)
        if fresh:
            yield fresh
        if len(seen) > total:
            raise Cut("more came than the server says there is")
        if len(seen) > settings.max_entries:
            raise Cut("more entries than max_entries allows")
        if not page:
            raise Cut("the list ended before all that was counted came")
        least, start = total, len(seen) + 1


def _page(
    service: Service, settings: Settings, endpoint: str, wanted: str, start: int
) -> tuple[tuple[Resource, ...], int]:
    query = {"startIndex": str(start)}
    if settings.page_size:
        query["count"] = str(settings.page_size)
    if wanted:
        query["filter"] = wanted
    try:
        body = service.get(endpoint, query).body
    except (NotSupported, Missing):
        if start == 1:
            raise
        return (), start - 1  # some refuse to look behind the last one: then it was the last one
    total = attribute(body, "totalResults")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise Malformed("scim: a list without totalResults", code="scim:list")
    return tuple(resource(one) for one in _listed(body)), total


def _listed(body: Mapping[str, Any]) -> list[object]:
    listed = attribute(body, "Resources")
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise Malformed("scim: Resources is not a list", code="scim:list")
    return listed
