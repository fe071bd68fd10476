"""Row 1.3: deploy keys that the person owns. Rejected for pull and push once they are blocked.

The owner is hidden: only ``GET /keys?fingerprint=`` tells it. No call changes it, so the key is
taken out of every project and the same public key is added again as the successor. A crash between
the two leaves the key out; ``restore`` puts it back from the snapshot.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from connectors.contract import Account, Effect, Holding, Json, Stage, Support, kind
from connectors.faults import Fault, Missing
from connectors.gitlab.answers import Object, instant, number, part, parts, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    everywhere,
    place_name,
    projects_of,
    seen,
    takeover,
)
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, take

KEY: Final = kind("ownership.resource")
_RIGHT: Final = "maintainer of the project, or an administrator"
_BY_HAND: Final = (
    "Our token may not act as the successor. Take the deploy key out of the project and add the "
    "same public key again as the successor: POST /projects/{project}/deploy_keys."
)


def _card(settings: Settings) -> RowCard:
    stages = {Stage.REVOKE, Stage.TRANSFER} if settings.sudo else {Stage.REVOKE}
    order = (takeover(settings),) if settings.sudo else ()
    return RowCard(
        supports=(Support(KEY, frozenset(stages), rights=("scope sudo", _RIGHT), order=order),)
    )


def fingerprint(key: str) -> str:
    """Compute the SHA-256 fingerprint of a public key as OpenSSH writes it; empty for none."""
    fields = key.split()
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _read(leaver: Leaver) -> RowReading:
    if leaver.settings.owner:
        return RowReading()  # the owner of a key is shown to administrators only; see the card
    rows, gaps = everywhere(leaver, projects_of(leaver), "/deploy_keys", _RIGHT)
    prints = sorted({fingerprint(text(key, "key")) for _, key in rows})
    if "" in prints:
        gaps += ("a deploy key without a readable public key",)
    owners: dict[str, Json] = {}
    known = [one for one in prints if one]
    answers = leaver.gitlab.objects([("/keys", {"fingerprint": one}) for one in known])
    for name, answer in zip(known, answers, strict=True):
        if isinstance(answer, Fault):
            gaps += seen(answer, "owners of deploy keys", "an administrator")[1]
            continue
        owners[name] = part(answer, "user").get("id")
    mine = [(project, key) for project, key in rows if _owner(owners, key) == leaver.id]
    return RowReading(tuple(_holding(leaver, *one) for one in mine), tuple(dict.fromkeys(gaps)))


def _owner(owners: dict[str, Json], key: Object) -> Json:
    return owners.get(fingerprint(text(key, "key")))


def _holding(leaver: Leaver, project: Object, key: Object) -> Holding:
    home = number(project, "id")
    return leaver.holding(
        KEY,
        f"deploy_key:{home}:{fingerprint(text(key, 'key'))}",
        f"deploy key {text(key, 'title')} of {place_name(project)}",
        state=leaver.frozen,
        restore=_again(key),
        duty="" if leaver.settings.sudo else _BY_HAND.format(project=home),
        last_used=instant(key.get("last_used_at")),
    )


def _named(holding: Holding) -> tuple[int, str]:
    _, project, name = holding.native_id.split(":", 2)
    return int(project), name


def _in_project(leaver: Leaver, project: int, name: str) -> Object | None:
    try:
        keys = leaver.gitlab.every(f"/projects/{project}/deploy_keys")
    except Missing:
        return None
    return next((one for one in keys if fingerprint(text(one, "key")) == name), None)


def _user_of(leaver: Leaver, name: str) -> tuple[Json, list[Object]]:
    """Return the owner of a key and where it is used; None and nothing when nobody has it."""
    try:
        answer = leaver.gitlab.get("/keys", {"fingerprint": name})
    except Missing:
        return None, []
    return part(answer, "user").get("id"), parts(answer, "deploy_keys_projects")


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = int(successor.native_id)
    return [take(leaver, one, partial(_look_owned, leaver, one, who)) for one in holdings]


def _look_owned(leaver: Leaver, holding: Holding, who: int, *, handed: bool = False) -> Look:
    """The key lies in the project and belongs to ``who``.

    Another owner's key is left alone, unless it was handed over and is taken back (``handed``).
    """
    project, name = _named(holding)
    key = _in_project(leaver, project, name)
    owner, used = _user_of(leaver, name)
    shown: dict[str, Json] = {"in project": key is not None, "handed over": owner == who}
    if owner not in {None, who, leaver.id} and not handed:
        return Look(reached=False, read_back=shown, refuse="the key is somebody else's by now")
    body = _again(holding.restore)

    def writes() -> list[Write]:
        add = Write("post", f"/projects/{project}/deploy_keys", body, sudo=who)
        if key is None or owner == who:
            return [add]
        out = Write("delete", f"/projects/{project}/deploy_keys/{number(key, 'id')}")
        elsewhere = _elsewhere(leaver, name, used, project)
        outs = [Write("delete", f"{path}/{number(one, 'id')}") for path, one in elsewhere]
        adds = [Write("post", path, _again(one), sudo=who) for path, one in elsewhere]
        return [*outs, out, add, *adds]

    return Look(key is not None and owner == who, shown, writes, refuse=holding.duty)


def _elsewhere(
    leaver: Leaver, name: str, used: Sequence[Object], project: int
) -> list[tuple[str, Object]]:
    """A key that lies in several projects keeps its owner until it is out of all of them."""
    others = {number(one, "project_id") for one in used if one.get("project_id")} - {project}
    found = [(other, _in_project(leaver, other, name)) for other in sorted(others)]
    return [(f"/projects/{other}/deploy_keys", one) for other, one in found if one is not None]


def _again(key: Object) -> dict[str, Json]:
    return {name: key.get(name) for name in ("key", "title", "can_push")}


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_removed, leaver, one)) for one in holdings]


def _look_removed(leaver: Leaver, holding: Holding) -> Look:
    project, name = _named(holding)
    key = _in_project(leaver, project, name)
    owner = _user_of(leaver, name)[0] if key else None
    gone = key is None or owner not in {None, leaver.id}  # what was handed over is not theirs

    def writes() -> list[Write]:
        return [Write("delete", f"/projects/{project}/deploy_keys/{number(key or {}, 'id')}")]

    return Look(gone, {"theirs": not gone}, writes)


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_returned, leaver, one)) for one in holdings]


def _look_returned(leaver: Leaver, holding: Holding) -> Look:
    if leaver.blocked:
        wait = "nobody can act as a blocked account: unblock it first"
        return Look(reached=False, wait=(wait, leaver.later()))
    return _look_owned(leaver, holding, leaver.id, handed=True)


ROW: Final = Row(
    "deploy keys",
    frozenset({"deploy_key"}),
    _card,
    _read,
    revoke=_revoke,
    restore=_restore,
    transfer=_transfer,
)
