"""What must be true after a fleet was tormented: checked from the world's own witness and the rows.

Used by the acceptance tests of kills, freezes, outages and upgrades when all nodes have ended.
Nothing here trusts what a node said: the worlds' state, audit and call logs, the vault read back,
the bundle verified as a stranger would, and the log hashed again from its files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from connectors.contract import Kind
from connectors.memory.changes import SCRAMBLED
from connectors.secret import Secret
from connectors.vaults import age
from connectors.vaults.contract import Receipt
from reconcile.case import CaseState
from reconcile.engine.jobs import DetachedJobs
from reconcile.evidence.audit import audit_folder
from reconcile.evidence.keys import SigningKey
from reconcile.evidence.tiles import RightEdge
from reconcile.evidence.verify import verify_bundle
from reconcile.store import ledger_schema
from reconcile.store.database import Database
from reconcile.store.schema import vault_identities
from tests.support.core_fleet import NOTES, SHARED_GROUP
from tests.support.core_node import LATER, make_desk, make_estate, make_sequencer, published_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from connectors.memory import MemoryWorld
    from reconcile.desk import Desk
    from reconcile.views import CaseView, RecordView
    from tests.support.core_fleet import Fleet

WRITES: Final = ("contain", "transfer", "revoke")


@dataclass(frozen=True)
class Call:
    """One call of a world, from its start to its end or the end of its process."""

    system: str
    pid: int
    thread: int
    operation: str
    account: str
    begun: float
    ended: float


def calls_of(fleet: Fleet, system: str) -> list[Call]:
    """Pair the two ends of every call; a killed process leaves no end."""
    open_calls, found = {}, []
    for line in fleet.company.worlds[system].calls():
        if line.phase == "start":
            open_calls[line.call] = line
            continue
        start = open_calls.pop(line.call)
        found.append((start, min(line.at, fleet.ended.get(start.pid, line.at))))
    cut = [(start, fleet.ended.get(start.pid, start.at)) for start in open_calls.values()]
    return [
        Call(system, start.pid, start.thread, start.operation, start.account_id, start.at, end)
        for start, end in (*found, *cut)
    ]


@dataclass(frozen=True)
class OperationRun:
    """One run of one operation that touched the outside: first call to last."""

    case_id: str
    seq: int
    begun: float
    ended: float


def operation_runs(fleet: Fleet) -> list[OperationRun]:
    """Join the log of runs with the calls made by the same thread meanwhile."""
    calls: defaultdict[tuple[int, int], list[Call]] = defaultdict(list)
    for system in fleet.company.worlds:
        for call in calls_of(fleet, system):
            calls[call.pid, call.thread].append(call)
    runs, ends, begun = [], [], dict[tuple[str, str, str], float]()
    lines = [line.split() for line in _lines(fleet.options.folder / "runs")]
    for word, at, pid, thread, key in lines:
        if word == "begin":
            begun[pid, thread, key] = float(at)
        else:
            ends.append((pid, thread, key, begun.pop((pid, thread, key)), float(at)))
    ends += [
        (pid, thread, key, at, fleet.ended.get(int(pid), float("inf")))
        for (pid, thread, key), at in begun.items()
    ]
    for pid, thread, key, start, end in ends:
        mine = [c for c in calls[int(pid), int(thread)] if start <= c.begun <= end]
        case_id, seq, _ = key.rsplit("/", 2)
        if mine:
            last = max(call.ended for call in mine)
            runs.append(OperationRun(case_id, int(seq), min(c.begun for c in mine), last))
    return runs


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def assert_never_twice_at_once(fleet: Fleet) -> None:
    """No operation of one system was worked on by two runs of one case at the same time."""
    by_operation = defaultdict(list)
    for run in operation_runs(fleet):
        by_operation[run.case_id, run.seq].append(run)
    assert by_operation
    for operation, runs in by_operation.items():
        ordered = sorted(runs, key=lambda run: run.begun)
        for earlier, later in pairwise(ordered):
            assert earlier.ended <= later.begun, (operation, earlier, later)


def prove(fleet: Fleet, *, restored: bool = False) -> None:
    """Check everything, after all nodes have ended.

    ``restored`` says that the rows were put back from a copy: they cannot know what was done since,
    so who did it and what was repeated is not asked.
    """
    assert not fleet.nodes
    assert_nothing_unforeseen(fleet)
    assert_never_twice_at_once(fleet)
    database = Database.open(fleet.options.url)
    try:
        estate = make_estate(fleet.options)
        desk = make_desk(fleet.options, database, estate, DetachedJobs(database))
        assert_ledger_consistent(fleet, database)
        for number, case_id in fleet.delivered.items():
            (found,) = desk.find(f"E-{number}")
            assert found.id == case_id, "one event opened one case, however often it came"
            view = desk.case(case_id)
            assert_closed(view)
            for system in fleet.company.worlds:
                assert_world(fleet, system, number)
                if not restored:
                    assert_order(fleet, system, number)
            assert_evidence(fleet, desk, view, restored=restored)
            assert_backups(fleet, database, view)
        assert_others_untouched(fleet)
    finally:
        database.close()


def assert_nothing_unforeseen(fleet: Fleet) -> None:
    """No node met an exception that no rule foresees; a job is lost with the lease or database."""
    said = _lines(fleet.options.folder / "errors")
    assert [line for line in said if "operation.failed" in line] == []
    assert [line for line in said if "Exception in thread publisher" in line] == []
    lost = [line for line in said if "engine.job.lost" in line]
    foreseen = ("fault=LeaseLost", "fault=DatabaseUnavailable")
    assert [line for line in lost if not any(each in line for each in foreseen)] == []


def assert_closed(view: CaseView) -> None:
    """Closed at 100 %, with every operation done and nobody asked for help."""
    assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)
    assert view.summary.checks == view.summary.passed > 0
    assert all(check.passed for check in view.checks)
    now = [operation for operation in view.operations if operation.step != "destroy"]
    assert {operation.state for operation in now} == {"done"}
    assert [question.kind for question in view.questions] == []
    assert view.holds == ()
    assert view.records_published


def assert_world(fleet: Fleet, system: str, number: int) -> None:
    """Ask the world itself: blocked, emptied, handed over; data left where it is."""
    world, leaver = fleet.company.worlds[system], fleet.company.leavers[system, number]
    state: dict[str, Any] = world.state(leaver)
    state.pop("account")
    assert state.pop(f"account.person|{leaver}")["state"] == "contained"
    (password,) = (state.pop(key) for key in list(state) if key.startswith("credential.password"))
    assert (password["state"], password["secret"]) == ("contained", SCRAMBLED)
    assert bytes.fromhex(state.pop(f"data.home|home-{number}")["content"]) == NOTES
    assert state == {}, "what the policy wants gone is gone"
    successor = fleet.company.successors[system]
    for kind, thing in (
        ("grant.group", f"g-only-{number}"),
        ("ownership.group", f"o-team-{number}"),
    ):
        assert world.holders(Kind(kind), thing) == (successor,)
    _assert_changed_once(world, leaver)


def _assert_changed_once(world: MemoryWorld, leaver: str) -> None:
    """However often a call was repeated, the world was changed once by each."""
    lines = [line for line in world.audit() if line.holding_key.startswith(f"{leaver}|")]
    assert {line.credential for line in lines} == {"act"}
    # A removal that the world promises for later is written down each time it is asked for.
    counts = Counter(
        (line.operation, line.holding_key) for line in lines if LATER not in line.holding_key
    )
    assert set(counts.values()) == {1}, counts
    assert {operation for operation, _ in counts} == set(WRITES)


def assert_order(fleet: Fleet, system: str, number: int) -> None:
    """Law 3: nothing was revoked before its export and its transfer were seen."""
    leaver = fleet.company.leavers[system, number]
    mine = [call for call in calls_of(fleet, system) if call.account == leaver]
    begun = {name: [c.begun for c in mine if c.operation == name] for name in ("export", *WRITES)}
    ended = {name: [c.ended for c in mine if c.operation == name] for name in ("export", *WRITES)}
    first = min(begun["revoke"])
    assert max(ended["export"]) < first
    assert max(ended["transfer"]) < first
    assert max(begun["contain"]) < first


def assert_evidence(fleet: Fleet, desk: Desk, view: CaseView, *, restored: bool) -> None:
    """The bundle verifies with the operator's key; it counts and says what happened."""
    case_id = view.summary.id
    path = fleet.options.folder / f"{case_id}.zip"
    desk.export_bundle(case_id, path)
    key = SigningKey.decode(fleet.options.keys.signing).verifier
    verified = verify_bundle(path, key)
    path.unlink()
    records = desk.records(case_id)
    assert verified.closed
    assert verified.trusted
    assert verified.case == case_id
    assert len(verified.records) == len(records) == view.records
    closing = records[-1].control
    assert (closing["checks"], closing["passed"]) == (view.summary.checks, view.summary.passed)
    assert closing["percent"] == 100
    if not restored:
        _assert_told_once(records)
    _assert_told_in_order(records, fleet.company.worlds)


