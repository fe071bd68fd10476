"""A crash at every transaction and every call of a whole case: it still closes exactly right.

The process is not really killed here (``tests/acceptance`` does that); instead the run is cut at
the n-th transaction, before or after it commits, or right after the n-th call to the outside took
effect, and whatever job was running is given again, as the reaper would. All n are walked.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind
from reconcile.case import CaseState
from tests.support.scenario import Scenario, scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sqlalchemy as sa


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Cuts the run at the n-th chance; a chance is a transaction's commit or a call's end."""

    def __init__(self, core: Scenario, at: int, *, after: bool) -> None:
        """Take the place of the database's ``sure`` and count the world's calls."""
        self.at, self.after, self.count = at, after, 0
        self.jobs = core.jobs
        self._real = core.database.sure
        core.database.sure = self.sure  # type: ignore[method-assign]
        self._log = core.world._log
        core.world._log = self.log  # type: ignore[method-assign, assignment]

    @property
    def struck(self) -> bool:
        """Say whether the run was cut."""
        return self.count >= self.at

    def sure(self, work: Callable[[sa.Connection], Any]) -> Any:
        """Run the transaction, and be killed before or after its commit when it is its turn."""
        self.count += 1
        mine = self.count == self.at
        queued = deepcopy(vars(self.jobs))  # jobs are sent in the transaction: they roll back too

        def doomed(connection: sa.Connection) -> Any:
            result = work(connection)
            if mine and not self.after:
                raise Killed
            return result

        try:
            result = self._real(doomed)
        except BaseException:
            vars(self.jobs).update(queued)
            raise
        if mine:
            raise Killed
        return result

    def log(self, call: str, phase: str, *rest: Any) -> None:
        """Be killed when a call of the outside has ended and nobody knows its answer yet."""
        self._log(call, phase, *rest)
        if phase == "end":
            self.count += 1
            if self.count == self.at:
                raise Killed


def small_world(core: Scenario) -> str:
    """Hire a leaver with one thing of each fate, and a successor; returns the leaver's id."""
    leaver = core.world.add_person("lver", employee_number="1042", names=["Lea Ver"], secret="pw")
    core.world.add_person("sue", employee_number="1007", names=["Sue Cessor"])
    other = core.world.add_person("mate", employee_number="1008")
    core.world.give(leaver, Kind("grant.group"), native_id="g-dev", label="developers")
    core.world.give(other, Kind("grant.group"), native_id="g-dev", label="developers")
    core.world.give(leaver, Kind("ownership.group"), native_id="o-team", label="the team")
    return leaver


def run_through(core: Scenario) -> str:
    """Drive a case to its end; a job that was cut is given again."""
    case_id = core.receive()
    for _ in range(400):
        queued, due = list(core.jobs.operations), dict(core.jobs.wakes)
        try:
            moved = core.step()
        except Killed:
            lost = [key for key in queued if key not in core.jobs.operations]
            core.jobs.operations[:0] = lost
            core.jobs.wakes.update({key: None for key in due if key not in core.jobs.wakes})
            core.jobs.served -= set(due)
            continue
        core.answer_all(case_id, confirm_termination="ends")
        if not moved:
            upcoming = [at for at in core.jobs.wakes.values() if at]
            if core.desk.case(case_id).summary.state is CaseState.CLOSED or not upcoming:
                return case_id
            core.clock.now = max(core.clock(), min(upcoming))
    message = "the case did not come to an end"
    raise AssertionError(message)


def check(core: Scenario, case_id: str, leaver: str) -> None:
    """See that the world is as it must be, and that the order was kept."""
    view = core.desk.case(case_id)
    assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)
    assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")
    assert core.world.holders(Kind("ownership.group"), "o-team") != (leaver,)
    assert core.world.state(leaver)[f"account.person|{leaver}"]["state"] == "contained"  # type: ignore[index,call-overload]
    order = [line.operation for line in core.world.audit()]
    assert order.count("contain") <= 2
    revoked = [at for at, name in enumerate(order) if name == "revoke"]
    transferred = [at for at, name in enumerate(order) if name == "transfer"]
    assert max(transferred) < min(revoked)
    words = {holding.label: holding.outcome for holding in view.holdings}
    assert words["developers"].startswith("revoke: done (ours")


def chances(folder: Path) -> int:
    """Count the chances to be killed in one undisturbed run."""
    with scenario(folder) as core:
        small_world(core)
        killer = Killer(core, 10**9, after=True)
        run_through(core)
        return killer.count


def walk(folder: Path, *, after: bool, every: int) -> None:
    """Cut the run at every n-th chance, each in a world of its own, and check the end."""
    (folder / "count").mkdir()
    total = chances(folder / "count")
    assert total > 40
    for at in range(1 + after, total + 1, every):
        room = folder / str(at)
        room.mkdir()
        with scenario(room) as core:
            leaver = small_world(core)
            killer = Killer(core, at, after=after)
            case_id = run_through(core)
            assert killer.struck
            check(core, case_id, leaver)


@pytest.mark.parametrize("after", [False, True], ids=["before-commit", "after-commit"])
def test_a_crash_still_closes_exactly_right(tmp_path: Path, *, after: bool) -> None:
    """Law 6: cut at every fourth transaction or call, the case ends the same."""
    walk(tmp_path, after=after, every=4)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("after", [False, True], ids=["before-commit", "after-commit"])
def test_a_crash_anywhere_still_closes_exactly_right(tmp_path: Path, *, after: bool) -> None:
    """Law 6: the same at every single transaction and call."""
    walk(tmp_path, after=after, every=1)
