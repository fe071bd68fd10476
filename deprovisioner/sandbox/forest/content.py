"""The company in its domain: hybrid people, administrators' second accounts, groups, machines.

Called by `running`. The demo's leaver holds at least one of everything that a survey looks for,
and the canary shows every attribute that one watches; `docs/sandbox.md` says who is who.
Contractors are not here: they are in the cloud only.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from deprovisioner.sandbox.forest.accounts import NEVER_EXPIRES, NORMAL
from deprovisioner.sandbox.forest.domain import COMPANY, REALM, Domain
from deprovisioner.sandbox.forest.identifiers import FULL, Descriptor, rule
from deprovisioner.sandbox.forest.skeleton import Builder, Passwords, new_domain
from deprovisioner.sandbox.people import Person, employment_id

if TYPE_CHECKING:
    from deprovisioner.sandbox.company import Company

Values: TypeAlias = "dict[str, list[str | bytes]]"
_UNITS: Final = (
    "People", "Admins", "Services", "Groups", "Computers", "Managed", "Delegated", "Leavers",
)  # fmt: skip
_DELEGATES: Final = 0x1000000
_ORDINARY: Final = str(NORMAL | NEVER_EXPIRES)
LEAVERS: Final = f"OU=Leavers,{COMPANY}"
PEOPLE: Final = f"OU=People,{COMPANY}"
ADMINS: Final = f"OU=Admins,{COMPANY}"
SERVICES: Final = f"OU=Services,{COMPANY}"
SYNCED_GROUP: Final = "Domain Developers"
SYNCED_LOGIN: Final = "domaindevelopers"
"""A group that the cloud has too, joined by this login."""
CANARIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        f"CN=canary,{PEOPLE}": (
            "employeeID", "employeeNumber", "sAMAccountName", "userPrincipalName", "mail",
            "proxyAddresses", "nTSecurityDescriptor",
        ),
        f"CN=adm-canary,{ADMINS}": ("sAMAccountName",),
        f"CN=svc-canary,{SERVICES}": ("sAMAccountName",),
        f"CN=canaries,OU=Groups,{COMPANY}": ("memberUid", "managedBy", "member"),
        f"CN=PC-CANARY,OU=Computers,{COMPANY}": (
            "mS-DS-CreatorSID", "msDS-AllowedToActOnBehalfOfOtherIdentity",
        ),
        f"CN=gmsa-canary,OU=Managed,{COMPANY}": ("msDS-GroupMSAMembership",),
    }
)  # fmt: skip
"""Objects that every read must see, with the attributes that they show; none of them leaves."""


def company_domain(
    company: "Company",
    clock: Callable[[], datetime],
    new_id: Callable[[], UUID],
    secret: Callable[[], str],
) -> Domain:
    """Make the domain of a company; ``clock`` returns aware UTC."""
    passwords = Passwords(secret(), company.domain_act.password, company.domain_verify.password)
    domain = new_domain(clock, new_id, passwords)
    builder = Builder(domain)
    for unit in _UNITS:
        builder.put(f"OU={unit},{COMPANY}", "organizationalunit")
    for person in company.people:
        if person.hybrid:
            _person(builder, company, person)
    _canary(builder, company)
    for person in company.people:
        if person.hybrid and person.manager is not None:
            manager = company.person(person.manager)
            if manager.hybrid:
                builder.tie(account_name(person), "manager", account_name(manager))
    _groups(builder, company)
    _second_accounts(builder, company, secret)
    _belongings(builder, company.demo_leaver())
    return domain


def account_name(person: Person) -> str:
    """Return the distinguished name that a person's account begins with."""
    return f"CN={person.login},{PEOPLE}"


