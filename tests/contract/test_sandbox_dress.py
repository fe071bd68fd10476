"""The fake directory dressed as 389-ds answers what the real 389-ds 2.3.1 answers."""

import contextlib
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import ldap3
import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE

from deprovisioner.sandbox.directory.dress import Dress
from deprovisioner.sandbox.fake_directory import DirectoryOptions, fake_directory
from deprovisioner.sandbox.running import new_company
from tests.support.peers.three_eight_nine import ThreeEightNine

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

BRANCH = "ou=probe,dc=example,dc=com"
PERSON, OTHER = f"uid=p,{BRANCH}", f"uid=q,{BRANCH}"
GROUP, NETGROUP, POSIX = f"cn=g,{BRANCH}", f"cn=n,{BRANCH}", f"cn=pg,{BRANCH}"
Connect = Callable[[str | None, str | None], Any]


class Client:
    """The administrator's hands, and the doors of others."""

    def __init__(self, connect: Connect, name: str, password: str) -> None:
        self._connect = connect
        self.root = connect(name, password)

    def add(self, name: str, classes: str, **attributes: Any) -> int:
        self.root.add(name, classes.split(), attributes)
        return int(self.root.result["result"])

    def change(self, name: str, attribute: str, kind: str, *values: str) -> int:
        self.root.modify(name, {attribute: [(kind, list(values))]})
        return int(self.root.result["result"])

    def delete(self, name: str) -> int:
        self.root.delete(name)
        return int(self.root.result["result"])

    def hits(self, condition: str, base: str = BRANCH) -> int:
        self.root.search(base, condition, attributes=["1.1"])
        return len(self.root.response) if self.root.result["result"] == 0 else -1

    def bind(self, name: str | None, password: str | None) -> int:
        return int(self._connect(name, password).result["result"])

    def anonymous_search(self) -> int:
        connection = self._connect(None, None)
        connection.search(BRANCH, "(uid=*)")
        return int(connection.result["result"]) + len(connection.response or [])


@contextlib.contextmanager
def client_of(url: str, name: str, password: str) -> Iterator[Client]:
    """Connect to a server as its administrator for a `with` block."""
    opened: list[Any] = []

    def connect(who: str | None, secret: str | None) -> Any:
        tls = ldap3.Tls(validate=ssl.CERT_NONE)  # certificates are not what this test is about
        server = ldap3.Server(url, get_info=ldap3.NONE, tls=tls)
        connection: Any = ldap3.Connection(
            server, who, secret, check_names=False, auto_referrals=False, receive_timeout=30
        )
        connection.open()
        opened.append(connection)
        connection.bind()
        return connection

    try:
        yield Client(connect, name, password)
    finally:
        for connection in opened:
            connection.unbind()


