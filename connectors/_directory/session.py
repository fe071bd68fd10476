"""A login session with a directory: complete reads, careful writes, faults instead of surprises.

``connectors.ldap`` reads and writes through :class:`Session`. A connection that failed once is
never used again. Nothing is retried here.
"""

from __future__ import annotations

import math
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import LDAPStartTLSError
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.protocol.controls import build_control
from ldap3.protocol.rfc4527 import pre_read_control

from connectors._directory.endpoint import CheckedTls, Endpoint
from connectors._directory.entries import Change, Entry
from connectors._directory.results import (
    FAILURES,
    OutOfRange,
    Referred,
    fault_for,
    fault_from,
)
from connectors.faults import Fault, Malformed, Missing, Unauthorised
from connectors.secret import SecretUnavailable

PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
PRE_READ: Final = "1.3.6.1.1.13.1"
ASSERTION: Final = "1.3.6.1.1.12"
NO_ATTRIBUTES: Final = "1.1"
ANYTHING: Final = "(objectClass=*)"
_SEQUENCE: Final = b"\x30"
_IDLE: Final = timedelta(seconds=60)


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
        self, base: str, found_by: str, attributes: Sequence[str], scope: Scope = Scope.SUBTREE
    ) -> Iterator[list[Entry]]:
        """Yield all pages of a search, or raise: never a part that looks like all (Law 2).

        Raises :class:`~connectors.faults.Missing` when the base is not there, ``Truncated`` at a
        limit of the server, ``Referred`` when it points elsewhere, ``OutOfRange`` at our own bound.
        """
        cookie: bytes | None = None
        total = 0
        while True:
            rows, cookie = self._page(base, found_by, attributes, scope, cookie)
            total += len(rows)
            if total > self._bounds.total:
                raise OutOfRange("search: more entries than the configured bound")
            yield rows
            if not cookie:
                return

    def everything(
        self, base: str, found_by: str, attributes: Sequence[str], scope: Scope = Scope.SUBTREE
    ) -> list[Entry]:
        """Return all entries of a search, or raise as :meth:`search` does."""
        return [entry for page in self.search(base, found_by, attributes, scope) for entry in page]

    def read(self, dn: str, attributes: Sequence[str], found_by: str = ANYTHING) -> Entry | None:
        """Read one entry by its current DN; ``None`` when there is none that we may see.

        ``found_by`` is a filter that it must match as well.
        """
        try:
            rows = self.everything(dn, found_by, attributes, Scope.BASE)
        except Missing:
            return None
        return rows[0] if rows else None

    def modify(
        self,
        dn: str,
        changes: Sequence[Change],
        before: Sequence[str] = (),
        asserting: str = "",
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
        controls = [pre_read_control(list(before))] if wanted else []
        if asserting and self.offers(ASSERTION):
            controls.append(_assertion(asserting))
        self._ask("modify", lambda: self._connection.modify(dn, request, controls=controls or None))
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
        connection = bind(self._endpoint, self._endpoint.bind_dn, _password(self._endpoint))
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


@dataclass(frozen=True, slots=True)
class BindAnswer:
    """What a server said to a bind: result code, and raw values of the controls it answered."""

    code: int
    controls: Mapping[str, bytes]


def bind(endpoint: Endpoint, dn: str, password: str) -> Any:  # noqa: ANN401 - ldap3 is untyped
    """Open a connection and bind; raises a fault for anything but success."""
    connection = _open_and_bind(endpoint, dn, password, ())
    fault = fault_for(int(connection.result["result"]), "bind")
    if fault is not None:
        hang_up(connection)
        raise fault
    return connection


def try_bind(
    endpoint: Endpoint, dn: str, password: str, controls: Sequence[str] = ()
) -> BindAnswer:
    """Bind once on a connection of its own and say what the answer was, whatever it was.

    Raises faults when the server cannot be reached or is not who it should be.
    """
    connection = _open_and_bind(endpoint, dn, password, controls)
    hang_up(connection)
    answered = (connection.result.get("controls") or {}).items()
    raw = {oid: control.get("value") for oid, control in answered}
    found = {oid: value for oid, value in raw.items() if isinstance(value, bytes)}
    return BindAnswer(int(connection.result["result"]), found)


def _open_and_bind(endpoint: Endpoint, dn: str, password: str, controls: Sequence[str]) -> Any:  # noqa: ANN401 - ldap3 is untyped
    server = endpoint.server()
    connection: Any = ldap3.Connection(
        server,
        dn,
        password,
        raise_exceptions=False,  # it would not raise for limits anyway; _check looks at every code
        auto_referrals=False,
        check_names=False,
        return_empty_attributes=False,
        receive_timeout=max(
            1, math.ceil(endpoint.receive_timeout.total_seconds())
        ),  # whole seconds
    )
    asked = [build_control(oid, criticality=False, value=None) for oid in controls]
    try:
        connection.open(read_server_info=False)
        if endpoint.start_tls:
            connection.start_tls(read_server_info=False)
        connection.socket = _LdapOnly(connection.socket)
        connection.bind(read_server_info=False, controls=asked or None)
    except FAILURES as error:
        hang_up(connection)
        raise _opening_fault(server.tls, connection.result, error) from error
    return connection


class _LdapOnly:
    """A socket that ends when what comes first is no LDAP message (RFC 4511, 5.1: a SEQUENCE).

    ldap3 skips what it cannot read and waits for more, so the login page of some proxy would look
    like a slow server.
    """

    def __init__(self, wrapped: Any) -> None:  # noqa: ANN401 - a socket of either kind
        self._wrapped = wrapped
        self._heard = False

    def recv(self, size: int) -> bytes:
        data: bytes = self._wrapped.recv(size)
        if not self._heard and data[:1] not in (_SEQUENCE, b""):
            raise ValueError("not an LDAP message")
        self._heard = True
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        return getattr(self._wrapped, name)


def hang_up(connection: Any) -> None:  # noqa: ANN401 - ldap3 is untyped
    """Close a connection whatever its state; ldap3 forgets the socket of a failed one."""
    try:
        connection.unbind()
    except FAILURES:
        connection.closed = True
    if connection.socket is not None:
        connection.socket.close()


def _opening_fault(tls: CheckedTls, result: object, error: Exception) -> Fault:
    """Tell a wrong certificate from a lost connection, and a refused StartTLS by its code."""
    if isinstance(tls.failure, ssl.SSLCertVerificationError):
        return Unauthorised("open: the server's certificate is not trusted", code="tls:certificate")
    if tls.failure is not None:
        return fault_from(tls.failure, "open")
    if isinstance(error, LDAPStartTLSError) and isinstance(result, dict) and "result" in result:
        return fault_for(int(result["result"]), "open") or fault_from(error, "open")
    return fault_from(error, "open")


def _password(endpoint: Endpoint) -> str:
    try:
        return endpoint.password.reveal()
    except SecretUnavailable as error:
        raise Unauthorised(f"bind: {error}", code="secret") from error


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
