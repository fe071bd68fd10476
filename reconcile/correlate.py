"""Whose account is this? Rules in configuration, one verdict for each account found. Pure.

Called by ``operations.surveying`` for what a connector's ``find`` returned, and by ``previewing``.
A connector searches and reports what it read; what a hit is worth is judged here, alike for all
systems (docs/decisions/0012-correlation.md). Nothing here reads a row or speaks to a system.

The order of the obligations, numbered in the code:

1. Another person's HR number outweighs every name (Law 5: nobody else is cut).
2. Only the HR number, HR's person id, an immutable id learned elsewhere, or what a person signed
   off makes sure. Names, addresses and patterns are re-used: they are asked about.
3. An account that was signed off as somebody else's stays theirs until a person says otherwise.
4. A look-alike is named as one, and never sure.
5. What no rule explains is asked about, not dropped: the connector found it for a reason (Law 4).
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from connectors.contract import Account, AccountKind, Identifier, IdentityKey, Subject
from reconcile.alike import fold, fold_number, looks_like

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SURE: Final = 100
"""The confidence of an immutable id, the HR number, or a person's word. No rule may give it."""
CONTRADICTED: Final = 90
"""An id says it is theirs and an HR number says it is not: most likely, and never by itself."""
LOOK_ALIKE: Final = 20
PLACEHOLDERS: Final = ("{login}", "{employee_number}")


class Match(StrEnum):
    """What a rule compares."""

    UPN = "upn"
    MAIL = "mail"
    LOGIN = "login"
    OWNER = "owner"
    NAME = "name"
    PATTERN = "pattern"


class Standing(StrEnum):
    """What becomes of an account without a person's word."""

    SURE = "sure"
    CANDIDATE = "candidate"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why an account is not simply what its rule says; words for people in docs/correlation.md."""

    NONE = ""
    ANOTHERS_NUMBER = "anothers_number"
    CONTRADICTORY = "contradictory"
    ANOTHERS_ACCOUNT = "anothers_account"
    LOOK_ALIKE = "look_alike"
    UNPROVEN = "unproven"
    BELOW = "below_threshold"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to come to a candidate. ``systems`` empty: all. ``kind``: what such accounts are."""

    match: Match
    confidence: int
    pattern: str = ""
    kind: AccountKind | None = None
    systems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How evidence and people name the rule; holds nothing personal."""
        return f"pattern {self.pattern}" if self.match is Match.PATTERN else self.match.value


DEFAULT_RULES: Final = (
    Rule(Match.UPN, 65),
    Rule(Match.MAIL, 60),
    Rule(Match.LOGIN, 50),
    Rule(Match.OWNER, 50, kind=AccountKind.SERVICE),
    Rule(Match.NAME, 30),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it. ``services``: login patterns of accounts that are nobody's own.

    ``one_account``: systems in which a person has exactly one account of their own.
    ``ask_from``: candidates below are recorded as rejected instead of asked about.
    """

    rules: tuple[Rule, ...] = DEFAULT_RULES
    services: tuple[str, ...] = ()
    one_account: tuple[str, ...] = ()
    ask_from: int = 1

    def of(self, system: str) -> Iterator[Rule]:
        """The rules that apply in a system, in order."""
        return (rule for rule in self.rules if not rule.systems or system in rule.systems)

    def has_patterns(self, system: str) -> bool:
        """Say whether logins are to be made of the logins that a search brings."""
        return any(rule.match is Match.PATTERN for rule in self.of(system))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about the person when accounts of one system are judged.

    ``accounts``: theirs for sure, in any system. ``approved``: native ids in this system that a
    person signed off as theirs; ``others``: as somebody else's.
    """

    subject: Subject
    accounts: tuple[Account, ...] = ()
    approved: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An account as judged: ``account`` carries the kind, rule and confidence that were found."""

    account: Account
    standing: Standing
    reason: Reason = Reason.NONE


def correlate(found: Iterable[Account], known: Known, rules: Rules) -> tuple[Verdict, ...]:
    """Judge accounts of one system; the order in which they came says nothing.

    Those that are sure by themselves are known when the others are judged: an administrator's
    login is made from the person's own.
    """
    accounts = _united(found)
    first = [judge(each, known, rules) for each in accounts]
    sure = [each.account for each in first if each.standing is Standing.SURE]
    wider = replace(known, accounts=joined(known.accounts, sure))
    return tuple(judge(each, wider, rules) for each in accounts)


def _united(found: Iterable[Account]) -> tuple[Account, ...]:
    """One account for each native id: a system may answer twice, by two of its attributes."""
    united: dict[str, Account] = {}
    for each in sorted(found, key=lambda one: (-one.confidence, one.matched_by, repr(one))):
        first = united.setdefault(each.native_id, each)
        both = tuple(dict.fromkeys((*first.identifiers, *each.identifiers)))
        united[each.native_id] = replace(first, identifiers=both)
    return tuple(united[native_id] for native_id in sorted(united))


def joined(one: Iterable[Account], other: Iterable[Account]) -> tuple[Account, ...]:
    """Accounts of several systems, each once, in an order of their own."""
    both = {(each.system, each.native_id): each for each in (*one, *other)}
    return tuple(both[key] for key in sorted(both))


