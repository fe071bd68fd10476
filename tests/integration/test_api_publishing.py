"""The publisher: waiting records are signed, and a ledger that refuses is never signed on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deprovisioner.intake.canonical import read
from deprovisioner.publishing import Publisher
from deprovisioner.wiring import House, Origins, open_house, utc_now
from reconcile.store import ledger
from tests.support.house_rig import event, memory_world, settings_for
from tests.support.scenario import TurnedClock
from tests.support.waiting import wait_until

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> TurnedClock:
    """A clock that tests turn."""
    return TurnedClock(utc_now())


@pytest.fixture
def house(tmp_path: Path, clock: TurnedClock) -> Iterator[House]:
    """A house at rest."""
    with (
        memory_world(tmp_path),
        open_house(settings_for(tmp_path), at_rest=True, origins=Origins(clock=clock)) as made,
    ):
        yield made


def publisher(house: House, every: timedelta = timedelta(milliseconds=20)) -> Publisher:
    return Publisher(
        house.database, house.sequencer, house.jobs,
        clock=house.estate.clock, every=every, heartbeat=HOUR,
    )  # fmt: skip


def take_one(house: House) -> None:
    """Let one event in, which writes records."""
    raw = event()
    house.desk.receive(read(raw, received_at=house.estate.clock()), raw=raw, principal="test")


def size(house: House) -> int:
    with house.database.connect() as connection:
        return ledger.published_size(connection)


def test_records_are_published_by_the_thread(house: House) -> None:
    """Within its interval, without anybody asking."""
    running = publisher(house)
    running.start()
    take_one(house)
    wait_until(lambda: size(house) > 0, 10)
    running.stop()


def test_the_last_records_are_published_at_the_stop(house: House) -> None:
    """What drained operations left is not left waiting for the next start."""
    running = publisher(house, every=HOUR)
    running.start()
    take_one(house)
    running.stop()
    assert size(house) > 0


def test_an_idle_log_says_its_checkpoint_again(house: House, clock: TurnedClock) -> None:
    """After the heartbeat and not before: an idle log can be told from a dead one."""
    once = publisher(house)
    take_one(house)
    assert once.publish() is not None
    clock.turn(HOUR / 2)
    assert once.publish() is None
    clock.turn(HOUR / 2)
    again = once.publish()
    assert again is not None
    assert again.size == size(house)


def test_a_ledger_that_refuses_is_not_signed_on(house: House) -> None:
    """The anchor is gone although the log was published: a person has to look."""
    once = publisher(house)
    take_one(house)
    once.publish()
    before = size(house)
    house.settings.anchor_path.unlink()
    once.stop()
    assert once.refused == "LedgerRolledBack"
    assert size(house) == before
