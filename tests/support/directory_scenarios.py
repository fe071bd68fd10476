"""The table: one operation after the other, each with the code that slapd 2.5.13 answers."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE

from deprovisioner.sandbox.company import SUFFIX
from tests.support.directory_world import (
    COMPANY,
    GROUPS,
    LOCK,
    ME,
    NETGROUP,
    NEXT,
    NOBODY,
    PEOPLE,
    World,
)


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
