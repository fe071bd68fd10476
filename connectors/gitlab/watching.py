"""What an account did after a moment, from GitLab's own event list. Called by ``activity``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connectors.contract import Account, Activity, Credential, Page
from connectors.faults import Malformed
from connectors.gitlab import sight
from connectors.gitlab.answers import instant, text
from connectors.gitlab.session import GitLab


def activity(
    gitlab: GitLab, credential: Credential, account: Account, since: datetime
) -> Iterator[Page[Activity]]:
    """Page through events. GitLab filters by whole days, so the day before is asked for as well."""
    canary = sight.canary(gitlab)
    after = (since.astimezone(UTC) - timedelta(days=1)).date().isoformat()
    for rows in gitlab.pages(f"/users/{int(account.native_id)}/events", {"after": after}):
        found = []
        for row in rows:
            at = instant(row.get("created_at"))
            if at is None:
                raise Malformed("an event has no time", code="gitlab:event")
            if at >= since:
                found.append(Activity(account.native_id, at, text(row, "action_name") or "event"))
        if found:
            yield Page(tuple(found))
    yield Page((), sight.end(gitlab, credential, canary))
