"""Checks of writing: seen by the verifier, repeated, vanished, renamed, refused, and nobody else.

Called by ``connectors.conformance.run``. Every claim of a write is held against a survey with the
verifying credential and against the rig's witness (Law 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Final

from connectors.conformance.rig import (
    Nonconformity,
    NotClaimed,
    Rig,
    Scene,
    Situation,
    account_of,
    actionable,
    calls,
    claimed,
    expect,
    keys_in,
    kinds_of,
    opened,
    scene,
    settle,
    survey,
    write,
)
from connectors.contract import (
    Connector,
    Credential,
    Destroys,
    Effect,
    Holding,
    HoldingState,
    Outcome,
    Revokes,
    Stage,
    Transfers,
    gather,
)
from connectors.faults import Fault, Missing, Refused, Transient, Unauthorised

WORKERS: Final = 2
PATIENCE_SECONDS: Final = 30.0
CONFIRMED: Final = (Outcome.DONE, Outcome.PENDING)


def _fresh(opening: Scene) -> list[Holding]:
    """Survey again with the acting credential, as every repeated operation does (Law 6)."""
    return list(gather(opening.connector.survey(opening.account)).items)


def _act(opening: Scene, stage: Stage, rig: Rig) -> list[tuple[Holding, Effect]]:
    """Take a stage on everything it works on and let it settle; nothing may be refused."""
    chosen = opening.of(stage)
    effects = write(opening.act(stage), opening.card, opening.account, chosen)
    for holding, effect in zip(chosen, effects, strict=True):
        said = effect.outcome
        expect(said is not Outcome.REFUSED, f"{holding.kind}: {stage} refused: {effect.why}")
    settle(rig, opening.card, effects)
    return list(zip(chosen, effects, strict=True))


def _first(opening: Scene, stage: Stage, rig: Rig) -> list[Holding]:
    """Take the first stage of a fresh world: what is live is done now, not found done."""
    acted = _act(opening, stage, rig)
    for holding, effect in acted:
        done = effect.outcome in CONFIRMED or holding.state is not HoldingState.LIVE
        expect(done, f"{holding.kind}: first {stage} is {effect.outcome}")
    return [holding for holding, _ in acted]


def _again(opening: Scene, stage: Stage, rig: Rig) -> None:
    """The very same holdings again, as after a crash between the write and its record."""
    chosen = _first(opening, stage, rig)
    effects = write(opening.act(stage), opening.card, opening.account, chosen)
    wrong = [
        f"{holding.kind} {effect.outcome}"
        for holding, effect in zip(chosen, effects, strict=True)
        if effect.outcome is not Outcome.ALREADY
    ]
    expect(not wrong, f"second {stage} is not already: {', '.join(wrong)}")


def effects_match_holdings_in_order(rig: Rig) -> None:
    """A call answers exactly one effect per holding, in the order of the holdings."""
    with scene(rig) as opening:
        chosen = opening.of(Stage.CONTAIN)
        for call in calls(opening.card, chosen):
            effects = opening.act(Stage.CONTAIN)(opening.account, call)
            keys = [effect.holding_key for effect in effects]
            in_order = keys == [holding.key for holding in call]
            expect(in_order, f"effects of one call do not match its holdings: {kinds_of(call)}")


def contained_is_seen_by_the_verifier(rig: Rig) -> None:
    """After contain the other credential sees nothing live of what was contained (Law 1)."""
    with scene(rig) as opening:
        before = dict(rig.witness())
        chosen = _first(opening, Stage.CONTAIN, rig)
        seen = survey(rig, Credential.VERIFY, opening.account)
    live = keys_in(seen.items, HoldingState.LIVE) & keys_in(chosen)
    expect(not live, f"{len(live)} of {len(chosen)} contained holdings are still live")
    expect(dict(rig.witness()) != before, "the witness sees no difference after contain")


def second_contain_is_already(rig: Rig) -> None:
    """Containing what is contained is a success of its own word (Law 6)."""
    with scene(rig) as opening:
        _again(opening, Stage.CONTAIN, rig)


def revoked_is_gone_for_the_verifier(rig: Rig) -> None:
    """After revoke the other credential does not see it any more (Law 1)."""
    with scene(rig) as opening:
        chosen = _first(opening, Stage.REVOKE, rig)
        seen = survey(rig, Credential.VERIFY, opening.account)
    left = keys_in(seen.items) & keys_in(chosen)
    expect(not left, f"{len(left)} of {len(chosen)} revoked holdings are still there")


def second_revoke_is_already(rig: Rig) -> None:
    """Revoking what is gone is a success of its own word (Law 6)."""
    with scene(rig) as opening:
        _again(opening, Stage.REVOKE, rig)


def vanished_before_write_is_already(rig: Rig) -> None:
    """What somebody else took away between our read and our write is no error (Law 6)."""
    for stage in (Stage.REVOKE, Stage.CONTAIN):
        with scene(rig) as opening:
            chosen = [
                holding
                for holding in opening.of(stage)
                if not holding.kind.startswith("account.") and not _bundled(opening, holding)
            ]
            if not chosen:
                continue
            rig.vanish(chosen[0])
            try:
                effects = write(opening.act(stage), opening.card, opening.account, chosen[:1])
            except Missing as error:
                message = f"{chosen[0].kind} vanished before {stage}: raised Missing, not already"
                raise Nonconformity(message) from error
            said = effects[0].outcome
            expect(said is Outcome.ALREADY, f"{chosen[0].kind} vanished before {stage}: {said}")


def _bundled(opening: Scene, holding: Holding) -> bool:
    support = opening.card.support(holding.kind)
    return bool(support and support.bundle)


def sole_is_never_removed(rig: Rig) -> None:
    """The last owner, admin or member is refused, never removed (Law 5)."""
    with scene(rig) as opening:
        revoke = claimed(opening.connector, Revokes).revoke
        sole = [holding for holding in opening.holdings if holding.sole]
        expect(sole, "the survey marks nothing as sole, the rig says there is something")
        before = dict(rig.witness())
        for holding in sole:
            try:
                effect = revoke(opening.account, [holding])[0]
            except Refused:
                continue
            expect(effect.outcome is Outcome.REFUSED, f"sole {holding.kind}: {effect.outcome}")
            expect(effect.why, f"sole {holding.kind}: refused without saying why")
        # A holding that became sole after it was read must be refused as well, so a survey from
        # before may not be believed: the same call with sole cleared.
        for holding in sole:
            _refused_with_stale_flag(opening, holding)
        expect(dict(rig.witness()) == before, "a sole holding was changed")


def _refused_with_stale_flag(opening: Scene, holding: Holding) -> None:
    stale = Holding(
        account_id=holding.account_id,
        kind=holding.kind,
        native_id=holding.native_id,
        label=holding.label,
        state=holding.state,
        restore=holding.restore,
    )
    try:
        effect = claimed(opening.connector, Revokes).revoke(opening.account, [stale])[0]
    except Refused:
        return
    said = effect.outcome
    expect(said is Outcome.REFUSED, f"{holding.kind} that became sole after the read: {said}")


def transferred_is_seen_by_the_verifier(rig: Rig) -> None:
    """After transfer the successor holds the same thing, and a second transfer is already."""
    with scene(rig) as opening:
        transfer = claimed(opening.connector, Transfers).transfer
        chosen = opening.of(Stage.TRANSFER)
        successor = account_of(opening.connector, rig.successor)
        effects: list[Effect] = []
        for holding in chosen:
            effects.extend(transfer(opening.account, [holding], successor))
        done = [effect.outcome in {*CONFIRMED, Outcome.ALREADY} for effect in effects]
        expect(len(done) == len(chosen) and all(done), "a transfer was not done")
        settle(rig, opening.card, effects)
        seen = survey(rig, Credential.VERIFY, successor)
        held = {(holding.kind, holding.native_id) for holding in seen.items}
        mine = survey(rig, Credential.VERIFY, opening.account)
        held |= {(h.kind, h.native_id) for h in mine.items if successor.native_id in h.handed_to}
        missing = [item for item in chosen if (item.kind, item.native_id) not in held]
        expect(not missing, f"the successor does not hold: {kinds_of(missing)}")
        again = [transfer(opening.account, [item], successor)[0].outcome for item in chosen]
        expect(set(again) == {Outcome.ALREADY}, "the second transfer is not already")
        left = [holding for holding in _fresh(opening) if holding.sole]
        sole = {holding.key for holding in left} & keys_in(chosen)
        expect(not sole, f"{len(sole)} transferred holdings are still sole")


def renamed_in_between_is_the_same_object(rig: Rig) -> None:
    """Objects are addressed by immutable id: a new name hits them, an old name hits nobody."""
    with scene(rig) as opening:
        rig.rename()
        others = dict(rig.bystanders())
        stages = [
            stage
            for stage in (Stage.CONTAIN, Stage.REVOKE)
            if any(stage in support.stages for support in opening.card.supports)
        ]
        for stage in stages:
            chosen = [holding for holding, _ in _act(opening, stage, rig)]
            seen = survey(rig, Credential.VERIFY, opening.account)
            live = keys_in(seen.items, HoldingState.LIVE) & keys_in(chosen)
            expect(not live, f"{stage} after a rename left {len(live)} holdings live")
        expect(dict(rig.bystanders()) == others, "the old name's new bearer was changed")


def nobody_else_is_touched(rig: Rig) -> None:
    """Contain, revoke and destroy change the leaver and nobody else."""
    others = dict(rig.bystanders())
    with scene(rig) as opening:
        for stage in (Stage.CONTAIN, Stage.REVOKE):
            if any(stage in support.stages for support in opening.card.supports):
                _act(opening, stage, rig)
            expect(dict(rig.bystanders()) == others, f"{stage} changed somebody else")


def destroyed_is_gone(rig: Rig) -> None:
    """After destroy the account yields nothing, with its canary seen; a second one is already.

    As in a case, what was sole is handed over and the rest is revoked before.
    """
    with scene(rig) as opening:
        destroyer = claimed(opening.connector, Destroys)
        _hand_over_what_is_sole(rig, opening)
        left = actionable(opening.card, _fresh(opening), Stage.REVOKE)
        if left:
            revoke = claimed(opening.connector, Revokes).revoke
            settle(rig, opening.card, write(revoke, opening.card, opening.account, left))
        others = dict(rig.bystanders())
        effect = destroyer.destroy(opening.account)
        expect(effect.outcome in CONFIRMED, f"destroy is {effect.outcome}: {effect.why}")
        settle(rig, opening.card, [effect])
        seen = survey(rig, Credential.VERIFY, opening.account)
        expect(not seen.items, f"a destroyed account still yields: {kinds_of(seen.items)}")
        again = destroyer.destroy(opening.account)
        expect(again.outcome is Outcome.ALREADY, f"second destroy is {again.outcome}")
    expect(dict(rig.bystanders()) == others, "destroy changed somebody else")


def _hand_over_what_is_sole(rig: Rig, opening: Scene) -> None:
    sole = [holding for holding in opening.holdings if holding.sole]
    if sole:
        successor = account_of(opening.connector, rig.successor)
        transfer = claimed(opening.connector, Transfers).transfer
        effects = [transfer(opening.account, [holding], successor)[0] for holding in sole]
        settle(rig, opening.card, effects)


def silent_success_is_not_done(rig: Rig) -> None:
    """A system that answers success and changes nothing never makes an effect done (Law 1)."""
    for stage in (Stage.CONTAIN, Stage.REVOKE):
        with scene(rig) as opening:
            try:
                chosen = opening.of(stage)
            except NotClaimed:
                continue
            live = [holding for holding in chosen if holding.state is HoldingState.LIVE]
            with rig.situation(Situation.SILENT):
                _not_believed(opening, stage, live)


def _not_believed(opening: Scene, stage: Stage, live: list[Holding]) -> None:
    try:
        effects = write(opening.act(stage), opening.card, opening.account, live)
    except Fault:
        return
    lies = [
        str(holding.kind)
        for holding, effect in zip(live, effects, strict=True)
        if effect.outcome in {Outcome.DONE, Outcome.ALREADY}
    ]
    expect(not lies, f"{stage} changed nothing and says so of: {', '.join(lies)}")


def two_at_once_do_no_harm(rig: Rig) -> None:
    """Two workers that contain the same person at once end with that person contained (Law 6).

    A node that lost its lease may still be in the middle of a call. One of the two may be told to
    come back later, never that the stage cannot be done.
    """
    start = Barrier(WORKERS)

    def contain(_: int) -> list[Outcome]:
        with scene(rig) as opening:
            chosen = opening.of(Stage.CONTAIN)
            start.wait(PATIENCE_SECONDS)
            try:
                effects = write(opening.act(Stage.CONTAIN), opening.card, opening.account, chosen)
            except Transient:
                return []
            return [effect.outcome for effect in effects]

    with scene(rig) as opening:
        opening.of(Stage.CONTAIN)  # a connector that contains nothing is not asked twice at once
        with ThreadPoolExecutor(WORKERS) as workers:
            said = list(workers.map(contain, range(WORKERS)))
        expect(any(said), "both workers were told to come back later")
        refused = any(Outcome.REFUSED in outcomes for outcomes in said)
        expect(not refused, "a worker beside another was refused")
        _act(opening, Stage.CONTAIN, rig)
        seen = survey(rig, Credential.VERIFY, opening.account)
    live = keys_in(seen.items, HoldingState.LIVE) & keys_in(opening.of(Stage.CONTAIN))
    expect(not live, f"{len(live)} holdings are live after two workers contained them")


def verifier_cannot_write(rig: Rig) -> None:
    """A connector that speaks with the verifying credential changes nothing, whatever it is asked.

    Two credentials are only independent when the one that verifies could not have done it.
    """
    with scene(rig) as opening, opened(rig, Credential.VERIFY) as verifier:
        before = dict(rig.witness())
        for name, attempt in _attempts(opening, verifier):
            try:
                attempt()
            except (Unauthorised, Refused):
                continue
            raise Nonconformity(f"{name} with the verifying credential was not turned down")
        expect(dict(rig.witness()) == before, "the verifying credential changed the world")


def _attempts(opening: Scene, verifier: Connector) -> Iterator[tuple[str, Callable[[], object]]]:
    """All writes the card offers, tried with the verifier; deletion comes last."""
    masked = Scene(verifier, opening.card, opening.account, opening.holdings)
    for stage in (Stage.CONTAIN, Stage.REVOKE):
        try:
            act, chosen = masked.act(stage), masked.of(stage)
        except NotClaimed:
            continue
        yield stage, partial(write, act, opening.card, opening.account, chosen)
    if isinstance(verifier, Destroys):
        yield Stage.DESTROY, partial(verifier.destroy, opening.account)
