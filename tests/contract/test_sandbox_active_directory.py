"""One story, told to the pretend domain and to a real Samba controller: the same answers.

``tests/support/forest_script.py`` holds the story with what Samba 4.17 answers. What Windows does
and Samba does not (pages of at most 1,000 rows, long groups in pieces, references to the other
partitions) is tested on the fake alone; ``docs/sandbox.md`` says where it is poorer.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import uuid
from typing import TYPE_CHECKING, Any

import ldap3
import pytest
from ldap3.protocol.controls import build_control

from deprovisioner.sandbox.directory.server import Certificate
from deprovisioner.sandbox.forest.reading import LONGEST_PIECE, listed
from deprovisioner.sandbox.forest.server import ForestServer
from deprovisioner.sandbox.forest.session import DOMAIN_SCOPE, MOST_ROWS
from deprovisioner.sandbox.forest.skeleton import (
    ACTS,
    OURS,
    VERIFIES,
    Builder,
    Passwords,
    new_domain,
)
from tests.support.forest_script import (
    ANN,
    PLACE,
    REPLACE,
    ROOT,
    STORIES,
    TEAM,
    Story,
    quoted,
    undelete,
)
from tests.support.peers.authority import Authority
from tests.support.peers.samba import sub_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.peers.samba_domain import SambaDomain

pytest_plugins = ("tests.support.peers.fixtures",)

PASSWORDS = Passwords("Administrator-of-a-fake-1", "Actor-of-a-fake-1", "Verifier-of-a-fake-1")
COMPANY = f"OU=Company,{ROOT}"


@contextlib.contextmanager
def connection(host: str, port: int, who: str, password: str, *, tls: bool = True) -> Iterator[Any]:
    """A connection that was bound, or refused; it reports codes and raises nothing."""
    server = ldap3.Server(
        host, port, use_ssl=tls, tls=ldap3.Tls(validate=ssl.CERT_NONE), get_info=ldap3.NONE
    )
    one: Any = ldap3.Connection(server, who, password, check_names=False, auto_referrals=False)
    one.bind()
    try:
        yield one
    finally:
        one.unbind()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[ForestServer]:
    """A pretend controller with what every domain has."""
    certificate, key = Authority(tmp_path).issue("dc1.ad.example.com")
    domain = new_domain(lambda: dt.datetime.now(dt.UTC), uuid.uuid4, PASSWORDS)
    server = ForestServer(domain, certificate=Certificate(str(certificate), str(key)))
    server.start()
    yield server
    server.stop()


@contextlib.contextmanager
def story_of(host: str, port: int, password: str) -> Iterator[Story]:
    """The administrator's view, with a way to try passwords on the same controller."""

    def sign_in(who: str, tried: str) -> tuple[int, str]:
        with connection(host, port, who, tried) as one:
            return int(one.result["result"]), sub_code(one.result["message"])

    with connection(host, port, "Administrator@ad.example.com", password) as administrator:
        yield Story(administrator, sign_in)


def told(story: Story) -> list[tuple[str, str, Any]]:
    """Tell everything, in order; what a step could not read is an answer too."""
    return [
        (chapter, step.says, step.do(story)) for chapter, steps in STORIES.items() for step in steps
    ]


EXPECTED = [
    (chapter, step.says, step.answer) for chapter, steps in STORIES.items() for step in steps
]


def test_the_fake_answers_as_told(fake: ForestServer) -> None:
    """Every step of the story is answered by the fake as it stands in the table."""
    with story_of("127.0.0.1", fake.port, PASSWORDS.administrator) as story:
        assert told(story) == EXPECTED


@pytest.mark.peers
def test_samba_answers_as_told(samba_domain: SambaDomain) -> None:
    """Every step of the story is answered by a real controller as it stands in the table."""
    first = samba_domain.first

    with story_of(first.host, first.secure_port, first.root_password) as story:
        assert told(story) == EXPECTED


@pytest.fixture
def story(fake: ForestServer) -> Iterator[Story]:
    """The fake with the first two chapters told: ann and ben, and their groups."""
    with story_of("127.0.0.1", fake.port, PASSWORDS.administrator) as story:
        for chapter in ("adding", "groups"):
            for step in STORIES[chapter]:
                step.do(story)
        yield story


def test_passwords_need_an_encrypted_line() -> None:
    """Without TLS nobody signs in: 8, and nothing is said about the password."""
    domain = new_domain(lambda: dt.datetime.now(dt.UTC), uuid.uuid4, PASSWORDS)
    server = ForestServer(domain)
    server.start()
    try:
        who = f"{ACTS}@ad.example.com"
        with connection("127.0.0.1", server.port, who, PASSWORDS.act, tls=False) as one:
            assert one.result["result"] == 8
    finally:
        server.stop()