def _person(builder: Builder, company: "Company", person: Person) -> None:
    values: Values = {
        **_words(person.login, person.employee_number, person.work_email),
        "displayName": [person.display_name],
        "givenName": [person.given_name],
        "sn": [person.family_name],
        "title": [person.title],
        "department": [person.org_unit],
        "l": [person.site.name],
        "employeeType": [person.worker_type],
        "mS-DS-ConsistencyGuid": [person.object_guid.bytes_le],
    }
    if person.role_key.startswith(("rd.", "it.")):
        values["sshPublicKey"] = [_public_key(person.login)]
    leaver = person == company.demo_leaver()
    if leaver:
        values |= _everything(company, person.login, person.employment_id)
    password = company.password_of(person)
    name = account_name(person)
    builder.put(name, "user", values, guid=person.object_guid, password=password)
    if leaver:
        _key_credential(builder, name)


def _words(login: str, number: str, mail: str) -> Values:
    return {
        "sAMAccountName": [login[:20]],
        "userPrincipalName": [mail],
        "mail": [mail],
        "proxyAddresses": [f"SMTP:{mail}"],
        "employeeID": [number],
        "userAccountControl": [_ORDINARY],
    }


def _everything(company: "Company", login: str, mark: str) -> Values:
    return {
        "userAccountControl": [str(NORMAL | NEVER_EXPIRES | _DELEGATES)],
        "servicePrincipalName": [f"HTTP/build01.{REALM}", f"HTTP/{mark.lower()}.{REALM}"],
        "msDS-AllowedToDelegateTo": [f"HTTP/artifacts.{REALM}"],
        "altSecurityIdentities": [f"X509:<I>CN=Example CA<S>CN={login}"],
        "userCertificate": [company.certificate_of(login)],
        "sshPublicKey": [_public_key(f"{login}@laptop"), _public_key(f"{login}@workstation")],
        "msNPAllowDialin": ["TRUE"],
        "loginShell": ["/bin/bash"],
        "unixHomeDirectory": [f"/home/{login}"],
    }


def _public_key(words: str) -> bytes:
    # A digest looks like a key and opens nothing: nobody has the private half.
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + hashlib.sha256(words.encode()).digest()
    return b"ssh-ed25519 " + base64.b64encode(blob) + f" {words}".encode()


def _key_credential(builder: Builder, name: str) -> None:
    """Windows Hello: version 2 with one key id (MS-ADTS 2.2.20)."""
    digest = hashlib.sha256(name.encode()).digest()
    blob = (0x200).to_bytes(4, "little") + len(digest).to_bytes(2, "little") + b"\x01" + digest
    prefix = f"B:{len(blob) * 2}:{blob.hex().upper()}:"
    builder.tie(name, "msDS-KeyCredentialLink", name, prefix)


def _canary(builder: Builder, company: "Company") -> None:
    """Somebody who never leaves and shows everything that can lie on a person's own object."""
    name = f"CN=canary,{PEOPLE}"
    words = _words("canary", "canary", "canary@example.com")
    values = words | _everything(company, "canary", "canary") | {"employeeNumber": ["canary"]}
    account = builder.put(name, "user", values)
    _key_credential(builder, name)
    for login, unit in (("adm-canary", ADMINS), ("svc-canary", SERVICES)):
        builder.put(f"CN={login},{unit}", "user", {"sAMAccountName": [login]})
    group = f"CN=canaries,OU=Groups,{COMPANY}"
    builder.put(group, "group", {"sAMAccountName": ["canaries"], "memberUid": ["canary"]})
    builder.join(group, name)
    builder.tie(group, "managedBy", name)
    sid = account.values["objectsid"][0]
    _machine(builder, "PC-CANARY", name, sid)
    _managed_service(builder, "gmsa-canary", sid)


def _groups(builder: Builder, company: "Company") -> None:
    leaver, successor = company.demo_leaver(), company.demo_successor()
    lead = company.person(employment_id(31))
    me, next_one = account_name(leaver), account_name(successor)
    people = [person for person in company.people if person.hybrid]
    departments = sorted({person.org_unit.partition("/")[0] for person in people})
    for department in departments:
        inside = (p for p in people if p.org_unit.partition("/")[0] == department)
        _group(builder, f"All {department}", *map(account_name, inside))
    _group(builder, "Everyone", *(_group_name(f"All {one}") for one in departments))
    _group(builder, "Platform Admins", me, account_name(lead), next_one)
    _group(builder, "Build Operators", me)
    _group(builder, "Remote Access", _group_name("Platform Admins"))
    _group(builder, "Project Atlas", me, next_one)
    builder.tie(_group_name("Project Atlas"), "managedBy", me)
    _group(builder, SYNCED_GROUP, me, next_one, login=SYNCED_LOGIN)
    _group(builder, "Unix Developers", next_one, by_login=(leaver.login[:20], successor.login))


