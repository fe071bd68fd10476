"""Faults a directory can be told to have, changed while it runs.

Set by tests in Python (`FaultPanel.set`) and by the control endpoint as JSON; obeyed by `session`
and `operations`. Each one was seen on real servers or their networks: they are what makes a false
"closed" possible.
"""

import threading
from dataclasses import dataclass, fields, replace
from typing import Any

from deprovisioner.sandbox.directory.names import Key, key_of


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong at the moment; every default means "nothing"."""

    latency_seconds: float = 0.0
    """Wait before each answer."""
    answer_code: int = 0
    """Answer every operation but bind and unbind with this code: 51 busy, 52 unavailable."""
    drop_after_entries: int | None = None
    """Close the connection after this many entries of a search."""
    drop_before_answer: bool = False
    """Do the write, then close the connection without saying so."""
    page_size: int | None = None
    """Hand out pages of at most this many entries, whatever the client asked for."""
    truncate_after: int | None = None
    """Stop a search after this many entries."""
    truncate_code: int = 4
    """The code a truncated search ends with: 4 sizeLimitExceeded, 0 the lie, 3 timeLimitExceeded,
    11 adminLimit."""
    hidden: tuple[str, ...] = ()
    """Names that searches no longer show (with all below them), because a right was taken away."""
    hide_everything: bool = False
    """Searches succeed with nothing."""
    stale_seconds: float = 0.0
    """Reads show the tree as it was this long ago (a lagging replica); binds and writes are
    current."""
    silent_success: bool = False
    """Writes answer success and do nothing."""
    refint_seconds: float | None = None
    """References to a deleted or renamed entry are put right this long afterwards; None is no
    refint overlay."""
    only_for: str | None = None
    """Only connections bound with this name meet the faults; None is everybody."""
    budget: int | None = None
    """How many requests meet the faults before they go away; None is no end."""

    def hides(self, key: Key) -> bool:
        """Tell whether an entry is out of sight.

        With everything hidden the branches stay, so that a search succeeds with nothing instead of
        answering 32.
        """
        if self.hide_everything and not key[0].startswith(("ou=", "dc=")):
            return True
        return any(key[-len(branch) :] == branch for branch in map(key_of, self.hidden))


NO_FAULTS = Faults()


class FaultPanel:
    """The switchboard: one current set of faults, safe to change from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = NO_FAULTS

    def set(self, **changes: Any) -> Faults:  # noqa: ANN401 - the fields of Faults, checked by replace()
        """Change some faults and leave the others; raises TypeError on an unknown name."""
        with self._lock:
            self._faults = replace(self._faults, **changes)
            return self._faults

    def clear(self) -> None:
        """Make the directory healthy again."""
        with self._lock:
            self._faults = NO_FAULTS

    def current(self) -> Faults:
        """Return the faults without using up their budget."""
        with self._lock:
            return self._faults

    def meet(self, who: str) -> Faults:
        """Return the faults that a request of `who` meets, and use one of their budget."""
        with self._lock:
            faults = self._faults
            if faults == NO_FAULTS:
                return NO_FAULTS
            if faults.only_for is not None and key_of(faults.only_for) != key_of(who):
                return NO_FAULTS
            if faults.budget is not None:
                if faults.budget <= 1:
                    self._faults = NO_FAULTS
                else:
                    self._faults = replace(faults, budget=faults.budget - 1)
            return faults

    def set_from_wire(self, body: dict[str, Any]) -> Faults:
        """Replace all faults by those of a JSON object; raises ValueError on what it does not
        know.
        """
        known = {field.name for field in fields(Faults)}
        strangers = sorted(set(body) - known)
        if strangers:
            raise ValueError("unknown faults: " + ", ".join(strangers))
        values: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in body.items()
        }
        faults = Faults(**values)
        _check(faults)
        with self._lock:
            self._faults = faults
        return faults


def _check(faults: Faults) -> None:
    for field in fields(Faults):
        value, default = getattr(faults, field.name), field.default
        numbers = (int, float) if isinstance(default, (int, float)) else (int, str, type(None))
        if isinstance(default, tuple):
            fits = isinstance(value, tuple) and all(isinstance(name, str) for name in value)
        elif isinstance(default, bool):
            fits = isinstance(value, bool)
        else:
            fits = isinstance(value, numbers) and not isinstance(value, bool)
        if not fits:
            raise ValueError("a fault with a value of the wrong kind: " + field.name)
    for name in (*faults.hidden, faults.only_for or ""):
        key_of(name)
