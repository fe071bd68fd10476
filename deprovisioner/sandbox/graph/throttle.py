"""Resource units per ten seconds and app, as the identity service counts them.

`service` charges each request here. The bucket refills on the tenant's clock; an empty bucket is a
429. The vendor's figures: 3,500, 5,000 or 8,000 units per 10 s for tenants of fewer than 50, up to
500, or more users.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from deprovisioner.sandbox.graph.errors import throttled

_WINDOW = timedelta(seconds=10)


def units_for(users: int) -> int:
    """Return the size of the bucket for a tenant with so many users."""
    if users < 50:
        return 3500
    return 5000 if users <= 500 else 8000


class ResourceUnits:
    """The buckets of all apps."""

    def __init__(self, clock: Callable[[], datetime], limit: int) -> None:
        self._clock, self.limit = clock, limit
        self._windows: dict[str, tuple[datetime, int]] = {}

    def charge(self, app: str, units: int) -> float:
        """Take units; return the share of the bucket that is used; raises GraphError 429."""
        now = self._clock()
        began, used = self._windows.get(app, (now, 0))
        if now - began >= _WINDOW:
            began, used = now, 0
        if used + units > self.limit:
            left = _WINDOW - (now - began)
            raise throttled(max(1, round(left.total_seconds())))
        self._windows[app] = (began, used + units)
        return (used + units) / self.limit
