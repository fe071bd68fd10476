"""The branches of the sandbox directory: accounts, groups, sudo, netgroups, references and the
mess of a grown company.

Called by `company` alone. The demo's leaver holds one of everything that `facts` list for
OpenLDAP; who that is, and which mess was put in on purpose, stands in `docs/sandbox.md`.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from deprovisioner.sandbox.directory.passwords import ssha
from deprovisioner.sandbox.ldif import DirectoryEntry
from deprovisioner.sandbox.people import Person, employment_id

if TYPE_CHECKING:
    from deprovisioner.sandbox.company import Company

_REALM = "EXAMPLE.COM"
_SUFFIX = "dc=example,dc=com"
_OUTSIDE = ("services", "policies")
_BRANCHES = ("people", "groups", "sudoers", "netgroups", "aliases", "roles", "systems", *_OUTSIDE)


def all_entries(
    company: "Company", secret: Callable[[], str], certificate: Callable[[str], bytes]
) -> tuple[DirectoryEntry, ...]:
    """Build every entry, parents before children."""
    return (
        _entry(_SUFFIX, ("dcObject", "organization"), o=["Example Company"], dc=["example"]),
        *(_entry(_below(f"ou={b}"), ("organizationalUnit",), ou=[b]) for b in _BRANCHES),
        *_services(company),
        *(_account(company, person, certificate) for person in company.people),
        _canary(company, secret, certificate),
        *_odd_accounts(company, secret),
        *_groups(company),
        *_posix_groups(company),
        *_sudo(company),
        *_netgroups(company),
        *_references(company),
        *_canaries(company),
    )


def _entry(
    name: str,
    classes: Iterable[str],
    octets: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
    /,
    **text: list[str],
) -> DirectoryEntry:
    attributes = [("objectClass", tuple(word.encode() for word in classes))]
    for key, values in text.items():
        attributes += [(key, tuple(value.encode() for value in values))] if values else []
    attributes += [(key, tuple(values)) for key, values in octets.items()]
    return DirectoryEntry(name, tuple(attributes))


def _below(rdn: str, branch: str = "") -> str:
    return f"{rdn},ou={branch},{_SUFFIX}" if branch else f"{rdn},{_SUFFIX}"


def _hashed(password: str) -> list[str]:
    salt = hashlib.sha256(password.encode()).digest()[:8]
    return [ssha(password, salt).decode()]


def _services(company: "Company") -> Iterable[DirectoryEntry]:
    for account in (company.act, company.verify):
        common_name = account.name.partition(",")[0].removeprefix("cn=")
        classes = ("organizationalRole", "simpleSecurityObject")
        password = _hashed(account.password)
        yield _entry(account.name, classes, cn=[common_name], userPassword=password)
    yield _entry(
        _below("cn=default", "policies"),
        ("device", "pwdPolicy"),
        cn=["default"],
        pwdAttribute=["userPassword"],
        pwdLockout=["TRUE"],
    )


def _account(
    company: "Company", person: Person, certificate: Callable[[str], bytes]
) -> DirectoryEntry:
    classes = ["inetOrgPerson", "posixAccount", "shadowAccount"]
    extra: dict[str, list[bytes]] = {}
    if person.role_key.startswith(("rd.", "it.")):
        classes.append("ldapPublicKey")
        machines = ("laptop", "workstation") if person == company.demo_leaver() else ("laptop",)
        extra["sshPublicKey"] = [_public_key(person, machine) for machine in machines]
    if person in (company.demo_leaver(), company.demo_successor()):
        classes.append("krbPrincipalAux")
        extra["userCertificate;binary"] = [certificate(person.login)]
        extra |= _kerberos(person)
    return _entry(
        company.name_of(person),
        classes,
        extra,
        uid=[person.login],
        cn=[person.display_name],
        sn=[person.family_name],
        givenName=[person.given_name],
        displayName=[person.display_name],
        title=[person.title],
        mail=[person.work_email],
        employeeNumber=[person.employee_number],
        employeeType=[person.worker_type],
        departmentNumber=[person.org_unit],
        l=[person.site.name],
        manager=_manager(company, person),
        secretary=_secretary(company, person),
        userPassword=_hashed(company.password_of(person)),
        uidNumber=[str(person.uid_number)],
        gidNumber=["20000"],
        homeDirectory=[f"/home/{person.login}"],
        loginShell=["/bin/bash"],
        shadowLastChange=["20000"],
        shadowMax=["365"],
        shadowExpire=["25000"],
    )


def _manager(company: "Company", person: Person) -> list[str]:
    return [company.name_of(company.person(person.manager))] if person.manager else []


def _secretary(company: "Company", person: Person) -> list[str]:
    leads_the_leaver = person.employment_id == company.demo_leaver().manager
    return [company.name_of(company.demo_leaver())] if leads_the_leaver else []


def _public_key(person: Person, machine: str) -> bytes:
    # 32 octets of a digest look like a key and open nothing: nobody has the private half.
    octets = hashlib.sha256(f"{person.login}@{machine}".encode()).digest()
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + octets
    return b"ssh-ed25519 " + base64.b64encode(blob) + f" {person.login}@{machine}".encode()


def _kerberos(person: Person) -> dict[str, list[bytes]]:
    return {
        "krbPrincipalName": [f"{person.login}@{_REALM}".encode()],
        "krbPrincipalExpiration": [b"20991231000000Z"],
        "krbTicketFlags": [b"128"],
        "krbLoginFailedCount": [b"0"],
        "krbPrincipalKey": [hashlib.sha512(person.login.encode()).digest()],
        "krbAllowedToDelegateTo": [f"HTTP/build01.example.com@{_REALM}".encode()],
    }


def _odd_accounts(company: "Company", secret: Callable[[], str]) -> Iterable[DirectoryEntry]:
    lead = company.person(employment_id(31))
    posix = ("inetOrgPerson", "posixAccount")
    for number, (login, words, extra) in enumerate(
        (
            ("frontdesk", "Front desk, shared by four people", {"mail": ["frontdesk@example.com"]}),
            ("tmp-x7", "test", {}),
            (f"adm-{lead.login}", "Second account for administration",
             {"employeeNumber": [lead.employee_number]}),
        ),
        start=29001,
    ):  # fmt: skip
        yield _entry(
            _below(f"uid={login}", "people"), posix,
            uid=[login], cn=[login], sn=[login], description=[words],
            userPassword=_hashed(secret()), uidNumber=[str(number)], gidNumber=["20000"],
            homeDirectory=[f"/home/{login}"], **extra,
        )  # fmt: skip


def _canary(
    company: "Company", secret: Callable[[], str], certificate: Callable[[str], bytes]
) -> DirectoryEntry:
    """Somebody who never leaves and shows everything that can lie on a person's own entry."""
    octets = {
        "userCertificate;binary": [certificate("canary")],
        "sshPublicKey": [b"ssh-ed25519 " + base64.b64encode(b"opens nothing") + b" canary"],
        "krbPrincipalName": [f"canary@{_REALM}".encode()],
        "krbPrincipalKey": [b"opens nothing"],
    }
    return _entry(
        company.canary,
        ("inetOrgPerson", "posixAccount", "ldapPublicKey", "krbPrincipalAux"),
        octets,
        uid=["canary"],
        cn=["Canary"],
        sn=["Canary"],
        mail=["canary@example.com"],
        employeeNumber=["canary"],
        employeeType=["service"],
        description=["Seen by every survey, never a leaver"],
        manager=[company.canary],
        secretary=[company.canary],
        seeAlso=[company.canary],
        userPassword=_hashed(secret()),
        uidNumber=["29000"],
        gidNumber=["20000"],
        homeDirectory=["/nonexistent"],
        loginShell=["/usr/sbin/nologin"],
    )


