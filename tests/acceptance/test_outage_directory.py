"""A directory that is away, slow, cut short, blind or lying: cases stay open while it lasts, say
why, and close exactly right after it heals. One process of the whole core.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.memory import Injection, Trouble
from reconcile.store.schema import effects, operations
from tests.support.core_fleet import Fleet, fleet
from tests.support.core_proof import prove

pytestmark = [pytest.mark.slow]

CLOSING = 90.0
TRIES = 2
"""How often an operation must have failed before the trouble counts as lasting."""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Fleet]:
    """One node over two systems."""
    with fleet(f"sqlite:///{tmp_path}/own.db", tmp_path) as made:
        made.start()
        yield made


def failing(made: Fleet) -> bool:
    """Say whether an operation of the directory has failed often and is not done."""
    tried = sa.select(sa.func.count()).where(
        operations.c.system == "directory", operations.c.state == "todo", operations.c.tries > TRIES
    )
    with made.rows() as connection:
        return bool(connection.scalar(tried))


def healthy_system_contained(made: Fleet) -> bool:
    """Say whether the other system has everybody contained meanwhile."""
    done = sa.select(sa.func.count()).where(
        operations.c.system == "forge",
        operations.c.stage == "contain",
        operations.c.state == "done",
    )
    with made.rows() as connection:
        return connection.scalar(done) == len(made.delivered)


@pytest.mark.parametrize(
    "injection",
    [
        Injection(Trouble.TRANSIENT),
        Injection(Trouble.SLOW, seconds=30.0),
        Injection(Trouble.TRUNCATED),
        Injection(Trouble.TARGET_HIDDEN),
        Injection(Trouble.CANARY_HIDDEN),
        Injection(Trouble.UNAUTHORISED),
        pytest.param(Injection(Trouble.MALFORMED), marks=pytest.mark.soak),
        Injection(Trouble.SILENT, operation="contain"),
        Injection(Trouble.SILENT, operation="revoke"),
        pytest.param(Injection(Trouble.TRANSIENT, operation="export"), marks=pytest.mark.soak),
        Injection(Trouble.TARGET_HIDDEN, credential="verify"),
        Injection(Trouble.CANARY_HIDDEN, credential="verify"),
        pytest.param(
            Injection(Trouble.TRUNCATED, operation="survey", credential="verify"),
            marks=pytest.mark.soak,
        ),
    ],
    ids=lambda each: "-".join(filter(None, (each.trouble, each.operation, each.credential))),
)
def test_cases_stay_open_while_it_lasts(alone: Fleet, injection: Injection) -> None:
    """No case closes on what could not be seen or done; the other system does not wait for it."""
    world = alone.company.worlds["directory"]
    world.inject(injection)
    alone.hire_and_deliver(range(1))
    alone.await_(lambda: failing(alone), 60)
    alone.await_(lambda: healthy_system_contained(alone), 60)
    assert alone.closed() == frozenset()

    world.heal()
    alone.await_closed(CLOSING)
    alone.end()
    prove(alone)


def test_it_goes_away_in_the_middle_and_the_node_dies_meanwhile(alone: Fleet) -> None:
    """Unreachable between containment and revocation, with a kill in between: nothing is lost."""
    alone.hire_and_deliver(range(2))
    contained = sa.select(sa.func.count()).where(
        operations.c.stage == "contain", operations.c.state == "done"
    )

    def all_contained() -> bool:
        with alone.rows() as connection:
            return connection.scalar(contained) == 4

    alone.company.worlds["directory"].inject(Injection(Trouble.TRANSIENT, operation="revoke"))
    alone.await_(all_contained, 60)
    alone.await_(lambda: failing(alone), 60)
    alone.bury(alone.nodes[0])
    assert alone.closed() == frozenset()
    alone.start()
    alone.company.worlds["directory"].heal()
    alone.await_closed(CLOSING)
    with alone.rows() as connection:
        states = set(connection.scalars(sa.select(effects.c.state)))
    assert states <= {"done"}
    alone.end()
    prove(alone)