def _assert_told_once(records: Iterable[RecordView]) -> None:
    """No change is claimed twice, and none of ours is put down to somebody else."""
    told = [r.control for r in records if r.type == "effect.recorded"]
    claims = Counter((t["system"], t["stage"], t["holding"]) for t in told)
    assert set(claims.values()) == {1}, claims
    strangers = [t for t in told if t["outcome"] != "done"]
    assert strangers == [], "nobody else changed anything here"
    assert all(str(t["how"]).startswith("ours") for t in told)
    done = Counter(
        (r.control["system"], r.control["stage"]) for r in records if r.type == "operation.done"
    )
    for (_system, stage), times in done.items():
        # HR is asked again, a survey is made again when another system told more to search by,
        # and contain when a survey that came to see found more: reads, and what undoes nothing.
        assert times == 1 or stage in {"confirm", "survey", "contain"}, done
    opened = [r for r in records if r.type == "case.opened"]
    assert len(opened) == 1


def _assert_told_in_order(records: Iterable[RecordView], systems: Iterable[str]) -> None:
    """The chain itself says: kept and handed over first, then revoked, then verified twice."""
    place: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for at, record in enumerate(records):
        system = str(record.control.get("system", ""))
        stage = str(record.control.get("stage", ""))
        name = f"done {stage}" if record.type == "operation.done" else record.type
        place[system, name].append(at)
        if record.type == "effect.recorded":
            place[system, f"effect {stage}"].append(at)
    for system in systems:
        revoked = min(place[system, "effect revoke"])
        for before in ("backup.verified", "holdings.preserved", "done preserve", "done transfer"):
            assert max(place[system, before]) < revoked, (system, before)
        assert max(place[system, "effect revoke"]) < max(place[system, "system.verified"])


