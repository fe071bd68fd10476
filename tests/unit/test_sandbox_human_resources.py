"""The pretend HR system over HTTP, and the signed events it sends."""

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from deprovisioner.sandbox.human_resources import (
    HumanResources,
    HumanResourcesFaults,
    Termination,
    termination_from_wire,
)
from deprovisioner.sandbox.people import EmploymentId, employment_id, people
from deprovisioner.sandbox.sender import Sender, signature

SHARED = Path(__file__).parents[3] / "shared" / "facts" / "hr"
LEAVER = employment_id(42)
TOKEN = "token"
FRIDAY = Termination(date(2026, 12, 18), date(2026, 12, 31), notice_date=date(2026, 11, 20))
KEY = base64.b64encode(b"thirty-two octets of a test key!").decode()


@pytest.fixture
def human_resources() -> Iterator[HumanResources]:
    """A running HR system whose token is `token`."""
    made = HumanResources(people(1), "token")
    made.server.start()
    yield made
    made.server.stop()


def get(server: HumanResources, target: str, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    """Ask for a target and return (status, body)."""
    parts = urlsplit(server.server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        return answer.status, body
    finally:
        connection.close()


def test_an_employment_is_told_completely(human_resources: HumanResources) -> None:
    """One employment with all documented fields, active and without an end."""
    status, body = get(human_resources, f"/employments/{LEAVER}")

    assert status == 200
    assert body == {
        "employment_id": "E-1042",
        "person_id": "P-5042",
        "employee_number": "200042",
        "names": {"given": "悦", "family": "林", "display": "林悦"},
        "work_email": "yue.lin@example.com",
        "status": "active",
        "dates": {
            "hire_date": body["dates"]["hire_date"],
            "notice_date": None,
            "last_working_day": None,
            "termination_date": None,
        },
        "time_zone": "Asia/Shanghai",
        "manager": "E-1031",
        "org_unit": "R&D/Platform",
        "role_key": "rd.engineer",
        "worker_type": "employee",
        "site": "Shanghai",
        "country": "CN",
        "revision": 1,
    }


def test_a_termination_is_scheduled_and_rescinded(human_resources: HumanResources) -> None:
    """The status and the dates follow; every change raises the revision."""
    human_resources.schedule(LEAVER, FRIDAY)
    _status, scheduled = get(human_resources, f"/employments/{LEAVER}")
    human_resources.rescind(LEAVER)
    _status, rescinded = get(human_resources, f"/employments/{LEAVER}")

    assert (scheduled["status"], scheduled["revision"]) == ("terminated", 2)
    assert scheduled["dates"]["last_working_day"] == "2026-12-18"
    assert scheduled["dates"]["termination_date"] == "2026-12-31"
    assert (rescinded["status"], rescinded["revision"]) == ("rescinded", 3)
    assert rescinded["dates"]["last_working_day"] is None


@pytest.mark.parametrize(
    ("target", "token", "expected"),
    [
        ("/employments/E-9999", "token", 404),
        ("/nothing", "token", 404),
        (f"/employments/{LEAVER}", "other", 401),
        (f"/employments/{LEAVER}", "", 401),
        ("/employments?ended_since=yesterday", "token", 400),
        ("/employments?limit=0", "token", 400),
        ("/employments?cursor=x", "token", 400),
    ],
)
def test_refusals(human_resources: HumanResources, target: str, token: str, expected: int) -> None:
    """Strangers, missing tokens and nonsense each get their status and a problem document."""
    status, body = get(human_resources, target, token)

    assert (status, body["status"]) == (expected, expected)


def test_pages_cover_who_ended(human_resources: HumanResources) -> None:
    """Paging by two finds exactly those whose employment ends on or after the day."""
    for number in range(10, 15):
        ends = date(2026, 12, number)
        human_resources.schedule(employment_id(number), Termination(ends, ends))
    found, cursor = [], "0"
    while cursor is not None:
        target = f"/employments?ended_since=2026-12-11&limit=2&cursor={cursor}"
        _status, page = get(human_resources, target)
        found += [one["employment_id"] for one in page["employments"]]
        cursor = page["next"]

    assert found == ["E-1011", "E-1012", "E-1013", "E-1014"]


def test_the_whole_population_is_paged(human_resources: HumanResources) -> None:
    """Without a day everybody is listed."""
    _status, page = get(human_resources, "/employments?limit=500")

    assert (len(page["employments"]), page["next"]) == (300, None)


def test_faults_of_the_hr_system(human_resources: HumanResources) -> None:
    """It can be down, and it can have forgotten everybody."""
    human_resources.faults = HumanResourcesFaults(answer_code=503)
    down, _body = get(human_resources, f"/employments/{LEAVER}")
    human_resources.faults = HumanResourcesFaults(forgets_everybody=True)
    forgotten, _body = get(human_resources, f"/employments/{LEAVER}")

    assert (down, forgotten) == (503, 404)


@pytest.mark.parametrize(
    "body",
    [{}, {"last_working_day": "soon"}, {"last_working_day": "2026-12-18", "who": "x"},
     {"last_working_day": 20261218}],
)  # fmt: skip
def test_wrong_terminations_are_refused(body: dict[str, Any]) -> None:
    """Anything but the documented fields is an error."""
    with pytest.raises(ValueError, match=r"termination|date|isoformat"):
        termination_from_wire(body)


def sender(secret: str = f"whsec_{KEY}") -> Sender:
    """Return a sender with a fixed clock and id."""
    return Sender(secret, lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC), lambda: "evt_1")


def test_the_event_is_the_canonical_one(human_resources: HumanResources) -> None:
    """Civil dates stay dates with their time zone, and no instant of access end is claimed."""
    event = sender().event("scheduled", human_resources.schedule(LEAVER, FRIDAY))

    assert event["type"] == "org.deprovisioner.termination.scheduled.v1"
    assert (event["id"], event["subject"]) == ("evt_1", "employment/E-1042")
    assert event["data"]["dates"] == {
        "notice_date": "2026-11-20",
        "last_working_day": "2026-12-18",
        "termination_date": "2026-12-31",
        "time_zone": "Asia/Shanghai",
        "time_zone_basis": "event",
        "source_convention": "last_day_in",
    }
    assert "access_end" not in event["data"]


def test_a_rescission_has_no_dates(human_resources: HumanResources) -> None:
    """Called off means that the dates are gone too."""
    human_resources.schedule(LEAVER, FRIDAY)
    event = sender().event("rescinded", human_resources.rescind(LEAVER))

    assert event["data"]["action"] == "rescinded"
    assert "dates" not in event["data"]
    assert event["data"]["revision"] == 3


def test_the_published_vector_is_reproduced() -> None:
    """The signature of the shared Standard Webhooks vector comes out, byte for byte."""
    vectors = SHARED / "signature_vectors.json"
    if not vectors.exists():
        pytest.skip("the shared vectors are not on this machine")
    vector = json.loads(vectors.read_text("utf-8"))["standard_webhooks"]

    made = signature(
        vector["secret"],
        vector["webhook-id"],
        vector["webhook-timestamp"],
        vector["body"].encode(),
    )
    assert made == vector["webhook-signature"]


@pytest.mark.parametrize("secret", ["", "whsec_not base64", KEY])
def test_a_secret_must_look_like_one(secret: str) -> None:
    """A secret without prefix or with a body that is not base64 is refused."""
    with pytest.raises(ValueError, match="secret"):
        signature(secret, "id", "1", b"")


def test_what_is_posted_is_what_was_signed(human_resources: HumanResources) -> None:
    """A receiver with its own few lines can verify the raw bytes that arrived."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        """Keeps one request."""

        def do_POST(self) -> None:
            """Take the request and accept it."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.handle_request)
    thread.start()
    event = sender().event("immediate", human_resources.employment(EmploymentId("E-1007")))
    reply = sender().send(f"http://127.0.0.1:{server.server_address[1]}/v1/terminations", event)
    thread.join(10)
    server.server_close()

    headers, body = received[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()
    assert reply.status == 202
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert json.loads(body) == event