def judge(account: Account, known: Known, rules: Rules) -> Verdict:
    """Judge one account."""
    verdict = _by_ids(account, known) or _by_word(account, known)
    if verdict is None:
        verdict = _by_rule(account, known, rules) or _as_found(account)
        if verdict.reason is Reason.NONE and verdict.account.confidence < rules.ask_from:
            verdict = replace(verdict, standing=Standing.REJECTED, reason=Reason.BELOW)
    kind = _kind(account, known, rules)
    return replace(verdict, account=replace(verdict.account, kind=kind))


# ------------------------------------------------------------------------------ what makes sure


def _by_ids(account: Account, known: Known) -> Verdict | None:
    """Obligations 1 and 2: numbers and ids, which name one person."""
    subject = known.subject
    said = [
        _compare(account, IdentityKey.EMPLOYEE_NUMBER, subject.employee_number),
        _compare(account, IdentityKey.PERSON_ID, subject.person_id),
    ]
    agrees = next((key for key, same, _ in said if same), None)
    if agrees is None and _shares_immutable_id(account, known):
        agrees = IdentityKey.IMMUTABLE_ID
    differs = any(other for _, _, other in said)
    if agrees and not differs:
        if account.native_id in known.others and account.native_id not in known.approved:
            return _verdict(account, agrees, CONTRADICTED, Reason.ANOTHERS_ACCOUNT)
        return _verdict(account, agrees, SURE)
    if agrees or (differs and account.native_id in known.approved):
        by = agrees or IdentityKey.EMPLOYEE_NUMBER
        return _verdict(account, by, CONTRADICTED, Reason.CONTRADICTORY)
    if differs:
        return _anothers(account, subject)
    return None


def _compare(account: Account, key: IdentityKey, ours: str) -> tuple[IdentityKey, bool, bool]:
    """Say whether the account carries our value, and whether it carries another one.

    Numbers are typed by people; ids are made by systems, some of which tell two persons apart by
    upper and lower case alone. An id in another spelling is neither: it is asked about.
    """
    mine = fold_number(ours)
    shown = [value for value in values(account, key) if fold_number(value)]
    typed = key is IdentityKey.EMPLOYEE_NUMBER
    same = any(
        fold_number(each) == mine if typed else each.strip() == ours.strip() for each in shown
    )
    other = any(fold_number(each) != mine for each in shown)
    return key, bool(mine) and same, bool(mine) and other


def _shares_immutable_id(account: Account, known: Known) -> bool:
    """Immutable ids are compared as they are: base64 knows upper and lower case."""
    learned = {each.value for each in immutable_ids(known, account.system)}
    return bool(learned & {value for value in values(account, IdentityKey.IMMUTABLE_ID) if value})


def _anothers(account: Account, subject: Subject) -> Verdict:
    """Obligation 1; but a number that only looks different may be a typing mistake (4)."""
    numbers = values(account, IdentityKey.EMPLOYEE_NUMBER)
    if any(looks_like(number, subject.employee_number) for number in numbers):
        by = IdentityKey.EMPLOYEE_NUMBER
        return _verdict(account, by, LOOK_ALIKE, Reason.LOOK_ALIKE)
    weak = min(account.confidence, LOOK_ALIKE)
    judged = replace(account, confidence=weak)
    return Verdict(judged, Standing.REJECTED, Reason.ANOTHERS_NUMBER)


def _by_word(account: Account, known: Known) -> Verdict | None:
    """Obligations 2 and 3: what people signed off, in this case or an earlier one."""
    if account.native_id in known.approved:
        judged = replace(account, matched_by="signed off", confidence=SURE)
        return Verdict(judged, Standing.SURE)
    if account.native_id in known.others:
        judged = replace(account, confidence=min(account.confidence, LOOK_ALIKE))
        return Verdict(judged, Standing.REJECTED, Reason.ANOTHERS_ACCOUNT)
    return None


# ---------------------------------------------------------------------- what makes a candidate


def _by_rule(account: Account, known: Known, rules: Rules) -> Verdict | None:
    """The first rule that fits, else a look-alike of anything a rule would have matched."""
    if account.confidence == SURE and not account.identifiers:
        return Verdict(account, Standing.SURE)  # the connector's word; it shows no identity
    for rule in rules.of(account.system):
        if _fits(rule, account, known):
            reason = Reason.UNPROVEN if account.confidence == SURE else Reason.NONE
            judged = replace(account, matched_by=rule.label, confidence=rule.confidence)
            return Verdict(judged, Standing.CANDIDATE, reason)
    for rule in rules.of(account.system):
        pairs = ((seen, ours) for seen in _seen(rule, account) for ours in _wanted(rule, known))
        if any(looks_like(seen, ours) for seen, ours in pairs):
            judged = replace(account, matched_by=rule.label, confidence=LOOK_ALIKE)
            return Verdict(judged, Standing.CANDIDATE, Reason.LOOK_ALIKE)
    return None