def _canaries(company: "Company") -> Iterable[DirectoryEntry]:
    """One entry for each attribute that names people elsewhere, in the branch where it is used."""
    me = [company.canary]
    for (rdn, branch), classes, named in (
        (("cn=canaries", "groups"), ("groupOfNames",), {"member": me, "owner": me}),
        (("cn=unique-canaries", "groups"), ("groupOfUniqueNames",), {"uniqueMember": me}),
        (
            ("cn=posix-canaries", "groups"),
            ("posixGroup",),
            {"gidNumber": ["30000"], "memberUid": ["canary"]},
        ),
        (
            ("cn=canaries", "sudoers"),
            ("sudoRole",),
            {"sudoUser": ["canary"], "sudoRunAsUser": ["canary"], "sudoHost": ["none.invalid"]},
        ),
        (
            ("cn=canaries", "netgroups"),
            ("nisNetgroup",),
            {"nisNetgroupTriple": ["(none.invalid,canary,)"]},
        ),
        (("cn=canaries", "roles"), ("organizationalRole",), {"roleOccupant": me}),
        (("cn=canaries", "systems"), ("device",), {"owner": me, "seeAlso": me}),
        (("cn=canary", "aliases"), ("alias", "extensibleObject"), {"aliasedObjectName": me}),
        (
            ("cn=canaries", "aliases"),
            ("nisMailAlias",),
            {"rfc822MailMember": ["canary@example.com"]},
        ),
    ):
        yield _entry(_below(rdn, branch), classes, cn=[rdn[3:]], **named)


