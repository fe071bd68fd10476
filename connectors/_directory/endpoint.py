"""Where a directory is and how to reach it safely: TLS checked, time bounded, no clear text.

``session`` opens connections from it. The check of certificate and host name is the standard
library's; ldap3's own is off by default and its name check is deprecated.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3

from connectors.secret import Secret

_PORTS: Final = {"ldap": 389, "ldaps": 636}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and the identity that speaks to it.

    ``url`` is ``ldaps://host[:port]`` or ``ldap://host[:port]``; the latter is upgraded by StartTLS
    when ``start_tls`` is set. Clear text is refused except to loopback, or when
    ``allow_clear_text`` says so. ``certificate_name`` is the host name the certificate must carry
    where the server is reached at another address. Raises :class:`ValueError`.
    """

    url: str
    bind_dn: str
    password: Secret
    ca_file: Path | None = None
    start_tls: bool = False
    allow_clear_text: bool = False
    certificate_name: str = ""
    connect_timeout: timedelta = timedelta(seconds=10)
    receive_timeout: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        """Refuse an address that would send a password in the clear."""
        check_url(self.url, encrypted=self.start_tls, allow_clear_text=self.allow_clear_text)

    @property
    def host(self) -> str:
        """Host name or address to connect to."""
        return urlsplit(self.url).hostname or ""

    def server(self) -> ldap3.Server:
        """Describe the server to ldap3; no schema is read, so no attribute name is refused."""
        parts = urlsplit(self.url)
        return ldap3.Server(
            self.host,
            port=parts.port or _PORTS[parts.scheme],
            use_ssl=parts.scheme == "ldaps",
            tls=CheckedTls(self.certificate_name or self.host, self.ca_file),
            get_info=ldap3.NONE,
            connect_timeout=self.connect_timeout.total_seconds(),
        )


def check_url(url: str, *, encrypted: bool, allow_clear_text: bool) -> None:
    """Refuse addresses that are no LDAP or would send a password in the clear."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise ValueError("a directory is given as ldaps://host[:port] or ldap://host[:port]")
    clear = parts.scheme == "ldap" and not encrypted
    if clear and parts.hostname not in LOOPBACK and not allow_clear_text:
        raise ValueError("ldap:// without start_tls is only allowed to loopback")


class CheckedTls(ldap3.Tls):
    """TLS whose certificate and host name the standard library checks (RFC 4513, 3.1.3)."""

    def __init__(self, host: str, ca_file: Path | None) -> None:
        """``ca_file`` replaces the machine's authorities; it does not add to them."""
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._host = host
        self._ca_file = ca_file
        self.failure: OSError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - ldap3's signature
        """Replace the connection's socket; ldap3 calls this right after connecting."""
        self.failure = None
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            connection.socket = context.wrap_socket(connection.socket, server_hostname=self._host)
        except OSError as error:  # errors of TLS are among them
            connection.socket.close()
            self.failure = error
            raise
