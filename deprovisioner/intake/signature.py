"""Standard Webhooks signatures, in our own few lines (standardwebhooks.com, specification 1.0).

The reference library answers malformed headers with ValueError, binascii.Error or
UnicodeDecodeError, which an HTTP server turns into a 500 that anybody can cause. Here everything
that is not a valid signature is one refusal. Called by ``deprovisioner.api`` on the raw bytes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.secret import Secret, SecretUnavailable
from deprovisioner.intake.refusals import BadSignature

Headers = Iterable[tuple[bytes, bytes]]
"""Raw HTTP headers with names in lower case, as ASGI hands them over; names may repeat."""

_ID: Final = re.compile(
    rb"[!-\-/-~]{1,256}"
)  # printable ASCII; no dot, which separates what is signed
_SECONDS: Final = re.compile(rb"[0-9]{1,11}")
_MAX_SIGNATURES: Final = 16
_SHORTEST_KEY: Final = 24  # bytes; the specification asks for 24 to 64


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a valid signature vouches for besides the body."""

    id: str
    signed_at: datetime


def verify(
    headers: Headers, body: bytes, keys: Sequence[bytes], *, now: datetime, tolerance: timedelta
) -> Delivery:
    """Check the three ``webhook-`` headers over the raw body. Raises :class:`BadSignature`.

    Every key is tried against every ``v1`` signature, without stopping at the first that fits, so
    that the time it takes tells nothing. Other versions (``v1a``) are passed over.
    """
    sent_id, seconds, given = (_one(headers, name) for name in _HEADERS)
    if not _ID.fullmatch(sent_id) or not _SECONDS.fullmatch(seconds):
        raise BadSignature("the webhook headers are malformed")
    signed = b".".join((sent_id, seconds, body))
    macs = [base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    offered = [part[3:] for part in given.split(b" ")[:_MAX_SIGNATURES] if part.startswith(b"v1,")]
    if not any([hmac.compare_digest(mac, sent) for mac in macs for sent in offered]):  # noqa: C419 - all are compared
        raise BadSignature("no signature fits")
    signed_at = datetime.fromtimestamp(int(seconds), UTC)
    if abs(now - signed_at) > tolerance:
        raise BadSignature("the signed time is too far from ours")
    return Delivery(sent_id.decode("ascii"), signed_at)


_HEADERS: Final = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")


def _one(headers: Headers, name: bytes) -> bytes:
    found = [value for key, value in headers if key == name]
    if len(found) != 1:
        raise BadSignature(f"exactly one {name.decode()} header is needed")
    return found[0]


def sign(key: bytes, sent_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers for a body: what the pretend HR system and tests send."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((sent_id.encode("ascii"), seconds.encode("ascii"), body))
    mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")
    return {
        "webhook-id": sent_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{mac}",
    }


def key_of(secret: Secret) -> bytes:
    """Read a secret of the form ``whsec_`` and base64. Raises :class:`SecretUnavailable`."""
    try:
        key = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretUnavailable(f"{secret!r} does not hold whsec_ and base64") from error
    if len(key) < _SHORTEST_KEY:
        raise SecretUnavailable(f"{secret!r} holds a key shorter than {_SHORTEST_KEY} bytes")
    return key
