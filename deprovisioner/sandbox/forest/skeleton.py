"""A new domain with what every domain has: partitions, built-in groups, two identities of ours.

Called by ``content`` and by tests. Everything beyond is the company's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from deprovisioner.sandbox.directory import names
from deprovisioner.sandbox.directory.faults import FaultPanel
from deprovisioner.sandbox.directory.witness import Witness
from deprovisioner.sandbox.forest import accounts
from deprovisioner.sandbox.forest.attributes import TABLE, Syntax
from deprovisioner.sandbox.forest.classes import KINDS, new_item
from deprovisioner.sandbox.forest.domain import (
    COMPANY,
    CONFIGURATION,
    DELETED,
    DOMAIN_ADMINS,
    DOMAIN_COMPUTERS,
    DOMAIN_USERS,
    HOST,
    NETBIOS,
    REALM,
    ROOT,
    SCHEMA,
    Domain,
)
from deprovisioner.sandbox.forest.identifiers import USERS, Descriptor, domain_sid
from deprovisioner.sandbox.forest.store import Item, Store, link

OURS: Final = f"OU=Deprovisioner,{ROOT}"
ACTS, VERIFIES = "deprovisioner-act", "deprovisioner-verify"
_SITES: Final = f"CN=Sites,{CONFIGURATION}"
_SERVERS: Final = f"CN=Servers,CN=Default-First-Site-Name,{_SITES}"
_CONFIDENTIAL: Final = "128"


@dataclass(frozen=True, slots=True)
class Passwords:
    """Passwords of the three accounts that a domain begins with."""

    administrator: str
    act: str
    verify: str


class Builder:
    """Puts objects into a domain that nobody is connected to yet."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._made: dict[str, UUID] = {}

    def put(
        self,
        name: str,
        kind: str,
        values: Mapping[str, Iterable[str | bytes]] = MappingProxyType({}),
        *,
        guid: UUID | None = None,
        password: str = "",
    ) -> Item:
        """Add an object below one that is there; ``values`` by attribute, unchecked."""
        above = names.parent_text(name)
        parent = self._guid(above) if above and name not in _TOPS else None
        item = new_item(self.domain, KINDS[kind], name, parent, guid)
        if parent is None:
            item = replace(item, rdn=name)
        held = dict(item.values)
        for key, many in values.items():
            held[key.lower()] = tuple(v if isinstance(v, bytes) else v.encode() for v in many)
        if password:
            held["pwdlastset"] = (str(self.domain.store.next_ticks()).encode(),)
            item = replace(item, passwords=(password,))
        item = replace(item, values=held)
        self.domain.store.load([item])
        self._made[name] = item.guid
        return item

    def _guid(self, name: str) -> UUID:
        """Find an object without indexing everything anew for each that is put."""
        return self._made.get(name) or self.domain.store.state().find(name).guid

    def join(self, group: str, *members: str) -> None:
        """Put members into a group; all must be there."""
        state = self.domain.store.state()
        held = state.find(group)
        added = (link(state.find(name).guid) for name in members)
        joined = (*held.values.get("member", ()), *added)
        self.domain.store.load([held.with_values(member=joined)])

    def describe(self, item: Item, descriptor: Descriptor) -> None:
        """Give an object other access rules."""
        self.domain.store.load([replace(item, descriptor=descriptor)])

    def tie(self, name: str, attribute: str, target: str, prefix: str = "") -> None:
        """Link one object to another by a named attribute."""
        state = self.domain.store.state()
        item = state.find(name)
        value = link(state.find(target).guid, prefix.encode())
        held = (*item.values.get(attribute.lower(), ()), value)
        changed = {**item.values, attribute.lower(): held}
        self.domain.store.load([replace(item, values=changed)])


_TOPS: Final = (ROOT, f"CN=Configuration,{ROOT}", f"CN=Schema,CN=Configuration,{ROOT}")


def new_domain(
    clock: Callable[[], datetime], new_id: Callable[[], UUID], passwords: Passwords
) -> Domain:
    """Make a domain with two identities of ours; ``clock`` returns aware UTC."""
    ids = [new_id() for _ in range(4)]
    domain = Domain(
        store=Store(clock, new_id),
        sid=domain_sid((1004336348, 1177238915, 682003330)),
        administrator=ids[0],
        acts=ids[1],
        writable=ids[2],
        deleted_objects=ids[3],
        faults=FaultPanel(),
        witness=Witness(clock),
    )
    builder = Builder(domain)
    builder.put(ROOT, "domaindns", {"objectsid": [domain.sid]})
    _configuration(builder)
    _built_in(builder)
    _accounts(builder, passwords)
    return domain