def _groups(company: "Company") -> Iterable[DirectoryEntry]:
    leaver, successor = company.demo_leaver(), company.demo_successor()
    me, lead = company.name_of(leaver), company.name_of(company.person(employment_id(31)))
    next_one = company.name_of(successor)
    departments = sorted({person.org_unit.partition("/")[0] for person in company.people})
    for department in departments:
        inside = [p for p in company.people if p.org_unit.partition("/")[0] == department]
        dangling = [_below("uid=left.long.ago", "people")] if department == "Sales" else []
        yield _group(_slug(department), [*map(company.name_of, inside), *dangling])
    yield _group("everyone", [_below(f"cn={_slug(d)}", "groups") for d in departments])
    yield _group("platform-admins", [me, lead, next_one])
    yield _group("release-signers", [me])
    yield _group("project-atlas", [me, next_one], owner=[me], seeAlso=[me])
    yield _group("Board, Finance + Legal", [company.name_of(company.people[0])])
    for name, members in (("vpn-users", [me, lead, next_one]), ("code-reviewers", [me, next_one])):
        name_, classes = _below(f"cn={name}", "groups"), ("groupOfUniqueNames",)
        yield _entry(name_, classes, cn=[name], uniqueMember=members)


def _slug(department: str) -> str:
    return "all-" + department.lower().replace("&", "n")


def _group(name: str, members: list[str], **references: list[str]) -> DirectoryEntry:
    escaped = name.replace(",", "\\,").replace("+", "\\+")
    classes = ("groupOfNames",)
    return _entry(
        _below(f"cn={escaped}", "groups"), classes, cn=[name], member=members, **references
    )


def _posix_groups(company: "Company") -> Iterable[DirectoryEntry]:
    leaver = company.demo_leaver()
    engineers = [person.login for person in company.people if person.role_key == "rd.engineer"]
    for number, (name, members) in enumerate(
        (
            ("developers", engineers),
            ("docker", [leaver.login, company.demo_successor().login]),
            # Typed by hand, long ago: another case, and a space at the end.
            ("legacy-build", [f"{leaver.login.upper()} "]),
        ),
        start=30001,
    ):
        yield _entry(
            _below(f"cn={name}", "groups"), ("posixGroup",),
            cn=[name], gidNumber=[str(number)], memberUid=members,
        )  # fmt: skip


def _sudo(company: "Company") -> Iterable[DirectoryEntry]:
    me, other = company.demo_leaver().login, company.demo_successor().login
    for name, users, run_as in (
        ("deploy-production", [me, other, "%developers"], ["deploy"]),
        ("restart-build", [me], ["root"]),
        ("read-logs", ["+build-hosts"], ["root"]),
        ("as-engineer", [other], [me]),
    ):
        yield _entry(
            _below(f"cn={name}", "sudoers"), ("sudoRole",),
            cn=[name], sudoUser=users, sudoHost=["ALL"], sudoRunAsUser=run_as,
            sudoCommand=[f"/usr/local/bin/{name}"],
        )  # fmt: skip


def _netgroups(company: "Company") -> Iterable[DirectoryEntry]:
    me, other = company.demo_leaver().login, company.demo_successor().login
    for name, triples, nested in (
        ("build-hosts", [f"(build01,{me},example.com)", f"(build02,{other},example.com)"], []),
        ("all-hosts", [f"(-,{other},)"], ["build-hosts"]),
    ):
        yield _entry(
            _below(f"cn={name}", "netgroups"), ("nisNetgroup",),
            cn=[name], nisNetgroupTriple=triples, memberNisNetgroup=nested,
        )  # fmt: skip


def _references(company: "Company") -> Iterable[DirectoryEntry]:
    leaver = company.demo_leaver()
    me, other = company.name_of(leaver), company.demo_successor().login
    yield _entry(
        _below("cn=on-call-platform", "roles"), ("organizationalRole",),
        cn=["on-call-platform"], roleOccupant=[me],
    )  # fmt: skip
    yield _entry(
        _below("cn=build01", "systems"), ("device",), cn=["build01"], owner=[me], seeAlso=[me]
    )
    yield _entry(
        _below("uid=lin.yue", "aliases"), ("alias", "extensibleObject"),
        uid=["lin.yue"], aliasedObjectName=[me],
    )  # fmt: skip
    for name, members in (
        ("platform-team", [leaver.login, other]),
        ("build-alarms", [leaver.work_email]),
    ):
        yield _entry(
            _below(f"cn={name}", "aliases"), ("nisMailAlias",), cn=[name], rfc822MailMember=members
        )
