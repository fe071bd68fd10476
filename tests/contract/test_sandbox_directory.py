"""One table of operations and result codes, run against the fake directory and against real slapd.

The expected codes were measured on slapd 2.5.13. A fake that a connector is tested with must not
be kinder than the real one; where it is knowingly poorer (`docs/sandbox.md`), no row of this table
says otherwise.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.rfc4527 import post_read_control, pre_read_control

from deprovisioner.sandbox.company import SUFFIX, Company
from deprovisioner.sandbox.fake_directory import DirectoryOptions, fake_directory
from deprovisioner.sandbox.openldap import OpenLdap
from deprovisioner.sandbox.running import DirectoryKind, Sandbox, new_company
from tests.support.peers.processes import need

pytestmark = pytest.mark.peers

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


@dataclass(frozen=True)
class Step:
    """One operation with the code that slapd answers."""

    says: str
    code: int
    do: Callable[[World], int]


def change(
    who: str, name: str, *modifications: tuple[str, Any, list[Any]]
) -> Callable[[World], int]:
    """Return a modify of (attribute, kind, values)."""
    changes: dict[str, Any] = {}
    for attribute, kind, values in modifications:
        changes.setdefault(attribute, []).append((kind, values))
    return lambda world: world.modify(who, name, changes)


def note(who: str, name: str) -> Callable[[World], int]:
    """Return a harmless modify, to see who may."""
    return change(who, name, ("description", MODIFY_REPLACE, ["x"]))


def scramble_and_lock(world: World) -> int:
    """Replace password and lock in one modify."""
    return world.modify("act", ME, {"userPassword": [(MODIFY_REPLACE, ["scrambled"])], **LOCK})


PERSON = {"cn": "x", "sn": "x"}
TRIPLE = "(build01,yue.lin,example.com)"
SCENARIOS: dict[str, tuple[Step, ...]] = {
    "who may write": (
        Step("verify may not", 50, note("verify", ME)),
        Step("a person not on itself", 50, note("leaver", ME)),
        Step("nor on others", 50, note("leaver", NEXT)),
        Step("nobody without a bind", 8, note("anonymous", ME)),
        Step("act not on services", 50, note("act", COMPANY.verify.name)),
        Step("act not on the suffix", 50, note("act", SUFFIX)),
        Step("act on people", 0, note("act", ME)),
        Step("an absent entry", 32, note("act", NOBODY)),
        Step("not a name", 34, note("act", "nonsense")),
        Step("verify deletes nothing", 50, lambda w: w.delete("verify", ME)),
        Step("act no service account", 50, lambda w: w.delete("act", COMPANY.verify.name)),
        Step("nor a branch", 50, lambda w: w.delete("act", PEOPLE)),
        Step("admin no branch with leaves", 66, lambda w: w.delete("admin", PEOPLE)),
        Step(
            "act adds no service",
            50,
            lambda w: w.add("act", f"cn=a,ou=services,{SUFFIX}", ["device"], cn="a"),
        ),
    ),
    "who may read": (
        Step("verify reads", 0, lambda w: w.search("verify", SUFFIX)),
        Step("anonymous sees nothing", 32, lambda w: w.search("anonymous", SUFFIX)),
        Step("a person not the company", 32, lambda w: w.search("leaver", SUFFIX)),
        Step("but itself", 0, lambda w: w.search("leaver", ME)),
        Step("absent", 32, lambda w: w.search("act", NOBODY)),
        Step("no name", 34, lambda w: w.search("act", "nonsense")),
        Step("another suffix", 32, lambda w: w.search("act", "dc=other")),
        Step("client's own limit", 4, lambda w: w.search("act", PEOPLE, size_limit=5)),
    ),
    "modify and the schema": (
        Step("unknown attribute", 17, change("act", ME, ("foo", MODIFY_REPLACE, ["x"]))),
        Step("attribute of no class", 65, change("act", ME, ("memberUid", MODIFY_REPLACE, ["x"]))),
        Step(
            "not for users",
            19,
            change("act", ME, ("entryUUID", MODIFY_REPLACE, [str(uuid.UUID(int=1))])),
        ),
        Step("two values of one", 19, change("act", ME, ("displayName", MODIFY_ADD, ["second"]))),
        Step("not a number", 21, change("act", ME, ("shadowExpire", MODIFY_REPLACE, ["x"]))),
        Step("empty text", 21, change("act", ME, ("title", MODIFY_REPLACE, [""]))),
        Step("not a name", 21, change("act", ME, ("manager", MODIFY_REPLACE, ["x"]))),
        Step(
            "not a time", 21, change("act", ME, ("pwdAccountLockedTime", MODIFY_REPLACE, ["soon"]))
        ),
        Step("the naming value", 64, change("act", ME, ("uid", MODIFY_REPLACE, ["other"]))),
        Step("the naming value gone", 64, change("act", ME, ("uid", MODIFY_DELETE, ["yue.lin"]))),
        Step("a demanded attribute", 65, change("act", ME, ("sn", MODIFY_DELETE, []))),
        Step(
            "a class still used",
            65,
            change("act", ME, ("objectClass", MODIFY_DELETE, ["posixAccount"])),
        ),
        Step("an unknown class", 21, change("act", ME, ("objectClass", MODIFY_ADD, ["nonsense"]))),
        Step(
            "a second structural class",
            65,
            change("act", ME, ("objectClass", MODIFY_ADD, ["device"])),
        ),
    ),
    "second calls": (
        Step("delete absent attribute", 16, change("act", ME, ("description", MODIFY_DELETE, []))),
        Step(
            "delete absent value", 16, change("act", ME, ("mail", MODIFY_DELETE, ["x@example.com"]))
        ),
        Step(
            "replace absent by nothing", 0, change("act", ME, ("description", MODIFY_REPLACE, []))
        ),
        Step(
            "add present value",
            20,
            change("act", ME, ("mail", MODIFY_ADD, ["YUE.LIN@example.com"])),
        ),
        Step("one value twice", 20, change("act", ME, ("mail", MODIFY_ADD, ["a@b", "A@b"]))),
        Step(
            "all or nothing",
            16,
            change("act", ME, ("description", MODIFY_ADD, ["x"]), ("mail", MODIFY_DELETE, ["zz"])),
        ),
        Step("nothing it was", 0, lambda w: w.hits("act", ME, "(description=*)")),
        Step("keys", 0, change("act", ME, ("sshPublicKey", MODIFY_DELETE, []))),
        Step("keys again", 16, change("act", ME, ("sshPublicKey", MODIFY_DELETE, []))),
        Step("certificate", 0, change("act", ME, ("userCertificate;binary", MODIFY_DELETE, []))),
        Step(
            "certificate again",
            16,
            change("act", ME, ("userCertificate;binary", MODIFY_DELETE, [])),
        ),
        Step("without ;binary", 17, change("act", NEXT, ("userCertificate", MODIFY_DELETE, []))),
        Step("delete a leaf", 0, lambda w: w.delete("act", ME)),
        Step("delete it again", 32, lambda w: w.delete("act", ME)),
    ),
    "members": (
        Step(
            "the last member stays",
            65,
            change("act", f"cn=release-signers,{GROUPS}", ("member", MODIFY_DELETE, [ME])),
        ),
        Step(
            "a successor in the same request",
            0,
            change(
                "act",
                f"cn=release-signers,{GROUPS}",
                ("member", MODIFY_ADD, [NEXT]),
                ("member", MODIFY_DELETE, [ME]),
            ),
        ),
        Step(
            "again",
            20,
            change(
                "act",
                f"cn=release-signers,{GROUPS}",
                ("member", MODIFY_ADD, [NEXT]),
                ("member", MODIFY_DELETE, [ME]),
            ),
        ),
        Step(
            "remove again",
            16,
            change("act", f"cn=release-signers,{GROUPS}", ("member", MODIFY_DELETE, [ME])),
        ),
        Step(
            "names have no case",
            0,
            change("act", f"cn=platform-admins,{GROUPS}", ("member", MODIFY_DELETE, [ME.upper()])),
        ),
        Step(
            "unique member",
            0,
            change("act", f"cn=vpn-users,{GROUPS}", ("uniqueMember", MODIFY_DELETE, [ME])),
        ),
        Step(
            "unique member again",
            16,
            change("act", f"cn=vpn-users,{GROUPS}", ("uniqueMember", MODIFY_DELETE, [ME])),
        ),
        Step(
            "memberUid has case",
            16,
            change("act", f"cn=legacy-build,{GROUPS}", ("memberUid", MODIFY_DELETE, ["yue.lin"])),
        ),
        Step(
            "but no trailing space",
            0,
            change("act", f"cn=legacy-build,{GROUPS}", ("memberUid", MODIFY_DELETE, ["YUE.LIN"])),
        ),
        Step(
            "an empty group cannot be made",
            65,
            lambda w: w.add("act", f"cn=a,{GROUPS}", ["groupOfNames"], cn="a"),
        ),
    ),
    "netgroups have no equality": (
        Step(
            "delete a triple",
            18,
            change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_DELETE, [TRIPLE])),
        ),
        Step(
            "add a triple",
            18,
            change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_ADD, ["(a,b,c)"])),
        ),
        Step(
            "not a triple",
            21,
            change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_REPLACE, ["x"])),
        ),
        Step(
            "replace them all",
            0,
            change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_REPLACE, ["(a,b,c)"])),
        ),
        Step(
            "delete them all", 0, change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_DELETE, []))
        ),
        Step("again", 16, change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_DELETE, []))),
        Step(
            "add to none",
            0,
            change("act", NETGROUP, ("nisNetgroupTriple", MODIFY_ADD, ["(a,b,c)"])),
        ),
    ),
    "add": (
        Step("present", 68, lambda w: w.add("act", ME, ["inetOrgPerson"], uid="yue.lin", **PERSON)),
        Step(
            "no parent",
            32,
            lambda w: w.add(
                "act", f"uid=a,ou=nowhere,{SUFFIX}", ["inetOrgPerson"], uid="a", **PERSON
            ),
        ),
        Step(
            "incomplete",
            65,
            lambda w: w.add("act", f"uid=a,{PEOPLE}", ["inetOrgPerson"], uid="a", cn="x"),
        ),
        Step(
            "unknown class",
            21,
            lambda w: w.add("act", f"uid=a,{PEOPLE}", ["zzz"], uid="a", **PERSON),
        ),
        Step(
            "auxiliary only",
            65,
            lambda w: w.add(
                "act",
                f"uid=a,{PEOPLE}",
                ["posixAccount"],
                uid="a",
                cn="x",
                uidNumber="1",
                gidNumber="1",
                homeDirectory="/",
            ),
        ),
        Step(
            "unknown attribute",
            17,
            lambda w: w.add(
                "act", f"uid=a,{PEOPLE}", ["inetOrgPerson"], uid="a", foo="1", **PERSON
            ),
        ),
        Step(
            "not without a bind",
            8,
            lambda w: w.add("anonymous", f"uid=a,{PEOPLE}", ["inetOrgPerson"], uid="a", **PERSON),
        ),
        Step(
            "the name fills in",
            0,
            lambda w: w.add("act", f"uid=a,{PEOPLE}", ["inetOrgPerson"], **PERSON),
        ),
        Step("rename", 0, lambda w: w.rename("act", f"uid=a,{PEOPLE}", "uid=b")),
        Step("old name gone", 32, lambda w: w.search("act", f"uid=a,{PEOPLE}")),
        Step(
            "rename to a taken name",
            68,
            lambda w: w.rename("act", f"uid=b,{PEOPLE}", "uid=yue.lin"),
        ),
        Step(
            "move",
            0,
            lambda w: w.rename(
                "act", f"uid=b,{PEOPLE}", "uid=b", new_superior=f"ou=systems,{SUFFIX}"
            ),
        ),
        Step(
            "not to services",
            50,
            lambda w: w.rename(
                "act", f"uid=b,ou=systems,{SUFFIX}", "uid=b", new_superior=f"ou=services,{SUFFIX}"
            ),
        ),
        Step(
            "nor to nowhere",
            32,
            lambda w: w.rename(
                "act", f"uid=b,ou=systems,{SUFFIX}", "uid=b", new_superior=f"ou=nowhere,{SUFFIX}"
            ),
        ),
    ),
    "the lock": (
        Step("right password", 0, lambda w: w.bind(ME, COMPANY.password_of(COMPANY.demo_leaver()))),
        Step("wrong password", 49, lambda w: w.bind(ME, "wrong")),
        Step("nobody", 49, lambda w: w.bind(NOBODY, "wrong")),
        Step("an entry without password", 49, lambda w: w.bind(f"cn=all-sales,{GROUPS}", "x")),
        Step("the leaver's connection", 0, lambda w: w.search("leaver", ME)),
        Step("lock", 0, lambda w: w.modify("act", ME, LOCK)),
        Step(
            "right password, locked",
            49,
            lambda w: w.bind(ME, COMPANY.password_of(COMPANY.demo_leaver())),
        ),
        Step("open connections stay", 0, lambda w: w.search("leaver", ME)),
        Step("unlock", 0, change("act", ME, ("pwdAccountLockedTime", MODIFY_DELETE, []))),
        Step("unlock again", 16, change("act", ME, ("pwdAccountLockedTime", MODIFY_DELETE, []))),
        Step(
            "right password again",
            0,
            lambda w: w.bind(ME, COMPANY.password_of(COMPANY.demo_leaver())),
        ),
        Step("lock", 0, lambda w: w.modify("act", ME, LOCK)),
        Step(
            "a new password opens it",
            0,
            change("act", ME, ("userPassword", MODIFY_REPLACE, ["new"])),
        ),
        Step("so it is not locked", 0, World.locked),
        Step("new password", 0, lambda w: w.bind(ME, "new")),
        Step(
            "lock and scramble at once",
            0,
            lambda w: w.modify("act", ME, {"userPassword": [(MODIFY_REPLACE, ["newer"])], **LOCK}),
        ),
        Step("it is locked", 1, World.locked),
        Step("right password, locked", 49, lambda w: w.bind(ME, "newer")),
        Step("password extension", 0, lambda w: w.passwd("act", ME, "newest")),
        Step("opens it too", 0, World.locked),
        Step("newest password", 0, lambda w: w.bind(ME, "newest")),
        Step("verify changes none", 50, lambda w: w.passwd("verify", ME, "other")),
        Step("lock", 0, lambda w: w.modify("act", ME, LOCK)),
        Step(
            "unusable password",
            0,
            change("act", ME, ("userPassword", MODIFY_REPLACE, ["{CRYPT}!"])),
        ),
        Step("opens it as well", 0, World.locked),
        Step("but lets nobody in", 49, lambda w: w.bind(ME, "newest")),
        Step("lock", 0, lambda w: w.modify("act", ME, LOCK)),
        Step("password taken away", 0, change("act", ME, ("userPassword", MODIFY_DELETE, []))),
        Step("leaves the lock", 1, World.locked),
        Step(
            "lockout off",
            0,
            change(
                "admin",
                f"cn=default,ou=policies,{SUFFIX}",
                ("pwdLockout", MODIFY_REPLACE, ["FALSE"]),
            ),
        ),
        Step("new password", 0, change("act", ME, ("userPassword", MODIFY_REPLACE, ["last"]))),
        Step("lock again", 0, lambda w: w.modify("act", ME, LOCK)),
        Step("the attribute is there", 1, World.locked),
        Step("and does nothing", 0, lambda w: w.bind(ME, "last")),
    ),
    "scrambling what is locked": (
        Step("scramble and lock", 0, scramble_and_lock),
        Step("it is locked", 1, World.locked),
        Step("the same again", 0, scramble_and_lock),
        Step("unlocks", 0, World.locked),
        Step("and lets in", 0, lambda w: w.bind(ME, "scrambled")),
        Step("a third time", 0, scramble_and_lock),
        Step("locks", 1, World.locked),
        Step(
            "delete and add keep it",
            0,
            lambda w: w.modify(
                "act",
                ME,
                {
                    "userPassword": [(MODIFY_REPLACE, ["other"])],
                    "pwdAccountLockedTime": [(MODIFY_DELETE, []), (MODIFY_ADD, ["000001010000Z"])],
                },
            ),
        ),
        Step("locked", 1, World.locked),
        Step("right password, locked", 49, lambda w: w.bind(ME, "other")),
    ),
    "compare and controls": (
        Step("true", 6, lambda w: w.compare("act", NEXT, "loginShell", "/bin/bash")),
        Step("false", 5, lambda w: w.compare("act", NEXT, "loginShell", "/bin/x")),
        Step("absent attribute", 16, lambda w: w.compare("act", NEXT, "description", "x")),
        Step("unknown attribute", 17, lambda w: w.compare("act", NEXT, "foo", "x")),
        Step("absent entry", 32, lambda w: w.compare("act", NOBODY, "uid", "x")),
        Step(
            "unknown critical control",
            12,
            lambda w: w.modify(
                "act",
                NEXT,
                {"loginShell": [(MODIFY_REPLACE, ["/bin/x"])]},
                controls=[("1.2.3.4", True, None)],
            ),
        ),
        Step(
            "unknown other control",
            0,
            lambda w: w.modify(
                "act",
                NEXT,
                {"loginShell": [(MODIFY_REPLACE, ["/bin/x"])]},
                controls=[("1.2.3.4", False, None)],
            ),
        ),
        Step(
            "cookie of nobody",
            2,
            lambda w: w.search("act", PEOPLE, paged_size=3, paged_cookie=b"12345678"),
        ),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_codes_are_those_of_openldap(world: World, name: str) -> None:
    """Each step answers the code of the table, in the order of the story."""
    steps = SCENARIOS[name]

    answered = [(step.says, step.do(world)) for step in steps]

    assert answered == [(step.says, step.code) for step in steps]


FILTERS = {
    "(nisNetgroupTriple=*yue*)": 0,
    "(!(nisNetgroupTriple=*yue*))": 0,
    "(nisNetgroupTriple=*)": 2,
    r"(nisNetgroupTriple=\28build01,yue.lin,example.com\29)": 0,
    "(foo=bar)": 0,
    "(!(foo=bar))": 0,
    "(|(foo=bar)(uid=yue.lin))": 1,
    "(&(foo=bar)(uid=yue.lin))": 0,
    "(uid=YUE.LIN)": 1,
    "(memberUid=yue.lin)": 2,
    "(memberUid=YUE.LIN)": 1,
    "(memberUid=YUE.LIN )": 1,
    "(sudoUser=yue.lin)": 2,
    "(sudoUser=YUE.LIN)": 0,
    "(sudoRunAsUser=yue.lin)": 1,
    "(uidNumber>=20299)": 5,
    "(uidNumber<=20003)": 3,
    "(uidNumber=abc)": 0,
    "(uid>=z)": 0,
    "(cn=张伟)": 3,
    "(name=林悦)": 1,
    "(cn=  all-sales )": 1,
    f"(member={ME.upper()})": 4,
    f"(uniqueMember={ME})": 2,
    "(member=nonsense)": 0,
    f"(manager={ME})": 1,
    f"(|(owner={ME})(seeAlso={ME})(secretary={ME})(roleOccupant={ME}))": 4,
    f"(aliasedObjectName={ME})": 1,
    f"(entryDN={ME})": 1,
    "(objectClass=person)": 304,
    "(objectClass=nonsense)": 0,
    "(rfc822MailMember=YUE.LIN)": 1,
    "(rfc822MailMember=yue*)": 0,
    "(userCertificate=*)": 2,
    "(sshPublicKey=*)": 144,
    "(pwdAccountLockedTime=*)": 0,
    "(employeeNumber=200042)": 1,
    "(homeDirectory=/home/yue.lin)": 1,
    "(structuralObjectClass=device)": 2,
}


def test_filters_find_what_openldap_finds(world: World) -> None:
    """A filter selects as many entries as on slapd, traps included."""
    found = {condition: world.hits("act", SUFFIX, condition) for condition in FILTERS}

    assert found == FILTERS


def test_dereferenced_aliases_hide_themselves(world: World) -> None:
    """ldap3 dereferences by default, and then no alias entry can be found."""
    branch, alias = f"ou=aliases,{SUFFIX}", f"uid=lin.yue,ou=aliases,{SUFFIX}"
    condition = f"(aliasedObjectName={ME})"
    always, never = ldap3.DEREF_ALWAYS, ldap3.DEREF_NEVER

    assert world.hits("act", branch, condition, dereference_aliases=never) == 1
    assert world.hits("act", branch, condition, dereference_aliases=always) == 0
    world.search("act", alias, search_scope=ldap3.BASE, dereference_aliases=always)
    assert [row["dn"].lower() for row in world.rows("act")] == [ME.lower()]


@pytest.mark.parametrize("server", RUNNING)
def test_paging_does_not_lift_the_limit(server: str, tmp_path: Path) -> None:
    """Limited to 7, a paged reader gets 5 entries, then 2 and code 4; an unpaged one 7 and code
    4.
    """
    with RUNNING[server](tmp_path, limit=7) as url:
        world = World(url, COMPANY)
        read = [(world.search("act", PEOPLE, "(uid=*)", paged_size=5), len(world.rows("act")))]
        cookie = world.of("act").result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        more = {"paged_size": 5, "paged_cookie": cookie}
        read.append((world.search("act", PEOPLE, "(uid=*)", **more), len(world.rows("act"))))
        read.append((world.search("act", PEOPLE, "(uid=*)"), len(world.rows("act"))))
        read.append((world.search("admin", PEOPLE, "(uid=*)"), len(world.rows("admin"))))
        world.close()

    assert read == [(0, 5), (4, 2), (4, 7), (0, 304)]


def test_operational_attributes_come_by_name_only(world: World) -> None:
    """The lock is not in `*`; it comes by its name and with `+`."""
    world.modify("act", ME, LOCK)

    seen = {}
    for wanted in ("*", "+", "pwdAccountLockedTime"):
        world.search("verify", ME, attributes=[wanted])
        seen[wanted] = "pwdAccountLockedTime" in world.rows("verify")[0]["raw_attributes"]
    assert seen == {"*": False, "+": True, "pwdAccountLockedTime": True}


def test_the_verifier_sees_no_password(world: World) -> None:
    """The verifying account reads the entry without the hash, the acting one with it."""
    shown = {}
    for who in ("act", "verify"):
        world.search(who, ME, attributes=["*"])
        shown[who] = "userPassword" in world.rows(who)[0]["raw_attributes"]

    assert shown == {"act": True, "verify": False}
    assert world.hits("verify", PEOPLE, "(userPassword=*)") == 0


def test_bound_connections_outlive_their_entry(world: World) -> None:
    """After the entry is gone its connection still says who it was."""
    world.of("leaver")
    assert world.delete("act", ME) == 0

    assert world.of("leaver").extend.standard.who_am_i() == f"dn:{ME}"
    assert world.hits("act", SUFFIX, f"(|(member={ME})(uniqueMember={ME})(manager={ME}))") == 7


def test_images_come_with_the_change(world: World) -> None:
    """Pre-read and post-read show both sides of one modify."""
    controls = [pre_read_control(["loginShell"]), post_read_control(["loginShell"])]
    world.modify("act", NEXT, {"loginShell": [(MODIFY_REPLACE, ["/bin/x"])]}, controls=controls)

    answered = world.of("act").result["controls"]
    values = [answered[f"1.3.6.1.1.13.{n}"]["value"]["result"]["loginShell"] for n in (1, 2)]
    assert values == [["/bin/bash"], ["/bin/x"]]


def test_both_directories_hold_the_same_company(tmp_path: Path) -> None:
    """Every entry reads the same on both, but for what a server makes itself."""
    with running_slapd(tmp_path) as real_url, running_fake(tmp_path) as fake_url:
        read = [everything(url) for url in (fake_url, real_url)]

    assert read[0] == read[1]
    assert len(read[0]) == len(COMPANY.entries)


def test_names_are_printed_as_openldap_prints_them(world: World) -> None:
    """A name comes back in the server's spelling, as an entry's name and as a value."""
    odd = r"CN= Ops\, \"night\=shift\" \<x\>\;\#1 , OU=groups,dc=example,dc=com"
    added = world.add("act", odd, ["groupOfNames"], member=f"UID=yue.lin, {PEOPLE}", owner=odd)
    world.search("act", GROUPS, "(cn=ops*)", attributes=["member", "owner"])

    (row,) = world.rows("act")
    assert added == 0
    assert row["dn"] == r"cn=Ops\2C \22night\3Dshift\22 \3Cx\3E\3B#1,ou=groups,dc=example,dc=com"
    assert row["raw_attributes"] == {"member": [ME.encode()], "owner": [row["dn"].encode()]}


@pytest.mark.parametrize("kind", DirectoryKind)
def test_the_sandbox_runs_on_either_directory(kind: DirectoryKind) -> None:
    """`make demo DIRECTORY=...`: one sandbox, the leaver found by employee number on both."""
    if kind is DirectoryKind.SLAPD:
        need("/usr/sbin/slapd", "slapd")
    with Sandbox(COMPANY, kind=kind) as sandbox:
        world = World(sandbox.directory_url, COMPANY)
        number = COMPANY.demo_leaver().employee_number
        world.search("verify", SUFFIX, f"(employeeNumber={number})")
        found = [row["dn"] for row in world.rows("verify")]
        world.close()

    assert found == [ME]


def everything(url: str) -> dict[str, dict[str, list[bytes]]]:
    """Read all user attributes of all entries as the acting account."""
    world = World(url, COMPANY)
    try:
        world.search("act", SUFFIX, attributes=["*"])
        return {
            row["dn"]: {name: sorted(values) for name, values in row["raw_attributes"].items()}
            for row in world.rows("act")
        }
    finally:
        world.close()
