"""Waiting for a real server or process: poll until it is so, or fail with what was last seen.

For tests only. Code of ours has its clock injected and is never waited for with this.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class WaitedInVainError(AssertionError):
    """The predicate did not become true in time; the message carries the last value and error."""


def wait_until(
    predicate: Callable[[], T],
    seconds: float,
    *,
    every: float = 0.02,
    forgive: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """Return the first true value of `predicate`, asking again every `every` seconds.

    Errors named in `forgive` count as "not yet" (a server that does not listen yet refuses
    connections). Raises `WaitedInVainError` after `seconds`, chained to the last forgiven error.
    """
    deadline = time.monotonic() + seconds
    last_error: Exception | None = None
    value: T | None = None
    while True:
        try:
            value = predicate()
        except forgive as error:
            last_error = error
        else:
            last_error = None
            if value:
                return value
        if time.monotonic() >= deadline:
            raise WaitedInVainError(
                f"not so after {seconds} s: last value {value!r}, last error {last_error!r}"
            ) from last_error
        time.sleep(every)
