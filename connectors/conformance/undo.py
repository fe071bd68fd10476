"""Checks of undo: the world is equal again, by the rig's witness (Law 9).

Called by ``connectors.conformance.run``. Kinds whose card says ``not_restorable`` are left out,
because the card has already told people so.
"""

from __future__ import annotations

from connectors.conformance.rig import (
    Nonconformity,
    Rig,
    Scene,
    account_of,
    claimed,
    expect,
    scene,
    settle,
    write,
)
from connectors.contract import Holding, Json, Outcome, Restores, Stage, Transfers

Differences = list[str]


def _differences(before: dict[str, Json], after: dict[str, Json]) -> Differences:
    """Count what differs without printing values (they are personal data)."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _restorable(opening: Scene, stage: Stage) -> list[Holding]:
    chosen = []
    for holding in opening.of(stage):
        support = opening.card.support(holding.kind)
        if support and not support.not_restorable:
            chosen.append(holding)
    expect(chosen, f"nothing that {stage} works on can be restored")
    return chosen


def _restore(rig: Rig, opening: Scene, chosen: list[Holding]) -> None:
    restorer = claimed(opening.connector, Restores)
    for wanted in ({Outcome.DONE, Outcome.PENDING, Outcome.ALREADY}, {Outcome.ALREADY}):
        effects = write(restorer.restore, opening.card, opening.account, chosen)
        settle(rig, opening.card, effects)
        said = {effect.outcome for effect in effects}
        if not said <= wanted:
            message = f"restore said {sorted(said)} where {sorted(wanted)} was due"
            raise Nonconformity(message)


def _undone(rig: Rig, stage: Stage) -> None:
    with scene(rig) as opening:
        claimed(opening.connector, Restores)
        chosen = _restorable(opening, stage)
        before = dict(rig.witness())
        settle(
            rig,
            opening.card,
            write(opening.act(stage), opening.card, opening.account, chosen),
        )
        _restore(rig, opening, chosen)
        left = _differences(before, dict(rig.witness()))
    expect(not left, f"restore after {stage} leaves {len(left)} differences")


def contain_is_undone(rig: Rig) -> None:
    """Restore after contain puts the leaver back; a second restore is already."""
    _undone(rig, Stage.CONTAIN)


def revoke_is_undone(rig: Rig) -> None:
    """Restore after revoke puts the leaver back; a second restore is already."""
    _undone(rig, Stage.REVOKE)


def transfer_is_undone(rig: Rig) -> None:
    """Restore after transfer makes the leaver what they were; what the successor got may stay."""
    with scene(rig) as opening:
        claimed(opening.connector, Restores)
        transfer = claimed(opening.connector, Transfers).transfer
        chosen = _restorable(opening, Stage.TRANSFER)
        successor = account_of(opening.connector, rig.successor)
        before = dict(rig.witness())
        effects = [transfer(opening.account, [holding], successor)[0] for holding in chosen]
        settle(rig, opening.card, effects)
        _restore(rig, opening, chosen)
        left = _differences(before, dict(rig.witness()))
    expect(not left, f"restore after transfer leaves {len(left)} differences")
