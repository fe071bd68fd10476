"""Rows 1.3: what pushes data out and names nobody: webhooks and push mirrors.

GitLab does not tell who made them, and no block stops them. Those whose host the operator has
listed (``webhook_hosts``) are known; every other one is shown for a person to look at, until it is
deleted or its host is listed. Law 4: found and not attributable is open.

Only in projects and groups where the person could have made one: Maintainer or Owner, directly or
from a group above. When the membership is gone they are not shown any more; the task that the first
survey made stays open until somebody has answered it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from connectors.contract import Holding, Support, kind
from connectors.gitlab.answers import Object, number, text
from connectors.gitlab.memberships import is_theirs
from connectors.gitlab.rows import (
    Leaver,
    Places,
    Row,
    RowCard,
    RowReading,
    everywhere,
    groups_of,
    place_name,
    projects_of,
    seen,
)
from connectors.gitlab.settings import Feature, Settings

WEBHOOK: Final = kind("ownership.webhook")
_MAINTAINER: Final = 40
_INSTANCE: Final[Object] = {"id": 0, "full_path": "the instance"}
_RIGHT: Final = "maintainer of the project, owner of the group, or an administrator"
_DUTY: Final = (
    "Nobody can tell who made this {what}. Is its host {host} ours? Then list it in webhook_hosts; "
    "otherwise delete it: DELETE {path}. Change its secret in any case, which the person may know."
)


def _card(settings: Settings) -> RowCard:
    known = ", ".join(sorted(settings.webhook_hosts)) or "none"
    return RowCard(
        supports=(Support(WEBHOOK, frozenset(), duty="Look at each webhook and mirror."),),
        notes=(
            f"Hosts that webhooks and mirrors may go to: {known}. All others are shown for review.",
        ),
    )


def _read(leaver: Leaver) -> RowReading:
    projects, groups, gaps = _maintained(leaver)
    wanted = [("hooks", projects), ("remote_mirrors", projects)]
    if leaver.settings.has(Feature.GROUP_HOOKS):
        wanted.append(("hooks", groups))
    reading = RowReading(gaps=gaps)
    for name, places in wanted:
        rows, missing = everywhere(leaver, places, f"/{name}", _RIGHT)
        reading += RowReading(tuple(_shown(leaver, name, places.root, rows)), missing)
    if leaver.user.get("is_admin") is True:  # only administrators can have made a system hook
        (answer,) = leaver.gitlab.gather([("/hooks", None)])
        rows_, missing = seen(answer, "system hooks", "an administrator")
        system = [(_INSTANCE, row) for row in rows_]
        reading += RowReading(tuple(_shown(leaver, "hooks", "", system)), missing)
    return reading


def _maintained(leaver: Leaver) -> tuple[Places, Places, tuple[str, ...]]:
    """Return the projects and groups in which the person is Maintainer or Owner now."""
    projects, groups = projects_of(leaver), groups_of(leaver)
    if leaver.settings.owner:
        return projects, groups, ()
    (answer,) = leaver.gitlab.gather([(f"{leaver.path}/memberships", None)])
    rows, gaps = seen(answer, "memberships", "an administrator")
    high = {
        (text(row, "source_type"), number(row, "source_id"))
        for row in rows
        if number(row, "access_level") >= _MAINTAINER
    }
    roots = {text(one, "full_path") for one in groups.them if ("Namespace", one["id"]) in high}
    in_projects = [
        one
        for one in projects.them
        if ("Project", one["id"]) in high
        or is_theirs(leaver, one)
        or _below(text(one, "path_with_namespace"), roots)
    ]
    in_groups = [one for one in groups.them if _below(text(one, "full_path"), roots)]
    return Places("/projects", tuple(in_projects)), Places("/groups", tuple(in_groups)), gaps


def _below(path: str, roots: set[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _shown(
    leaver: Leaver, name: str, root: str, rows: Sequence[tuple[Object, Object]]
) -> list[Holding]:
    found = []
    for place, row in rows:
        host = (urlsplit(text(row, "url")).hostname or "").casefold()
        if host in leaver.settings.webhook_hosts:
            continue
        home, key = number(place, "id"), number(row, "id")
        what = "webhook" if name == "hooks" else "push mirror"
        place_type = root.strip("/") or "system"
        native = f"{'hook' if name == 'hooks' else 'mirror'}:{place_type}:{home}:{key}"
        path = f"{root}/{home}/{name}/{key}" if root else f"/{name}/{key}"
        duty = _DUTY.format(what=what, host=host or "(none)", path=path)
        found.append(leaver.holding(WEBHOOK, native, f"{what} of {place_name(place)}", duty=duty))
    return found


ROW: Final = Row("webhooks and mirrors", frozenset({"hook", "mirror"}), _card, _read)
