"""The pretend company's Entra tenant: who and what is in it, made from the company's people.

Given to `GraphServer`, which loads it into an empty store. Every id is derived from a name, so two
tenants of one company are the same. What the leavers hold is in `holdings`; how people, groups and
the rest are written is in `people` and `collective`. Nothing here speaks HTTP.
"""

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from deprovisioner.sandbox.forest.content import account_name
from deprovisioner.sandbox.people import EmploymentId, Person, employment_id

DOMAIN = "example.com"
_NAMES = uuid.UUID("5a9b1f0e-2f33-4a7e-9c55-0d7f1f6f1c01")


def identifier(name: str) -> str:
    """Return the id of whatever has this name in the tenant."""
    return str(uuid.uuid5(_NAMES, name))


@dataclass(frozen=True, slots=True)
class OnPremises:
    """What AD knows of a synced person; the join of both worlds is the objectGUID."""

    object_guid: uuid.UUID
    sam_account_name: str
    distinguished_name: str
    security_identifier: str

    @property
    def immutable_id(self) -> str:
        """`onPremisesImmutableId`: the octets of the GUID as AD stores them, in base64."""
        return base64.b64encode(self.object_guid.bytes_le).decode()


def on_premises(person: Person) -> OnPremises:
    """Return a person's identity in the company's AD domain.

    GUID and names are the domain's; the SID is invented, because the domain gives it when it is
    made: hand one in with `Tenant.abroad` where it matters.
    """
    number = int(person.employee_number) % 100000
    return OnPremises(
        person.object_guid,
        person.login[:20],
        account_name(person),
        f"S-1-5-21-1004336348-1177238915-682003330-{number}",
    )


@dataclass(frozen=True, slots=True)
class Tenant:
    """The tenant as it starts. `abroad` gives the AD identity of a synced person."""

    people: tuple[Person, ...]
    abroad: Callable[[Person], OnPremises] = on_premises
    further_users: int = 0
    """So many more users without anything, for benchmarks of a sweep."""
    domain: str = field(default=DOMAIN)

    @property
    def id(self) -> str:
        """The tenant's id."""
        return identifier("tenant")

    def user_id(self, employment: EmploymentId) -> str:
        """Return the object id of a person's own account."""
        return identifier(f"user {employment}")

    def is_synced(self, person: Person) -> bool:
        """Tell whether AD masters a person; contractors are in the cloud only."""
        return person.hybrid

    def person(self, employment: EmploymentId) -> Person:
        """Return a person; raises KeyError on a stranger."""
        for person in self.people:
            if person.employment_id == employment:
                return person
        raise KeyError(employment)

    @property
    def leaver(self) -> Person:
        """The demo's leaver, E-1042: hybrid, holds one of everything."""
        return self.person(employment_id(42))

    @property
    def cloud_leaver(self) -> Person:
        """E-1051: cloud-only (a contractor), holds one of everything too."""
        return self.person(employment_id(51))

    @property
    def privileged_leaver(self) -> Person:
        """E-1068: cloud-only, an active admin and member of a role-assignable group."""
        return self.person(employment_id(68))

    @property
    def successor(self) -> Person:
        """E-1041, who takes over."""
        return self.person(employment_id(41))

    @property
    def canary_id(self) -> str:
        """The user that every survey must see; it is in no HR system and never leaves."""
        return identifier("user canary")

    @property
    def canary_group(self) -> str:
        """The name of the one group that the canary is in."""
        return "canaries"

    @property
    def canary_employee_id(self) -> str:
        """The canary's employee number, which no person has."""
        return "999999"

    def admin_id(self, person: Person) -> str:
        """Return the object id of a person's second, administrative account (`adm-…`)."""
        return identifier(f"user adm-{person.login}")

    @property
    def guest_id(self) -> str:
        """A guest whom the leaver sponsors."""
        return identifier("user guest")

    @property
    def break_glass_id(self) -> str:
        """The emergency account, which nothing may touch."""
        return identifier("user break-glass")

    def group_id(self, name: str) -> str:
        """Return the id of a group by its name (see `collective.GROUPS`)."""
        return identifier(f"group {name}")

    def application_id(self, name: str) -> str:
        """Return the object id of an application by its name."""
        return identifier(f"application {name}")

    def service_principal_id(self, name: str) -> str:
        """Return the object id of a service principal by its name."""
        return identifier(f"servicePrincipal {name}")

    def device_id(self, person: Person, name: str) -> str:
        """Return the object id of a person's device: `laptop` or `phone`."""
        return identifier(f"device {name} {person.employment_id}")
