"""How fast the evidence is, as ratios within one run.

`python benchmarks/bench_ledger.py [--leaves N]`

Three targets of the project, and what they are measured against:

- append: leaves per second by which a tree grows in batches of 4096, at least 100,000.
- audit: seconds to hash a published log of 1,000,000 entries again from its files, at most 6.
- records: full records (two salted commitments, link, entry) against ``rfc8785`` and SHA-256 of
  the same two parts, at least 0.8.

For honesty also the whole way through an embedded database: outbox, leaves, tiles, tree, fsync.
"""

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import rfc8785
import sqlalchemy as sa

from reconcile.evidence.audit import audit_folder
from reconcile.evidence.chain import ChainTip, linked
from reconcile.evidence.checkpoint import Checkpoint, sign_checkpoint
from reconcile.evidence.encoding import Json
from reconcile.evidence.keys import SigningKey
from reconcile.evidence.record import Record
from reconcile.evidence.tiles import WIDTH, RightEdge, TileKey
from reconcile.evidence.tree import leaf_hash
from reconcile.store import ledger_schema as schema
from reconcile.store.database import Database
from reconcile.store.ledger import Sequencer
from reconcile.store.ledger_files import write_head, write_tiles
from reconcile.store.metadata import metadata

KEY = SigningKey("log.example.com/benchmark", bytes(range(32)))
BATCH = 4096
NOW = datetime(2026, 11, 24, tzinfo=UTC)

CONTROL: dict[str, Json] = {
    "system": "ldap-main",
    "action": "contain",
    "outcome": "done",
    "holding": "account.person",
    "policy": "cd" * 32,
    "request": "0a1b2c3d-0000-4444-8888-aaaabbbbcccc",
    "canary": True,
    "tries": 1,
}
PERSON: dict[str, Json] = {
    "name": "Li Wei 李伟",
    "employee": "E-1042",
    "mail": "li.wei@example.com",
    "account": "uid=li.wei,ou=people,dc=example,dc=com",
    "read_back": {"locked": True, "groups": ["staff", "engineering"], "sessions": []},
}


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block began; after the block, how long it took."""
    start = time.perf_counter()
    stopped: list[float] = []
    yield lambda: (stopped[0] if stopped else time.perf_counter()) - start
    stopped.append(time.perf_counter())


def entries(count: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(count)]


def append(ready: list[bytes]) -> float:
    """Leaves per second: leaf hash, tiles and a root per batch, in memory."""
    edge = RightEdge()
    with stopwatch() as seconds:
        for at in range(0, len(ready), BATCH):
            edge.append(map(leaf_hash, ready[at : at + BATCH]))
            edge.root()
    return len(ready) / seconds()


def audit(ready: list[bytes]) -> float:
    """Seconds to audit a published folder of these entries."""
    edge = RightEdge()
    tiles: dict[TileKey, bytes] = dict(edge.append(map(leaf_hash, ready)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiles(
            folder,
            0,
            len(ready),
            lambda level, number, _width: tiles[level, number],
            lambda first, count: iter(ready[first : first + count]),
        )
        head = Checkpoint(KEY.name, len(ready), edge.root())
        write_head(folder, sign_checkpoint(head, KEY))
        with stopwatch() as seconds:
            assert audit_folder(folder, KEY.verifier) == head
        return seconds()


def records(count: int, rounds: int = 5) -> tuple[float, float]:
    """Records per second, full and bare; the best of several rounds in turn, so that load hits
    both.
    """
    tip = ChainTip(6, bytes(32))
    at = NOW.isoformat()
    control = linked("case-2026-0042", tip, "account.contained", at, CONTROL)
    full = bare = 0.0
    for _ in range(rounds):
        with stopwatch() as seconds:
            for _ in range(count):
                link = linked("case-2026-0042", tip, "account.contained", at, CONTROL)
                Record.create(link, PERSON, secrets.token_bytes)
        full = max(full, count / seconds())
        with stopwatch() as seconds:
            for _ in range(count):
                sha256(rfc8785.dumps(control)).digest()
                sha256(rfc8785.dumps(PERSON)).digest()
        bare = max(bare, count / seconds())
    return full, bare


def through_database(ready: list[bytes], batch: int) -> float:
    """Leaves per second from the outbox into an embedded database that flushes every commit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database.open(f"sqlite:///{folder / 'db'}")
        tables = [schema.pending, schema.leaf, schema.node, schema.tree, schema.checkpoint]
        rows = [{"event_id": str(n), "entry": e, "at": 0.0} for n, e in enumerate(ready)]
        with database.begin() as connection:
            metadata.create_all(connection, tables=tables)
            connection.execute(sa.insert(schema.pending), rows)
        sequencer = Sequencer(database, KEY, lambda: NOW, folder / "log", folder / "anchor")
        with stopwatch() as seconds:
            while sequencer.integrate(batch):
                pass
        database.close()
        return len(ready) / seconds()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    leaves = parser.parse_args().leaves
    ready = entries(leaves)
    speed = append(ready)
    print(f"append    {speed:>12,.0f} leaves/s           {speed / 100_000:6.2f} x target (>= 1)")
    seconds = audit(ready)
    allowed = 6 * leaves / 1_000_000
    print(
        f"audit     {seconds:>12.2f} s for {leaves:,} {seconds / allowed:6.2f} x allowed (<= 1), "
        f"{leaves // WIDTH:,} bundles"
    )
    full, bare = records(5_000)
    print(f"records   {full:>12,.0f} full/s             {full / bare:6.2f} x bare rfc8785 (>= 0.8)")
    stored = through_database(ready[:100_000], 5_000)
    print(f"database  {stored:>12,.0f} leaves/s (SQLite)  {stored / 100_000:6.2f} x 100,000/s")


if __name__ == "__main__":
    main()
