"""Rows 1.3: runners, agent tokens and pipeline triggers that the person made.

They go on working, or (a trigger) stop with the block, and their secret has to be put somewhere by
people. So each carries a duty: make a new one, deploy it, then this one is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from connectors.contract import (
    Effect,
    Holding,
    HoldingState,
    Json,
    Kind,
    Stage,
    Support,
    kind,
)
from connectors.gitlab.answers import Object, instant, number, part, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    everywhere,
    ids,
    place_name,
    projects_of,
    seen,
)
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, absent, take, there

RUNNER: Final = kind("ownership.runner")
AGENT: Final = kind("ownership.agent")
_MAINTAINER: Final = "maintainer of the project, or an administrator"
_RUNNER_DUTY: Final = (
    "The runner works on with its token. Register a new one as somebody who stays (POST "
    "/user/runners), move its jobs, then confirm; runner {id} is deleted after that."
)
_AGENT_DUTY: Final = (
    "The agent works on with this token. Make a new one (POST /projects/{project}/cluster_agents"
    "/{agent}/tokens), put it into the cluster, then confirm; this one is revoked after that."
)
_TRIGGER_DUTY: Final = (
    "Pipelines run in the person's name and stop with the block. Make a trigger as somebody who "
    "stays (POST /projects/{project}/triggers), give its token to the callers, then confirm; this "
    "one is deleted after that."
)


def _card(settings: Settings) -> RowCard:
    rights = ("administrator" if not settings.owner else "owner of the group",)
    runner = frozenset({Stage.CONTAIN, Stage.REVOKE})
    return RowCard(
        supports=(
            Support(RUNNER, runner, rights=rights, not_restorable="a deleted runner"),
            Support(
                AGENT,
                frozenset({Stage.REVOKE}),
                rights=(_MAINTAINER,),
                not_restorable="the secret of an agent token or trigger",
            ),
        )
    )


# ----------------------------------------------------------------------------------- runners


def _runners(leaver: Leaver) -> RowReading:
    path = "/runners/all"
    if leaver.settings.owner:
        path = f"/groups/{leaver.settings.group}/runners"
    (answer,) = leaver.gitlab.gather([(path, None)])
    rows, gaps = seen(answer, "runners", "an administrator")
    mine = [one for one in rows if part(one, "created_by").get("id") == leaver.id]
    return RowReading(tuple(_runner(leaver, one) for one in mine), gaps)


def _runner(leaver: Leaver, runner: Object) -> Holding:
    paused = runner.get("paused") is True
    key = number(runner, "id")
    image: dict[str, Json] = {"paused": paused}
    return leaver.holding(
        RUNNER,
        f"runner:{key}",
        f"runner {text(runner, 'description')}",
        state=HoldingState.CONTAINED if paused else HoldingState.LIVE,
        restore=image,
        duty=_RUNNER_DUTY.format(id=key),
        last_used=instant(runner.get("contacted_at")),
    )


def _pause(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_paused, leaver, one, True)) for one in holdings]  # noqa: FBT003 - what it is to be


def _wake(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take(leaver, one, partial(_look_paused, leaver, one, one.restore.get("paused") is True))
        for one in holdings
    ]


def _look_paused(leaver: Leaver, holding: Holding, wanted: bool) -> Look:  # noqa: FBT001 - a state
    path = f"/runners/{ids(holding)[0]}"
    runner = there(leaver.gitlab, path)
    if runner is None:
        return Look(reached=wanted, read_back={"runner": "absent"}, refuse="it was deleted")
    paused = runner.get("paused") is True
    shown: dict[str, Json] = {"paused": paused}
    return Look(paused is wanted, shown, lambda: [Write("put", path, {"paused": wanted})])


def _delete_runner(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        absent(leaver, one, f"/runners/{ids(one)[0]}", lost="the runner is registered anew")
        for one in holdings
    ]


RUNNERS: Final = Row(
    "runners",
    frozenset({"runner"}),
    _card,
    _runners,
    contain=_pause,
    revoke=_delete_runner,
    restore=_wake,
)


# ------------------------------------------------------------------------- agents and triggers


def _secret(leaver: Leaver, of: Kind, native: str, label: str, duty: str, at: Json) -> Holding:
    return leaver.holding(
        of, native, label, restore={"made": True}, duty=duty, last_used=instant(at)
    )


def _triggers(leaver: Leaver) -> RowReading:
    places = projects_of(leaver, "builds")
    rows, gaps = everywhere(leaver, places, "/triggers", _MAINTAINER)
    found = []
    for project, trigger in rows:
        if part(trigger, "owner").get("id") == leaver.id:
            home = number(project, "id")
            native = f"trigger:{home}:{number(trigger, 'id')}"
            duty = _TRIGGER_DUTY.format(project=home)
            label = f"trigger {text(trigger, 'description')} of {place_name(project)}"
            found.append(_secret(leaver, AGENT, native, label, duty, trigger.get("last_used")))
    return RowReading(tuple(found), gaps)


def _agents(leaver: Leaver) -> RowReading:
    if not leaver.settings.has(Feature.AGENTS):
        return RowReading()
    rows, gaps = everywhere(leaver, projects_of(leaver), "/cluster_agents", _MAINTAINER)
    asked = [
        (f"/projects/{number(project, 'id')}/cluster_agents/{number(agent, 'id')}/tokens", None)
        for project, agent in rows
    ]
    found = []
    answers = leaver.gitlab.gather(asked)
    for (project, agent), answer in zip(rows, answers, strict=True):
        tokens, missing = seen(answer, "agent tokens", _MAINTAINER)
        gaps += missing
        home, key = number(project, "id"), number(agent, "id")
        for token in tokens:
            if token.get("created_by_user_id") == leaver.id and token.get("status") != "revoked":
                native = f"agent_token:{home}:{key}:{number(token, 'id')}"
                duty = _AGENT_DUTY.format(project=home, agent=key)
                label = f"token {text(token, 'name')} of agent {text(agent, 'name')}"
                found.append(_secret(leaver, AGENT, native, label, duty, token.get("last_used_at")))
    return RowReading(tuple(found), tuple(dict.fromkeys(gaps)))


def _revoke_secrets(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    effects = []
    for one in holdings:
        project, *rest = ids(one)
        path = f"/projects/{project}/triggers/{rest[0]}"
        if one.native_id.startswith("agent_token:"):
            path = f"/projects/{project}/cluster_agents/{rest[0]}/tokens/{rest[1]}"
            effects.append(take(leaver, one, partial(_look_agent_token, leaver, path)))
            continue
        effects.append(absent(leaver, one, path, lost="the secret of the trigger"))
    return effects


def _look_agent_token(leaver: Leaver, path: str) -> Look:
    token = there(leaver.gitlab, path)
    gone = token is None or token.get("status") == "revoked"
    return Look(gone, {"works": not gone}, lambda: [Write("delete", path)])


AGENTS: Final = Row(
    "agents and triggers",
    frozenset({"agent_token", "trigger"}),
    lambda _settings: RowCard(),
    lambda leaver: _triggers(leaver) + _agents(leaver),
    revoke=_revoke_secrets,
)
