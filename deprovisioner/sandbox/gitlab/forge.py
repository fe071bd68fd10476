"""The pretend company's GitLab: who and what is in it, made from the company's people.

Given to `ForgeServer`, which loads it into an empty store. Ids are counted in the order of loading,
so two forges of one company are the same; they are asked for by name (`ForgeServer.user_id`).
Nothing here speaks HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from deprovisioner.sandbox.graph.tenant import identifier
from deprovisioner.sandbox.people import Person

DOMAIN = "example.com"
TOP = "example"
"""The company's top-level group, which an owner on gitlab.com would own."""
EMPLOYEE_ATTRIBUTE = "employee_number"
"""The custom attribute with the HR system's number."""
CANARY = "canary"
LDAP_PROVIDER, ENTRA_PROVIDER = "ldapmain", "azure_oauth2"


class Account(StrEnum):
    """Accounts that tokens are made for, by username."""

    ACTOR = "deprovisioner-act"
    """Administrator; the token has `api`, `sudo` and `admin_mode`."""
    VERIFIER = "deprovisioner-verify"
    """Another administrator; the token has `read_api`."""
    OWNER = "deprovisioner-owner"
    """Owner of the top-level group and no administrator, as on gitlab.com; `api`."""
    OWNER_VERIFIER = "deprovisioner-owner-verify"
    """A second owner; `read_api`."""
    PLAIN = "reader"
    """Somebody without any rights; `api`."""


def entra_id(person: Person) -> str:
    """Return the object id of a person in the company's Entra tenant: what the sign-in links."""
    return identifier(f"user {person.employment_id}")


@dataclass(frozen=True, slots=True)
class Forge:
    """The instance as it starts; `extern_uid` is how the sure identity provider names a person."""

    people: tuple[Person, ...]
    extern_uid: Callable[[Person], str] = entra_id
    further_users: int = 0
    """So many more users without anything, for benchmarks."""
    further_projects: int = 0
    """So many more empty projects in the top-level group, for benchmarks and pages."""

    def person(self, number: int) -> Person:
        """Return the n-th person, from 1."""
        return self.people[number - 1]

    @property
    def leaver(self) -> Person:
        """The demo's leaver, E-1042, an engineer who holds at least one of everything."""
        return self.person(42)

    @property
    def successor(self) -> Person:
        """E-1041, who takes over."""
        return self.person(41)

    @property
    def bystander(self) -> Person:
        """E-1051, a contractor with the same kinds of things, who stays."""
        return self.person(51)

    @property
    def second_owner(self) -> Person:
        """E-1031, an administrator of systems, who owns the company's group too."""
        return self.person(31)

    @property
    def directory_blocked(self) -> Person:
        """E-1060, whom the directory has blocked: `ldap_blocked`."""
        return self.person(60)

    @property
    def banned(self) -> Person:
        """E-1061, banned."""
        return self.person(61)

    @property
    def pending(self) -> Person:
        """E-1062, whose sign-up waits for approval."""
        return self.person(62)

    @property
    def dormant(self) -> Person:
        """E-1063, deactivated."""
        return self.person(63)
