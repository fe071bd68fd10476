"""Cases in flight outlive a release and a restore: an old node dies, a newer one finishes; a copy
of the database put back goes on, and is not signed over what was already told.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.evidence.checkpoint import open_checkpoint
from reconcile.evidence.keys import SigningKey
from reconcile.store import ledger_schema
from reconcile.store.schema import effects, operations
from tests.support.core_fleet import Fleet, fleet
from tests.support.core_node import QUICK, REFUSED, anchor_of
from tests.support.core_proof import prove
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow]

CLOSING = 90.0
NEVER_DONE = QUICK.replace("revoke: {at: access_end}", "revoke: {at: access_end + 90d}")


def revoking(made: Fleet) -> bool:
    """Say whether something is being taken away right now."""
    taken = sa.select(sa.func.count()).join(
        operations,
        sa.and_(operations.c.case_id == effects.c.case_id, operations.c.seq == effects.c.seq),
    )
    with made.rows() as connection:
        query = taken.select_from(effects).where(operations.c.stage == "revoke")
        return bool(connection.scalar(query))


def test_a_newer_release_finishes_what_an_older_one_began(tmp_path: Path) -> None:
    """A system that only the newer node knows is covered too; each case keeps its own policy."""
    with fleet(f"sqlite:///{tmp_path}/own.db", tmp_path, latency=0.05) as made:
        old = made.start(systems=("directory",))
        made.hire_and_deliver(range(4))
        made.await_(lambda: revoking(made), 60)
        made.bury(old)
        assert made.closed() == frozenset()
        assert made.company.worlds["forge"].audit() == ()

        assert NEVER_DONE != QUICK
        made.start(policy=NEVER_DONE)  # would wait for ninety days, if it governed them
        made.await_closed(CLOSING)
        made.end()
        prove(made)


def test_a_backup_put_back_goes_on_and_never_tells_a_second_story(tmp_path: Path) -> None:
    """Beside the newer checkpoint it is refused; in a new place, with its own, it finishes."""
    with fleet(f"sqlite:///{tmp_path}/own.db", tmp_path, latency=0.05) as made:
        node = made.start()
        made.hire_and_deliver(range(4))
        made.await_(lambda: revoking(made), 60)
        anchor = anchor_of(made.options)
        trusted = anchor.read_bytes()
        assert node.tell("backup", tmp_path / "copy.db") is None
        copied = entries_in(tmp_path / "copy.db")
        assert made.closed() == frozenset()
        wait_until(lambda: signed(made) > copied, 60)
        made.bury(node)

        shutil.copy(tmp_path / "copy.db", tmp_path / "beside.db")
        assert made.refused_to_start(url=f"sqlite:///{tmp_path}/beside.db") == REFUSED

        new = made.move(url=f"sqlite:///{tmp_path}/copy.db", place="new")
        anchor_of(new).write_bytes(trusted)
        made.start()
        made.await_closed(CLOSING)
        made.end()
        prove(made, restored=True)


def entries_in(path: Path) -> int:
    """Count the entries that a copy of the database has in its log."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        size = connection.scalar(sa.select(ledger_schema.tree.c.size))
    engine.dispose()
    return int(size or 0)


def signed(made: Fleet) -> int:
    """Read how many entries the newest checkpoint outside the database covers."""
    key = SigningKey.decode(made.options.keys.signing).verifier
    return open_checkpoint(anchor_of(made.options).read_bytes(), key).size
