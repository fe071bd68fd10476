"""The policy language as tables: every word, its shape and its meaning.

:data:`POLICY` reads a file into :class:`~policies.model.PolicyFile`; :mod:`policies.schema` prints
the same tables as JSON Schema. A new word is one :class:`~policies.shapes.Field` here and a place
in the model. All words are optional except ``policy``: silence is always the safe default.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from connectors.contract import KINDS, Stage
from policies.access_end import UnknownTimeZone, find_zone
from policies.expressions import Condition, compile_condition
from policies.fields import HOLDING, TERMINATION, Scope
from policies.model import (
    ANY_KIND,
    Approvals,
    EmergencyWords,
    Exclusion,
    HoldingRule,
    Need,
    PolicyFile,
    Revocation,
    StageWords,
    Successor,
    SuccessorRole,
    Transfer,
)
from policies.problems import WordError, nearest_word, quoted
from policies.shapes import (
    CIVIL_DATE,
    FLAG,
    Either,
    Field,
    Fields,
    ListOf,
    Named,
    Record,
    Word,
    choice,
    text,
    whole_number,
)
from policies.timing import (
    OFFSET_UNITS,
    RETENTION_UNITS,
    Anchor,
    Timing,
    parse_retention,
    parse_timing,
)

FAMILIES: Final = frozenset(kind.split(".")[0] for kind in KINDS if "." in kind)
PATTERNS: Final = frozenset({ANY_KIND, *KINDS, *(f"{family}.*" for family in FAMILIES)})
"""Every pattern that covers at least one kind."""

MAX_APPROVALS: Final = 9
MAX_PRIORITY: Final = 1000


def _pattern(word: str) -> str:
    if word not in PATTERNS:
        near = f"{word}.*" if word in FAMILIES else nearest_word(word, PATTERNS)
        expected = "" if near else "a kind of holding, a family as in 'credential.*', or 'any'"
        message = f"{quoted(word)} covers no kind of holding"
        raise WordError(message, expected=expected, nearest=near)
    return word


def _successor(word: str) -> Successor:
    if word in (SuccessorRole.SUCCESSOR, SuccessorRole.MANAGER):
        return Successor(SuccessorRole(word))
    if re.fullmatch(r"team:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", word, re.ASCII):
        return Successor(SuccessorRole.TEAM, word.partition(":")[2])
    near = nearest_word(word, ("successor", "manager", "team:NAME"))
    expected = "successor, manager or team:NAME"
    raise WordError(f"{quoted(word)} receives nothing", expected=expected, nearest=near)


def _time_zone(word: str) -> str:
    try:
        find_zone(word)
    except UnknownTimeZone as error:
        message = f"{quoted(word)} is not an IANA time zone"
        expected = "" if error.nearest else "an IANA time zone, as in Europe/Berlin"
        raise WordError(message, expected=expected, nearest=error.nearest) from error
    return word


def _condition(scope: Scope) -> Word[Condition]:
    def parse(source: str) -> Condition:
        return compile_condition(source, scope)

    return Word("a condition", parse, {"type": "string", "maxLength": 1000})


def _duration_pattern(units: dict[str, timedelta]) -> str:
    return f"[0-9]+ *[{''.join(units)}]"


_ANCHORS: Final = "|".join(anchor for anchor in Anchor if anchor is not Anchor.NOW)
TIMING: Final[Word[Timing]] = Word(
    "a timing, as in 'access_end - 5d'",
    parse_timing,
    {
        "type": "string",
        "pattern": f"^ *(now|({_ANCHORS})( *[+-] *{_duration_pattern(OFFSET_UNITS)})?) *$",
    },
)
RETENTION: Final[Word[timedelta]] = Word(
    "a duration, as in '2y'",
    parse_retention,
    {"type": "string", "pattern": f"^{_duration_pattern(RETENTION_UNITS)}$"},
)
PATTERN: Final = Word(
    "a kind of holding, a family as in 'credential.*', or 'any'",
    _pattern,
    {"enum": sorted(PATTERNS)},
)
SUCCESSOR: Final = Word(
    "successor, manager or team:NAME",
    _successor,
    {"type": "string", "pattern": "^(successor|manager|team:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$"},
)
NAME: Final = text(
    "a name of lower-case letters, digits and '-'", r"[a-z0-9][a-z0-9-]{0,62}", longest=63
)
PARENT: Final = text("the name of a policy", r"(shipped/)?[a-z0-9][a-z0-9-]{0,62}", longest=71)
SYSTEM: Final = text("the name of a system", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", longest=63)
WORDS: Final = text("a short text")
REASON: Final = text("a reason in words", r"[\s\S]*\S[\s\S]*", longest=500)

# ------------------------------------------------------------------------------ stages
COUNT: Final = Field(
    "count",
    whole_number(0, MAX_APPROVALS, "a number of people"),
    "How many people must agree.",
    required=True,
)
_NO_GROUPS: Final = (
    "groups of approvers ('from') are not there yet: any two approvers would have counted; "
    "write the number alone"
)


def _approvals(fields: Fields) -> Approvals | None:
    count = fields.get(COUNT)
    return None if count is None else Approvals(count)


def _count(word: str) -> Approvals:
    return Approvals(whole_number(0, MAX_APPROVALS, "a number of people").parse(word))


APPROVALS: Final = Either(
    Word("a number of people", _count, {"type": "integer", "minimum": 0, "maximum": MAX_APPROVALS}),
    Record("approvals", (COUNT,), _approvals, {"from": _NO_GROUPS}),
)
AT: Final = Field("at", TIMING, "When the stage starts.")
APPROVED: Final = Field(
    "approvals", APPROVALS, "How many different people must agree before the stage starts."
)
TO: Final = Field(
    "to",
    ListOf(SUCCESSOR, "a list of successors", single=True),
    "Who receives what is handed over; the first who can is taken.",
)


def _stage(stage: Stage) -> Field[StageWords]:
    def build(fields: Fields) -> StageWords:
        return StageWords(
            stage, fields.position, fields.get(AT), fields.get(TO), fields.get(APPROVED)
        )

    words = _STAGE_WORDS.get(stage, (AT, APPROVED))
    record = Record(f"the stage '{stage}'", words, build, _STAGE_MOVED)
    return Field(stage.value, record, _STAGE_MEANINGS[stage])


_STAGE_WORDS: Final[dict[Stage, tuple[Field[Any], ...]]] = {
    Stage.CONTAIN: (AT,),  # Law 3: contain waits for nobody
    Stage.TRANSFER: (AT, TO, APPROVED),
}
_STAGE_MOVED: Final = {
    "to": "'to' belongs to the stage 'transfer'",
    "approvals": "'contain' waits for no approval: it can be undone",
}
_STAGE_MEANINGS: Final = {
    Stage.CONTAIN: "Block sign-in, end sessions, suspend keys and cards.",
    Stage.PRESERVE: "Snapshot every holding and back up data.",
    Stage.TRANSFER: "Hand over what must live on.",
    Stage.REVOKE: "Take grants, credentials and memberships away.",
    Stage.DESTROY: "Delete accounts, after retention and approval.",
}
STAGE_FIELDS: Final = tuple(_stage(stage) for stage in Stage)


def _stages(fields: Fields) -> tuple[StageWords, ...]:
    read = (fields.get(stage) for stage in STAGE_FIELDS)
    return tuple(words for words in read if words is not None)


# ---------------------------------------------------------------------------- holdings
CONTAIN: Final = Field("contain", choice(Need, "required or never"), "Block it at 'contain'.")
PRESERVE: Final = Field("preserve", choice(Need, "required or never"), "Keep it before 'revoke'.")
TRANSFER: Final = Field("transfer", choice(Transfer, "a way to transfer"), "Hand it over.")
REVOKE: Final = Field("revoke", choice(Revocation, "a time to revoke"), "Take it away.")
DESTROY: Final = Field("destroy", choice(Need, "required or never"), "Delete it at 'destroy'.")
RETAIN: Final = Field("retain", RETENTION, "How long its backup is kept.")
SYSTEMS: Final = Field(
    "system", ListOf(SYSTEM, "names of systems", single=True), "Only in these systems."
)
WHEN: Final = Field("when", _condition(HOLDING), "Only when this holds: system, kind, sole.")
_ACTIONS: Final = (CONTAIN, PRESERVE, TRANSFER, REVOKE, DESTROY, RETAIN)


def _holding_rule(fields: Fields) -> HoldingRule:
    if not fields.says(*_ACTIONS):
        expected = "contain, preserve, transfer, revoke, destroy or retain"
        fields.problems.add(fields.position, "the rule decides nothing", expected=expected)
    return HoldingRule(
        "",
        fields.position,
        fields.get(SYSTEMS) or (),
        fields.get(WHEN),
        fields.get(CONTAIN),
        fields.get(PRESERVE),
        fields.get(TRANSFER),
        fields.get(REVOKE),
        fields.get(DESTROY),
        fields.get(RETAIN),
    )


HOLDING_RULE: Final = Record("a holding rule", (*_ACTIONS, SYSTEMS, WHEN), _holding_rule)

# ------------------------------------------------------------------- exclusions, emergency
SYSTEM_LEFT: Final = Field("system", SYSTEM, "The system that is left alone.", required=True)
BECAUSE: Final = Field("reason", REASON, "Why; printed in the report.", required=True)
UNTIL: Final = Field("until", CIVIL_DATE, "The last day on which the exclusion counts.")
KINDS_LEFT: Final = Field(
    "kinds", ListOf(PATTERN, "kinds of holdings", single=True), "Only these kinds; else all."
)


def _exclusion(fields: Fields) -> Exclusion | None:
    system, reason = fields.get(SYSTEM_LEFT), fields.get(BECAUSE)
    if system is None or reason is None:
        return None
    kinds = fields.get(KINDS_LEFT) or ()
    return Exclusion(system, reason, fields.get(UNTIL), kinds, fields.position)


EXCLUSION: Final = Record("an exclusion", (SYSTEM_LEFT, BECAUSE, UNTIL, KINDS_LEFT), _exclusion)
CONTAIN_AT: Final = Field("contain", TIMING, "When an immediate termination is contained.")
QUIET: Final = Field("quiet", FLAG, "Tell nobody who need not know.")


def _emergency(fields: Fields) -> EmergencyWords:
    return EmergencyWords(fields.get(CONTAIN_AT), fields.get(QUIET))


# ------------------------------------------------------------------------------ policy
POLICY_NAME: Final = Field("policy", NAME, "The name of the policy.", required=True)
EXTENDS: Final = Field("extends", PARENT, "The policy that this one is laid over.")
DESCRIPTION: Final = Field("description", text("a text", longest=2000), "What it is for.")
ROLE: Final = Field(
    "role", ListOf(WORDS, "role keys", single=True), "HR role keys that this policy is for."
)
MATCH: Final = Field("match", _condition(TERMINATION), "The people that this policy is for.")
PRIORITY: Final = Field(
    "priority",
    whole_number(-MAX_PRIORITY, MAX_PRIORITY, "a whole number"),
    "Decides between policies that fit the same person; the greater wins.",
)
TIME_ZONE: Final = Field(
    "time_zone",
    Word("an IANA time zone", _time_zone, {"type": "string"}),
    "The zone of civil dates where neither HR nor the configuration names one.",
)
STAGES: Final = Field("stages", Record("stages", STAGE_FIELDS, _stages), "When each stage starts.")
HOLDINGS: Final = Field(
    "holdings",
    Named(
        "rules by kind of holding",
        _pattern,
        ListOf(HOLDING_RULE, "a holding rule or a list of them", single=True),
        {"enum": sorted(PATTERNS)},
    ),
    "What happens to each kind of holding.",
)
EXCLUDE: Final = Field(
    "exclude", ListOf(EXCLUSION, "a list of exclusions"), "Systems that are left alone."
)
EMERGENCY: Final = Field(
    "emergency",
    Record("emergency", (CONTAIN_AT, QUIET), _emergency),
    "How an immediate termination differs.",
)
_POLICY_FIELDS: Final = (
    POLICY_NAME,
    DESCRIPTION,
    EXTENDS,
    ROLE,
    MATCH,
    PRIORITY,
    TIME_ZONE,
    STAGES,
    HOLDINGS,
    EXCLUDE,
    EMERGENCY,
)
_POLICY_MOVED: Final = {
    "guards": "'guards' are not a matter of one policy: limits stand in the configuration of the "
    "daemon, so that no policy file can loosen them",
    "exclusions": "'exclusions' is written 'exclude'",
    "name": "'name' is written 'policy'",
}


def _policy(fields: Fields) -> PolicyFile | None:
    name = fields.get(POLICY_NAME)
    if name is None:
        return None
    return PolicyFile(
        name=name,
        position=fields.position_of(POLICY_NAME),
        extends=fields.get(EXTENDS) or "",
        extends_position=fields.position_of(EXTENDS),
        description=fields.get(DESCRIPTION) or "",
        roles=fields.get(ROLE) or (),
        match=fields.get(MATCH),
        priority=fields.get(PRIORITY) or 0,
        time_zone=fields.get(TIME_ZONE) or "",
        stages=fields.get(STAGES) or (),
        rules=_rules(fields),
        exclusions=fields.get(EXCLUDE) or (),
        emergency=fields.get(EMERGENCY) or EmergencyWords(),
    )


def _rules(fields: Fields) -> tuple[HoldingRule, ...]:
    found: list[HoldingRule] = []
    for pattern, position, rules in fields.get(HOLDINGS) or ():
        for rule in rules:  # a rule alone is known by its key, one of a list by its own line
            where = position if len(rules) == 1 else rule.position
            found.append(replace(rule, pattern=pattern, position=where))
    return tuple(found)


POLICY: Final = Record("a policy", _POLICY_FIELDS, _policy, _POLICY_MOVED)
