"""One story told to an Active Directory, each step with the code that Samba 4.17 answers.

Run against the real controller and against the sandbox's fake by the contract test: a fake that
a connector is tested with must not be kinder than the real one. Every step is the administrator's
unless its words begin with a name; everything happens below a unit of its own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import ldap3
from ldap3.protocol.controls import build_control
from ldap3.protocol.microsoft import show_deleted_control

ROOT: Final = "DC=ad,DC=example,DC=com"
PLACE: Final = f"OU=Script,{ROOT}"
ANN: Final = f"CN=ann,{PLACE}"
BEN: Final = f"CN=ben,{PLACE}"
TEAM: Final = f"CN=team,{PLACE}"
OUTER: Final = f"CN=outer,{PLACE}"
NOBODY: Final = f"CN=nobody,{PLACE}"
DOMAIN_USERS: Final = f"CN=Domain Users,CN=Users,{ROOT}"
PASSWORDS: Final = tuple(f"Story-password-{number}-long" for number in range(6))
Changes = dict[str, list[tuple[str, list[Any]]]]


def quoted(password: str) -> bytes:
    """A password as ``unicodePwd`` takes it."""
    return f'"{password}"'.encode("utf-16-le")


class Story:
    """A connection of the administrator, and ways to look; every way returns what was answered."""

    def __init__(self, connection: Any, sign_in: Callable[[str, str], tuple[int, str]]) -> None:
        """Take a bound connection that does not raise, and a way to try a password."""
        self._connection = connection
        self._sign_in = sign_in
        self.kept: dict[str, Any] = {}

    def _code(self) -> int:
        return int(self._connection.result["result"])

    def add(self, name: str, kind: str, **attributes: Any) -> int:
        """Add an object."""
        self._connection.add(name, [kind], attributes)
        return self._code()

    def modify(self, name: str, controls: Any = None, **changes: tuple[str, list[Any]]) -> int:
        """Change one attribute each, in one request; ``__`` in a name stands for a hyphen."""
        request = {one.replace("__", "-"): [change] for one, change in changes.items()}
        self._connection.modify(name, request, controls=controls)
        return self._code()

    def swap(self, name: str, attribute: str, old: str, new: str) -> int:
        """Compare and set: delete the old value and add the new one in one request."""
        edits = [(ldap3.MODIFY_DELETE, [old]), (ldap3.MODIFY_ADD, [new])]
        self._connection.modify(name, {attribute: edits})
        return self._code()

    def delete(self, name: str) -> int:
        """Delete an object."""
        self._connection.delete(name)
        return self._code()

    def move(self, name: str, rdn: str, above: str = PLACE) -> int:
        """Rename or move an object."""
        self._connection.modify_dn(name, rdn, new_superior=above)
        return self._code()

    def read(self, name: str, *wanted: str, controls: Any = None) -> dict[str, list[bytes]]:
        """Attributes of one object, names in lower case; empty when it is not seen."""
        self._connection.search(
            name, "(objectClass=*)", ldap3.BASE, attributes=list(wanted) or ["*"], controls=controls
        )
        rows = [r for r in self._connection.response or () if r["type"] == "searchResEntry"]
        return {
            key.lower(): values for row in rows for key, values in row["raw_attributes"].items()
        }

    def text(self, name: str, attribute: str) -> str:
        """The first value as text, or nothing."""
        values = self.read(name, attribute).get(attribute.lower()) or [b""]
        return values[0].decode("utf-8", "replace")

    def search(self, condition: str, base: str = PLACE, **options: Any) -> tuple[int, list[str]]:
        """Code and the first words of the names that a filter selects."""
        self._connection.search(base, condition, attributes=["1.1"], **options)
        rows = [r for r in self._connection.response or () if r["type"] == "searchResEntry"]
        return self._code(), sorted(re.split(r"[,\\]", row["dn"])[0] for row in rows)

    def sign_in(self, login: str, password: str) -> str:
        """``0``, or the code and sub-code of the refusal."""
        code, sub = self._sign_in(f"{login}@ad.example.com", password)
        return f"{code} {sub}".strip()

    def guid(self, name: str) -> str:
        """How an object is addressed whatever its name."""
        return f"<GUID={uuid.UUID(bytes_le=self.read(name, 'objectGUID')['objectguid'][0])}>"

    def rid(self, name: str) -> str:
        """The last number of an object's security identifier."""
        octets = self.read(name, "objectSid")["objectsid"][0]
        return str(int.from_bytes(octets[-4:], "little"))


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, and what a controller answers."""

    says: str
    do: Callable[[Story], Any]
    answer: Any


ADD, DELETE, REPLACE = ldap3.MODIFY_ADD, ldap3.MODIFY_DELETE, ldap3.MODIFY_REPLACE
_SHOW: Final = [show_deleted_control()]


def user(story: Story, login: str, **more: Any) -> int:
    """Add somebody with a password."""
    return story.add(
        f"CN={login},{PLACE}", "user", sAMAccountName=login,
        userPrincipalName=f"{login}@ad.example.com", userAccountControl="512",
        unicodePwd=quoted(PASSWORDS[0]), **more,
    )  # fmt: skip


def undelete(story: Story, name: str) -> int:
    """Bring a deleted object back to where it was."""
    back = {"isDeleted": (DELETE, []), "distinguishedName": (REPLACE, [ANN])}
    return story.modify(name, controls=_SHOW, **back)


STORIES: Final[dict[str, tuple[Step, ...]]] = {
    "adding": (
        Step("a unit", lambda s: s.add(PLACE, "organizationalUnit"), 0),
        Step("the unit again", lambda s: s.add(PLACE, "organizationalUnit"), 68),
        Step("ann", lambda s: user(s, "ann", employeeID="E-1"), 0),
        Step("ben", lambda s: user(s, "ben", manager=ANN), 0),
        Step("a taken login", lambda s: s.add(NOBODY, "user", sAMAccountName="ann"), 68),
        Step(
            "below nothing", lambda s: s.add(f"CN=x,OU=No,{PLACE}", "user", sAMAccountName="x"), 32
        ),
        Step(
            "a manager who is not there", lambda s: s.modify(ANN, manager=(REPLACE, [NOBODY])), 19
        ),
        Step(
            "an attribute that is not there", lambda s: s.modify(ANN, nonsense=(REPLACE, ["1"])), 16
        ),
        Step("an own class' attribute", lambda s: s.modify(ANN, member=(ADD, [BEN])), 65),
        Step("two managers", lambda s: s.modify(ANN, manager=(REPLACE, [BEN, ANN])), 19),
        Step("objectGUID", lambda s: s.modify(ANN, objectGUID=(REPLACE, [b"0" * 16])), 19),
        Step("memberOf by hand", lambda s: s.modify(ANN, memberOf=(ADD, [DOMAIN_USERS])), 53),
        Step(
            "ann is a user of the kind of people",
            lambda s: s.search("(&(objectCategory=person)(objectClass=user))"),
            (0, ["CN=ann", "CN=ben"]),
        ),
        Step(
            "ann's direct reports",
            lambda s: s.read(ANN, "directReports")["directreports"],
            [BEN.encode()],
        ),
    ),
    "groups": (
        Step("a group", lambda s: s.add(TEAM, "group", sAMAccountName="team", member=[ANN]), 0),
        Step(
            "its outer", lambda s: s.add(OUTER, "group", sAMAccountName="outer", member=[TEAM]), 0
        ),
        Step("ann again", lambda s: s.modify(TEAM, member=(ADD, [ANN])), 68),
        Step("somebody unknown", lambda s: s.modify(TEAM, member=(ADD, [NOBODY])), 32),
        Step("ben, no member, removed", lambda s: s.modify(TEAM, member=(DELETE, [BEN])), 53),
        Step("somebody unknown removed", lambda s: s.modify(TEAM, member=(DELETE, [NOBODY])), 53),
        Step(
            "in chain",
            lambda s: s.search(f"(member:1.2.840.113556.1.4.1941:={ANN})"),
            (0, ["CN=outer", "CN=team"]),
        ),
        Step("by memberOf", lambda s: s.search(f"(memberOf={TEAM})"), (0, ["CN=ann"])),
        Step(
            "token groups: two, Domain Users, and Users",
            lambda s: len(s.read(ANN, "tokenGroups")["tokengroups"]),
            4,
        ),
        Step("token groups are no filter", lambda s: s.search("(tokenGroups=*)"), (0, [])),
        Step(
            "a primary group", lambda s: s.modify(ANN, primaryGroupID=(REPLACE, [s.rid(TEAM)])), 0
        ),
        Step("with ben in it", lambda s: s.modify(TEAM, member=(ADD, [BEN])), 0),
        Step("she cannot leave", lambda s: s.modify(TEAM, member=(DELETE, [ANN])), 53),
        Step("ben can", lambda s: s.modify(TEAM, member=(DELETE, [BEN])), 0),
        Step("then it is no direct one", lambda s: s.search(f"(memberOf={TEAM})"), (0, [])),
        Step(
            "but the old one is",
            lambda s: s.read(ANN, "memberOf")["memberof"],
            [DOMAIN_USERS.encode()],
        ),
        Step("back", lambda s: s.modify(ANN, primaryGroupID=(REPLACE, ["513"])), 0),
        Step("and out", lambda s: s.modify(TEAM, member=(DELETE, [ANN])), 0),
        Step("an empty group is none", lambda s: s.read(TEAM, "member").get("member", []), []),
    ),
    "account control": (
        Step("a stale value", lambda s: s.swap(ANN, "userAccountControl", "546", "514"), 16),
        Step("disabled", lambda s: s.swap(ANN, "userAccountControl", "512", "514"), 0),
        Step("once more", lambda s: s.swap(ANN, "userAccountControl", "512", "514"), 0),
        Step("a sign-in", lambda s: s.sign_in("ann", PASSWORDS[0]), "49 533"),
        Step("a wrong one", lambda s: s.sign_in("ann", "wrong"), "49 52e"),
        Step("a stranger", lambda s: s.sign_in("nobody", "wrong"), "49 52e"),
        Step("no account type", lambda s: s.modify(ANN, userAccountControl=(REPLACE, ["2"])), 0),
        Step("read back", lambda s: s.text(ANN, "userAccountControl"), "514"),
        Step("enabled", lambda s: s.modify(ANN, userAccountControl=(REPLACE, ["512"])), 0),
        Step("a sign-in then", lambda s: s.sign_in("ann", PASSWORDS[0]), "0"),
        Step(
            "expired", lambda s: s.modify(ANN, accountExpires=(REPLACE, ["116444736000000000"])), 0
        ),
        Step("a sign-in of an expired", lambda s: s.sign_in("ann", PASSWORDS[0]), "49 701"),
        Step("never", lambda s: s.modify(ANN, accountExpires=(REPLACE, ["0"])), 0),
        Step("no hours", lambda s: s.modify(ANN, logonHours=(REPLACE, [bytes(21)])), 0),
        Step("a sign-in at night", lambda s: s.sign_in("ann", PASSWORDS[0]), "49 530"),
        Step("hours", lambda s: s.modify(ANN, logonHours=(REPLACE, [])), 0),
        Step("unlocked", lambda s: s.modify(ANN, lockoutTime=(REPLACE, ["0"])), 0),
        Step("must change", lambda s: s.modify(ANN, pwdLastSet=(REPLACE, ["0"])), 0),
        Step("a sign-in of who must", lambda s: s.sign_in("ann", PASSWORDS[0]), "49 773"),
        Step("need not", lambda s: s.modify(ANN, pwdLastSet=(REPLACE, ["-1"])), 0),
        Step("another time", lambda s: s.modify(ANN, pwdLastSet=(REPLACE, ["12345"])), 80),
    ),
    "passwords": (
        Step(
            "without quotes",
            lambda s: s.modify(ANN, unicodePwd=(REPLACE, [PASSWORDS[1].encode("utf-16-le")])),
            53,
        ),
        Step(
            "in UTF-8",
            lambda s: s.modify(ANN, unicodePwd=(REPLACE, [f'"{PASSWORDS[1]}"'.encode()])),
            53,
        ),
        Step("a weak one", lambda s: s.modify(ANN, unicodePwd=(REPLACE, [quoted("abc")])), 19),
        Step("keep the time", lambda s: s.kept.update(at=int(s.text(ANN, "pwdLastSet"))), None),
        Step("a reset", lambda s: s.modify(ANN, unicodePwd=(REPLACE, [quoted(PASSWORDS[1])])), 0),
        Step("its time moved", lambda s: int(s.text(ANN, "pwdLastSet")) > s.kept["at"], True),
        Step("the old one still", lambda s: s.sign_in("ann", PASSWORDS[0]), "0"),
        Step(
            "a second reset",
            lambda s: s.modify(ANN, unicodePwd=(REPLACE, [quoted(PASSWORDS[2])])),
            0,
        ),
        Step("the old one no more", lambda s: s.sign_in("ann", PASSWORDS[0]), "49 52e"),
        Step("the one before still", lambda s: s.sign_in("ann", PASSWORDS[1]), "0"),
        Step("it is not shown", lambda s: s.read(ANN, "unicodePwd").get("unicodepwd", []), []),
        Step(
            "smart card",
            lambda s: s.modify(ANN, userAccountControl=(REPLACE, [str(512 | 0x40000)])),
            0,
        ),
        Step("makes it random", lambda s: s.sign_in("ann", PASSWORDS[2]), "49 52e"),
        Step("no smart card", lambda s: s.modify(ANN, userAccountControl=(REPLACE, ["512"])), 0),
    ),
    "values": (
        Step(
            "a name of a service",
            lambda s: s.modify(ANN, servicePrincipalName=(REPLACE, ["HTTP/ann"])),
            0,
        ),
        Step("none", lambda s: s.modify(ANN, servicePrincipalName=(REPLACE, [])), 0),
        Step("none again", lambda s: s.modify(ANN, servicePrincipalName=(REPLACE, [])), 0),
        Step("none to delete", lambda s: s.modify(ANN, servicePrincipalName=(DELETE, [])), 16),
        Step(
            "a value to delete",
            lambda s: s.modify(ANN, altSecurityIdentities=(DELETE, ["X509:x"])),
            16,
        ),
        Step("one value", lambda s: s.modify(ANN, altSecurityIdentities=(ADD, ["X509:x"])), 0),
        Step(
            "the same value", lambda s: s.modify(ANN, altSecurityIdentities=(ADD, ["X509:x"])), 20
        ),
        Step(
            "another to delete",
            lambda s: s.modify(ANN, altSecurityIdentities=(DELETE, ["X509:y"])),
            16,
        ),
        Step("it deleted", lambda s: s.modify(ANN, altSecurityIdentities=(DELETE, ["X509:x"])), 0),
        Step(
            "all or nothing",
            lambda s: s.modify(
                ANN, description=(REPLACE, ["x"]), altSecurityIdentities=(DELETE, ["X509:x"])
            ),
            16,
        ),
        Step("nothing", lambda s: s.text(ANN, "description"), ""),
        Step("a filter of an unknown attribute", lambda s: s.search("(nonsense=1)"), (0, [])),
        Step(
            "bits",
            lambda s: s.search("(userAccountControl:1.2.840.113556.1.4.803:=512)"),
            (0, ["CN=ann", "CN=ben"]),
        ),
        Step(
            "a control that nobody knows",
            lambda s: s.search("(cn=ann)", controls=[build_control("1.2.3.4", True, None)]),
            (12, []),
        ),
    ),
    "names": (
        Step("keep the id", lambda s: s.kept.update(id=s.guid(ANN)), None),
        Step("a second place", lambda s: s.add(f"OU=Leavers,{PLACE}", "organizationalUnit"), 0),
        Step("ann moves", lambda s: s.move(ANN, "CN=ann", f"OU=Leavers,{PLACE}"), 0),
        Step("the old name", lambda s: s.modify(ANN, description=(REPLACE, ["x"])), 32),
        Step("the old name moves", lambda s: s.move(ANN, "CN=ann", PLACE), 32),
        Step("the id", lambda s: s.modify(s.kept["id"], description=(REPLACE, ["x"])), 0),
        Step(
            "ben's manager followed", lambda s: s.text(BEN, "manager"), f"CN=ann,OU=Leavers,{PLACE}"
        ),
        Step("the unit is not empty", lambda s: s.delete(f"OU=Leavers,{PLACE}"), 66),
        Step(
            "an unknown id",
            lambda s: s.modify(f"<GUID={uuid.UUID(int=1)}>", description=(REPLACE, ["x"])),
            32,
        ),
        Step("ann back by id", lambda s: s.move(s.kept["id"], "CN=ann", PLACE), 0),
        Step("the empty unit", lambda s: s.delete(f"OU=Leavers,{PLACE}"), 0),
    ),
    "deletion": (
        Step("ann back in the team", lambda s: s.modify(TEAM, member=(ADD, [ANN])), 0),
        Step("keep the id", lambda s: s.kept.update(id=s.guid(ANN)), None),
        Step("ann goes", lambda s: s.delete(ANN), 0),
        Step("again", lambda s: s.delete(ANN), 32),
        Step("by id", lambda s: s.delete(s.kept["id"]), 32),
        Step("not seen", lambda s: s.read(s.kept["id"]), {}),
        Step("a sign-in of who is gone", lambda s: s.sign_in("ann", PASSWORDS[2]), "49 52e"),
        Step(
            "seen when asked",
            lambda s: s.read(s.kept["id"], "isDeleted", controls=_SHOW)["isdeleted"],
            [b"TRUE"],
        ),
        Step(
            "with the number",
            lambda s: s.read(s.kept["id"], "employeeID", controls=_SHOW)["employeeid"],
            [b"E-1"],
        ),
        Step("undelete nobody", lambda s: undelete(s, f"<GUID={uuid.UUID(int=1)}>"), 32),
        Step("undelete what lives", lambda s: undelete(s, BEN), 53),
    ),
}
