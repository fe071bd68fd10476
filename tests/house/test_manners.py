"""The manners of the test suite itself: nothing leaves the machine, nothing waits blindly."""

import os
import socket
import threading
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.waiting import WaitedInVainError, wait_until

OUTSIDE = ("192.0.2.1", 443)  # TEST-NET-1, RFC 5737: nobody's address


def test_no_test_reaches_out() -> None:
    """A connection to an address that is not loopback is refused before a packet is sent."""
    with socket.socket() as outward, pytest.raises(UserWarning, match="tried to use socket"):
        outward.connect(OUTSIDE)


def test_a_server_on_loopback_is_reached() -> None:
    """Servers under test listen on loopback, and that stays open."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_a_warning_is_an_error() -> None:
    """A warning of ours fails the test that saw it."""
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_properties_find_the_same_examples_everywhere() -> None:
    """In the ordinary profile hypothesis is repeatable and has no clock."""
    if os.environ.get("HYPOTHESIS_PROFILE", "ci") != "ci":
        pytest.skip("another profile was asked for")

    assert settings.default is not None
    assert settings.default.derandomize
    assert settings.default.deadline is None


def test_waiting_returns_the_first_true_value() -> None:
    """What the predicate found is handed back."""
    answers: Iterator[str] = iter(["", "", "there"])

    assert wait_until(lambda: next(answers), 5, every=0) == "there"


def test_waiting_forgives_a_server_that_does_not_listen_yet() -> None:
    """An error that is named counts as not yet; the server is found when it comes."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        address = place.getsockname()
        threading.Timer(0.05, place.listen).start()

        with wait_until(lambda: socket.create_connection(address, timeout=1), 5) as client:
            assert client.getpeername() == address


def test_waiting_in_vain_says_what_was_seen_last() -> None:
    """The failure carries the last value and the last forgiven error as its cause."""

    def refuse() -> bool:
        raise ConnectionRefusedError("nobody home")

    with pytest.raises(WaitedInVainError, match="last value 0"):
        wait_until(lambda: 0, 0)
    with pytest.raises(WaitedInVainError, match="nobody home") as caught:
        wait_until(refuse, 0)

    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_waiting_does_not_forgive_other_errors() -> None:
    """A mistake in the predicate is not a server that is late."""
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, 5)
