"""Each fault of the fake directory, seen through a real LDAP client."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ldap3
import pytest
from ldap3 import MODIFY_DELETE, MODIFY_REPLACE
from ldap3.core.exceptions import LDAPException

from deprovisioner.sandbox.company import SUFFIX, Company
from deprovisioner.sandbox.directory.dress import Dress
from deprovisioner.sandbox.directory.faults import FaultPanel
from deprovisioner.sandbox.directory.server import DirectoryServer
from deprovisioner.sandbox.fake_directory import DirectoryOptions, fake_directory
from deprovisioner.sandbox.running import new_company

PEOPLE = f"ou=people,{SUFFIX}"
GROUP = f"cn=platform-admins,ou=groups,{SUFFIX}"


class TurnedClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Place:
    """A running fake with clients for it."""

    def __init__(self, company: Company, options: DirectoryOptions) -> None:
        self.clock = TurnedClock()
        self.company = company
        self.server: DirectoryServer = fake_directory(
            company, clock=self.clock, new_id=uuid.uuid4, options=options
        )
        self.server.start()
        self._open: list[Any] = []

    @property
    def faults(self) -> FaultPanel:
        return self.server.directory.faults

    @property
    def leaver(self) -> str:
        return self.company.name_of(self.company.demo_leaver())

    def client(self, name: str | None = None, password: str | None = None) -> Any:
        """Connect, as the acting account unless told otherwise."""
        server = ldap3.Server(self.server.url, get_info=ldap3.NONE)
        account = self.company.act
        connection: Any = ldap3.Connection(
            server,
            name or account.name,
            password or account.password,
            check_names=False,
            receive_timeout=10,
        )
        connection.open()
        self._open.append(connection)
        connection.bind()
        return connection

    def stop(self) -> None:
        for connection in self._open:
            if connection.socket is not None:
                connection.socket.close()
        self.server.stop()


@pytest.fixture(scope="module")
def company() -> Company:
    """One company; each test loads it afresh."""
    return new_company(lambda: datetime.now(UTC))


@pytest.fixture
def start(company: Company) -> Iterator[Callable[..., Place]]:
    """Start directories and stop them after the test."""
    started: list[Place] = []

    def run(**options: Any) -> Place:
        started.append(Place(company, DirectoryOptions(**options)))
        return started[-1]

    yield run
    for place in started:
        place.stop()


@pytest.fixture
def place(start: Callable[..., Place]) -> Place:
    """The directory in its usual dress."""
    return start()


def search(
    client: Any, base: str = PEOPLE, condition: str = "(uid=*)", **more: Any
) -> tuple[int, int]:
    """Search and return (code, entries)."""
    client.search(base, condition, attributes=["1.1"], **more)
    rows = [row for row in client.response or [] if row["type"] == "searchResEntry"]
    return client.result["result"], len(rows)


def describe(client: Any, name: str, text: str = "x") -> int:
    """Write a description and return the code."""
    client.modify(name, {"description": [(MODIFY_REPLACE, [text])]})
    return int(client.result["result"])


@pytest.mark.parametrize("code", [51, 52])
def test_busy_and_unavailable(place: Place, code: int) -> None:
    """Every operation is answered with the code, and nothing is done, until it is cleared."""
    client = place.client()
    place.faults.set(answer_code=code)

    assert search(client) == (code, 0)
    assert describe(client, place.leaver) == code
    place.faults.clear()
    assert search(client, condition="(description=x)") == (0, 0)


def test_a_budget_runs_out(place: Place) -> None:
    """A fault with a budget of two meets two requests and is gone."""
    client = place.client()
    place.faults.set(answer_code=51, budget=2)

    assert [search(client)[0] for _ in range(3)] == [51, 51, 0]


def test_only_one_credential_meets_the_fault(place: Place) -> None:
    """The verifier is hurt, the acting account is not."""
    verify = place.company.verify
    place.faults.set(answer_code=52, only_for=verify.name.upper())

    assert search(place.client())[0] == 0
    assert search(place.client(verify.name, verify.password))[0] == 52


@pytest.mark.parametrize("code", [4, 3, 0])
def test_truncated_answers(place: Place, code: int) -> None:
    """A part of the rows, with an honest code or with the lie."""
    place.faults.set(truncate_after=7, truncate_code=code)

    assert search(place.client()) == (code, 7)


def test_page_size_one(place: Place) -> None:
    """Whatever page is asked for, one entry comes, and all come in the end."""
    client = place.client()
    place.faults.set(page_size=1)

    assert search(client, paged_size=100) == (0, 1)
    every = client.extend.standard.paged_search(PEOPLE, "(uid=a*)", attributes=["uid"])
    assert len(list(every)) > 5


def test_connection_lost_in_the_middle(place: Place) -> None:
    """After some entries the line is cut; no result comes."""
    client = place.client()
    place.faults.set(drop_after_entries=3)

    with pytest.raises(LDAPException):
        search(client)


def test_write_done_but_never_answered(place: Place) -> None:
    """The line is cut after the write: the client does not know, the directory does."""
    client = place.client()
    place.faults.set(drop_before_answer=True, budget=1)

    with pytest.raises(LDAPException):
        describe(client, place.leaver)
    assert search(place.client(), condition="(description=x)") == (0, 1)


def test_success_that_did_nothing(place: Place) -> None:
    """The answer is success, the entry is unchanged, and the witness says so."""
    place.faults.set(silent_success=True)

    assert describe(place.client(), place.leaver) == 0
    assert search(place.client(), condition="(description=x)") == (0, 0)
    (write,) = place.server.directory.witness.writes()
    assert write.operation == "MODIFY (not done)"


def test_a_right_taken_away_shows_nothing_with_success(place: Place) -> None:
    """All people vanish, the canary too, and the search still succeeds."""
    place.faults.set(hide_everything=True)

    assert search(place.client()) == (0, 0)


def test_only_the_target_is_hidden(place: Place) -> None:
    """The canary is seen and the leaver is not: a canary alone proves little."""
    client = place.client()
    place.faults.set(hidden=(place.leaver,))

    assert search(client, condition="(uid=canary)") == (0, 1)
    assert search(client, condition="(uid=yue.lin)") == (0, 0)
    assert search(client, place.leaver, "(objectClass=*)")[0] == 32


def test_a_replica_lags_behind(place: Place) -> None:
    """Reads show the past for the given seconds; the write itself was real."""
    client = place.client()
    place.clock.turn(60)
    place.faults.set(stale_seconds=5)
    describe(client, place.leaver)

    assert search(client, condition="(description=x)") == (0, 0)
    place.clock.turn(4)
    assert search(client, condition="(description=x)") == (0, 0)
    place.clock.turn(2)
    assert search(client, condition="(description=x)") == (0, 1)


def test_referential_integrity_comes_late(place: Place) -> None:
    """References to a deleted entry go after the lag, but a group's last member stays."""
    client, me = place.client(), place.leaver
    place.faults.set(refint_seconds=2)
    client.delete(me)

    condition = f"(|(member={me})(manager={me})(owner={me})(uniqueMember={me}))"
    before = search(client, SUFFIX, condition)
    place.clock.turn(3)
    assert before == (0, 8)
    assert search(client, SUFFIX, condition) == (0, 1)
    assert search(client, SUFFIX, "(cn=release-signers)") == (0, 1)


