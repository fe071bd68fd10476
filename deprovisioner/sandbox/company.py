"""The sandbox company as its systems know it: people, service accounts, and the whole content of
its directory.

Called by `running`, by tests and by `openldap`. The same content loads into the fake directory
and, as LDIF, into a real slapd. Passwords and keys are made at start by the randomness that is
handed in; none is in this repository.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from deprovisioner.sandbox import branches, ldif
from deprovisioner.sandbox.ldif import DirectoryEntry
from deprovisioner.sandbox.people import EmploymentId, Person, employment_id, people

SUFFIX = "dc=example,dc=com"
ADMINISTRATOR = f"cn=admin,{SUFFIX}"
DEFAULT_POLICY = f"cn=default,ou=policies,{SUFFIX}"
WRITABLE_BRANCHES = tuple(
    f"ou={branch},{SUFFIX}"
    for branch in ("people", "groups", "sudoers", "netgroups", "aliases", "roles", "systems")
)
"""Where the acting service account may write, and nowhere else."""

CANARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        f"uid=canary,ou=people,{SUFFIX}": (
            "uid", "employeeNumber", "mail", "uidNumber", "userPassword", "sshPublicKey",
            "userCertificate;binary", "krbPrincipalName", "krbPrincipalKey",
            "manager", "secretary", "seeAlso",
        ),
        f"cn=canaries,ou=groups,{SUFFIX}": ("member", "owner"),
        f"cn=unique-canaries,ou=groups,{SUFFIX}": ("uniqueMember",),
        f"cn=posix-canaries,ou=groups,{SUFFIX}": ("memberUid",),
        f"cn=canaries,ou=sudoers,{SUFFIX}": ("sudoUser", "sudoRunAsUser"),
        f"cn=canaries,ou=netgroups,{SUFFIX}": ("nisNetgroupTriple",),
        f"cn=canaries,ou=roles,{SUFFIX}": ("roleOccupant",),
        f"cn=canaries,ou=systems,{SUFFIX}": ("owner", "seeAlso"),
        f"cn=canary,ou=aliases,{SUFFIX}": ("aliasedObjectName",),
        f"cn=canaries,ou=aliases,{SUFFIX}": ("rfc822MailMember",),
    }
)  # fmt: skip
"""Entries that every read must see, with the attributes that they show; none of them leaves."""
UNUSED = ("mgrpRFC822MailMember", "authzFrom", "authzTo")
"""Attributes a survey watches and this directory does not have."""

_LEAVER, _SUCCESSOR = 42, 41


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A bind name with its password."""

    name: str
    password: str


class Company:
    """Everybody and everything, made once.

    People, their directory, and the identities with which its systems are worked: ``act`` and
    ``verify`` in the directory, ``domain_act`` and ``domain_verify`` in the Active Directory domain
    (`forest.content` fills it; `Person.object_guid` joins it to the cloud).

    `secret` returns a new random password of printable ASCII each time; `certificate` returns a
    DER certificate for a common name (both are injected, so that nothing random hides in here);
    `seed` draws the people.
    """

    def __init__(
        self, *, secret: Callable[[], str], certificate: Callable[[str], bytes], seed: int = 1
    ) -> None:
        self.people: tuple[Person, ...] = people(seed)
        self._secret, self._certificate = secret, certificate
        self._passwords = {person.login: secret() for person in self.people}
        self.administrator = ServiceAccount(ADMINISTRATOR, secret())
        self.act = ServiceAccount(f"cn=deprovisioner-act,ou=services,{SUFFIX}", secret())
        self.verify = ServiceAccount(f"cn=deprovisioner-verify,ou=services,{SUFFIX}", secret())
        self.domain_act = ServiceAccount("deprovisioner-act@ad.example.com", secret())
        self.domain_verify = ServiceAccount("deprovisioner-verify@ad.example.com", secret())

    def person(self, employment: EmploymentId) -> Person:
        """Return one person; raises KeyError on a stranger."""
        return self._by_employment[employment]

    def demo_leaver(self) -> Person:
        """The engineer who holds at least one of everything and leaves in the demo."""
        return self.person(employment_id(_LEAVER))

    def demo_successor(self) -> Person:
        """The colleague who takes over; the leaver's manager is still there too."""
        return self.person(employment_id(_SUCCESSOR))

    @property
    def canary(self) -> str:
        """The name of the entry that every survey must see; it never leaves."""
        return f"uid=canary,ou=people,{SUFFIX}"

    def name_of(self, person: Person) -> str:
        """Return a person's distinguished name."""
        return f"uid={person.login},ou=people,{SUFFIX}"

    def password_of(self, person: Person) -> str:
        """Return a person's password, as it was when the company started."""
        return self._passwords[person.login]

    def certificate_of(self, common_name: str) -> bytes:
        """Return a new certificate for a name, as DER."""
        return self._certificate(common_name)

    @cached_property
    def entries(self) -> tuple[DirectoryEntry, ...]:
        """The whole directory, parents before children."""
        return branches.all_entries(self, self._secret, self._certificate)

    def as_ldif(self) -> str:
        """Return the directory for slapadd (core, cosine, inetorgperson, nis, misc,
        additional.schema, ppolicy).
        """
        return ldif.render(self.entries)

    @cached_property
    def _by_employment(self) -> dict[EmploymentId, Person]:
        return {person.employment_id: person for person in self.people}
