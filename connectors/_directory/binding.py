"""Opening a connection to a directory and binding, once, with every outcome named.

``session`` binds as one of our identities; a connector tries a bind where its refusal proves
something. ldap3's traps at opening (RFC 4511, 4.2 and 4.14) are dealt with here and nowhere else.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import LDAPStartTLSError
from ldap3.protocol.controls import build_control

from connectors._directory.endpoint import CheckedTls, Endpoint
from connectors._directory.results import FAILURES, fault_for, fault_from
from connectors.faults import Fault, Unauthorised
from connectors.secret import SecretUnavailable

_SEQUENCE: Final = b"\x30"
_SUB_CODE: Final = re.compile(r"\bdata ([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class BindAnswer:
    """What a server said to a bind: result code, and raw values of the controls it answered.

    ``data`` is the sub-code that Active Directory puts into the text of a refusal (533: disabled).
    """

    code: int
    controls: Mapping[str, bytes]
    data: str = ""


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
    data = _SUB_CODE.search(connection.result.get("message") or "")
    return BindAnswer(int(connection.result["result"]), found, data.group(1) if data else "")


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


def password_of(endpoint: Endpoint) -> str:
    try:
        return endpoint.password.reveal()
    except SecretUnavailable as error:
        raise Unauthorised(f"bind: {error}", code="secret") from error
