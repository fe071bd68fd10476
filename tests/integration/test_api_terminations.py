"""The door of terminations, over a real socket: what is taken, kept, refused, and how."""

# ruff: noqa: E501 - tables of hostile input read line by line

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.settings import Webhooks
from deprovisioner.intake.signature import sign
from deprovisioner.wiring import House, utc_now
from reconcile.event import Action
from reconcile.principals import Role
from reconcile.store.schema import inbox
from tests.support.house_rig import (
    MEDIA_TYPE,
    NEW_KEY,
    OLD_KEY,
    Visitor,
    event,
    problem,
    running_doors,
    webhook_secret,
)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """One house at rest for the whole file."""
    with running_doors(tmp_path_factory.mktemp("door"), body_seconds=1.0) as visitor:
        yield visitor


def kept(house: House) -> list[tuple[str, str]]:
    """State and problem of everything in the inbox."""
    with house.database.connect() as connection:
        rows = connection.execute(sa.select(inbox.c.state, inbox.c.problem))
        return [(row.state, row.problem) for row in rows]


def test_a_signed_event_opens_a_case(door: Visitor) -> None:
    """202 with the id of the case, which is there when the answer is."""
    answer = door.deliver(event(employment="E-1"))
    assert answer.status_code == 202
    body = answer.json()
    assert body["outcome"] == "accepted"
    case = door.as_(Role.AUDITOR).get(f"/v1/cases/{body['case_id']}").json()
    assert case["summary"]["employment_id"] == "E-1"


def test_the_same_event_twice_is_one_case(door: Visitor) -> None:
    """A redelivery, freshly signed, gets the same 202 and changes nothing."""
    raw = event(employment="E-2")
    first, second = door.deliver(raw, OLD_KEY), door.deliver(raw, NEW_KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json() | {"outcome": "duplicate"}
    found = door.as_(Role.AUDITOR).get("/v1/cases", params={"employment_id": "E-2"}).json()
    assert len(found["cases"]) == 1


def test_an_unknown_secret_is_401_and_nothing_is_kept(door: Visitor) -> None:
    """Anybody may post garbage; it must not fill our disk."""
    before = kept(door.house)
    assert problem(door.deliver(event(), secrets.token_bytes(32))) == (401, "bad-signature")
    assert kept(door.house) == before


def test_an_old_delivery_is_401(door: Visitor) -> None:
    """A delivery that was recorded and played again later."""
    raw = event()
    old = sign(OLD_KEY, "msg_old", utc_now() - timedelta(minutes=6), raw)
    assert problem(door.deliver(raw, headers=old)) == (401, "bad-signature")


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,???"},
        {"webhook-timestamp": "now"},
        {"webhook-id": "a.b"},
    ],
)
def test_malformed_signature_headers_are_401(door: Visitor, wrong: dict[str, str]) -> None:
    """Never a 500 that anybody can cause."""
    assert problem(door.deliver(event(), headers=wrong)) == (401, "bad-signature")


def test_without_signature_and_token_it_is_401(door: Visitor) -> None:
    """The answer says that a bearer token would do."""
    answer = door.as_(None).post(
        "/v1/terminations", content=event(), headers={"Content-Type": MEDIA_TYPE}
    )
    assert problem(answer) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_signature_is_not_made_good_by_a_token(door: Visitor) -> None:
    """Who signs is judged by the signature: a mistake must not pass unseen."""
    answer = door.as_(Role.OPERATOR).post(
        "/v1/terminations",
        content=event(),
        headers={"Content-Type": MEDIA_TYPE, **sign(b"x" * 32, "m", utc_now(), b"")},
    )
    assert problem(answer) == (401, "bad-signature")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.HR, 202), (Role.OPERATOR, 202), (Role.AUDITOR, 403), (Role.APPROVER, 403), (Role.ADMIN, 403)],
)  # fmt: skip
def test_a_token_may_stand_for_a_signature(door: Visitor, role: Role, status: int) -> None:
    """The command line delivers with an operator's token through the same door."""
    answer = door.as_(role).post(
        "/v1/terminations",
        content=event(employment=f"E-{role}"),
        headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"},
    )
    assert answer.status_code == status


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "", f"{MEDIA_TYPE}; charset=gbk"])  # fmt: skip
def test_another_media_type_is_415_and_kept(door: Visitor, media_type: str) -> None:
    """It was signed, so nothing of it is lost: a person can still act on it."""
    raw = event()
    answer = door.deliver(raw, headers={"Content-Type": media_type})
    assert problem(answer) == (415, "unsupported-media-type")
    assert kept(door.house)[-1] == ("rejected", f"send {MEDIA_TYPE}")


