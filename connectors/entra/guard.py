"""What is refused before it is sent: a request that deletes more than it says.

Called by the session layer for every request, single or in a batch.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from connectors.faults import Refused

_LINKED: Final = frozenset(
    {"members", "owners", "registeredowners", "registeredusers", "sponsors", "memberof"}
)
_CONVERSATIONS: Final = frozenset({"teams", "channels", "chats", "allchannels", "primarychannel"})


def refuse_deleting_a_linked_object(method: str, url: str) -> None:
    """Without ``/$ref`` this deletes the member or owner itself, not the link to it."""
    parts = [unquote(part).casefold() for part in urlsplit(url).path.split("/") if part]
    if method != "DELETE" or (parts and parts[-1] == "$ref"):
        return
    for place, part in enumerate(parts[:-1]):
        if part in _LINKED and parts[max(place - 2, 0)] not in _CONVERSATIONS:
            raise Refused("it would delete the object, not the link", code="graph:no-ref")
