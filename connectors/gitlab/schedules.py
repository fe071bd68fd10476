"""Rows 1.3: pipeline schedules and running pipelines.

Schedules are taken over by the successor before the block, because a worker disables those of a
blocked user some time after it. Running pipelines are cancelled, since a job that is held open kept
its access in older versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from connectors.contract import Account, Effect, Holding, Json, Stage, Support, kind
from connectors.gitlab.answers import number, part, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    everywhere,
    ids,
    place_name,
    projects_of,
    takeover,
)
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, take, there

SCHEDULE: Final = kind("ownership.schedule")
SESSION: Final = kind("session")
_CI: Final = "builds"
_RIGHT: Final = "maintainer of the project, or an administrator"
_UNFINISHED: Final = ("running", "pending")
_WORKING: Final = frozenset(
    {"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running"}
    | {"canceling", "scheduled", "manual"}
)
_BY_HAND: Final = (
    "Our token may not act as the successor. As the successor: POST /projects/{project}"
    "/pipeline_schedules/{schedule}/take_ownership, then set it active again."
)


def _card(settings: Settings) -> RowCard:
    if not settings.sudo:
        support = Support(SCHEDULE, frozenset(), rights=(_RIGHT,), duty="Take over each schedule.")
        return RowCard(supports=(support,))
    rights = ("scope sudo", _RIGHT)
    support = Support(
        SCHEDULE, frozenset({Stage.TRANSFER}), rights=rights, order=(takeover(settings),)
    )
    return RowCard(supports=(support,))


def _read(leaver: Leaver) -> RowReading:
    rows, gaps = everywhere(leaver, projects_of(leaver, _CI), "/pipeline_schedules", _RIGHT)
    found = []
    for project, schedule in rows:
        if part(schedule, "owner").get("id") == leaver.id:
            home, key = number(project, "id"), number(schedule, "id")
            duty = "" if leaver.settings.sudo else _BY_HAND.format(project=home, schedule=key)
            image: dict[str, Json] = {"active": schedule.get("active") is True}
            found.append(
                leaver.holding(
                    SCHEDULE,
                    f"schedule:{home}:{key}",
                    f"{place_name(project)}: {text(schedule, 'description')}",
                    restore=image,
                    duty=duty,
                )
            )
    return RowReading(tuple(found), gaps)


def active(leaver: Leaver) -> list[Json]:
    """List schedules of the person that run: a worker disables them after a block.

    Each is ``project:schedule``. What could not be read is the schedules' own gap.
    """
    rows, _ = everywhere(leaver, projects_of(leaver, _CI), "/pipeline_schedules", _RIGHT)
    return [
        f"{number(project, 'id')}:{number(one, 'id')}"
        for project, one in rows
        if part(one, "owner").get("id") == leaver.id and one.get("active") is True
    ]


def disabled(leaver: Leaver, known: Json) -> list[Write]:
    """Return what sets those of ``known`` active again that are still theirs and were disabled."""
    writes = []
    for one in known if isinstance(known, list | tuple) else ():
        project, key = map(int, str(one).split(":"))
        path = f"/projects/{project}/pipeline_schedules/{key}"
        schedule = there(leaver.gitlab, path) or {}
        if part(schedule, "owner").get("id") == leaver.id and schedule.get("active") is False:
            # Only its owner may set it active, so it is done as them.
            who = leaver.id if leaver.settings.sudo else 0
            writes.append(Write("put", path, {"active": True}, sudo=who))
    return writes


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = int(successor.native_id)
    return [take(leaver, one, partial(_look_owned, leaver, one, who)) for one in holdings]


def _look_owned(leaver: Leaver, holding: Holding, who: int) -> Look:
    """Make somebody owner, acting as them, and keep the schedule as active as it was."""
    project, key = ids(holding)
    path = f"/projects/{project}/pipeline_schedules/{key}"
    schedule = there(leaver.gitlab, path)
    if schedule is None:
        return Look(reached=True, read_back={"schedule": "absent"})
    owned = part(schedule, "owner").get("id") == who
    # A block may have disabled it between the survey and now: what it was then counts.
    active = holding.restore.get("active") is True or schedule.get("active") is True
    as_active = schedule.get("active") is active
    writes = [] if owned else [Write("post", f"{path}/take_ownership", sudo=who)]
    if active:
        writes.append(Write("put", path, {"active": True}, sudo=who))
    shown: dict[str, Json] = {"taken over": owned, "active": schedule.get("active") is True}
    return Look(owned and as_active, shown, lambda: writes, refuse=holding.duty)


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_returned, leaver, one)) for one in holdings]


def _look_returned(leaver: Leaver, holding: Holding) -> Look:
    if leaver.blocked:
        wait = "nobody can act as a blocked account: unblock it first"
        return Look(reached=False, wait=(wait, leaver.later()))
    return _look_owned(leaver, holding, leaver.id)


SCHEDULES: Final = Row(
    "pipeline schedules",
    frozenset({"schedule"}),
    _card,
    _read,
    transfer=_transfer,
    restore=_restore,
)


def _pipelines(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for scope in _UNFINISHED:
        query = {"username": leaver.username, "scope": scope}
        rows, gaps = everywhere(leaver, projects_of(leaver, _CI), "/pipelines", _RIGHT, query)
        held = [
            leaver.holding(
                SESSION,
                f"pipeline:{number(project, 'id')}:{number(pipeline, 'id')}",
                f"running pipeline in {place_name(project)}",
            )
            for project, pipeline in rows
        ]
        reading += RowReading(tuple(held), gaps)
    once = {one.key: one for one in reading.holdings}
    return RowReading(tuple(once.values()), reading.gaps)


def _cancel(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_cancelled, leaver, one)) for one in holdings]


def _look_cancelled(leaver: Leaver, holding: Holding) -> Look:
    project, key = ids(holding)
    path = f"/projects/{project}/pipelines/{key}"
    pipeline = there(leaver.gitlab, path)
    status = text(pipeline, "status") if pipeline else "absent"
    return Look(
        status not in _WORKING, {"status": status}, lambda: [Write("post", f"{path}/cancel")]
    )


def _stays(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    why = "a cancelled pipeline is run again by whoever needs it"
    return [take(leaver, one, lambda: Look(reached=False, refuse=why)) for one in holdings]


PIPELINES: Final = Row(
    "running pipelines",
    frozenset({"pipeline"}),
    lambda _settings: RowCard(),
    _pipelines,
    contain=_cancel,
    restore=_stays,
)