def test_unusable_content_is_422_and_kept_once(door: Visitor) -> None:
    """The sender learns which word is wrong; the bytes stay, once, however often they come."""
    document = json.loads(event())
    document["data"]["dates"] = {"last_workng_day": "2026-12-18"}
    raw = json.dumps(document).encode()
    before = len(kept(door.house))
    answer = door.deliver(raw)
    assert problem(answer) == (422, "unusable")
    said = "data.dates.last_workng_day: unknown word (did you mean 'last_working_day'?)"
    assert answer.json()["errors"] == [said]
    assert problem(door.deliver(raw)) == (422, "unusable")
    assert kept(door.house)[before:] == [("rejected", said)]


def test_what_was_refused_can_be_looked_at(door: Visitor) -> None:
    """Metadata and the problem for readers, the body only for who works on cases and asks."""
    raw = event(employment="E-inbox")
    assert door.deliver(raw, headers={"Content-Type": "text/plain"}).status_code == 415
    auditor, operator = door.as_(Role.AUDITOR), door.as_(Role.OPERATOR)

    listed = auditor.get("/v1/inbox", params={"state": "rejected"})
    newest = listed.json()[0]
    path = f"/v1/inbox/{newest['event_id']}"

    assert {each["state"] for each in listed.json()} == {"rejected"}
    assert newest["problem"] == f"send {MEDIA_TYPE}"
    assert "E-inbox" not in listed.text
    assert auditor.get(path).json() == {"delivery": newest, "raw": None}
    assert problem(auditor.get(path, params={"raw": 1})) == (403, "forbidden")
    assert operator.get(path, params={"raw": 1}).json()["raw"] == raw.decode()
    assert problem(operator.get("/v1/inbox", params={"state": "lost"})) == (422, "unusable")


def test_a_pointer_that_nobody_can_read_is_refused_and_kept(door: Visitor) -> None:
    """Without an HR system to ask, ids alone are no termination."""
    raw = event(Action.EFFECTIVE, employment="E-pointer", completeness="pointer")
    before = len(kept(door.house))
    status, _ = problem(door.deliver(raw))
    assert 400 <= status < 500
    assert [state for state, _ in kept(door.house)[before:]] == ["rejected"]


def test_ten_megabytes_are_413(door: Visitor) -> None:
    """Refused while it arrives, not after; with and without a length header."""
    client = door.as_(Role.OPERATOR)
    big = b"x" * (10 * 1024 * 1024)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(big), 65536):
            yield big[at : at + 65536]

    for content in (big, pieces()):
        try:
            answer = client.post(
                "/v1/terminations", content=content, headers={"Content-Type": MEDIA_TYPE}
            )
        except OSError:
            continue  # it hung up on us in the middle, which is as good an answer
        assert problem(answer) == (413, "too-large")


def test_a_body_that_does_not_come_is_408(door: Visitor) -> None:
    """Someone who trickles bytes does not hold a place for ever."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as slow:
        slow.sendall(
            b"POST /v1/terminations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            b"Content-Type: application/cloudevents+json\r\n\r\n{"
        )
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"id": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"null"])  # fmt: skip
def test_hostile_json_is_422(door: Visitor, body: bytes) -> None:
    """Signed garbage is still garbage, and never a 500."""
    assert problem(door.deliver(body)) == (422, "unusable")


def test_while_a_secret_is_replaced_an_unknown_signature_is_503(tmp_path: Path) -> None:
    """Several HR systems never repeat what was answered 4xx."""
    webhooks = Webhooks(secrets=(webhook_secret(OLD_KEY),), rotating=True)
    with running_doors(tmp_path, webhooks=webhooks) as door:
        answer = door.deliver(event(), NEW_KEY)
        assert problem(answer) == (503, "rotating")
        assert answer.headers["retry-after"] == "60"
        assert door.deliver(event(), OLD_KEY).status_code == 202


def test_a_secret_that_cannot_be_read_is_503(tmp_path: Path) -> None:
    """Our mistake must not look like the sender's."""
    webhooks = Webhooks.model_validate({"secrets": ["file:/nonexistent/webhook"]})
    with running_doors(tmp_path, webhooks=webhooks) as door:
        assert problem(door.deliver(event())) == (503, "unavailable")
