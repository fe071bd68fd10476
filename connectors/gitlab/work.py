"""Rows 1.3: open issues and merge requests that wait for the person, and CODEOWNERS.

No access, but a deadlock: nobody else is asked. CODEOWNERS is a file under review, so it is changed
by a merge request of people and never pushed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from connectors.contract import Account, Effect, Holding, Json, Stage, Support, kind
from connectors.faults import Fault, Missing
from connectors.gitlab.answers import Object, number, parts, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    ids,
    place_name,
    projects_of,
    seen,
)
from connectors.gitlab.session import Query
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, take

ENTRY: Final = kind("ownership.entry")
HANDOVER: Final = kind("duty.handover")
_RIGHT: Final = "developer of the project, or an administrator"
_LISTS: Final = {
    "mr_assignee": (
        "/merge_requests",
        "merge_requests",
        "assignee_id",
        "assignees",
        "assignee_ids",
    ),
    "mr_reviewer": (
        "/merge_requests",
        "merge_requests",
        "reviewer_id",
        "reviewers",
        "reviewer_ids",
    ),
    "issue": ("/issues", "issues", "assignee_id", "assignees", "assignee_ids"),
}
"""For each row: the list, the path in a project, the filter, the member, and what changes it."""
_FILES: Final = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
_DUTY: Final = (
    "{files} of project {project} name this person as code owner: open a merge request that names "
    "somebody who stays. Without it their approval is asked for and never comes."
)


def _card(_settings: Settings) -> RowCard:
    entry = Support(ENTRY, frozenset({Stage.TRANSFER, Stage.REVOKE}), rights=(_RIGHT,))
    handover = Support(
        HANDOVER, frozenset(), duty="Open a merge request that changes the CODEOWNERS file."
    )
    return RowCard(supports=(entry, handover))


def _read(leaver: Leaver) -> RowReading:
    queries: dict[str, Query] = {
        name: {spec[2]: leaver.id, "state": "opened", "scope": "all"}
        for name, spec in _LISTS.items()
    }
    answers = leaver.gitlab.gather([(_LISTS[name][0], query) for name, query in queries.items()])
    ours = {number(one, "id") for one in leaver.projects}
    found: list[Holding] = []
    gaps: tuple[str, ...] = ()
    for name, answer in zip(queries, answers, strict=True):
        rows, missing = seen(answer, f"{name} entries", _RIGHT)
        gaps += missing
        for row in rows:
            named = any(one.get("id") == leaver.id for one in parts(row, _LISTS[name][3]))
            if named and (not leaver.settings.owner or row.get("project_id") in ours):
                found.append(_entry(leaver, name, row))
    return RowReading(tuple(found), gaps)


def _entry(leaver: Leaver, name: str, row: Object) -> Holding:
    native = f"{name}:{number(row, 'project_id')}:{number(row, 'iid')}"
    image: dict[str, Json] = {"named": True}
    return leaver.holding(ENTRY, native, text(row, "title"), restore=image)


def _path(holding: Holding) -> str:
    project, key = ids(holding)
    return f"/projects/{project}/{_LISTS[holding.native_id.partition(':')[0]][1]}/{key}"


def _entry_now(leaver: Leaver, holding: Holding) -> Object | None:
    """Read one entry by its number in the project; None when it is not there."""
    path, _, key = _path(holding).rpartition("/")
    try:
        rows = leaver.gitlab.every(path, {"iids[]": int(key)})
    except Missing:
        return None
    return next((one for one in rows if one.get("iid") == int(key)), None)


def _look(leaver: Leaver, holding: Holding, *, add: int = 0, drop: int = 0) -> Look:
    """Name ``add`` and not ``drop``; whoever else is named stays."""
    _, _, _, member, word = _LISTS[holding.native_id.partition(":")[0]]
    entry = _entry_now(leaver, holding)
    if entry is None or text(entry, "state") not in {"opened", ""}:
        return Look(reached=True, read_back={"open": False})
    now = [number(one, "id") for one in parts(entry, member)]
    wanted = [one for one in now if one != drop]
    if add and add not in wanted:
        wanted.append(add)
    body: dict[str, Json] = {word: wanted}
    return Look(
        wanted == now, {"named": wanted == now}, lambda: [Write("put", _path(holding), body)]
    )


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = int(successor.native_id)
    return [
        take(leaver, one, partial(_look, leaver, one, add=who, drop=leaver.id)) for one in holdings
    ]


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look, leaver, one, drop=leaver.id)) for one in holdings]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look, leaver, one, add=leaver.id)) for one in holdings]


ENTRIES: Final = Row(
    "issues and merge requests",
    frozenset(_LISTS),
    _card,
    _read,
    revoke=_revoke,
    transfer=_transfer,
    restore=_restore,
)


# ---------------------------------------------------------------------------------- CODEOWNERS


def _code_owners(leaver: Leaver) -> RowReading:
    projects = [
        one for one in projects_of(leaver, "repository").them if text(one, "default_branch")
    ]
    asked = [
        (
            f"/projects/{number(project, 'id')}/repository/files/{quote(name, safe='')}",
            {"ref": text(project, "default_branch")},
        )
        for project in projects
        for name in _FILES
    ]
    answers = leaver.gitlab.objects(asked)
    gaps: tuple[str, ...] = ()
    naming: dict[int, list[str]] = {}
    for place, answer in enumerate(answers):
        if isinstance(answer, Missing):
            continue
        if isinstance(answer, Fault):
            gaps += seen(answer, "CODEOWNERS", "reading repositories")[1]
        elif _mentions(leaver, _content(answer)):
            naming.setdefault(place // len(_FILES), []).append(_FILES[place % len(_FILES)])
    found = [_mention(leaver, projects[place], files) for place, files in naming.items()]
    return RowReading(tuple(found), tuple(dict.fromkeys(gaps)))


def _content(file: Object) -> str:
    try:
        return base64.b64decode(text(file, "content")).decode(errors="replace")
    except binascii.Error:
        return ""


def _mentions(leaver: Leaver, content: str) -> bool:
    names = [f"@{leaver.username}", text(leaver.user, "email")]
    lines = [line for line in content.splitlines() if not line.lstrip().startswith("#")]
    words = {word.casefold() for line in lines for word in re.split(r"\s+", line)}
    return any(name.casefold() in words for name in names if len(name) > 1)


def _mention(leaver: Leaver, project: Object, files: Sequence[str]) -> Holding:
    key = number(project, "id")
    duty = _DUTY.format(files=", ".join(files), project=key)
    label = f"CODEOWNERS of {place_name(project)}"
    return leaver.holding(HANDOVER, f"code_owner:{key}", label, duty=duty)


CODE_OWNERS: Final = Row(
    "CODEOWNERS",
    frozenset({"code_owner"}),
    lambda _settings: RowCard(),
    _code_owners,
    absent=lambda settings: not settings.has(Feature.REPOSITORIES),
)
