"""The few classes of objects in the pretend domain, and what a new object of each begins with.

Called by ``writing`` and ``content``.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from deprovisioner.sandbox.directory import names
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.forest.domain import (
    DOMAIN_COMPUTERS,
    DOMAIN_USERS,
    SCHEMA,
    Domain,
    usual_descriptor,
)
from deprovisioner.sandbox.forest.store import Item

_NEVER: Final = "9223372036854775807"
_PERSON: Final = ("top", "person", "organizationalPerson", "user")


@dataclass(frozen=True, slots=True)
class Kind:
    """A class: what it is built on, its category, and what a new object has."""

    chain: tuple[str, ...]
    category: str
    first: tuple[tuple[str, str], ...] = ()
    principal: bool = False


def _account(control: int, group: int) -> tuple[tuple[str, str], ...]:
    return (
        ("useraccountcontrol", str(control)),
        ("primarygroupid", str(group)),
        ("pwdlastset", "0"),
        ("accountexpires", _NEVER),
    )


KINDS: Final = {
    "user": Kind(_PERSON, "Person", _account(546, DOMAIN_USERS), principal=True),
    "computer": Kind(
        (*_PERSON, "computer"), "Computer", _account(4096, DOMAIN_COMPUTERS), principal=True
    ),
    "msds-groupmanagedserviceaccount": Kind(
        (*_PERSON, "computer", "msDS-GroupManagedServiceAccount"),
        "ms-DS-Group-Managed-Service-Account",
        _account(4096, DOMAIN_COMPUTERS),
        principal=True,
    ),
    "group": Kind(("top", "group"), "Group", (("grouptype", "-2147483646"),), principal=True),
    "organizationalunit": Kind(("top", "organizationalUnit"), "Organizational-Unit"),
    "container": Kind(("top", "container"), "Container"),
    "domaindns": Kind(("top", "domain", "domainDNS"), "Domain-DNS"),
    "attributeschema": Kind(("top", "attributeSchema"), "Attribute-Schema"),
    "server": Kind(("top", "server"), "Server"),
    "ntdsdsa": Kind(("top", "applicationSettings", "nTDSDSA"), "NTDS-DSA"),
    "crossref": Kind(("top", "crossRef"), "Cross-Ref"),
}
"""By lower-case name."""


def kind_of(object_classes: tuple[bytes, ...]) -> Kind:
    """Return the most special of the classes of an add request; raises `RefusalError` 65."""
    named = [value.decode("utf-8", "replace").lower() for value in object_classes]
    known = [KINDS[name] for name in named if name in KINDS]
    if not known:
        raise RefusalError(Code.OBJECT_CLASS_VIOLATION, "0000207C: no structural class")
    return max(known, key=lambda kind: len(kind.chain))


def rdn_text(name: str) -> str:
    """Return the first part of a name as it was written."""
    above = names.parent_text(name)
    return name[: len(name) - len(above)].rstrip(", ") if above else name


def named(item: Item, rdn: str) -> Item:
    """Return an object under another relative name, with what says it again."""
    kind, value = names.split(rdn)[0][0]
    text = (value.encode(),)
    renamed = Item(
        item.guid, rdn, item.parent, item.values, item.descriptor, item.passwords, item.deleted
    )
    return renamed.with_values(**{kind.lower(): text, "name": text})


def new_item(
    domain: Domain, kind: Kind, name: str, parent: UUID | None, guid: UUID | None = None
) -> Item:
    """Return a new object with what the domain itself gives it."""
    store = domain.store
    stamp = store.stamp()
    held: dict[str, tuple[bytes, ...]] = {key: (value.encode(),) for key, value in kind.first}
    held |= {
        "objectclass": tuple(one.encode() for one in kind.chain),
        "objectcategory": (f"CN={kind.category},{SCHEMA}".encode(),),
        "instancetype": (b"4",),
        "whencreated": (stamp,),
        "whenchanged": (stamp,),
    }
    identity = guid or store.new_id()
    held["objectguid"] = (identity.bytes_le,)
    if kind.principal:
        held["objectsid"] = (domain.sid_of(store.next_number()),)
    acting = domain.store.state().items.get(domain.acts)
    readers = acting.values["objectsid"] if acting else ()
    bare = Item(identity, "", parent, held, usual_descriptor(domain.sid, readers))
    return named(bare, rdn_text(name))
