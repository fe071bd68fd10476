"""The backup of a mailbox: messages as MIME in tar files, calendar and contacts as JSON.

Called by the mailbox row. Immutable ids are asked for, so that a message somebody files away while
we read keeps its address. Each tar holds a bounded number of messages: what is interrupted starts
again with its own part. Not here: the in-place archive and recoverable items, which Graph does not
list.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Export, Holding, Json, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.queries import asking, listed, text
from connectors.entra.rows import Leaver
from connectors.faults import Missing, Transient

IMMUTABLE: Final[Mapping[str, str]] = {"Prefer": 'IdType="ImmutableId"'}
"""Ids that stay when an item moves to another folder (Graph, "immutable identifiers")."""
_MAILBOX: Final = kind("data.mailbox")
_PART: Final = 500
_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)
_SELECT: Final = ("id", "parentFolderId", "receivedDateTime", "internetMessageId")


def export(leaver: Leaver, holdings: Sequence[Holding]) -> Iterator[Export]:
    """Stream the mailbox where it is among the holdings. Raises faults; nothing ends early."""
    if not any(holding.kind == _MAILBOX for holding in holdings):
        return
    folder = f"mailbox/{segment(leaver.id)}"
    messages = listed(leaver.graph, _messages(leaver))
    folders = listed(leaver.graph, _user(leaver, "mailFolders"))
    index: Json = {
        "folders": [{name: row.get(name) for name in ("id", "displayName")} for row in folders],
        "messages": [dict(row) for row in messages],
    }
    yield Export(f"{folder}/index.json", "application/json", _json(index))
    for number, rows in enumerate(_parts(messages), 1):
        name = f"{folder}/messages-{number:05}.tar"
        yield Export(name, "application/x-tar", _tar(leaver, rows, (number - 1) * _PART))
    for what in ("events", "contacts"):
        entries: Json = [dict(row) for row in listed(leaver.graph, _user(leaver, what))]
        yield Export(f"{folder}/{what}.json", "application/json", _json(entries))


def _messages(leaver: Leaver) -> RequestInformation:
    return asking(_user(leaver, "messages"), select=_SELECT, top=leaver.settings.page_size)


def _user(leaver: Leaver, below: str) -> RequestInformation:
    request = leaver.graph.raw("GET", f"/users/{segment(leaver.id)}/{below}")
    return asking(request, headers=IMMUTABLE)


def _parts(rows: Sequence[Object]) -> Iterator[Sequence[Object]]:
    for start in range(0, len(rows), _PART):
        yield rows[start : start + _PART]


def _json(value: Json) -> Iterator[bytes]:
    yield json.dumps(value, ensure_ascii=False).encode()


def _tar(leaver: Leaver, rows: Sequence[Object], first: int) -> Iterator[bytes]:
    """Write a POSIX tar (IEEE 1003.1, pax) message by message."""
    for number, row in enumerate(rows, first + 1):
        request = _user(leaver, f"messages/{segment(text(row, 'id'))}/$value")
        try:
            content = b"".join(leaver.graph.stream(request))
        except Missing as error:
            raise Transient("a message went away while it was exported") from error
        entry = tarfile.TarInfo(f"{number:07}.eml")
        entry.size = len(content)
        yield entry.tobuf(tarfile.PAX_FORMAT)
        yield content
        yield bytes(-len(content) % _BLOCK)
    yield _END
