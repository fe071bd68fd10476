"""The writing loop of contain, transfer, revoke and restore, holding by holding.

For each holding one transaction carries the result of the last call and the intent of the next,
so that after a crash our own removal is not taken for somebody else's:

1. re-read the system; store what is new, with its pre-image, before anything is changed (Law 9);
2. settle what an earlier run left: ``calling`` and satisfied now is ours, ``planned`` is not;
3. for each bundle: intent, guard, call; one failing holding does not stop the others;
4. re-read again: only what the re-read shows counts (Law 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from connectors.contract import (
    Account,
    Credential,
    Effect,
    Holding,
    HoldingState,
    Reading,
    kind,
)
from connectors.faults import Malformed, Missing, Refused
from policies.dispose import Disposition, dispose
from reconcile.facts import SETTLED, EffectState, Step
from reconcile.gates import supports
from reconcile.operations.judging import answered, decided, left_by_crash
from reconcile.operations.run import Again, Blind, Closing, Finished, Run
from reconcile.policy_book import policy_of
from reconcile.store.holding_rows import complete_snapshots, load_holdings, store_holdings
from reconcile.store.operation_rows import EffectRow, load_effects, mark_effects, plan_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.contract import Connector, Json
    from policies.model import Policy
    from reconcile.store.case_file import CaseFile
    from reconcile.store.holding_rows import HoldingRow


@dataclass(slots=True)
class Change:
    """One writing step over everything a person has in one system.

    ``call`` makes the one connector call for a bundle. ``wants`` says whether the policy wants the
    step for a holding; ``reached`` whether a re-read holding is where the step should bring it.
    """

    run: Run
    call: Callable[[Connector, Account, Sequence[Holding]], Sequence[Effect]]
    wants: Callable[[Disposition, Holding], bool]
    reached: Callable[[HoldingState, Holding | None], bool]
    observe: Callable[[Connector], None] = lambda _connector: None
    """Whatever else has to be read, beside the person's holdings, for ``reached`` to know."""
    unsafe: Callable[[CaseFile, Sequence[HoldingRow]], Mapping[str, str]] = lambda *_: {}
    """Which of these holdings must not be touched yet, by key, and why."""
    without_sight: bool = False
    """Whether to act on what a blind read does show (Law 3). What it does not show is unknown."""
    read_accounts: frozenset[str] = frozenset()
    """Accounts this run reads. What belongs to others is neither wanted, nor gone, nor settled."""
    whole: frozenset[str] = frozenset()
    """Those of them that the newest read saw whole: only there is what did not turn up gone."""
    blind: str = ""
    """Why the newest read could not see; empty when it could."""
    blocked: frozenset[str] = frozenset()
    results: dict[str, EffectRow] = field(default_factory=dict)
    read_back: dict[str, Mapping[str, Json]] = field(default_factory=dict)

    def work(self, accounts: Sequence[Account]) -> Closing:
        """Do the step. Raises faults that concern the whole system."""
        run = self.run
        connector = run.connect(Credential.ACT)
        try:
            seen = self._seen(connector, accounts)
            run.transact(lambda file: self._begin(file, accounts, seen), writing=True)
            for account in accounts:
                self._each_bundle(connector, account, seen)
            after = self._seen(connector, accounts)
        finally:
            connector.close()
        return Closing(lambda file: self._settle(file, after))

    def _seen(self, connector: Connector, accounts: Sequence[Account]) -> dict[str, Holding]:
        """Read all accounts. Raises :class:`Blind`, unless the step may do without sight."""
        run = self.run
        readings: dict[str, Reading[Holding]] = {
            account.native_id: run.read(partial(connector.survey, account)) for account in accounts
        }
        self.blind = next((each.blind for each in readings.values() if each.blind), "")
        if self.blind and not self.without_sight:
            raise Blind(f"{run.system_name}: {self.blind}")
        self.whole = frozenset(name for name, each in readings.items() if not each.blind)
        self.observe(connector)
        return {holding.key: holding for each in readings.values() for holding in each.items}

    def _begin(
        self, file: CaseFile, accounts: Sequence[Account], seen: Mapping[str, Holding]
    ) -> None:
        """Store pre-images and intents before the first write; settle what a crash left."""
        run, key = self.run, self.run.key
        run.check_not_protected(file, accounts)
        self.read_accounts = frozenset(account.native_id for account in accounts)
        gone = {
            row.key
            for row in load_holdings(file, run.system_name)
            if row.state is HoldingState.GONE
        }
        store_holdings(file, run.system_name, tuple(seen.values()), whole=self.whole)
        complete_snapshots(file, run.system_name, tuple(seen.values()))
        rows = {
            row.key: row
            for row in load_holdings(file, run.system_name)
            if row.account_id in self.read_accounts
        }
        there = set(seen) & set(rows) | (set(rows) - gone)
        policy = policy_of(file, run.estate)
        wanted = {name for name in there if self._wanted(file, policy, rows[name], seen.get(name))}
        if run.step is Step.REVOKE:  # what others took away since is told apart from ours
            wanted |= {
                name
                for name in set(rows) - set(seen) - gone
                if self._wanted_gone(file, policy, rows[name])
            }
        effects = load_effects(file.connection, key.case_id, key.seq)
        known = {name: row for name, row in effects.items() if name in rows}
        fresh = sorted(wanted - set(known))
        plan_effects(file.connection, key.case_id, key.seq, run.token, fresh, file.now)
        left = [left_by_crash(row, self._reached(row.key, rows, seen)) for row in known.values()]
        settled = [row for row in left if row is not None]
        self.results = {
            **known,
            **{name: EffectRow(name, EffectState.PLANNED) for name in fresh},
            **{row.key: row for row in settled},
        }
        ours = {name for name, each in seen.items() if not self._by_hand(each)}
        reasons = self.unsafe(file, [rows[name] for name in self.results if name in ours])
        blocked = [EffectRow(name, EffectState.OPEN, why=why) for name, why in reasons.items()]
        self.blocked = frozenset(row.key for row in blocked)
        self._write(file, rows, [*settled, *blocked])
        self.results.update({row.key: row for row in blocked})

    def _wanted(
        self, file: CaseFile, policy: Policy, row: HoldingRow, seen: Holding | None
    ) -> bool:
        if not supports(self.run.system.card, kind(row.kind), self.run.step):
            return False  # the planner has made it a duty of a person
        if seen is not None and self._by_hand(seen):
            return False
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=file.now.date())
        return self.wants(rule, seen or row.snapshot(file))

    def _by_hand(self, seen: Holding) -> bool:
        """What the connector sees and cannot take away is asked of a person, never tried."""
        return self.run.step is Step.REVOKE and bool(seen.duty)

    def _wanted_gone(self, file: CaseFile, policy: Policy, row: HoldingRow) -> bool:
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=file.now.date())
        return rule.wanted is HoldingState.GONE

    def _reached(
        self, key: str, rows: Mapping[str, HoldingRow], seen: Mapping[str, Holding]
    ) -> bool:
        if key not in rows or (key not in seen and rows[key].account_id not in self.whole):
            return False  # Law 2: what a blind read does not show is not gone
        state = seen[key].state if key in seen else HoldingState.GONE
        return self.reached(state, seen.get(key))

    def _each_bundle(
        self, connector: Connector, account: Account, seen: Mapping[str, Holding]
    ) -> None:
        """Call bundle by bundle; the result of one is written with the intent of the next."""
        run = self.run
        todo = [
            holding
            for holding in seen.values()
            if holding.account_id == account.native_id
            if holding.key in self.results and holding.key not in self.blocked
            if not self._by_hand(holding)
            if not self.reached(holding.state, holding)
        ]
        finished: list[EffectRow] = []
        for bundle in self._bundles(todo):
            ready = self._ready(bundle)
            if not ready:
                continue
            intents = [EffectRow(each.key, EffectState.CALLING) for each in ready]
            run.transact(partial(self._mark_rows, [*finished, *intents]), writing=True)
            finished = self._call(connector, account, ready)
        if finished:
            run.transact(partial(self._mark_rows, finished))

    def _bundles(self, holdings: Sequence[Holding]) -> list[list[Holding]]:
        """Group what the system changes in one request (LDAP: lock and scramble)."""
        groups: dict[str, list[Holding]] = {}
        for holding in holdings:
            support = self.run.system.card.support(holding.kind)
            bundle = support.bundle if support and self.run.step is Step.CONTAIN else ""
            groups.setdefault(bundle or holding.key, []).append(holding)
        return sorted(groups.values(), key=lambda group: not group[0].kind.startswith("account"))

    def _ready(self, bundle: Sequence[Holding]) -> list[Holding]:
        """Law 5: the last owner, admin or member of a thing is never removed as it is."""
        if self.run.step is not Step.REVOKE:
            return list(bundle)
        for holding in bundle:
            if holding.sole:
                why = "sole holder: it is handed over first"
                self.results[holding.key] = EffectRow(holding.key, EffectState.REFUSED, why=why)
        return [holding for holding in bundle if not holding.sole]

    def _call(
        self, connector: Connector, account: Account, ready: Sequence[Holding]
    ) -> list[EffectRow]:
        """Make one call. Refusals and odd answers concern these holdings; the rest goes on."""
        self.run.guard()
        try:
            effects = self.call(connector, account, ready)
        except (Refused, Missing, Malformed) as fault:
            if isinstance(fault, Refused) and fault.beyond:
                raise  # Law 5: nothing more is written here until a person has looked
            state = EffectState.REFUSED if isinstance(fault, Refused) else EffectState.CALLING
            why = f"{fault} {fault.code}".strip()
            rows = [EffectRow(each.key, state, why=why) for each in ready]
        else:
            rows = [self._row(effect) for effect in effects]
        self.results.update({row.key: row for row in rows})
        return rows

    def _row(self, effect: Effect) -> EffectRow:
        self.read_back[effect.holding_key] = {
            **effect.read_back,
            **({"request": effect.native_request_id} if effect.native_request_id else {}),
        }
        return answered(effect)

    def _mark_rows(self, rows: Sequence[EffectRow], file: CaseFile) -> None:
        mark_effects(file.connection, self.run.key.case_id, self.run.key.seq, rows, file.now)

    def _settle(self, file: CaseFile, after: Mapping[str, Holding]) -> Finished | Again:
        """Let the re-read decide about every holding of this step (Law 1)."""
        store_holdings(file, self.run.system_name, tuple(after.values()), whole=self.whole)
        rows = {row.key: row for row in load_holdings(file, self.run.system_name)}
        changed = []
        for key, row in self.results.items():
            if row.state in SETTLED:
                if not self._reached(key, rows, after):
                    changed.append(EffectRow(key, EffectState.OPEN, why="it came back"))
                continue
            changed.append(decided(row, reached=self._reached(key, rows, after)))
        self._write(file, rows, [row for row in changed if row != self.results.get(row.key)])
        self.results.update({row.key: row for row in changed})
        return self._verdict(file, rows)

    def _left_to_a_person(self, row: EffectRow, holding: HoldingRow | None) -> bool:
        """Say whether a person was asked: trying again would fail until a dead letter asks twice.

        What is handed over is tried once all the same: only some duties stand in its way.
        """
        if holding is None or not holding.duty:
            return False
        refused = row.state is EffectState.REFUSED and self.run.step is Step.TRANSFER
        return refused or self.run.step is Step.REVOKE

    def _write(
        self, file: CaseFile, rows: Mapping[str, HoldingRow], changed: Sequence[EffectRow]
    ) -> None:
        """Write effects and, for each that is decided, its evidence (Law 8)."""
        self._mark_rows(changed, file)
        records = [
            _record_of(self, rows[row.key], row)
            for row in changed
            if row.state in SETTLED or row.state is EffectState.REFUSED
        ]
        if records:
            file.record_all(records)

    def _verdict(self, file: CaseFile, rows: Mapping[str, HoldingRow]) -> Finished | Again:
        left = [row for row in self.results.values() if row.state not in SETTLED]
        open_rows = [row for row in left if not self._left_to_a_person(row, rows.get(row.key))]
        numbers = sorted(rows[row.key].number for row in open_rows if row.key in rows)
        if not open_rows:
            return Finished({"holdings": len(self.results), "blind": self.blind})
        pending = [row.pending_until for row in open_rows if row.state is EffectState.PENDING]
        if len(pending) == len(open_rows):
            known = [at for at in pending if at is not None]
            return Again("the system is still working", at=max(known, default=None), failed=False)
        reasons = sorted({row.why for row in open_rows if row.why})
        told = ", ".join(str(number) for number in numbers[:20])
        refused = all(
            row.state is EffectState.REFUSED or row.key in self.blocked for row in open_rows
        )
        return Again(f"open: holding {told}: {'; '.join(reasons)[:500]}", refused=refused)


def _record_of(
    change: Change, holding: HoldingRow, row: EffectRow
) -> tuple[str, dict[str, Json], dict[str, Json]]:
    run, read_back = change.run, change.read_back.get(row.key, {})
    control: dict[str, Json] = {
        "system": run.system_name,
        "stage": run.step.value,
        "kind": holding.kind,
        "holding": holding.number,
        "outcome": row.state.value,
        "how": row.how,
        "try": run.key.tries,
        "not_restorable": row.lost,
        "blind": change.blind,
    }
    person: dict[str, Json] = {"key": holding.key, "why": row.why, "read_back": read_back}
    return "effect.recorded", control, person
