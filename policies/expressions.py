"""Conditions: CEL over declared fields, compiled when loaded, never true by accident.

The loader calls :func:`compile_condition`; selection and disposition evaluate. A condition whose
evaluation fails (a field that HR did not give) is false and says why; ``&&`` and ``||`` follow
CEL, so a decided side outweighs a missing one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import cel

from policies.conditions import check
from policies.fields import Scope
from policies.problems import WordError

_FAILURES: Final = (KeyError, RuntimeError, TypeError, ValueError)
"""What the engine raises while it evaluates."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds. ``reason`` is set when it could not be decided."""

    holds: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Values:
    """Known values, ready for any number of conditions of one scope."""

    known: frozenset[str]
    context: cel.Context = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. Equal when its text is equal.

    ``uses`` are the fields and ``texts`` the text literals in it, for lint.
    """

    source: str
    uses: frozenset[str] = field(compare=False)
    texts: frozenset[str] = field(compare=False)
    program: cel.Program = field(compare=False, repr=False)

    def evaluate(self, values: Values) -> Verdict:
        """Evaluate; a failure is false with its reason, never true."""
        try:
            result = self.program.execute(values.context)
        except _FAILURES as error:
            missing = sorted(self.uses - values.known)
            if missing:
                return Verdict(holds=False, reason=f"not known: {', '.join(missing)}")
            return Verdict(holds=False, reason=f"not decidable ({type(error).__name__})")
        if result is True:
            return Verdict(holds=True)
        return Verdict(holds=False, reason="" if result is False else "it does not decide")


def compile_condition(source: str, scope: Scope) -> Condition:
    """Check and compile. Raises :class:`WordError` with the index of the mistake."""
    checked = check(source, scope)
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise WordError("the condition does not parse", expected="a CEL expression") from error
    _check_patterns(checked.patterns)
    return Condition(source, checked.uses, checked.texts, program)


def bind(values: Mapping[str, str | bool], scope: Scope) -> Values:
    """Make values of dotted paths available to conditions. Missing ones are simply left out."""
    nested: dict[str, str | bool | dict[str, str | bool]] = {root: {} for root in scope.roots}
    for path, value in values.items():
        root, dot, leaf = path.partition(".")
        if dot:
            group = nested[root]
            if isinstance(group, dict):
                group[leaf] = value
        else:
            nested[root] = value
    return Values(frozenset(values), cel.Context(nested))


def _check_patterns(patterns: tuple[tuple[str, int], ...]) -> None:
    """A pattern that is no regular expression must not wait for its first leaver.

    CEL decides ``false && x.matches("(")`` without reading the pattern, so each one is tried.
    """
    for literal, index in patterns:
        try:
            cel.evaluate(f'"".matches({literal})')
        except _FAILURES as error:
            message = "the pattern of matches() is not a regular expression"
            raise WordError(message, expected="RE2 syntax", index=index) from error
