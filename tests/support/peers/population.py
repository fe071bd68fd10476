"""The people of the directory peers: one leaver who holds one of everything, and the others.

Both directory peers are reset to exactly these entries, so that a test can compare the world
before and after. Everybody here is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from tests.support.peers.authority import person_certificate

SUFFIX = "dc=example,dc=com"
LEAVER_PASSWORD = "Correct-horse-7-battery"
KEY_ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFirstKeyOfTheLeaverxxxxxxxxxxxxxxxxxxxx work"
KEY_TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISecondKeyOfTheLeaverxxxxxxxxxxxxxxxxxxx home"

Values: TypeAlias = "str | bytes | list[str] | list[bytes]"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to add: its DN, object classes and attributes."""

    dn: str
    classes: tuple[str, ...]
    attributes: dict[str, Values]


def people(name: str) -> str:
    """Return the DN of a person by uid."""
    return f"uid={name},ou=people,{SUFFIX}"


def group(name: str) -> str:
    """Return the DN of a group by cn."""
    return f"cn={name},ou=groups,{SUFFIX}"


LEAVER = people("lmeyer")
SUCCESSOR = people("skhan")
CANARY = people("canary")
CANARY_GROUP = group("canaries")
UNLOCKABLE = people("nolock")
ACTOR = f"cn=deprovisioner,ou=services,{SUFFIX}"
VERIFIER = f"cn=verifier,ou=services,{SUFFIX}"
LIMITED = f"cn=limited,ou=services,{SUFFIX}"
SERVICE_PASSWORD = "Service-password-9-long"


CANARIES: dict[str, tuple[str, ...]] = {
    CANARY: (
        "uid",
        "employeeNumber",
        "mail",
        "uidNumber",
        "userPassword",
        "sshPublicKey",
        "userCertificate;binary",
        "krbPrincipalName",
        "krbPrincipalKey",
        "manager",
        "secretary",
    ),
    CANARY_GROUP: ("member", "owner", "seeAlso", "mgrpRFC822MailMember"),
    group("unique canaries"): ("uniqueMember",),
    group("posix canaries"): ("memberUid",),
    group("canary role"): ("roleOccupant",),
    f"cn=canaries,ou=netgroups,{SUFFIX}": ("nisNetgroupTriple",),
    f"cn=canaries,ou=sudoers,{SUFFIX}": ("sudoUser", "sudoRunAsUser"),
    f"cn=canary,ou=aliases,{SUFFIX}": ("aliasedObjectName",),
    f"cn=canaries,ou=aliases,{SUFFIX}": ("rfc822MailMember",),
}
"""What an operator lists for these people: every attribute that both products can hold."""


def entries(certificate: bytes) -> list[Entry]:
    """Return all entries below the suffix, parents first; ``certificate`` is DER."""
    return [
        *_branches(),
        *_services(),
        *_staff(certificate),
        *_canaries(),
        *_groups(),
        *_references(),
    ]


def _branches() -> list[Entry]:
    names = ("people", "groups", "netgroups", "sudoers", "aliases", "services", "policies")
    return [Entry(f"ou={name},{SUFFIX}", ("organizationalUnit",), {"ou": name}) for name in names]


def _services() -> list[Entry]:
    classes = ("organizationalRole", "simpleSecurityObject")
    return [
        Entry(dn, classes, {"cn": dn.split(",")[0][3:], "userPassword": SERVICE_PASSWORD})
        for dn in (ACTOR, VERIFIER, LIMITED)
    ]


def _person(name: str, number: int, classes: tuple[str, ...] = (), **more: Values) -> Entry:
    attributes: dict[str, Values] = {
        "uid": name,
        "cn": f"Person {number}",
        "sn": f"Number{number}",
        "mail": f"{name}@example.com",
        "employeeNumber": f"E-{1000 + number}",
        "uidNumber": str(10000 + number),
        "gidNumber": "100",
        "homeDirectory": f"/home/{name}",
        "loginShell": "/bin/bash",
        "userPassword": LEAVER_PASSWORD,
    }
    all_classes = ("inetOrgPerson", "posixAccount", "shadowAccount", *classes)
    return Entry(people(name), all_classes, attributes | more)


@cache
def _canary_certificate() -> bytes:
    return person_certificate("canary")


def _staff(certificate: bytes) -> list[Entry]:
    leaver = _person(
        "lmeyer",
        42,
        ("ldapPublicKey", "krbPrincipalAux", "krbTicketPolicyAux"),
        sshPublicKey=[KEY_ONE, KEY_TWO],
        **{"userCertificate;binary": certificate},
        krbPrincipalName="lmeyer@EXAMPLE.COM",
        krbPrincipalKey=b"\x30\x03\x02\x01\x00",
        krbTicketFlags="128",
        shadowExpire="99999",
        manager=people("boss"),
    )
    return [
        _person("boss", 1),
        leaver,
        _person("skhan", 43, manager=people("boss")),
        _person("lm-admin", 47),
        _person(
            "canary",
            44,
            ("ldapPublicKey", "krbPrincipalAux", "krbTicketPolicyAux"),
            sshPublicKey=KEY_ONE.replace("First", "Other"),
            **{"userCertificate;binary": _canary_certificate()},
            krbPrincipalName="canary@EXAMPLE.COM",
            krbPrincipalKey=b"\x30\x03\x02\x01\x00",
            manager=CANARY,
            secretary=CANARY,
        ),
        _person("nolock", 45),
        _person("report", 46, manager=people("lmeyer"), secretary=people("lmeyer")),
    ]