def _configuration(builder: Builder) -> None:
    for name in (CONFIGURATION, SCHEMA, _SITES, f"CN=Partitions,{CONFIGURATION}"):
        builder.put(name, "container")
    for number, one in enumerate(TABLE):
        builder.put(
            f"CN={one.name},{SCHEMA}",
            "attributeschema",
            {
                "ldapdisplayname": [one.name],
                "searchflags": ["0"],
                "schemaidguid": [number.to_bytes(16, "big")],
                "attributesyntax": [_syntax(one.syntax)],
            },
        )
    for name in (f"CN=Default-First-Site-Name,{_SITES}", _SERVERS):
        builder.put(name, "container")
    builder.put(f"CN=DC1,{_SERVERS}", "server", {"dnshostname": [HOST]})
    builder.put(f"CN=NTDS Settings,CN=DC1,{_SERVERS}", "ntdsdsa", {"options": ["1"]})
    builder.put(
        f"CN={NETBIOS},CN=Partitions,{CONFIGURATION}",
        "crossref",
        {"netbiosname": [NETBIOS], "dnsroot": [REALM], "ncname": [ROOT], "systemflags": ["3"]},
    )


def _syntax(syntax: Syntax) -> str:
    numbers = {
        Syntax.NAME: "2.5.5.1", Syntax.KEYED_NAME: "2.5.5.7", Syntax.OCTETS: "2.5.5.10",
        Syntax.INTEGER: "2.5.5.9", Syntax.BOOLEAN: "2.5.5.8", Syntax.TIME: "2.5.5.11",
        Syntax.TEXT: "2.5.5.12",
    }  # fmt: skip
    return numbers[syntax]


def _built_in(builder: Builder) -> None:
    domain = builder.domain
    builder.put(DELETED, "container", guid=domain.deleted_objects)
    for name in (f"CN=Users,{ROOT}", f"CN=Builtin,{ROOT}", f"CN=System,{ROOT}"):
        builder.put(name, "container")
    builder.put(f"CN=Password Settings Container,CN=System,{ROOT}", "container")
    for words, number in (
        ("Domain Admins", DOMAIN_ADMINS),
        ("Domain Users", DOMAIN_USERS),
        ("Domain Computers", DOMAIN_COMPUTERS),
    ):
        builder.put(
            f"CN={words},CN=Users,{ROOT}",
            "group",
            {"samaccountname": [words], "objectsid": [domain.sid_of(number)]},
        )
    builder.put(
        f"CN=Users,CN=Builtin,{ROOT}", "group", {"samaccountname": ["Users"], "objectsid": [USERS]}
    )
    builder.join(f"CN=Users,CN=Builtin,{ROOT}", f"CN=Domain Users,CN=Users,{ROOT}")
    builder.put(f"OU=Domain Controllers,{ROOT}", "organizationalunit")
    builder.put(
        f"CN=DC1,OU=Domain Controllers,{ROOT}",
        "computer",
        {"samaccountname": ["DC1$"], "useraccountcontrol": ["532480"], "dnshostname": [HOST]},
    )


def _accounts(builder: Builder, passwords: Passwords) -> None:
    domain = builder.domain
    normal = str(accounts.NORMAL | accounts.NEVER_EXPIRES)
    builder.put(
        f"CN=Administrator,CN=Users,{ROOT}",
        "user",
        {
            "samaccountname": ["Administrator"],
            "useraccountcontrol": [normal],
            "objectsid": [domain.sid_of(500)],
        },
        guid=domain.administrator,
        password=passwords.administrator,
    )
    builder.join(f"CN=Domain Admins,CN=Users,{ROOT}", f"CN=Administrator,CN=Users,{ROOT}")
    for top, guid in ((COMPANY, domain.writable), (OURS, None)):
        builder.put(top, "organizationalunit", guid=guid)
    for login, guid, password in (
        (ACTS, domain.acts, passwords.act),
        (VERIFIES, None, passwords.verify),
    ):
        builder.put(
            f"CN={login},{OURS}",
            "user",
            {
                "samaccountname": [login],
                "userprincipalname": [f"{login}@{REALM}"],
                "useraccountcontrol": [normal],
            },
            guid=guid,
            password=password,
        )
