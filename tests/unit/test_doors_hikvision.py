"""iSecure Center without a server: signatures by the published vector, states, what closes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import HoldingState
from connectors.doors.contract import PanelState
from connectors.doors.hikvision.signing import content_md5, signature, string_to_sign
from connectors.doors.hikvision.state import (
    FACE,
    Device,
    Download,
    biometrics_of,
    card_of,
    device,
    door_of,
    panel_of,
)
from connectors.faults import Malformed

SHARED = Path(os.environ.get("DEPROVISIONER_SHARED", Path(__file__).parents[2].parent / "shared"))
STATES = st.sampled_from(list(Download))
DEVICES = st.builds(
    Device,
    id=st.just("d"),
    name=st.just("Gate"),
    states=st.fixed_dictionaries(
        {"personStatus": STATES, "cardStatus": STATES, "faceStatus": STATES}
    ),
    online=st.booleans(),
    removal=st.sampled_from(["", "0", "1"]),
    ours=st.booleans(),
)


def row(person: int, card: int, face: int) -> dict[str, Any]:
    return {
        "resourceIndexCode": "d",
        "personStatus": person,
        "cardStatus": card,
        "faceStatus": face,
    }


@pytest.fixture(scope="module")
def vector() -> Any:
    path = SHARED / "facts" / "hr" / "signature_vectors.json"
    if not path.is_file():
        pytest.skip("the published vectors are not on this machine (DEPROVISIONER_SHARED)")
    return json.loads(path.read_text("utf-8"))["artemis"]


def test_published_vector(vector: Any) -> None:
    """String, digest and signature are those that another implementation made."""
    text = string_to_sign(
        vector["method"], vector["path"], vector["headers"], vector["signed_headers"].split(",")
    )

    assert content_md5(vector["body"].encode()) == vector["headers"]["Content-MD5"]
    assert text == vector["string_to_sign"]
    assert signature(vector["appSecret"], text) == vector["signature"]


@pytest.mark.parametrize("absent", ["Accept", "Content-MD5", "Content-Type"])
def test_absent_header_has_no_line(absent: str) -> None:
    """A header that is not sent contributes nothing, not an empty line."""
    headers = {"Accept": "*/*", "Content-MD5": "m", "Content-Type": "application/json"}
    whole = string_to_sign("post", "/p", headers, ()).split("\n")
    less = string_to_sign("post", "/p", {k: v for k, v in headers.items() if k != absent}, ())

    assert less.split("\n") == [line for line in whole if line != headers[absent]]
    assert "" not in less.split("\n")


def test_signed_text_of_forms() -> None:
    """Parameters are sorted, an empty one has no equals sign, a boundary is not signed."""
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}

    text = string_to_sign("GET", "/p", headers, (), {"b": "2", "a": "", "c": "3"})

    assert text == "GET\nmultipart/form-data\n/p?a&b=2&c=3"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((3, 3, 4), HoldingState.LIVE),
        ((0, 4, 4), HoldingState.LIVE),
        ((4, 4, 1), HoldingState.LIVE),
        ((2, 2, 2), HoldingState.GONE),
        ((4, 4, 4), HoldingState.GONE),
    ],
)
def test_platform_state_of_a_door(states: tuple[int, int, int], expected: HoldingState) -> None:
    """Any part that is configured or downloaded is a door that opens."""
    one = device(row(*states), {"online": 1, "cn": "Gate"}, "", ours=False)

    assert door_of(one).state is expected


def test_configured_and_not_downloaded_is_a_reason() -> None:
    """What our tag granted and no device has would be downloaded again: it is still there."""
    one = device(row(4, 4, 4), {"online": 1}, "", ours=True)

    assert door_of(one).state is HoldingState.CONTAINED


@given(DEVICES)
@settings(max_examples=200)
def test_nothing_closes_on_a_device_that_may_open(one: Device) -> None:
    """A door counts as gone only without any of the states 0 to 3, on a device that told so."""
    door, panel = door_of(one), panel_of(one, stopped=True)

    closed = door.state is HoldingState.GONE and panel.state is PanelState.DONE

    assert not closed or not one.known
    assert not closed or one.online or one.removal == "0"


@given(DEVICES)
@settings(max_examples=200)
def test_frozen_person_needs_every_device(one: Device) -> None:
    """Frozen is not contained while a device has anything: state 3 is a door that opens."""
    panel = panel_of(one, stopped=True)

    assert panel.state is not PanelState.DONE or not one.known


def test_device_the_platform_does_not_name_is_offline() -> None:
    """A device that is missing in the list of devices is not taken for reachable."""
    one = device(row(2, 2, 2), None, "", ours=False)

    assert panel_of(one, stopped=True).state is PanelState.OFFLINE


@pytest.mark.parametrize("state", [5, -1, None, "many"])
def test_unknown_download_state_is_malformed(state: object) -> None:
    """A state of no known value is never guessed."""
    with pytest.raises(Malformed):
        device(row(3, 3, 4) | {"cardStatus": state}, {"online": 1}, "", ours=False)


def test_card_number_is_in_the_pre_image_only() -> None:
    """Neither id nor label of a card shows its number."""
    card = card_of({"cardId": "c1", "cardNo": "8812345", "useStatus": 1})

    assert "8812345" not in f"{card.id} {card.label}"
    assert card.restore == {"cardNo": "8812345"}


def test_unknown_card_status_is_in_use() -> None:
    """Only a card that is said to be lost is not in use."""
    states = [
        card_of({"cardId": "c", "cardNo": "1", "useStatus": one}).state for one in (0, 1, 2, "9")
    ]

    assert states == [
        HoldingState.LIVE,
        HoldingState.LIVE,
        HoldingState.CONTAINED,
        HoldingState.LIVE,
    ]


def test_biometrics_are_counted_only() -> None:
    """A face on a device is reported with a duty and nothing else."""
    held = biometrics_of([], [device(row(3, 3, 3), {"online": 1}, "", ours=True)])

    assert [one.id for one in held] == [FACE]
    assert held[0].duty
    assert not held[0].restore