def _canaries() -> list[Entry]:
    """One entry for each attribute that can name a person, where such entries are."""
    return [
        Entry(
            CANARY_GROUP,
            ("groupOfNames", "mailGroup"),
            _cn(
                "canaries",
                member=CANARY,
                owner=CANARY,
                seeAlso=CANARY,
                mgrpRFC822MailMember="canary@example.com",
            ),
        ),
        Entry(
            group("unique canaries"),
            ("groupOfUniqueNames",),
            _cn("unique canaries", uniqueMember=CANARY),
        ),
        Entry(
            group("posix canaries"),
            ("posixGroup",),
            _cn("posix canaries", gidNumber="599", memberUid="canary"),
        ),
        Entry(
            group("canary role"),
            ("organizationalRole",),
            _cn("canary role", roleOccupant=CANARY),
        ),
        Entry(
            f"cn=canaries,ou=netgroups,{SUFFIX}",
            ("nisNetgroup",),
            _cn("canaries", nisNetgroupTriple="(-,canary,)"),
        ),
        Entry(
            f"cn=canaries,ou=sudoers,{SUFFIX}",
            ("sudoRole",),
            _cn("canaries", sudoUser="canary", sudoRunAsUser="canary", sudoHost="none"),
        ),
        Entry(
            f"cn=canary,ou=aliases,{SUFFIX}",
            ("alias", "extensibleObject"),
            _cn("canary", aliasedObjectName=CANARY),
        ),
        Entry(
            f"cn=canaries,ou=aliases,{SUFFIX}",
            ("nisMailAlias",),
            _cn("canaries", rfc822MailMember="canary@example.com"),
        ),
    ]


def _groups() -> list[Entry]:
    return [
        Entry(group("engineers"), ("groupOfNames",), _cn("engineers", member=[LEAVER, SUCCESSOR])),
        Entry(group("lonely"), ("groupOfNames",), _cn("lonely", member=LEAVER)),
        Entry(group("outer"), ("groupOfNames",), _cn("outer", member=group("engineers"))),
        Entry(
            group("approvers"),
            ("groupOfUniqueNames",),
            _cn("approvers", uniqueMember=[LEAVER, SUCCESSOR]),
        ),
        Entry(
            group("developers"),
            ("posixGroup",),
            _cn("developers", gidNumber="500", memberUid=["lmeyer", "LMEYER ", "skhan"]),
        ),
        Entry(
            f"cn=hosts,ou=netgroups,{SUFFIX}",
            ("nisNetgroup",),
            _cn(
                "hosts",
                nisNetgroupTriple=["(web1,lmeyer,example.com)", "(web2,lmeyer,)", "(,skhan,)"],
            ),
        ),
        Entry(
            f"cn=operators,ou=sudoers,{SUFFIX}",
            ("sudoRole",),
            _cn("operators", sudoUser=["lmeyer", "%developers"], sudoHost="ALL", sudoCommand="ALL"),
        ),
        Entry(
            f"cn=deploy,ou=sudoers,{SUFFIX}",
            ("sudoRole",),
            _cn("deploy", sudoUser="skhan", sudoRunAsUser="lmeyer", sudoHost="ALL"),
        ),
    ]


def _references() -> list[Entry]:
    return [
        Entry(
            group("owned"),
            ("groupOfNames",),
            _cn("owned", member=SUCCESSOR, owner=LEAVER, seeAlso=LEAVER),
        ),
        Entry(
            f"cn=duty officer,ou=groups,{SUFFIX}",
            ("organizationalRole",),
            _cn("duty officer", roleOccupant=LEAVER),
        ),
        Entry(
            f"cn=meyer,ou=aliases,{SUFFIX}",
            ("alias", "extensibleObject"),
            _cn("meyer", aliasedObjectName=LEAVER),
        ),
        Entry(
            f"cn=sales,ou=aliases,{SUFFIX}",
            ("nisMailAlias",),
            _cn("sales", rfc822MailMember=["lmeyer@example.com", "skhan@example.com"]),
        ),
        Entry(
            group("announce"),
            ("groupOfNames", "mailGroup"),
            _cn("announce", member=SUCCESSOR, mgrpRFC822MailMember="lmeyer@example.com"),
        ),
    ]


def _cn(name: str, **more: Values) -> dict[str, Values]:
    return {"cn": name, **more}