@pytest.fixture(params=["fake", "389-ds"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each server in turn."""
    if request.param == "389-ds":
        real: ThreeEightNine = request.getfixturevalue("three_eight_nine")
        with client_of(real.secure_url, real.root_dn, real.root_password) as connected:
            yield connected
        return
    company = new_company(lambda: datetime.now(UTC))
    fake = fake_directory(
        company,
        clock=lambda: datetime.now(UTC),
        new_id=uuid.uuid4,
        options=DirectoryOptions(dress=Dress.NETSCAPE),
    )
    fake.start()
    try:
        root = company.administrator
        with client_of(fake.url, root.name, root.password) as connected:
            yield connected
    finally:
        fake.stop()


STORY: tuple[tuple[str, int, Callable[[Client], int]], ...] = (
    ("branch", 0, lambda c: c.add(BRANCH, "organizationalUnit", ou="probe")),
    ("person", 0, lambda c: c.add(
        PERSON, "inetOrgPerson posixAccount", uid="p", cn="Pe Pe", sn="x", mail="p@example.com",
        uidNumber="1", gidNumber="1", homeDirectory="/p", userPassword="secret-one-1")),
    ("other", 0, lambda c: c.add(OTHER, "inetOrgPerson", uid="q", cn="q", sn="x", manager=PERSON)),
    ("group", 0, lambda c: c.add(GROUP, "groupOfNames", cn="g", member=PERSON)),
    ("empty group", 0, lambda c: c.add(f"cn=e,{BRANCH}", "groupOfNames", cn="e")),
    ("posix group", 0, lambda c: c.add(
        POSIX, "posixGroup", cn="pg", gidNumber="5", memberUid=["p", "P "])),
    ("netgroup", 0, lambda c: c.add(
        NETGROUP, "nisNetgroup", cn="n", nisNetgroupTriple=["(a,p,c)", "(b,q,c)"])),
    ("unknown class", 65, lambda c: c.add(f"uid=a,{BRANCH}", "nonsense", uid="a")),
    ("unknown attribute", 65, lambda c: c.change(PERSON, "nonsense", MODIFY_REPLACE, "x")),
    ("not for users", 53, lambda c: c.change(
        PERSON, "entryUUID", MODIFY_REPLACE, str(uuid.UUID(int=1)))),
    ("two values of one", 65, lambda c: c.change(PERSON, "displayName", MODIFY_REPLACE, "a", "b")),
    ("naming value", 67, lambda c: c.change(PERSON, "uid", MODIFY_REPLACE, "z")),
    ("classes above are written", 2, lambda c: c.hits("(objectClass=person)")),
    ("substring of a triple finds", 1, lambda c: c.hits("(nisNetgroupTriple=*p*)")),
    ("not undefined is everything", 7, lambda c: c.hits("(!(nonsense=x))")),
    ("no name is no object", -1, lambda c: c.hits("(uid=*)", "nonsense")),
    ("delete a triple", 0, lambda c: c.change(
        NETGROUP, "nisNetgroupTriple", MODIFY_DELETE, "(a,p,c)")),
    ("again", 16, lambda c: c.change(NETGROUP, "nisNetgroupTriple", MODIFY_DELETE, "(a,p,c)")),
    ("add a triple", 0, lambda c: c.change(NETGROUP, "nisNetgroupTriple", MODIFY_ADD, "(z,p,c)")),
    ("last member", 0, lambda c: c.change(GROUP, "member", MODIFY_DELETE, PERSON)),
    ("again", 16, lambda c: c.change(GROUP, "member", MODIFY_DELETE, PERSON)),
    ("memberUid without the space", 0, lambda c: c.change(POSIX, "memberUid", MODIFY_DELETE, "P")),
    ("sign in", 0, lambda c: c.bind(PERSON, "secret-one-1")),
    ("wrong password", 49, lambda c: c.bind(PERSON, "wrong")),
    ("nobody", 49, lambda c: c.bind(f"uid=zz,{BRANCH}", "wrong")),
    ("lock", 0, lambda c: c.change(PERSON, "nsAccountLock", MODIFY_REPLACE, "true")),
    ("locked", 53, lambda c: c.bind(PERSON, "secret-one-1")),
    ("locked, wrong password", 53, lambda c: c.bind(PERSON, "wrong")),
    ("new password", 0, lambda c: c.change(
        PERSON, "userPassword", MODIFY_REPLACE, "secret-two-2")),
    ("still locked", 53, lambda c: c.bind(PERSON, "secret-two-2")),
    ("found by its lock", 1, lambda c: c.hits("(nsAccountLock=true)")),
    ("unlock", 0, lambda c: c.change(PERSON, "nsAccountLock", MODIFY_DELETE)),
    ("unlock again", 16, lambda c: c.change(PERSON, "nsAccountLock", MODIFY_DELETE)),
    ("in again", 0, lambda c: c.bind(PERSON, "secret-two-2")),
    ("silence without a right", 0, Client.anonymous_search),
    ("delete a branch", 66, lambda c: c.delete(BRANCH)),
    ("delete", 0, lambda c: c.delete(PERSON)),
    ("delete again", 32, lambda c: c.delete(PERSON)),
    ("its references stay", 1, lambda c: c.hits(f"(manager={PERSON})")),
)  # fmt: skip


def test_codes_are_those_of_389_ds(client: Client) -> None:
    """One story, step by step: the same code or count from both servers."""
    answered = [(says, do(client)) for says, _code, do in STORY]

    assert answered == [(says, code) for says, code, _do in STORY]
