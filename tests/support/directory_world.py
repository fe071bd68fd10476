"""The sandbox company in a directory, fake or real, with one bind for each of its users."""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ldap3 import MODIFY_REPLACE
from ldap3.core.exceptions import LDAPException

from deprovisioner.sandbox.company import SUFFIX, Company
from deprovisioner.sandbox.fake_directory import DirectoryOptions, fake_directory
from deprovisioner.sandbox.openldap import OpenLdap
from deprovisioner.sandbox.running import new_company
from tests.support.peers.processes import need

COMPANY = new_company(lambda: datetime.now(UTC))
ME = COMPANY.name_of(COMPANY.demo_leaver())
NEXT = COMPANY.name_of(COMPANY.demo_successor())
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
NETGROUP = f"cn=build-hosts,ou=netgroups,{SUFFIX}"
LOCK = {"pwdAccountLockedTime": [(MODIFY_REPLACE, ["000001010000Z"])]}
NOBODY = f"uid=nobody,{PEOPLE}"


class World:
    """One directory with a connection for everybody; every call returns the result code."""

    def __init__(self, url: str, company: Company) -> None:
        self._url = url
        self._open: list[Any] = []
        leaver = company.demo_leaver()
        self._identities = {
            "admin": (company.administrator.name, company.administrator.password),
            "act": (company.act.name, company.act.password),
            "verify": (company.verify.name, company.verify.password),
            "leaver": (company.name_of(leaver), company.password_of(leaver)),
            "anonymous": (None, None),
        }
        self._connections: dict[str, Any] = {}

    def connect(self, name: str | None, password: str | None) -> Any:
        server = ldap3.Server(self._url, get_info=ldap3.NONE)
        connection: Any = ldap3.Connection(
            server, name, password, check_names=False, auto_referrals=False, receive_timeout=20
        )
        connection.open()
        self._open.append(connection)
        connection.bind()
        return connection

    def of(self, who: str) -> Any:
        if who not in self._connections:
            self._connections[who] = self.connect(*self._identities[who])
        return self._connections[who]

    def bind(self, name: str, password: str) -> int:
        return int(self.connect(name, password).result["result"])

    def modify(self, who: str, name: str, changes: dict[str, Any], **more: Any) -> int:
        self.of(who).modify(name, changes, **more)
        return int(self.of(who).result["result"])

    def add(self, who: str, name: str, classes: list[str], **attributes: Any) -> int:
        self.of(who).add(name, classes, attributes)
        return int(self.of(who).result["result"])

    def delete(self, who: str, name: str) -> int:
        self.of(who).delete(name)
        return int(self.of(who).result["result"])

    def rename(self, who: str, name: str, rdn: str, **more: Any) -> int:
        self.of(who).modify_dn(name, rdn, **more)
        return int(self.of(who).result["result"])

    def compare(self, who: str, name: str, attribute: str, value: str) -> int:
        self.of(who).compare(name, attribute, value)
        return int(self.of(who).result["result"])

    def passwd(self, who: str, name: str, new: str) -> int:
        self.of(who).extend.standard.modify_password(name, None, new)
        return int(self.of(who).result["result"])

    def search(self, who: str, base: str, condition: str = "(objectClass=*)", **more: Any) -> int:
        asked = {"attributes": ["1.1"], "dereference_aliases": ldap3.DEREF_NEVER, **more}
        self.of(who).search(base, condition, **asked)
        return int(self.of(who).result["result"])

    def rows(self, who: str) -> list[dict[str, Any]]:
        """Return the entries of the last search."""
        rows = self.of(who).response or []
        return [row for row in rows if row["type"] == "searchResEntry"]

    def hits(self, who: str, base: str, condition: str, **more: Any) -> int:
        self.search(who, base, condition, **more)
        return len(self.rows(who))

    def locked(self) -> int:
        return self.hits("act", ME, "(pwdAccountLockedTime=*)", search_scope=ldap3.BASE)

    def close(self) -> None:
        for connection in self._open:
            with contextlib.suppress(LDAPException):
                connection.unbind()
            if connection.socket is not None:
                connection.socket.close()


@contextlib.contextmanager
def running_fake(_folder: Path, *, limit: int | None = None) -> Iterator[str]:
    """Run the fake for a `with` block; `limit` meets the service accounts too."""
    limited = DirectoryOptions(size_limit=limit or 500, services_unlimited=limit is None)
    server = fake_directory(
        COMPANY, clock=lambda: datetime.now(UTC), new_id=uuid.uuid4, options=limited
    )
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextlib.contextmanager
def running_slapd(folder: Path, *, limit: int | None = None) -> Iterator[str]:
    """Run slapd for a `with` block; skipped (or failed in CI) where it is not installed."""
    need("/usr/sbin/slapd", "slapd")
    server = OpenLdap(COMPANY, folder, size_limit=limit or 500, services_unlimited=limit is None)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


RUNNING = {"fake": running_fake, "slapd": running_slapd}


@pytest.fixture(params=["fake", "slapd"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Each directory in turn, with the company as it is at start."""
    with RUNNING[request.param](tmp_path) as url:
        opened = World(url, COMPANY)
        try:
            yield opened
        finally:
            opened.close()