@pytest.mark.usefixtures("story")
def test_our_identities_do_what_they_may(fake: ForestServer) -> None:
    """The actor writes below the company and nowhere else, the verifier nowhere."""
    cara, hers = f"CN=cara,{COMPANY}", {"description": [(REPLACE, ["x"])]}
    Builder(fake.domain).put(cara, "user", {"sAMAccountName": ["cara"]})
    answers = {}
    for login, password in ((ACTS, PASSWORDS.act), (VERIFIES, PASSWORDS.verify)):
        with connection("127.0.0.1", fake.port, f"CN={login},{OURS}", password) as one:
            codes = []
            for name in (cara, ANN):
                one.modify(name, hers)
                codes.append(one.result["result"])
            answers[login] = codes

    assert answers == {ACTS: [0, 50], VERIFIES: [50, 50]}


def test_a_deleted_object_takes_its_links_out_of_sight(story: Story) -> None:
    """The group shows no deleted member; undeleted it is back in, under the same id."""
    story.modify(TEAM, member=(ldap3.MODIFY_ADD, [ANN]))
    known = story.guid(ANN)
    story.delete(ANN)
    assert story.read(TEAM, "member").get("member", []) == []

    code = undelete(story, known)

    assert code == 0
    assert story.guid(ANN) == known
    assert story.read(TEAM, "member")["member"] == [ANN.encode()]


def test_answers_are_no_longer_than_a_page(fake: ForestServer, story: Story) -> None:
    """Unpaged a search ends with 4 after 1,000 rows; a page has at most as many."""
    builder = Builder(fake.domain)
    for number in range(MOST_ROWS + 5):
        builder.put(f"CN=g{number},{PLACE}", "group", {"sAMAccountName": [f"g{number}"]})

    code, found = story.search("(objectClass=group)")
    paged_code, page = story.search("(objectClass=group)", paged_size=5000)

    assert (code, len(found)) == (4, MOST_ROWS)
    assert (paged_code, len(page)) == (0, MOST_ROWS)


def test_long_groups_come_in_pieces(fake: ForestServer, story: Story) -> None:
    """A group of more than 1,500 shows its first piece, and each further one when asked."""
    builder = Builder(fake.domain)
    members = [f"CN=m{number},{PLACE}" for number in range(LONGEST_PIECE + 5)]
    for number, name in enumerate(members):
        builder.put(name, "user", {"sAMAccountName": [f"m{number}"]})
    builder.join(TEAM, *members)

    state = fake.domain.store.state()
    asked = ("member", f"member;range={LONGEST_PIECE}-*", "member;range=1-2")
    pieces = [listed(state, state.find(TEAM), [name], 0)[0] for name in asked]

    assert [(name, len(values)) for name, values in pieces] == [
        (f"member;range=0-{LONGEST_PIECE - 1}", LONGEST_PIECE),
        (f"member;range={LONGEST_PIECE}-*", 5),
        ("member;range=1-2", 2),
    ]
    assert len(story.read(TEAM, "member")["member"]) == len(members)  # ldap3 asks for the rest


@pytest.mark.usefixtures("story")
def test_the_whole_domain_points_to_other_partitions(fake: ForestServer) -> None:
    """A search of everything brings a reference, unless it is asked for this domain only."""
    who, kinds = f"{VERIFIES}@ad.example.com", []
    with connection("127.0.0.1", fake.port, who, PASSWORDS.verify) as one:
        for controls in ([], [build_control(DOMAIN_SCOPE, criticality=True, value=None)]):
            one.search(ROOT, "(cn=ann)", attributes=["1.1"], controls=controls)
            kinds.append({row["type"] for row in one.response})

    assert kinds == [{"searchResEntry", "searchResRef"}, {"searchResEntry"}]


def test_a_lagging_controller_shows_the_past(fake: ForestServer, story: Story) -> None:
    """With staleness set, reads show the state of then; a sign-in sees the one of now."""
    before = story.text(ANN, "userAccountControl")
    story.modify(ANN, userAccountControl=(REPLACE, ["514"]))

    fake.domain.faults.set(stale_seconds=3600)
    stale = story.text(ANN, "userAccountControl")
    fake.domain.faults.clear()

    assert (before, stale, story.text(ANN, "userAccountControl")) == ("512", "", "514")


def test_the_fake_keeps_a_diary(fake: ForestServer, story: Story) -> None:
    """Every write is in the diary with who, what and the real result; no password is."""
    story.modify(ANN, unicodePwd=(REPLACE, [quoted("Another-password-99")]))
    story.modify(ANN, nonsense=(REPLACE, ["x"]))

    *_, reset, refused = fake.domain.witness.writes()
    assert (reset.operation, reset.name, reset.result) == ("modify", ANN, 0)
    assert reset.changes[0].values == (b"(withheld)",)
    assert refused.result == 16
