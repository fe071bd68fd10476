"""Rows E66 and E67: the OneDrive of a person, and its sharing links to outsiders.

The drive is exported as files, and the successor is given it whole: at its root, with every option
of the request said, because Graph takes a boolean left out for something and the SDK writes false.
A link that anybody may follow outlives the account; which files are shared shows only in a listing
of the whole drive. Copying drive to drive is not done: it loses permissions and may take days.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import (
    Account,
    Effect,
    Export,
    Gap,
    Holding,
    Json,
    Outcome,
    Stage,
    Support,
    kind,
)
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.queries import asking, found, listed, part, parts, readable, text, texts
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take, take_away
from connectors.faults import Fault, Transient

DRIVE: Final = kind("data.drive")
LINK: Final = kind("grant.trust")
_MAY_WRITE: Final = frozenset({"write", "owner", "sp.full control", "sp.owner"})
_LISTED: Final = (
    "id", "name", "size", "file", "folder", "package", "deleted", "malware", "shared",
    "parentReference", "lastModifiedDateTime", "root",
)  # fmt: skip
_GUESTS: Final = ("#ext#", "urn:spo:guest", "urn%3aspo%3aguest")
"""How a login says that it is not of this tenant: a guest, or somebody SharePoint alone knows."""
_LINKS_DUTY: Final = (
    "In the SharePoint admin centre, or with the sharing report of this person's OneDrive: remove "
    "the links that people outside may follow. They outlive the account."
)
_RETENTION: Final = (
    "After the account is deleted its OneDrive stays for the retention time of the tenant (30 days "
    "unless set otherwise). Without a licence it becomes read-only on day 60 and is archived on "
    "day 93."
)
_NOTEBOOKS: Final = "OneNote notebooks and files with malware are named in the index, not exported."


# ------------------------------------------------------------------------------------- reading


def _read(leaver: Leaver) -> RowReading:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    request = asking(user.drive.to_get_request_information(), select=("id", "driveType"))
    answer = leaver.graph.objects([request])[0]
    rows, gaps = seen_or_missing(_one(answer), "the drive", "Files.Read.All")
    if not rows:
        return RowReading(gaps=gaps)
    drive = text(rows[0], "id")
    given, more = readable(
        leaver.graph.gather([_permissions(leaver, drive, "root")])[0],
        "permissions of the drive",
        "Files.Read.All",
    )
    holding = leaver.holding(
        DRIVE,
        drive,
        "OneDrive",
        restore={"drive": drive},
        handed_to=_heirs(given) - {leaver.id},
    )
    links = _links(leaver, drive, given) if leaver.settings.read_sharing_links else RowReading()
    return RowReading((holding,), gaps + more) + links


def _one(answer: Object | Fault) -> Sequence[Object] | Fault:
    return answer if isinstance(answer, Fault) else [answer]


def _permissions(leaver: Leaver, drive: str, item: str) -> RequestInformation:
    return leaver.graph.raw("GET", f"/drives/{segment(drive)}/items/{segment(item)}/permissions")


def _heirs(permissions: Sequence[Object]) -> frozenset[str]:
    """Who may write below the root, by object id."""
    return frozenset(
        text(identity, "user", "id")
        for row in permissions
        if {one.casefold() for one in texts(row, "roles")} & _MAY_WRITE
        for identity in _identities(row)
        if text(identity, "user", "id")
    )


def _identities(row: Object) -> list[Object]:
    """Everybody a permission is for, in the newer and the older spelling."""
    single = [part(row, "grantedToV2"), part(row, "grantedTo")]
    return [*single, *parts(row, "grantedToIdentitiesV2"), *parts(row, "grantedToIdentities")]


def _listing(leaver: Leaver, drive: str) -> RequestInformation:
    path = f"/drives/{segment(drive)}/root/delta"
    return asking(leaver.graph.raw("GET", path), select=_LISTED, top=leaver.settings.page_size)


def _links(leaver: Leaver, drive: str, at_root: Sequence[Object]) -> RowReading:
    """The listing says which items are shared, and the permissions of each item with whom.

    Every shared item is asked for: a listing shows one scope, and what is open to the whole
    organisation may be open to somebody outside it as well.
    """
    rows, gaps = readable(
        leaver.graph.gather([_listing(leaver, drive)])[0], "shared files", "Files.Read.All"
    )
    shared = [
        row for row in rows if _is(row, "shared") and not (_is(row, "deleted") or _is(row, "root"))
    ]
    answers = leaver.graph.gather([_permissions(leaver, drive, text(row, "id")) for row in shared])
    reading = RowReading(_outward_links(leaver, drive, _ROOT, at_root), gaps)
    for row, answer in zip(shared, answers, strict=True):
        given, more = seen_or_missing(answer, "permissions of shared files", "Files.Read.All")
        links = _outward_links(leaver, drive, row, given)
        reading += RowReading(links, tuple(gap for gap in more if gap not in reading.gaps))
    return reading


_ROOT: Final[Object] = {"id": "root", "name": "the whole drive"}


def _outward_links(
    leaver: Leaver, drive: str, row: Object, given: Sequence[Object]
) -> tuple[Holding, ...]:
    return tuple(
        leaver.holding(
            LINK,
            f"{drive}:{text(row, 'id')}:{text(one, 'id')}",
            f"{_who(one)} may open {text(row, 'name')}",
            restore={"roles": list(texts(one, "roles")), "link": dict(part(one, "link"))},
        )
        for one in given
        if _outward(one) and not part(one, "inheritedFrom")
    )


def _is(row: Mapping[str, Json], facet: str) -> bool:
    """Whether an item has a facet: there and not null, be it empty."""
    return row.get(facet) is not None


def _outward(row: Object) -> bool:
    """Whether anybody, a guest, or somebody whom our directory does not know gets in by this."""
    if text(row, "link", "scope") == "anonymous":
        return True
    people = _identities(row)
    if text(row, "invitation", "email") and not any(text(one, "user", "id") for one in people):
        return True  # invited by address, and nobody of ours
    marks = (
        text(identity, who, name).casefold()
        for identity in people
        for who, name in (("user", "email"), ("user", "loginName"), ("siteUser", "loginName"))
    )
    strangers = (part(one, "user") for one in people)
    return any(guest in mark for mark in marks for guest in _GUESTS) or any(
        text(one, "email") and not text(one, "id") for one in strangers
    )


def _who(row: Object) -> str:
    return "anybody" if text(row, "link", "scope") == "anonymous" else "a guest"


# ------------------------------------------------------------------------------------ changing


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_given, leaver, one, successor)) for one in holdings]


def _look_given(leaver: Leaver, holding: Holding, successor: Account) -> Look:
    drive = holding.native_id
    there = successor.native_id in _heirs(listed(leaver.graph, _permissions(leaver, drive, "root")))
    body: dict[str, Json] = {
        "recipients": [{"objectId": successor.native_id}],
        "roles": ["write"],
        "requireSignIn": True,
        "sendInvitation": False,
        "retainInheritedPermissions": True,  # left out it would be true, sent by the SDK false
    }
    path = f"/drives/{segment(drive)}/items/root/invite"
    shown: dict[str, Json] = {"successor may write": there}
    return Look(there, shown, lambda: [leaver.graph.raw("POST", path, body)])


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, one, partial(_look_closed, leaver, one), lost=_NEW_ADDRESS)
        if one.kind == LINK
        else Effect(one.key, Outcome.REFUSED, why="a drive stays until its account is deleted")
        for one in holdings
    ]


def _look_closed(leaver: Leaver, holding: Holding) -> Look:
    drive, item, permission = holding.native_id.split(":")
    path = f"/drives/{segment(drive)}/items/{segment(item)}/permissions/{segment(permission)}"
    there = found(leaver.graph, leaver.graph.raw("GET", path)) is not None
    return Look(not there, {"link": there}, lambda: [leaver.graph.raw("DELETE", path)])


def _restore(_leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """A drive was never taken away; what the successor got may stay, they may have worked there."""
    return [
        Effect(one.key, Outcome.ALREADY, {"drive": "is the person's"})
        if one.kind == DRIVE
        else Effect(one.key, Outcome.REFUSED, why=_NEW_ADDRESS)
        for one in holdings
    ]


_NEW_ADDRESS: Final = "a sharing link that is made again has another address"


# ------------------------------------------------------------------------------------- export


def _export(leaver: Leaver, holdings: Sequence[Holding]) -> Iterator[Export]:
    """Stream an index and every file. A file whose length is not the listed one raises,
    so that a backup of half a drive never counts.
    """
    for holding in holdings:
        if holding.kind != DRIVE:
            continue
        rows = listed(leaver.graph, _listing(leaver, holding.native_id))
        latest = {text(row, "id"): row for row in rows}  # what changed meanwhile is listed again
        kept = [row for row in latest.values() if not (_is(row, "deleted") or _is(row, "folder"))]
        folder = f"drive/{segment(holding.native_id)}"
        yield Export(f"{folder}/index.json", "application/json", _index(kept))
        for row in kept:
            if _has_content(row) and row.get("size") != 0:
                name = f"{folder}/{segment(text(row, 'id'))}"
                media = text(row, "file", "mimeType")
                media = media if media.count("/") == 1 else "application/octet-stream"
                yield Export(name, media, _content(leaver, holding.native_id, row))


def _has_content(row: Mapping[str, Json]) -> bool:
    return _is(row, "file") and not _is(row, "malware")


def _index(rows: Sequence[Object]) -> Iterator[bytes]:
    """Say for each file where it lay, and whether it is in this backup."""
    entries = [
        {
            "id": text(row, "id"),
            "name": text(row, "name"),
            "folder": text(row, "parentReference", "path"),
            "size": row.get("size"),
            "hashes": part(row, "file", "hashes"),
            "modified": text(row, "lastModifiedDateTime"),
            "exported": _has_content(row),
        }
        for row in rows
    ]
    yield json.dumps({"files": entries}, ensure_ascii=False).encode()


def _content(leaver: Leaver, drive: str, row: Object) -> Iterator[bytes]:
    path = f"/drives/{segment(drive)}/items/{segment(text(row, 'id'))}/content"
    size = 0
    for chunk in leaver.graph.stream(leaver.graph.raw("GET", path)):
        size += len(chunk)
        yield chunk
    if isinstance(row.get("size"), int) and size != row["size"]:
        raise Transient("a file changed while it was exported", code="graph:size")


# ----------------------------------------------------------------------------------- the card


def _card(settings: Settings) -> RowCard:
    drive = Support(
        DRIVE,
        frozenset({Stage.PRESERVE, Stage.TRANSFER}),
        rights=("Files.ReadWrite.All", "User.Read.All"),
    )
    link = Support(
        LINK,
        frozenset({Stage.PRESERVE, Stage.REVOKE}),
        rights=("Files.ReadWrite.All",),
        not_restorable=_NEW_ADDRESS,
    )
    unread = Gap(LINK, "sharing links are not read (read_sharing_links is off)", _LINKS_DUTY)
    blind = settings.has(Feature.ONEDRIVE) and not settings.read_sharing_links
    return RowCard((drive, link), (unread,) if blind else (), (_RETENTION, _NOTEBOOKS))


ROW: Final = Row(
    "OneDrive", frozenset({DRIVE, LINK}), _card, _read,
    revoke=_revoke, restore=_restore, transfer=_transfer, export=_export,
    absent=lambda settings: not settings.has(Feature.ONEDRIVE),
)  # fmt: skip