def _as_found(account: Account) -> Verdict:
    """Obligation 5: the connector searched in a way that no rule of ours knows."""
    reason = Reason.UNPROVEN if account.confidence == SURE else Reason.NONE
    weak = min(max(account.confidence, 1), SURE - 1)
    return Verdict(replace(account, confidence=weak), Standing.CANDIDATE, reason)


def _fits(rule: Rule, account: Account, known: Known) -> bool:
    ours = {fold(value) for value in _wanted(rule, known)}
    return any(fold(value) in ours for value in _seen(rule, account))


def _seen(rule: Rule, account: Account) -> tuple[str, ...]:
    """The values of an account that a rule looks at."""
    match rule.match:
        case Match.LOGIN | Match.PATTERN:
            shown = (account.login, *values(account, IdentityKey.LOGIN))
            whole = (*shown, *values(account, IdentityKey.UPN))
            named = (*shown, *(_local(login) for login in whole))
        case Match.UPN:
            named = values(account, IdentityKey.UPN)
        case Match.MAIL:
            login = (account.login,) if "@" in account.login else ()
            mails = values(account, IdentityKey.MAIL)
            named = (*mails, *values(account, IdentityKey.UPN), *login)
        case Match.OWNER:
            named = values(account, IdentityKey.OWNER)
        case Match.NAME:
            named = values(account, IdentityKey.NAME)
    return tuple(value for value in named if value.strip())


def _wanted(rule: Rule, known: Known) -> tuple[str, ...]:
    """The values of the person that a rule compares with."""
    subject = known.subject
    match rule.match:
        case Match.LOGIN:
            wanted = logins(known)
        case Match.PATTERN:
            wanted = expanded(rule, known)
        case Match.UPN:
            wanted = (subject.upn, *_learned(known, IdentityKey.UPN))
        case Match.MAIL:
            wanted = (*addresses(known), subject.upn)
        case Match.OWNER:
            ids = tuple(each.native_id for each in known.accounts)
            shown = tuple(each.display for each in known.accounts)
            wanted = (*ids, *shown, *logins(known), *addresses(known), subject.employee_number)
        case Match.NAME:
            wanted = subject.names
    return tuple(dict.fromkeys(value for value in wanted if value.strip()))


def logins(known: Known) -> tuple[str, ...]:
    """Every login that is the person's own: told by HR, before the @ of the UPN, or learned.

    Some systems have the whole UPN as login: what stands before its @ is the login elsewhere.
    """
    subject = known.subject
    own = (each.login for each in known.accounts if each.kind is AccountKind.PERSON)
    named = (*subject.logins, _local(subject.upn), *(_local(login) for login in own))
    return tuple(dict.fromkeys(login for login in named if login.strip()))


def _local(login: str) -> str:
    return login.partition("@")[0]


def addresses(known: Known) -> tuple[str, ...]:
    """Every address that is the person's own."""
    named = (*known.subject.emails, *_learned(known, IdentityKey.MAIL))
    return tuple(dict.fromkeys(mail for mail in named if mail.strip()))


def _learned(known: Known, key: IdentityKey) -> tuple[str, ...]:
    own = (each for each in known.accounts if each.kind is AccountKind.PERSON)
    return tuple(value for account in own for value in values(account, key))


def expanded(rule: Rule, known: Known) -> tuple[str, ...]:
    """The logins that a pattern makes of this person; none where it lacks what it needs."""
    number = known.subject.employee_number
    text = rule.pattern.replace("{employee_number}", number)
    if "{employee_number}" in rule.pattern and not number.strip():
        return ()
    if "{login}" not in text:
        return (text,)
    return tuple(text.replace("{login}", login) for login in logins(known))


def _kind(account: Account, known: Known, rules: Rules) -> AccountKind:
    """What the account is for: the connector knows best, then the patterns for services, rules."""
    if account.kind is not AccountKind.PERSON:
        return account.kind
    named = fold(account.login)
    if any(fnmatch.fnmatchcase(named, fold(pattern)) for pattern in rules.services):
        return AccountKind.SERVICE
    for rule in rules.of(account.system):
        if rule.kind and _fits(rule, account, known):
            return rule.kind
    return AccountKind.PERSON


def immutable_ids(known: Known, system: str) -> tuple[Identifier, ...]:
    """Ids that accounts of theirs in other systems carry, and that this one may carry too."""
    elsewhere = (each for each in known.accounts if each.system != system)
    carried = (each for account in elsewhere for each in account.identifiers)
    learned = (each for each in carried if each.key is IdentityKey.IMMUTABLE_ID)
    return tuple(dict.fromkeys((*known.subject.identifiers, *learned)))


def values(account: Account, key: IdentityKey) -> tuple[str, ...]:
    """The values of one identity attribute, as read."""
    return tuple(each.value for each in account.identifiers if each.key is key)


def _verdict(
    account: Account, by: IdentityKey, confidence: int, reason: Reason = Reason.NONE
) -> Verdict:
    judged = replace(account, matched_by=by.value, confidence=confidence)
    standing = Standing.SURE if confidence == SURE else Standing.CANDIDATE
    return Verdict(judged, standing, reason)
