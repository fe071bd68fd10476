"""The HR system's webhook: signed canonical events, posted to the daemon.

Called by the demo and by acceptance tests. CloudEvents 1.0 in structured JSON, signed with
Standard Webhooks (https://www.standardwebhooks.com: `webhook-id`, `webhook-timestamp`,
`webhook-signature: v1,<base64>` over `id.timestamp.body`). The daemon has its own code for the
receiving side; sharing it would prove nothing.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from deprovisioner.sandbox.human_resources import Employment, dates_as_wire

_PREFIX = "whsec_"
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
SOURCE = "urn:hr:sandbox:example"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the daemon answered."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Sender:
    """Signs and posts events. `clock` returns aware UTC, `new_id` a fresh event id."""

    secret: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def event(self, action: str, employment: Employment) -> dict[str, Any]:
        """Return the canonical event of an action (scheduled, immediate, rescinded ...)."""
        return {
            "specversion": "1.0",
            "id": self.new_id(),
            "source": SOURCE,
            "type": f"org.deprovisioner.termination.{action}.v1",
            "time": self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "subject": f"employment/{employment.person.employment_id}",
            "datacontenttype": "application/json",
            "data": _data(action, employment),
        }

    def headers(
        self, message_id: str, body: bytes, *, at: datetime | None = None
    ) -> dict[str, str]:
        """Return the signed headers of a message; `at` only to make a stale one on purpose."""
        timestamp = str(int((at or self.clock()).timestamp()))
        return {
            "Content-Type": CONTENT_TYPE,
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.secret, message_id, timestamp, body),
        }

    def send(self, url: str, event: dict[str, Any], *, timeout: float = 10.0) -> Reply:
        """Post an event, signed with its own id, and return the reply; raises OSError."""
        body = json.dumps(event, ensure_ascii=False).encode()
        return post(url, body, self.headers(event["id"], body), timeout=timeout)


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the `v1` signature; raises ValueError for a secret that is not `whsec_<base64>`."""
    if not secret.startswith(_PREFIX):
        raise ValueError("the secret has no whsec_ prefix")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post(url: str, body: bytes, headers: dict[str, str], *, timeout: float) -> Reply:
    """Post raw bytes over plain HTTP, as they are; raises OSError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path or "/", body=body, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())
    finally:
        connection.close()


def _data(action: str, employment: Employment) -> dict[str, Any]:
    person, termination = employment.person, employment.termination
    data: dict[str, Any] = {
        "action": action,
        "subject": {
            "employment_id": person.employment_id,
            "person_id": person.person_id,
            "employee_number": person.employee_number,
            "work_email": person.work_email,
            "display_name": person.display_name,
            "worker_type": person.worker_type.value,
        },
        "employment": {
            "org_unit": person.org_unit,
            "country": person.site.country,
            "site": person.site.name,
            "manager": person.manager,
            "job": person.title,
        },
        "role_key": person.role_key,
        "revision": employment.revision,
    }
    if termination is not None:
        data["dates"] = {
            **dates_as_wire(termination),
            "time_zone": person.site.time_zone,
            "time_zone_basis": "event",
            "source_convention": "last_day_in",
        }
        data["reason"] = {"category": termination.reason}
        data["urgency"] = termination.urgency
        data["handover"] = {"successor": termination.successor}
    return data
