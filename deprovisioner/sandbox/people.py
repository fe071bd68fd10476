"""The 300 invented people of the sandbox company: who they are, where they sit, who leads whom.

Called by `company` (directory entries) and `human_resources` (employments). Deterministic: the
same seed gives the same people on every machine. No real person is meant by any combination of
these names.
"""

import base64
import hashlib
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

EmploymentId = NewType("EmploymentId", str)

HEADCOUNT = 300
_TEAM_SIZE, _FIRST_IN_TEAM = 12, 7


class WorkerType(StrEnum):
    """Kinds of work contract, in the words of the canonical event."""

    EMPLOYEE = "employee"
    CONTRACTOR = "contractor"
    INTERN = "intern"


@dataclass(frozen=True, slots=True)
class Site:
    """An office with its civil time zone."""

    name: str
    country: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A team's place in the company."""

    org_unit: str
    role_key: str
    title: str
    head: int


@dataclass(frozen=True, slots=True)
class Person:
    """One person with one employment.

    ``object_guid`` names their account in the Active Directory forest: its ``objectGUID`` there,
    or, where a real controller gives its own, its ``mS-DS-ConsistencyGuid``. What is synchronised
    to a cloud tenant is joined by it (``immutable_id``).
    """

    employment_id: EmploymentId
    person_id: str
    employee_number: str
    uid_number: int
    login: str
    given_name: str
    family_name: str
    display_name: str
    work_email: str
    role_key: str
    title: str
    org_unit: str
    site: Site
    manager: EmploymentId | None
    worker_type: WorkerType
    hire_date: str
    object_guid: UUID

    @property
    def upn(self) -> str:
        """User principal name, on the premises and in the cloud."""
        return self.work_email

    @property
    def hybrid(self) -> bool:
        """Whether they have an account on the premises that is synchronised to the cloud.

        Contractors are in the cloud only.
        """
        return self.worker_type is not WorkerType.CONTRACTOR

    @property
    def immutable_id(self) -> str:
        """The ``onPremisesImmutableId`` of a hybrid person: the GUID's octets in base64."""
        return base64.b64encode(self.object_guid.bytes_le).decode()


SITES = (
    Site("Berlin", "DE", "Europe/Berlin"),
    Site("New York", "US", "America/New_York"),
    Site("Shanghai", "CN", "Asia/Shanghai"),
)
HEADS = ("R&D", "Sales", "Operations", "Finance", "People")
UNITS = (
    Unit("Sales/EMEA", "sales.account", "Account Executive", 3),
    Unit("R&D/Product", "rd.engineer", "Software Engineer", 2),
    Unit("R&D/Platform", "rd.engineer", "Platform Engineer", 2),
    Unit("Operations/IT", "it.admin", "Systems Administrator", 4),
    Unit("R&D/Quality", "rd.quality", "Test Engineer", 2),
    Unit("Sales/APAC", "sales.account", "Account Executive", 3),
    Unit("Finance/Accounting", "finance.accountant", "Accountant", 5),
    Unit("People/Partners", "hr.partner", "People Partner", 6),
)
_CHINESE_FAMILY = (
    "王Wang 李Li 张Zhang 刘Liu 陈Chen 杨Yang 赵Zhao 黄Huang 周Zhou 吴Wu 徐Xu 孙Sun 马Ma 朱Zhu 胡Hu"
)
_CHINESE_GIVEN = (
    "伟Wei 芳Fang 娜Na 敏Min 静Jing 磊Lei 强Qiang 洋Yang 艳Yan "
    "勇Yong 杰Jie 涛Tao 明Ming 超Chao 霞Xia 平Ping 刚Gang 晨Chen"
)
_GERMAN_FAMILY = (
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker "
    "Schulz Hoffmann Koch Bauer Richter Wolf Schröder"
)
_GERMAN_GIVEN = (
    "Anna Jonas Lena Paul Mia Felix Emma Lukas Sophie Jörg Clara Max Lea Tim Käthe Ole Nina Jan"
)
_ENGLISH_FAMILY = (
    "Smith Johnson Brown Davis Miller Wilson Moore Taylor "
    "Anderson Harris Clark Lewis Walker Young Reyes"
)
_ENGLISH_GIVEN = (
    "James Mary Robert Linda David Susan Carlos Karen Thomas "
    "Nancy Daniel Lisa Mark Sandra Steven Ashley Brian Zoë"
)
_ASCII = str.maketrans({"ü": "ue", "ö": "oe", "ä": "ae", "ë": "e"})

