"""Since when an account is disabled, as its object shows it: from then on what was issued runs out.

``msDS-ReplAttributeMetaData`` has the very moment (MS-ADTS 3.1.1.4.5.19). Where it is not shown,
``whenChanged`` is used: never earlier than the disabling, so the residual time is never too short.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from connectors._directory.entries import Entry
from connectors.active_directory.values import generalized

_META: Final = "msDS-ReplAttributeMetaData"
_NAME: Final = re.compile(r"<pszAttributeName>userAccountControl</pszAttributeName>")
_CHANGED: Final = re.compile(
    r"<ftimeLastOriginatingChange>(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z?</ftimeLastOriginatingChange>"
)


def disabled_since(entry: Entry) -> datetime | None:
    """Return the moment of the last change of the account's flags, or one after it."""
    for text in entry.texts(_META):
        found = _CHANGED.search(text) if _NAME.search(text) else None
        if found:
            try:
                return datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            except ValueError:  # no date: the other attribute is there
                break
    return generalized(entry.text("whenChanged"))