def _group_name(words: str) -> str:
    return f"CN={words},OU=Groups,{COMPANY}"


def _group(
    builder: Builder, words: str, *members: str, by_login: Sequence[str] = (), login: str = ""
) -> None:
    values: Values = {"sAMAccountName": [login or words], "memberUid": list(by_login)}
    builder.put(_group_name(words), "group", values)
    builder.join(_group_name(words), *members)


def second_accounts(company: "Company") -> Iterator[Person]:
    """People who have a second account for administration, ``adm-`` and their login."""
    for person in company.people:
        number = int(person.employment_id.removeprefix("E-")) - 1000
        if person.hybrid and (person.role_key == "it.admin" or number in {31, 42}):
            yield person


def _second_accounts(builder: Builder, company: "Company", secret: Callable[[], str]) -> None:
    """Known by the pattern of their names only: no number, no manager."""
    names = []
    for person in second_accounts(company):
        login = f"adm-{person.login}"
        names.append(f"CN={login},{ADMINS}")
        values: Values = {
            "sAMAccountName": [login[:20]],
            "userPrincipalName": [f"{login}@example.com"],
            "displayName": ["Administration"],
            "userAccountControl": [_ORDINARY],
        }
        builder.put(names[-1], "user", values, password=secret())
    _group(builder, "Workstation Admins", *names)


def _belongings(builder: Builder, leaver: Person) -> None:
    """What lies elsewhere and names the leaver: a machine, a service, rules, another's password."""
    me = account_name(leaver)
    sid = builder.domain.store.state().find(me).values["objectsid"][0]
    _machine(builder, "PC-1042", me, sid)
    _managed_service(builder, "gmsa-build", sid)
    service = f"CN=svc-build,{SERVICES}"
    values: Values = {
        "sAMAccountName": ["svc-build"],
        "userPrincipalName": [f"svc-build@{REALM}"],
        "servicePrincipalName": [f"HTTP/build.{REALM}"],
        "userAccountControl": [_ORDINARY],
    }
    builder.put(service, "user", values)
    builder.tie(service, "manager", me)
    delegated = builder.put(f"OU=Branch Office,OU=Delegated,{COMPANY}", "organizationalunit")
    entries = (rule(sid, FULL), *delegated.descriptor.rules)
    builder.describe(delegated, Descriptor(delegated.descriptor.owner, b"", entries))


def _machine(builder: Builder, words: str, owner: str, sid: bytes) -> None:
    name = f"CN={words},OU=Computers,{COMPANY}"
    values: Values = {
        "sAMAccountName": [f"{words}$"],
        "dNSHostName": [f"{words.lower()}.{REALM}"],
        "mS-DS-CreatorSID": [sid],
        "msDS-AllowedToActOnBehalfOfOtherIdentity": [_only(sid)],
    }
    builder.put(name, "computer", values)
    builder.tie(name, "managedBy", owner)


def _managed_service(builder: Builder, words: str, sid: bytes) -> None:
    values: Values = {
        "sAMAccountName": [f"{words}$"],
        "msDS-ManagedPasswordInterval": ["30"],
        "msDS-GroupMSAMembership": [_only(sid)],
    }
    name = f"CN={words},OU=Managed,{COMPANY}"
    builder.put(name, "msds-groupmanagedserviceaccount", values)


def _only(sid: bytes) -> bytes:
    """A descriptor that names one account."""
    administrators = bytes.fromhex("01020000000000052000000020020000")
    return Descriptor(administrators, b"", (rule(sid, FULL),)).pack()
