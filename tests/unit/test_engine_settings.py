"""The arithmetic of the engine: settings that could hurt somebody do not start."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.engine.settings import (
    GUARDED,
    EngineMisconfigured,
    EngineSettings,
    SystemLimits,
    check,
)

_seconds = st.floats(min_value=0.1, max_value=3600).map(lambda number: timedelta(seconds=number))


def test_the_defaults_are_safe_together() -> None:
    """What is shipped starts, and keeps the promise of the documentation: 76 s to move work."""
    settings = EngineSettings()

    check(settings, {"ldap": SystemLimits(), "unifi-access.north": SystemLimits(concurrency=1)})

    assert settings.noticed_within == timedelta(seconds=76)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lease": timedelta()}, "lease must be more than zero"),
        ({"lease": timedelta(seconds=50)}, "call_timeout .* less than 0.3 of the lease"),
        ({"call_timeout": timedelta(seconds=18)}, "call_timeout .* less than 0.3 of the lease"),
        ({"operation_budget": timedelta(minutes=9)}, "operation_timeout .* must be more"),
        ({"operation_timeout": timedelta(seconds=315)}, "operation_timeout .* must be more"),
        ({"record_room": timedelta(minutes=6)}, "operation_timeout .* must be more"),
        ({"pass_timeout": timedelta(seconds=15)}, "pass_timeout .* heartbeat"),
        ({"poll": timedelta(seconds=16)}, "poll .* heartbeat"),
        ({"passes_at_once": 0}, "passes_at_once"),
    ],
)
def test_a_dangerous_combination_is_refused(change: dict[str, Any], word: str) -> None:
    """Each rule alone stops the start, and its message names the setting."""
    with pytest.raises(EngineMisconfigured, match=word):
        check(replace(EngineSettings(), **change), {})


@pytest.mark.parametrize(
    ("name", "limits", "word"),
    [
        ("LDAP", SystemLimits(), "cannot be the name"),
        ("a/b", SystemLimits(), "cannot be the name"),
        ("", SystemLimits(), "cannot be the name"),
        ("x" * 64, SystemLimits(), "cannot be the name"),
        ("ldap", SystemLimits(concurrency=0), "concurrency of ldap"),
        ("ldap", SystemLimits(calls_per_second=0), "calls_per_second of ldap"),
    ],
)
def test_a_system_that_cannot_work_is_refused(name: str, limits: SystemLimits, word: str) -> None:
    """Names go into queue names and keys; limits of nothing would wait for ever."""
    with pytest.raises(EngineMisconfigured, match=word):
        check(EngineSettings(), {name: limits})


@given(lease=_seconds, call=_seconds, budget=_seconds, room=_seconds, timeout=_seconds)
def test_whatever_passes_keeps_a_call_inside_its_lease(
    lease: timedelta, call: timedelta, budget: timedelta, room: timedelta, timeout: timedelta
) -> None:
    """A call allowed at the last instant ends before the lease does, and an operation that stops at
    its budget ends before it counts as lost.
    """
    settings = EngineSettings(
        lease=lease,
        call_timeout=call,
        operation_budget=budget,
        record_room=room,
        operation_timeout=timeout,
        pass_timeout=lease,
        poll=lease / 4,
    )
    try:
        check(settings, {})
    except EngineMisconfigured:
        assert call >= lease * (1 - GUARDED) or timeout <= budget + call + room
        return

    assert lease * GUARDED + call < lease
    assert budget + call + room < timeout


def test_pace_divides_a_request_limit_over_the_operations() -> None:
    """Ten calls a second over two operations: each at most five, one every 0.2 s."""
    assert SystemLimits(concurrency=2, calls_per_second=10).pace == timedelta(seconds=0.2)
    assert SystemLimits().pace == timedelta()
