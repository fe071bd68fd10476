"""``plan EMPLOYMENT``: survey live, say what is held and what would happen. Stores nothing.

Uses the verifying credential, which cannot write, so that looking can never become doing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from connectors.contract import AccountKind, Credential, HoldingState, Stage, gather
from connectors.faults import Fault
from policies.access_end import UnknownTimeZone, ZoneDefaults, anchors, derive
from policies.dispose import dispose, excluded
from policies.schedule import due
from reconcile.correlate import Known, Standing
from reconcile.facts import HoldingFacts, Step
from reconcile.folding import facts_of
from reconcile.gates import STAGES, supports
from reconcile.plan import SERVICE_DUTY, applies
from reconcile.policy_book import choose
from reconcile.searching import search
from reconcile.views import Preview, PreviewAccount, PreviewLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from connectors.contract import Account, Connector, Holding, Subject
    from policies.model import Policy
    from reconcile.correlate import Verdict
    from reconcile.estate import Estate, System
    from reconcile.event import Person

_STEPS: Final = (Step.PRESERVE, Step.TRANSFER, Step.CONTAIN, Step.REVOKE, Step.DESTROY)
Attributed: TypeAlias = "Callable[[str], tuple[frozenset[str], frozenset[str]]]"


def _nothing(_system: str) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(), frozenset()


@dataclass(slots=True)
class _Look:
    """One look at everything."""

    estate: Estate
    subject: Subject
    policy: Policy
    times: Mapping[Stage, datetime]
    day: datetime
    attributed: Attributed
    theirs: list[Account] = field(default_factory=list)
    accounts: list[PreviewAccount] = field(default_factory=list)
    lines: list[PreviewLine] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def system(self, system: System) -> None:
        connector = system.connect(Credential.VERIFY)
        try:
            self._read(system, connector)
        except Fault as fault:
            self.warnings.append(f"{system.name}: could not be read: {fault}")
        finally:
            connector.close()

    def _read(self, system: System, connector: Connector) -> None:
        approved, others = self.attributed(system.name)
        known = Known(self.subject, tuple(self.theirs), approved, others)
        rules = self.estate.rules
        found = search(lambda who: gather(connector.find(who)), known, rules, system.name)
        if found.blind:
            self.warnings.append(f"{system.name}: the search was blind: {found.blind}")
        self.accounts += [_judged(each) for each in found.verdicts]
        own = [each for each in found.sure if each.kind is not AccountKind.SERVICE]
        if not own and not found.blind:
            self.warnings.append(f"{system.name}: no account was found")
        several = sum(each.kind is AccountKind.PERSON for each in own)
        if several > 1 and system.name in rules.one_account:
            self.warnings.append(f"{system.name}: {several} accounts match where one is expected")
        self._not_own(system, found.verdicts)
        self.theirs += own
        for account in own:
            self._account(system, connector, account)
        if own:
            self.warnings += [f"{system.name}: {gap.duty}" for gap in system.card.gaps if gap.duty]

    def _not_own(self, system: System, verdicts: Iterable[Verdict]) -> None:
        for each in verdicts:
            if each.standing is Standing.CANDIDATE:
                self.warnings.append(
                    f"{system.name}: an account may be theirs ({each.account.matched_by}): "
                    "a person has to decide"
                )
            elif each.standing is Standing.SURE and each.account.kind is AccountKind.SERVICE:
                self.warnings.append(f"{system.name}: {SERVICE_DUTY}")

    def _account(self, system: System, connector: Connector, account: Account) -> None:
        if self.estate.guards.protects(self.subject, account):
            self.warnings.append(f"{system.name}: protected identity: nothing would be written")
        reading = gather(connector.survey(account))
        if reading.blind:
            self.warnings.append(f"{system.name}: the survey was blind: {reading.blind}")
        self.lines += [self._line(system, holding) for holding in reading.items]

    def _line(self, system: System, holding: Holding) -> PreviewLine:
        rule = dispose(
            self.policy, system.name, holding.kind, sole=holding.sole, on=self.day.date()
        )
        facts = HoldingFacts(
            0, system.name, holding.kind, holding.state, holding.sole, holding.duty, rule
        )
        support = system.card.support(holding.kind)
        return PreviewLine(
            system=system.name,
            kind=holding.kind,
            label=holding.label,
            state=holding.state.value,
            sole=holding.sole,
            will=tuple(
                (step.value, self.times[STAGES[step]])
                for step in _STEPS
                if applies(step, facts) and supports(system.card, holding.kind, step)
            ),
            wanted=rule.wanted.value,
            rule=rule.rule,
            cannot_be_undone=support.not_restorable if support else "",
            duty=holding.duty or (support.duty if support else ""),
        )


def _judged(verdict: Verdict) -> PreviewAccount:
    account = verdict.account
    return PreviewAccount(
        account.system, account.native_id, account.login, account.kind.value, account.matched_by,
        account.confidence, verdict.standing.value, verdict.reason.value,
    )  # fmt: skip


def preview(
    estate: Estate, subject: Subject, person: Person, attributed: Attributed = _nothing
) -> Preview:
    """Look at every system and say what would happen to this person's holdings.

    ``attributed`` gives for a system the native ids that people signed off: this person's, others'.
    """
    now = estate.clock()
    policy, reason, wrong = choose(estate, facts_of(person))
    try:
        end = derive(
            person.dates, immediate=False, received_at=now,
            defaults=ZoneDefaults(tenant=estate.time_zone),
        )  # fmt: skip
    except (ValueError, UnknownTimeZone):  # no dates yet: show it as if access ended now
        end = derive(person.dates, immediate=True, received_at=now)
    known = anchors(end, person.dates, received_at=now, now=now)
    times = {stage: due(policy, stage, known, immediate=False) for stage in Stage}
    look = _Look(estate, subject, policy, times, now, attributed)
    left_out = []
    for system in estate.systems.values():
        exclusion = excluded(policy, system.name, now.date())
        if exclusion:
            left_out.append((system.name, exclusion.reason))
        else:
            look.system(system)
    if wrong:
        look.warnings.append(wrong)
    lonely = any(line.sole and line.wanted == HoldingState.GONE for line in look.lines)
    if lonely and not (person.successor or person.employment.manager):
        look.warnings.append("something is held by nobody else, and no successor is known")
    return Preview(
        employment_id=subject.employment_id,
        access_end=end.at,
        explanation=end.explanation,
        policy_name=policy.name,
        policy_reason=reason,
        lines=tuple(look.lines),
        warnings=tuple(look.warnings),
        excluded=tuple(left_out),
        observe=estate.observe,
        accounts=tuple(look.accounts),
    )