def assert_backups(fleet: Fleet, database: Database, view: CaseView) -> None:
    """Every system's data lies in the vault, whole, and the escrow holder can read it."""
    estate = make_estate(fleet.options)
    assert estate.vault is not None
    receipts = estate.vault.list(view.summary.id)
    assert {each.name.split("/")[0] for each in receipts} == set(fleet.company.worlds)
    assert {each.system for each in view.backups} == set(fleet.company.worlds)
    for receipt in receipts:
        estate.vault.verify(receipt)
    homes = [each for each in receipts if "/data.home/" in each.name]
    assert len(homes) == len(fleet.company.worlds), "one version each: a repeat is known as such"
    read_by_escrow(fleet, database, view.summary.id, homes[0])


def read_by_escrow(fleet: Fleet, database: Database, case_id: str, receipt: Receipt) -> None:
    """Open one backup as the people who hold the escrow key would."""
    estate = make_estate(fleet.options)
    assert estate.vault is not None
    with database.connect() as connection:
        sealed = connection.scalar(
            sa.select(vault_identities.c.sealed_identity).where(
                vault_identities.c.case_id == case_id
            )
        )
    assert sealed is not None
    holder = (fleet.options.folder / "escrow").read_text("ascii")
    identity = age.unseal(sealed, Secret.held(lambda: holder, "escrow"))
    assert b"".join(estate.vault.read(receipt, identity)) == NOTES


def assert_others_untouched(fleet: Fleet) -> None:
    """The colleague has what he had, and no connector ever wrote to anybody but leavers."""
    for system, world in fleet.company.worlds.items():
        state: dict[str, Any] = world.state(fleet.company.mates[system])
        held = {key.split("|")[0]: value for key, value in state.items() if key != "account"}
        assert set(held) == {
            "account.person", "credential.password", "credential.ssh_key", "grant.group",
        }  # fmt: skip
        assert {value["state"] for value in held.values()} == {"live"}
        assert held["credential.password"]["secret"] == "his"
        leavers = {id_ for (name, _), id_ in fleet.company.leavers.items() if name == system}
        touched = {line.holding_key.split("|")[0] for line in world.audit()}
        assert touched <= leavers
        assert fleet.company.mates[system] in world.holders(Kind("grant.group"), SHARED_GROUP)


def assert_ledger_consistent(fleet: Fleet, database: Database) -> None:
    """The anchor agrees, tiles in rows and files equal those built anew from the entries."""
    make_sequencer(fleet.options, database).check_anchor()
    key = SigningKey.decode(fleet.options.keys.signing).verifier
    published = audit_folder(published_of(fleet.options), key)
    leaf, node, head = ledger_schema.leaf, ledger_schema.node, ledger_schema.tree
    with database.connect() as connection:
        rows = connection.execute(sa.select(leaf).order_by(leaf.c.idx)).all()
        stored = {(r.level, r.number): bytes(r.hashes) for r in connection.execute(sa.select(node))}
        tree = connection.execute(sa.select(head)).one()
        waiting = connection.scalar(sa.select(sa.func.count()).select_from(ledger_schema.pending))
        chained = connection.scalar(sa.select(sa.func.count()).select_from(ledger_schema.records))
    assert waiting == 0
    assert [row.idx for row in rows] == list(range(len(rows)))
    assert len(rows) == chained == tree.size == published.size
    edge = RightEdge()
    rebuilt = edge.append([bytes(row.leaf_hash) for row in rows])
    assert stored == dict(rebuilt)
    assert edge.root() == bytes(tree.root) == published.root
