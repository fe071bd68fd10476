"""Standard Webhooks signatures: the published vector, and everything that is not a signature."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from connectors.secret import Secret, SecretUnavailable
from deprovisioner.intake.refusals import BadSignature
from deprovisioner.intake.signature import Delivery, key_of, sign, verify

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"a": 1}'
TOLERANCE = timedelta(minutes=5)
SHARED = Path(
    os.environ.get("DEPROVISIONER_SHARED", Path(config.__file__).parent.parent.parent / "shared")
)


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def check(
    headers: list[tuple[bytes, bytes]], body: bytes = BODY, keys: tuple[bytes, ...] = (OLD, NEW)
) -> Delivery:
    return verify(headers, body, keys, now=NOW, tolerance=TOLERANCE)


def test_the_published_vector_verifies() -> None:
    """The vector was made with the reference library."""
    path = SHARED / "facts" / "hr" / "signature_vectors.json"
    if not path.exists():
        pytest.skip("the shared vectors are not on this machine (DEPROVISIONER_SHARED)")
    vector = json.loads(path.read_text(encoding="utf-8"))["standard_webhooks"]
    headers = raw({name: vector[name] for name in vector if name.startswith("webhook-")})
    at = datetime.fromtimestamp(int(vector["webhook-timestamp"]), UTC)
    key = key_of(Secret.held(lambda: str(vector["secret"]), "vector"))
    body = vector["body"].encode()
    assert verify(headers, body, [key], now=at, tolerance=TOLERANCE).id == "msg_1"
    with pytest.raises(BadSignature):
        verify(headers, body + b" ", [key], now=at, tolerance=TOLERANCE)


def test_a_signature_written_out_by_hand_verifies() -> None:
    """A value computed once with openssl, so that sign and verify cannot be wrong together."""
    headers = raw(
        {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(NOW.timestamp())),
            "webhook-signature": "v1,705PuA+/xE6Xp35m5Z/KEghgyQIikF9KVGZwCub0R7c=",
        }
    )
    assert check(headers).id == "msg_1"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_each_secret_of_a_rotation_is_accepted(key: bytes) -> None:
    """During a rotation the sender may use either."""
    assert check(raw(sign(key, "m", NOW, BODY))) == Delivery("m", NOW)


def test_one_fitting_signature_among_several_is_enough() -> None:
    """A sender in rotation signs with both of its secrets; other versions are passed over."""
    headers = sign(NEW, "m", NOW, BODY)
    foreign = sign(b"x" * 32, "m", NOW, BODY)["webhook-signature"]
    headers["webhook-signature"] = f"v1a,AAAA {foreign} {headers['webhook-signature']}"
    assert check(raw(headers)).id == "m"


@pytest.mark.parametrize("off", [-301, 301, 3600])
def test_a_time_out_of_tolerance_is_refused(off: int) -> None:
    """Old deliveries are replays; future ones would stay valid for too long."""
    with pytest.raises(BadSignature, match="time"):
        check(raw(sign(OLD, "m", NOW + timedelta(seconds=off), BODY)))


@pytest.mark.parametrize("off", [-300, 300])
def test_a_time_within_tolerance_is_accepted(off: int) -> None:
    """Five minutes both ways, the bounds included."""
    assert check(raw(sign(OLD, "m", NOW + timedelta(seconds=off), BODY))).id == "m"


GOOD = sign(OLD, "m", NOW, BODY)
MALFORMED: list[dict[str, str]] = [
    {"webhook-id": ""},
    {"webhook-id": "a b"},
    {"webhook-id": "a.b"},
    {"webhook-id": "é"},
    {"webhook-id": "m" * 257},
    {"webhook-timestamp": ""},
    {"webhook-timestamp": "soon"},
    {"webhook-timestamp": "-1"},
    {"webhook-timestamp": "1e9"},
    {"webhook-timestamp": "9" * 11},
    {"webhook-timestamp": "9" * 4000},
    {"webhook-timestamp": "٣"[:0] + "\xb2"},
    {"webhook-signature": ""},
    {"webhook-signature": "v1"},
    {"webhook-signature": "v1,"},
    {"webhook-signature": "v1,not base64!"},
    {"webhook-signature": "v1,\xff\xfe"},
    {"webhook-signature": GOOD["webhook-signature"].replace("v1,", "v2,")},
    {"webhook-signature": GOOD["webhook-signature"].replace("v1,", "v1a,")},
    {"webhook-signature": GOOD["webhook-signature"].removeprefix("v1,")},
    {"webhook-signature": "v1,AAAA " * 16 + GOOD["webhook-signature"]},
]


@pytest.mark.parametrize("wrong", MALFORMED)
def test_a_malformed_header_is_a_bad_signature(wrong: dict[str, str]) -> None:
    """Whatever stands in the headers: 401, never an exception that becomes a 500."""
    with pytest.raises(BadSignature):
        check(raw(GOOD | wrong))


@pytest.mark.parametrize("name", list(GOOD))
def test_a_missing_or_repeated_header_is_a_bad_signature(name: str) -> None:
    """Two values of one header: a proxy and we might read different ones."""
    without = [pair for pair in raw(GOOD) if pair[0] != name.encode()]
    with pytest.raises(BadSignature):
        check(without)
    with pytest.raises(BadSignature):
        check([*raw(GOOD), (name.encode(), GOOD[name].encode())])


def test_without_secrets_nothing_is_accepted() -> None:
    """No configured secret means no webhook, not every webhook."""
    with pytest.raises(BadSignature):
        check(raw(GOOD), keys=())


@given(st.dictionaries(st.sampled_from(list(GOOD)), st.binary(max_size=80)), st.binary(max_size=40))
def test_no_bytes_raise_anything_but_a_bad_signature(wrong: dict[str, bytes], body: bytes) -> None:
    """Headers and body are outside input; only what was signed passes."""
    headers = [(k.encode(), wrong.get(k, v.encode())) for k, v in GOOD.items()]
    try:
        delivery = check(headers, body)
    except BadSignature:
        return
    assert (delivery.id, body) == ("m", BODY)


@pytest.mark.parametrize(
    "value", ["whsec_short", "whsec_!!!", "whsec_é", base64.b64encode(b"k" * 23).decode()]
)
def test_a_secret_that_is_no_key_is_named_and_not_shown(value: str) -> None:
    """A weak or mangled key is the operator's mistake, told without its value (Law 10)."""
    with pytest.raises(SecretUnavailable) as caught:
        key_of(Secret.held(lambda: value, "webhook"))
    assert value not in str(caught.value)
