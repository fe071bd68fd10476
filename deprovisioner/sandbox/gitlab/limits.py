"""GitLab's own rate limits, counted per caller (or per group and project) on the injected clock.

The areas charge what they do. 0 is off, as the limits of reads are on many self-managed instances.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deprovisioner.sandbox.gitlab.errors import too_often

_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Limits:
    """How often, by default as the vendor's pages say."""

    clock: Callable[[], datetime]
    exports: int = 6
    """Exports a minute and caller."""
    downloads: int = 1
    """Downloads of exports a minute and caller."""
    removals: int = 60
    """Removed members a minute and group or project."""
    user_reads: int = 0
    """`GET /users/:id` in ten minutes and caller; 300 where it is on."""
    project_reads: int = 0
    """`GET /projects/:id` a minute and caller; 400 where it is on."""
    _windows: dict[tuple[str, object], tuple[datetime, int]] = field(default_factory=dict)

    def charge(self, name: str, who: object, most: int, window: timedelta = _MINUTE) -> None:
        """Count one; raises Refusal 429 with `Retry-After`."""
        if not most:
            return
        now = self.clock()
        began, used = self._windows.get((name, who), (now, 0))
        if now - began >= window:
            began, used = now, 0
        if used >= most:
            left = window - (now - began)
            raise too_often(max(1, round(left.total_seconds())))
        self._windows[name, who] = (began, used + 1)
