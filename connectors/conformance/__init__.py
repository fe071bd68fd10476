"""The conformance suite: what every connector keeps, checked against a real or a remembered world.

Shipped with the contract and free of any test runner. An author writes a
:class:`~connectors.conformance.rig.Rig` and either calls :func:`run`, or lets pytest show each
check by its name::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_conformance(check: Check) -> None:
        \"\"\"The connector keeps the contract.\"\"\"
        result = judge(check, open_rig)
        assert result.verdict is not Verdict.FAILED, result.detail

Verdicts ``unsupported`` and ``not claimed`` are results with a reason, to be printed; the suite
skips nothing in silence. It is not a test of the vendor's system, and not proof of speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from connectors.conformance import reads, troubles, undo, writes
from connectors.conformance.rig import (
    Nonconformity,
    NotClaimed,
    OpensRig,
    Rig,
    Situation,
)

__all__ = [
    "CHECKS",
    "Check",
    "Nonconformity",
    "NotClaimed",
    "OpensRig",
    "Result",
    "Rig",
    "Situation",
    "Verdict",
    "check_named",
    "judge",
    "run",
]


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported by the rig"
    NOT_CLAIMED = "not claimed by the connector"


@dataclass(frozen=True, slots=True)
class Check:
    """One obligation: its name is the function's, its sentence the function's docstring."""

    run: Callable[[Rig], None]
    needs: frozenset[Situation] = frozenset()

    @property
    def name(self) -> str:
        """Name the check as the capability card prints it."""
        return self.run.__name__.replace("_", "-")

    def __str__(self) -> str:
        """Give pytest an id."""
        return self.name


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found; ``error`` is the exception that ended it, for a traceback."""

    check: str
    verdict: Verdict
    detail: str = ""
    error: BaseException | None = None


_NEEDS: Final[dict[Callable[[Rig], None], Situation]] = {
    reads.truncated_read_is_blind: Situation.TRUNCATED,
    reads.cut_export_is_whole_or_raises: Situation.TRUNCATED,
    reads.hidden_canary_is_blind: Situation.CANARY_HIDDEN,
    reads.hidden_target_is_blind: Situation.TARGET_HIDDEN,
    reads.card_and_close_need_no_network: Situation.UNREACHABLE,
    writes.vanished_before_write_is_already: Situation.VANISHED,
    writes.sole_is_never_removed: Situation.SOLE,
    writes.renamed_in_between_is_the_same_object: Situation.RENAMED,
    writes.silent_success_is_not_done: Situation.SILENT,
    troubles.unreachable_is_transient: Situation.UNREACHABLE,
    troubles.slow_is_transient: Situation.SLOW,
    troubles.throttled_says_when: Situation.THROTTLED,
    troubles.denied_is_unauthorised: Situation.DENIED,
    troubles.garbled_is_malformed: Situation.GARBLED,
}

_ALL: Final[tuple[Callable[[Rig], None], ...]] = (
    reads.finds_by_immutable_match,
    reads.page_size_one_equals_a_big_page,
    reads.only_the_last_page_ends,
    reads.nobody_carries_a_canary,
    reads.truncated_read_is_blind,
    reads.hidden_canary_is_blind,
    reads.hidden_target_is_blind,
    reads.pre_image_with_act_only,
    reads.card_covers_what_is_reported,
    reads.both_credentials_see_the_same,
    reads.lists_everybody,
    reads.exports_stream,
    reads.cut_export_is_whole_or_raises,
    reads.instants_are_aware,
    reads.activity_is_a_complete_read,
    reads.probe_changes_nothing,
    reads.card_and_close_need_no_network,
    reads.threads_have_their_own_instance,
    writes.effects_match_holdings_in_order,
    writes.contained_is_seen_by_the_verifier,
    writes.second_contain_is_already,
    writes.revoked_is_gone_for_the_verifier,
    writes.second_revoke_is_already,
    writes.vanished_before_write_is_already,
    writes.sole_is_never_removed,
    writes.transferred_is_seen_by_the_verifier,
    writes.renamed_in_between_is_the_same_object,
    writes.nobody_else_is_touched,
    writes.destroyed_is_gone,
    writes.silent_success_is_not_done,
    writes.two_at_once_do_no_harm,
    writes.verifier_cannot_write,
    undo.contain_is_undone,
    undo.revoke_is_undone,
    undo.transfer_is_undone,
    troubles.unreachable_is_transient,
    troubles.slow_is_transient,
    troubles.throttled_says_when,
    troubles.denied_is_unauthorised,
    troubles.garbled_is_malformed,
    troubles.only_faults_escape,
    troubles.fault_texts_name_nobody,
)

CHECKS: Final[tuple[Check, ...]] = tuple(
    Check(one, frozenset({_NEEDS[one]}) if one in _NEEDS else frozenset()) for one in _ALL
)
"""Every check, in the order of a case: read, write, undo, fail."""


class _Ending:
    """How a check ended. Catches whatever it raised: a judge writes down, it does not fall over."""

    def __init__(self, check: Check) -> None:
        self.result = Result(check.name, Verdict.PASSED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        name = self.result.check
        if isinstance(error, NotClaimed):
            self.result = Result(name, Verdict.NOT_CLAIMED, str(error))
        elif isinstance(error, Nonconformity):
            self.result = Result(name, Verdict.FAILED, str(error), error)
        else:
            detail = f"{type(error).__name__} ended the check"
            self.result = Result(name, Verdict.FAILED, detail, error)
        return True


def judge(check: Check, open_rig: OpensRig) -> Result:
    """Run one check in a fresh world."""
    with _Ending(check) as ending, open_rig() as rig:
        for situation in check.needs:
            if situation in rig.unsupported:
                return Result(check.name, Verdict.UNSUPPORTED, rig.unsupported[situation])
        check.run(rig)
    return ending.result


def run(open_rig: OpensRig, checks: Iterable[Check] = CHECKS) -> list[Result]:
    """Run the suite, each check in a fresh world."""
    return [judge(check, open_rig) for check in checks]


def check_named(name: str) -> Check:
    """Find a check. Raises :class:`KeyError`."""
    return {check.name: check for check in CHECKS}[name]