def test_latency_is_slept_before_the_answer(company: Company) -> None:
    """The latency reaches the injected sleep, once a request."""
    slept: list[float] = []
    made = fake_directory(company, clock=TurnedClock(), new_id=uuid.uuid4)
    server = DirectoryServer(made.directory, sleep=slept.append)
    server.start()
    account = company.act
    connection: Any = ldap3.Connection(
        ldap3.Server(server.url, get_info=ldap3.NONE), account.name, account.password
    )
    connection.bind()
    server.directory.faults.set(latency_seconds=0.25)
    search(connection)
    connection.unbind()
    server.stop()

    assert slept == [0.25]


def test_unknown_faults_are_refused() -> None:
    """A misspelt or ill-typed fault from the wire is an error, not silence."""
    panel = FaultPanel()

    for body in ({"latency": 1}, {"answer_code": "51"}, {"hidden": "x"}, {"hide_everything": 1}):
        with pytest.raises(ValueError, match="fault"):
            panel.set_from_wire(body)
    assert panel.set_from_wire({"hidden": ["uid=a,dc=b"], "budget": 3}).hides(("uid=a", "dc=b"))


def test_member_of_follows_live_writes_only(start: Callable[..., Place]) -> None:
    """Loaded members have no memberOf; a removal and an addition made live show."""
    place = start(member_of=True)
    client, me = place.client(), place.leaver
    before = search(client, condition=f"(memberOf={GROUP})")
    client.modify(GROUP, {"member": [(MODIFY_DELETE, [me])]})
    client.modify(GROUP, {"member": [(ldap3.MODIFY_ADD, [me])]})

    assert before == (0, 0)
    assert search(client, condition=f"(memberOf={GROUP})") == (0, 1)


class TestDressedAs389:
    """What 389-ds does otherwise, as measured on 2.3.1."""

    @pytest.fixture
    def other(self, start: Callable[..., Place]) -> Place:
        return start(dress=Dress.NETSCAPE)

    def test_a_locked_account_answers_53(self, other: Place) -> None:
        """For the right password and for a wrong one; a new password does not unlock."""
        client, me = other.client(), other.leaver
        client.modify(me, {"nsAccountLock": [(MODIFY_REPLACE, ["true"])]})
        client.modify(me, {"userPassword": [(MODIFY_REPLACE, ["new"])]})

        assert [other.client(me, p).result["result"] for p in ("new", "wrong")] == [53, 53]
        client.modify(me, {"nsAccountLock": [(MODIFY_DELETE, [])]})
        assert [other.client(me, p).result["result"] for p in ("new", "wrong")] == [0, 49]

    def test_the_lock_is_operational(self, other: Place) -> None:
        """`*` does not show nsAccountLock, its name does."""
        client, me = other.client(), other.leaver
        client.modify(me, {"nsAccountLock": [(MODIFY_REPLACE, ["true"])]})

        shown = []
        for wanted in ("*", "nsAccountLock"):
            client.search(me, "(objectClass=*)", "BASE", attributes=[wanted])
            shown.append("nsAccountLock" in client.response[0]["raw_attributes"])
        assert shown == [False, True]

    def test_groups_may_become_empty(self, other: Place) -> None:
        """The last member goes with success."""
        client = other.client()
        name = f"cn=release-signers,ou=groups,{SUFFIX}"
        client.modify(name, {"member": [(MODIFY_DELETE, [other.leaver])]})

        assert client.result["result"] == 0

    def test_it_says_who_it_is(self, other: Place) -> None:
        """The root DSE names the vendor; entries carry nsUniqueId beside entryUUID."""
        client = other.client()
        client.search("", "(objectClass=*)", "BASE", attributes=["vendorName"])
        vendor = client.response[0]["raw_attributes"]["vendorName"]
        client.search(other.leaver, "(objectClass=*)", "BASE", attributes=["nsUniqueId"])

        assert vendor == [b"389 Project"]
        assert len(client.response[0]["raw_attributes"]["nsUniqueId"]) == 1
