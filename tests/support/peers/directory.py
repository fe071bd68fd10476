"""What the directory peers offer to tests: connections that bypass our connector, and a reset.

State of the world is read and prepared here with plain ldap3 as the root identity, never through
the code under test.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPNoSuchObjectResult

from tests.support.peers.population import SUFFIX, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PageRow = dict[str, Any]


def _has_ended(connection: Any) -> bool:
    """Say whether a connection that nothing was asked of has something to say: its end."""
    if connection.closed or connection.socket is None:
        return True
    return bool(select.select([connection.socket], [], [], 0)[0])


class LdapPeer(ABC):
    """A running LDAP server on loopback with TLS, and its root identity."""

    host = "localhost"
    root_dn = ""
    root_password = "root-password-of-a-peer"

    def __init__(self, port: int, secure_port: int, ca_file: Path) -> None:
        """Keep where the server listens and which authority signed its certificate."""
        self.port = port
        self.secure_port = secure_port
        self.ca_file = ca_file
        self._kept = contextlib.ExitStack()
        self._root: Any = None
        self._one_at_a_time = threading.RLock()

    @abstractmethod
    def start(self) -> None:
        """Start and wait until it listens."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; the data stay."""

    @abstractmethod
    def freeze(self) -> None:
        """Keep connections open and answer nothing."""

    @abstractmethod
    def thaw(self) -> None:
        """Go on after :meth:`freeze`."""

    @property
    def url(self) -> str:
        """Clear text, loopback only."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        """TLS; the certificate names localhost."""
        return f"ldaps://localhost:{self.secure_port}"

    @contextlib.contextmanager
    def session(self, dn: str, password: str) -> Iterator[Any]:
        """Open a bound connection over TLS for a ``with`` block. Raises ldap3's exceptions."""
        # ldap3's own name check warns on Python 3.11; certificates are tested with the connector.
        tls = ldap3.Tls(validate=ssl.CERT_NONE)
        server = ldap3.Server(
            self.host,
            port=self.secure_port,
            use_ssl=True,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=10,
        )
        # Any: the stubs of ldap3 leave its methods without types.
        connection: Any = ldap3.Connection(
            server,
            dn,
            password,
            raise_exceptions=True,
            receive_timeout=60,
            auto_referrals=False,
            check_names=False,
        )
        try:
            connection.open()
            connection.bind()
            yield connection
        finally:
            connection.unbind()
            if connection.socket is not None:  # ldap3 forgets the socket of a failed open
                connection.socket.close()

    def binds(self, dn: str, password: str) -> bool:
        """Say whether a person can sign in."""
        try:
            with self.session(dn, password):
                return True
        except LDAPException:
            return False

    @contextlib.contextmanager
    def root(self) -> Iterator[Any]:
        """Give the connection of the identity that no access rule stops; kept open between uses."""
        with self._one_at_a_time:
            if self._root is None or _has_ended(self._root):
                self.forget_root()
                session = self.session(self.root_dn, self.root_password)
                self._root = self._kept.enter_context(session)
            yield self._root

    def forget_root(self) -> None:
        """Close what :meth:`root` keeps open; before the server is stopped."""
        self._root = None
        with contextlib.suppress(OSError, LDAPException):  # the server may have closed it already
            self._kept.close()

    def read(self, dn: str, *attributes: str) -> dict[str, list[bytes]]:
        """Read one entry as root; empty when it is not there. Values raw, names lower-case."""
        with self.root() as connection:
            try:
                connection.search(
                    dn,
                    "(objectClass=*)",
                    ldap3.BASE,
                    attributes=list(attributes) or ["*"],
                    dereference_aliases=ldap3.DEREF_NEVER,
                )
            except LDAPNoSuchObjectResult:
                return {}
            rows: list[PageRow] = connection.response or []
        return {
            name.lower(): sorted(values)
            for row in rows
            if row["type"] == "searchResEntry"
            for name, values in row["raw_attributes"].items()
            if values
        }

    def modify(self, dn: str, changes: dict[str, Any]) -> None:
        """Change an entry as root. Raises ldap3's exceptions."""
        with self.root() as connection:
            connection.modify(dn, changes)

    def delete(self, dn: str) -> None:
        """Delete an entry as root."""
        with self.root() as connection:
            connection.delete(dn)

    def add(self, entry: Entry) -> None:
        """Add an entry as root."""
        with self.root() as connection:
            connection.add(entry.dn, list(entry.classes), dict(entry.attributes))


class Directory(LdapPeer):
    """A directory server that is put back to exactly the population."""

    product = ""

    @abstractmethod
    def reset(self, certificate: bytes) -> None:
        """Put exactly the population back; ``certificate`` is the leaver's, as DER."""

    def world(self) -> dict[str, dict[str, list[bytes]]]:
        """Read every entry below the suffix as root, operational account state included."""
        wanted = ["*", "pwdAccountLockedTime", "nsAccountLock", "nsRoleDN", "authzTo", "authzFrom"]
        with self.root() as connection:
            connection.search(
                SUFFIX,
                "(objectClass=*)",
                attributes=wanted,
                dereference_aliases=ldap3.DEREF_NEVER,
            )
            rows: list[PageRow] = connection.response or []
        return {
            row["dn"]: {
                name.lower(): sorted(values)
                for name, values in row["raw_attributes"].items()
                if values and name.lower() != "memberof"
            }
            for row in rows
            if row["type"] == "searchResEntry"
        }

    def _replace_all(self, entries: list[Entry]) -> None:
        with self.root() as connection:
            connection.search(
                SUFFIX,
                "(|(objectClass=*)(objectClass=ldapsubentry))",
                attributes=["1.1"],
                dereference_aliases=ldap3.DEREF_NEVER,
            )
            found = [row["dn"] for row in connection.response if row["type"] == "searchResEntry"]
            for dn in sorted(found, key=lambda name: -name.count(",")):
                if dn.lower() != SUFFIX:
                    connection.delete(dn)
            for entry in entries:
                connection.add(entry.dn, list(entry.classes), dict(entry.attributes))