_NAMED = {
    31: ("Jie", "Chen", "陈杰"),
    41: ("Min", "Zhou", "周敏"),
    42: ("Yue", "Lin", "林悦"),
    50: ("Wei", "Zhang", "张伟"),
    86: ("Wei", "Zhang", "张伟"),
    60: ("Anna", "Müller", ""),
    61: ("Anna", "Müller", ""),
}
"""People whom tests and the demo know, and two pairs with the same name."""


def employment_id(number: int) -> EmploymentId:
    """Return the employment id of the n-th person, from 1."""
    return EmploymentId(f"E-{1000 + number}")


def people(seed: int) -> tuple[Person, ...]:
    """Make everybody, in the order of their employment ids."""
    randomness = random.Random(seed)
    taken: dict[str, int] = {}
    return tuple(_person(number, seed, randomness, taken) for number in range(1, HEADCOUNT + 1))


def directory_guid(seed: int, name: str) -> UUID:
    """The same random-looking GUID for the same name in the same company."""
    return UUID(bytes=hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], version=4)


def _person(number: int, seed: int, randomness: random.Random, taken: dict[str, int]) -> Person:
    unit, site = _unit(number), _site(number)
    given, family, native = _NAMED.get(number) or _drawn_name(site, randomness)
    login = _login(given, family, taken)
    chinese = native[1:], native[:1]
    return Person(
        employment_id=employment_id(number),
        person_id=f"P-{5000 + number}",
        employee_number=str(200000 + number),
        uid_number=20000 + number,
        login=login,
        given_name=chinese[0] or given,
        family_name=chinese[1] or family,
        display_name=native or f"{given} {family}",
        work_email=f"{login}@example.com",
        role_key=unit.role_key,
        title=unit.title,
        org_unit=unit.org_unit,
        site=site,
        manager=_manager(number),
        worker_type=_worker_type(number),
        hire_date=f"{randomness.randint(2012, 2025)}-{randomness.randint(1, 12):02d}-01",
        object_guid=directory_guid(seed, employment_id(number)),
    )


def _unit(number: int) -> Unit:
    if number == 1:
        return Unit("Board", "exec", "Chief Executive", 1)
    if number < _FIRST_IN_TEAM:
        return Unit(HEADS[number - 2], "exec", f"Head of {HEADS[number - 2]}", 1)
    return UNITS[_team(number) % len(UNITS)]


def _team(number: int) -> int:
    return (number - _FIRST_IN_TEAM) // _TEAM_SIZE


def _site(number: int) -> Site:
    return SITES[_team(number) % len(SITES)]


def _manager(number: int) -> EmploymentId | None:
    if number == 1:
        return None
    if number == 40:  # the intern whom the demo's leaver looks after
        return employment_id(42)
    lead = _FIRST_IN_TEAM + _team(number) * _TEAM_SIZE
    if number < _FIRST_IN_TEAM:
        return employment_id(1)
    return employment_id(_unit(number).head if number == lead else lead)


def _worker_type(number: int) -> WorkerType:
    if number == 40 or number % 29 == 0:
        return WorkerType.INTERN
    return WorkerType.CONTRACTOR if number % 17 == 0 else WorkerType.EMPLOYEE


def _drawn_name(site: Site, randomness: random.Random) -> tuple[str, str, str]:
    # One in five works in an office whose language is not their first.
    country = randomness.choice(SITES).country if randomness.random() < 0.2 else site.country
    if country == "CN":
        family = _one_of(_CHINESE_FAMILY, randomness)
        given = _one_of(_CHINESE_GIVEN, randomness)
        return given[1:], family[1:], family[0] + given[0]
    german = country == "DE"
    given = _one_of(_GERMAN_GIVEN if german else _ENGLISH_GIVEN, randomness)
    family = _one_of(_GERMAN_FAMILY if german else _ENGLISH_FAMILY, randomness)
    return given, family, ""


def _one_of(names: str, randomness: random.Random) -> str:
    return randomness.choice(names.split())


def _login(given: str, family: str, taken: dict[str, int]) -> str:
    plain = f"{given}.{family}".lower().translate(_ASCII)
    taken[plain] = taken.get(plain, 0) + 1
    return plain if taken[plain] == 1 else f"{plain}{taken[plain]}"
