"""A login session with a directory: complete reads, careful writes, faults instead of surprises.

``connectors.ldap`` reads and writes through :class:`Session`. A connection that failed once is
never used again. Nothing is retried here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import ldap3
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.protocol.controls import build_control
from ldap3.protocol.rfc4527 import pre_read_control

from connectors._directory.binding import bind, hang_up, password_of
from connectors._directory.endpoint import Endpoint
from connectors._directory.entries import Change, Entry
from connectors._directory.results import (
    FAILURES,
    OutOfRange,
    Referred,
    fault_for,
    fault_from,
)
from connectors.faults import Malformed, Missing

PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
PRE_READ: Final = "1.3.6.1.1.13.1"
ASSERTION: Final = "1.3.6.1.1.12"
NO_ATTRIBUTES: Final = "1.1"
ANYTHING: Final = "(objectClass=*)"
_IDLE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Control:
    """A request control (RFC 4511, 4.1.11) that must be understood; ``value`` is its BER."""

    oid: str
    value: bytes | None = None


class Scope(StrEnum):
    """Scopes of a search (RFC 4511, 4.5.1.2); the words are ldap3's."""

    BASE = "BASE"
    ONE_LEVEL = "LEVEL"
    SUBTREE = "SUBTREE"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one read may bring. ``page`` entries at a time, ``total`` entries in all."""

    page: int = 500
    total: int = 1_000_000


class Session:
    """One bound connection. Not for two threads at once."""

    def __init__(self, connection: Any, bounds: Bounds) -> None:  # noqa: ANN401 - ldap3 is untyped
        """Take over an open and bound connection; read what the server says about itself."""
        self._connection = connection
        self._bounds = bounds
        self.broken = False
        self.root = self.read("", ("*", "+")) or Entry("")

    def offers(self, control: str) -> bool:
        """Say whether the server lists a control."""
        return control in self.root.texts("supportedControl")

    def search(
        self,
        base: str,
        found_by: str,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> Iterator[list[Entry]]:
        """Yield all pages of a search, or raise: never a part that looks like all (Law 2).

        Raises :class:`~connectors.faults.Missing` when the base is not there, ``Truncated`` at a
        limit of the server, ``Referred`` when it points elsewhere, ``OutOfRange`` at our own bound.
        """
        cookie: bytes | None = None
        total = 0
        while True:
            rows, cookie = self._page(base, found_by, attributes, scope, cookie, controls)
            total += len(rows)
            if total > self._bounds.total:
                raise OutOfRange("search: more entries than the configured bound")
            yield rows
            if not cookie:
                return

    def everything(
        self,
        base: str,
        found_by: str,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> list[Entry]:
        """Return all entries of a search, or raise as :meth:`search` does."""
        pages = self.search(base, found_by, attributes, scope, controls)
        return [entry for page in pages for entry in page]

    def read(
        self,
        dn: str,
        attributes: Sequence[str],
        found_by: str = ANYTHING,
        controls: Sequence[Control] = (),
    ) -> Entry | None:
        """Read one entry by its current DN; ``None`` when there is none that we may see.

        ``found_by`` is a filter that it must match as well.
        """
        try:
            rows = self.everything(dn, found_by, attributes, Scope.BASE, controls)
        except Missing:
            return None
        return rows[0] if rows else None

    def modify(
        self,
        dn: str,
        changes: Sequence[Change],
        before: Sequence[str] = (),
        asserting: str = "",
        controls: Sequence[Control] = (),
    ) -> Entry | None:
        """Change an entry in one request, all or nothing.

        Returns the attributes named in ``before`` as they were right before, from the same atomic
        request, where the server offers the pre-read control (RFC 4527); else ``None``.
        ``asserting`` is a filter that must still hold, checked by the server in the same request
        where it offers the assertion control (RFC 4528). Raises faults.
        """
        if not changes:
            raise Malformed("modify: no changes")
        request: dict[str, list[tuple[str, list[bytes]]]] = {}
        for change in changes:
            edits = request.setdefault(change.attribute, [])
            edits.append((change.edit.value, list(change.values)))
        wanted = bool(before) and self.offers(PRE_READ)
        sent = _built(controls) + ([pre_read_control(list(before))] if wanted else [])
        if asserting and self.offers(ASSERTION):
            sent.append(_assertion(asserting))
        self._ask("modify", lambda: self._connection.modify(dn, request, controls=sent or None))
        self._check("modify")
        return self._read_before(dn) if wanted else None

    def add(self, dn: str, attributes: Mapping[str, Sequence[bytes]]) -> None:
        """Add an entry; ``attributes`` hold its object classes too. Raises faults."""
        content = {name: list(values) for name, values in attributes.items()}
        self._ask("add", lambda: self._connection.add(dn, None, content))
        self._check("add")

    def delete(self, dn: str) -> None:
        """Delete a leaf entry. Raises faults."""
        self._ask("delete", lambda: self._connection.delete(dn))
        self._check("delete")

    def move(self, dn: str, name: str, parent: str) -> None:
        """Give an entry another relative name, another parent, or both. Raises faults."""
        self._ask("move", lambda: self._connection.modify_dn(dn, name, new_superior=parent))
        self._check("move")

    def close(self) -> None:
        """Say goodbye and let go of the socket, also of a broken one."""
        self.broken = True
        hang_up(self._connection)

    def _page(
        self,
        base: str,
        found_by: str,
        attributes: Sequence[str],
        scope: Scope,
        cookie: bytes | None,
        controls: Sequence[Control],
    ) -> tuple[list[Entry], bytes | None]:
        paged = None if scope is Scope.BASE else self._bounds.page
        self._ask(
            "search",
            lambda: self._connection.search(
                base,
                found_by,
                scope.value,
                dereference_aliases=ldap3.DEREF_NEVER,  # an alias is a holding, not a detour
                attributes=list(attributes),
                paged_size=paged,
                paged_cookie=cookie,
                controls=_built(controls) or None,
            ),
        )
        self._check("search")
        rows = self._connection.response or []
        if any(row["type"] != "searchResEntry" for row in rows):
            raise Referred("search: the server pointed to another server", code="ldap:reference")
        control = (self._connection.result.get("controls") or {}).get(PAGED_RESULTS)
        next_cookie = control["value"]["cookie"] if control else None
        return [_entry(row) for row in rows], next_cookie or None

    def _read_before(self, dn: str) -> Entry | None:
        control = (self._connection.result.get("controls") or {}).get(PRE_READ)
        if control is None:
            return None
        values = control["value"]["result"]
        return Entry(dn, {name.lower(): _raw(items) for name, items in values.items() if items})

    def _ask(self, operation: str, request: Callable[[], object]) -> None:
        try:
            request()
        except FAILURES as error:
            self.close()
            raise fault_from(error, operation) from error

    def _check(self, operation: str) -> None:
        """Look at the result code; ldap3 itself calls truncated reads a success."""
        result = self._connection.result
        if not isinstance(result, dict) or "result" not in result:
            self.close()
            raise Malformed(f"{operation}: no result")
        fault = fault_for(int(result["result"]), operation)
        if fault is not None:
            raise fault


class Sessions:
    """One session per thread for one endpoint, opened when first needed."""

    def __init__(
        self, endpoint: Endpoint, clock: Callable[[], datetime], bounds: Bounds | None = None
    ) -> None:
        """Keep where to connect; nothing is opened yet."""
        self._endpoint = endpoint
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[Session] = []

    def current(self) -> Session:
        """Return this thread's session; opens and binds when there is none. Raises faults."""
        session: Session | None = getattr(self._local, "session", None)
        now = self._clock()
        if session is not None and (session.broken or now - self._local.used > _IDLE):
            self._forget(session)
            session = None
        if session is None:
            session = self.fresh()
            self._local.session = session
        self._local.used = now
        return session

    def fresh(self) -> Session:
        """Open a session of its own; the caller closes it, or :meth:`close` does."""
        connection = bind(self._endpoint, self._endpoint.bind_dn, password_of(self._endpoint))
        session = Session(connection, self._bounds)
        with self._lock:
            self._open.append(session)
        return session

    def close(self) -> None:
        """Close the sessions of all threads. May be called twice."""
        with self._lock:
            sessions, self._open = self._open, []
        for session in sessions:
            session.close()

    def _forget(self, session: Session) -> None:
        session.close()
        with self._lock:
            if session in self._open:
                self._open.remove(session)


def _entry(row: dict[str, Any]) -> Entry:
    raw = row["raw_attributes"]
    return Entry(row["dn"], {name.lower(): tuple(values) for name, values in raw.items()})


def _assertion(found_by: str) -> Any:  # noqa: ANN401 - ldap3 is untyped
    """Build the assertion control; ldap3 has no function for it (RFC 4528, 3)."""
    parse: Any = parse_filter  # the stubs leave both without types
    compiled: Any = compile_filter
    parsed = parse(found_by, None, True, True, None, False)  # noqa: FBT003 - ldap3's signature
    return build_control(ASSERTION, criticality=True, value=compiled(parsed.elements[0]))


def _raw(items: Sequence[bytes | str]) -> tuple[bytes, ...]:
    return tuple(item if isinstance(item, bytes) else item.encode("utf-8") for item in items)


def _built(controls: Sequence[Control]) -> list[Any]:
    return [
        build_control(one.oid, criticality=True, value=one.value, encode_control_value=False)
        for one in controls
    ]
