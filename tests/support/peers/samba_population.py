"""The people of the Samba peer: a small company, and leavers who hold one of everything.

Entries as plain data; ``samba_domain`` adds them. Tests do not put the domain back: each takes a
fresh leaver by number, whose groups, machines and helpers belong to nobody else. All invented.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.support.peers.authority import person_certificate
from tests.support.peers.population import Entry, Values
from tests.support.peers.samba import REALM, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPANY: Final = f"OU=Company,{ROOT}"
SERVICES: Final = f"OU=Deprovisioner,{ROOT}"
PASSWORD_SETTINGS: Final = f"CN=Password Settings Container,CN=System,{ROOT}"
PEOPLE_PASSWORD: Final = "Correct-horse-7-battery"
SERVICE_PASSWORD: Final = "Service-password-9-long"
ACTOR: Final = f"CN=deprovisioner-act,{SERVICES}"
VERIFIER: Final = f"CN=deprovisioner-verify,{SERVICES}"
DOMAIN_ADMINS: Final = f"CN=Domain Admins,CN=Users,{ROOT}"
DOMAIN_USERS: Final = f"CN=Domain Users,CN=Users,{ROOT}"
BRANCHES: Final = (
    "People", "Admins", "Services", "Groups", "Computers", "Managed", "Delegated", "Leavers",
)  # fmt: skip
STAFF: Final = 24
NEVER: Final = "9223372036854775807"
"""accountExpires of an account that does not expire; 0 says the same (MS-ADA1 2.1)."""


def branch(name: str) -> str:
    """Return the DN of an organizational unit of the company."""
    return f"OU={name},{COMPANY}"


def person(login: str, place: str = "People") -> str:
    """Return the DN of an account."""
    return f"CN={login},{branch(place)}"


def group(name: str) -> str:
    """Return the DN of a group."""
    return f"CN={name},{branch('Groups')}"


BOSS: Final = person("boss")
SUCCESSOR: Final = person("successor")
CANARY: Final = person("canary")
CANARY_LOGIN: Final = "canary"
LEAVERS: Final = branch("Leavers")


@dataclass(frozen=True, slots=True)
class Leaver:
    """One person who holds one of everything; the names of what is theirs."""

    number: int

    @property
    def login(self) -> str:
        """The sAMAccountName."""
        return f"leaver{self.number}"

    @property
    def name(self) -> str:
        """The DN, as long as nobody moves it."""
        return person(self.login)

    @property
    def upn(self) -> str:
        """The user principal name."""
        return f"{self.login}@{REALM}"

    @property
    def mail(self) -> str:
        """The address."""
        return f"{self.login}@example.com"

    @property
    def employee_number(self) -> str:
        """The HR number, as employeeID."""
        return f"E-{self.number}"

    @property
    def admin(self) -> str:
        """A second account for administration, known by its name pattern only."""
        return person(f"adm-{self.login}", "Admins")

    @property
    def service(self) -> str:
        """A service account that they answer for (``manager``)."""
        return person(f"svc-{self.number}", "Services")

    @property
    def direct_group(self) -> str:
        """They and the successor are members."""
        return group(f"engineers-{self.number}")

    @property
    def outer_group(self) -> str:
        """Has the direct group as its only member."""
        return group(f"outer-{self.number}")

    @property
    def sole_group(self) -> str:
        """They alone are a member."""
        return group(f"sole-{self.number}")

    @property
    def primary_group(self) -> str:
        """Their primary group; not Domain Users."""
        return group(f"primary-{self.number}")

    @property
    def owned_group(self) -> str:
        """Managed by them (``managedBy``), with the successor as a member."""
        return group(f"owned-{self.number}")

    @property
    def machine(self) -> str:
        """A computer managed by them; they may act on behalf of others there."""
        return person(f"PC-{self.number}", "Computers")

    @property
    def managed_service(self) -> str:
        """A group managed service account whose password they may read."""
        return person(f"gmsa-{self.number}", "Managed")

    @property
    def delegated_unit(self) -> str:
        """A unit whose descriptor names them."""
        return f"OU=Delegated {self.number},{branch('Delegated')}"

    @property
    def password_settings(self) -> str:
        """A password policy that applies to them by name."""
        return f"CN=settings-{self.number},{PASSWORD_SETTINGS}"

    @property
    def report(self) -> str:
        """Somebody whose manager they are."""
        return person(f"report{self.number}")


def base_entries() -> list[Entry]:
    """The units, the staff, and the canary, parents first."""
    units = [COMPANY, *map(branch, BRANCHES)]
    colleagues = [(f"staff{number:02}", 500 + number) for number in range(1, STAFF + 1)]
    return [
        *(Entry(dn, ("organizationalUnit",), {}) for dn in units),
        account("boss", 1),
        account("successor", 43, manager=BOSS),
        *(account(login, number, manager=BOSS) for login, number in colleagues),
        *_holder_of_everything(CANARY, "canary", 44, BOSS, {}),
        Entry(
            group("all-staff"),
            ("group",),
            {
                "sAMAccountName": "all-staff",
                "member": [person(login) for login, _ in colleagues[:10]] + [SUCCESSOR],
            },
        ),
        *_belongings(CANARY, CANARY_LOGIN, CANARY, [CANARY]),
    ]


def leaver_entries(leaver: Leaver, certificate: bytes) -> list[Entry]:
    """A leaver and all that is theirs but for descriptors and the primary group."""
    me = leaver.name
    extra: dict[str, Values] = {"userCertificate": certificate}
    return [
        *_holder_of_everything(me, leaver.login, leaver.number, BOSS, extra),
        Entry(*_account(leaver.admin, f"adm-{leaver.login}", {})),
        Entry(*_account(leaver.service, f"svc-{leaver.number}", {
            "manager": me, "servicePrincipalName": f"HTTP/report{leaver.number}.{REALM}",
            "userAccountControl": str(0x200 | 0x10000),
        })),
        account(f"report{leaver.number}", 90000 + leaver.number, manager=me),
        _password_settings(leaver.password_settings, me),
        *_belongings(me, str(leaver.number), me, [me, SUCCESSOR]),
        _group(leaver.outer_group, member=leaver.direct_group),
        _group(leaver.sole_group, member=me),
        _group(leaver.primary_group, member=me),
        Entry(leaver.delegated_unit, ("organizationalUnit",), {}),
    ]  # fmt: skip


def account(login: str, number: int, **more: Values) -> Entry:
    """One ordinary person."""
    usual = {
        "employeeID": f"E-{number}",
        "mail": f"{login}@example.com",
        "displayName": f"Person {number}",
    }
    return Entry(*_account(person(login), login, usual | more))


def _account(
    name: str, login: str, more: dict[str, Values]
) -> tuple[str, tuple[str, ...], dict[str, Values]]:
    attributes: dict[str, Values] = {
        "sAMAccountName": login,
        "userPrincipalName": f"{login}@{REALM}",
        "givenName": login,
        "sn": "Example",
        "userAccountControl": "512",
        "unicodePwd": f'"{PEOPLE_PASSWORD}"'.encode("utf-16-le"),
    }
    return name, ("user",), attributes | more


def _holder_of_everything(
    name: str, login: str, number: int, manager: str, extra: dict[str, Values]
) -> Iterable[Entry]:
    more: dict[str, Values] = {
        "employeeID": f"E-{number}",
        "employeeNumber": str(200000 + number),
        "mail": f"{login}@example.com",
        "proxyAddresses": [f"SMTP:{login}@example.com", f"smtp:p{number}@example.com"],
        "displayName": f"Person {number}",
        "manager": manager,
        # normal, trusted to authenticate for delegation, password never expires
        "userAccountControl": str(0x200 | 0x10000 | 0x1000000),
        "servicePrincipalName": [f"HTTP/app-{number}.{REALM}", f"HTTP/app-{number}"],
        "msDS-AllowedToDelegateTo": [f"HTTP/back-{number}.{REALM}"],
        "altSecurityIdentities": [f"X509:<I>CN=authority<S>CN={login}", f"Kerberos:{login}@OTHER"],
        "userCertificate": canary_certificate(),
        "sshPublicKey": [ssh_key(f"{login} work"), ssh_key(f"{login} home")],
        "uidNumber": str(10000 + number),
        "gidNumber": "100",
        "loginShell": "/bin/bash",
        "unixHomeDirectory": f"/home/{login}",
        "msNPAllowDialin": "TRUE",
        "adminCount": "1",
    }
    yield Entry(*_account(name, login, more | extra))


def _belongings(me: str, mark: str, owner: str, members: list[str]) -> list[Entry]:
    """A group of theirs, one that they manage, and a machine."""
    machine = f"PC-{mark}"
    return [
        _group(
            group(f"engineers-{mark}"),
            member=members,
            memberUid=[me.partition(",")[0].removeprefix("CN=")],
        ),
        _group(group(f"owned-{mark}"), member=SUCCESSOR, managedBy=owner),
        Entry(
            person(machine, "Computers"),
            ("computer",),
            {
                "sAMAccountName": f"{machine}$",
                "userAccountControl": "4096",
                "dNSHostName": f"{machine}.{REALM}",
                "managedBy": me,
            },
        ),
        Entry(
            person(f"gmsa-{mark}", "Managed"),
            ("msDS-GroupManagedServiceAccount",),
            {
                "sAMAccountName": f"gmsa-{mark}$"[-20:],
                "userAccountControl": "4096",
                "dNSHostName": f"gmsa-{mark}.{REALM}",
                "msDS-ManagedPasswordInterval": "30",
            },
        ),
    ]


def _password_settings(name: str, applies_to: str) -> Entry:
    return Entry(
        name,
        ("msDS-PasswordSettings",),
        {
            "msDS-PasswordSettingsPrecedence": "10",
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordHistoryLength": "24",
            "msDS-PasswordComplexityEnabled": "TRUE",
            "msDS-MinimumPasswordLength": "8",
            "msDS-MinimumPasswordAge": "0",
            "msDS-MaximumPasswordAge": "-9223372036854775808",
            "msDS-LockoutThreshold": "0",
            "msDS-LockoutObservationWindow": "0",
            "msDS-LockoutDuration": "0",
            "msDS-PSOAppliesTo": applies_to,
        },
    )


def _group(name: str, **more: Values) -> Entry:
    login = name.partition(",")[0].removeprefix("CN=")
    return Entry(name, ("group",), {"sAMAccountName": login, **more})


@cache
def canary_certificate() -> bytes:
    """A certificate that nobody else has, as DER."""
    return person_certificate("canary")


def ssh_key(words: str) -> str:
    """A public key that opens nothing."""
    digest = hashlib.sha256(words.encode()).hexdigest()[:40]
    return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{digest} {words.replace(' ', '@')}"


def key_credential(name: str) -> str:
    """A key credential (Windows Hello) as a DN with binary (MS-ADTS 2.2.20)."""
    key_id = hashlib.sha256(name.encode()).digest()
    device = uuid.uuid5(uuid.NAMESPACE_X500, name).bytes_le
    rows = b"".join(
        len(value).to_bytes(2, "little") + bytes((kind,)) + value
        for kind, value in ((1, key_id), (4, b"\x01"), (5, b"\x00"), (6, device))
    )
    blob = (0x200).to_bytes(4, "little") + rows
    return f"B:{len(blob) * 2}:{blob.hex().upper()}:{name}"
