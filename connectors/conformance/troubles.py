"""Checks of failing: each trouble becomes the fault that carries the right decision.

Called by ``connectors.conformance.run``. A fault of the wrong type is a wrong decision: a revoked
credential taken for "try again" waits for ever, one taken for "nothing found" closes falsely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self

from connectors.conformance.rig import (
    NotClaimed,
    Rig,
    Scene,
    Situation,
    account_of,
    expect,
    opened,
    scene,
)
from connectors.contract import Account, Connector, Credential, Lists, Stage, gather
from connectors.faults import Fault, Malformed, Transient, Unauthorised

DUE: Final[Mapping[Situation, type[Fault]]] = {
    Situation.UNREACHABLE: Transient,
    Situation.SLOW: Transient,
    Situation.THROTTLED: Transient,
    Situation.DENIED: Unauthorised,
    Situation.GARBLED: Malformed,
}
SHORTEST_TELLING_WORD: Final = 3


class _Escaped:
    """Keeps whatever a connector raised, so that it can be judged. The suite is a judge: a third
    place, beside the operation runner and the worker loop, where any exception is looked at.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        self.error = error
        return isinstance(error, Exception)


def _reads(
    connector: Connector, rig: Rig, account: Account
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "find", lambda: gather(connector.find(rig.subject))
    yield "survey", lambda: gather(connector.survey(account))
    if isinstance(connector, Lists):
        yield "list_accounts", lambda: gather(connector.list_accounts())


def _judge(rig: Rig, situation: Situation) -> None:
    with opened(rig, Credential.VERIFY) as connector:
        account = account_of(connector, rig.subject)
    due = DUE[situation]
    with rig.situation(situation), opened(rig, Credential.VERIFY) as connector:
        for name, read in _reads(connector, rig, account):
            with _Escaped() as escaped:
                read()
            raised = type(escaped.error).__name__ if escaped.error else "nothing"
            expect(isinstance(escaped.error, due), f"{name}: {due.__name__} is due, got {raised}")
            if situation is Situation.THROTTLED and isinstance(escaped.error, Transient):
                expect(escaped.error.retry_after, f"{name}: the wait asked for was dropped")


def unreachable_is_transient(rig: Rig) -> None:
    """Nothing listens: try again later."""
    _judge(rig, Situation.UNREACHABLE)


def slow_is_transient(rig: Rig) -> None:
    """An answer after our timeout decides nothing."""
    _judge(rig, Situation.SLOW)


def throttled_says_when(rig: Rig) -> None:
    """The wait that the system asked for reaches the engine."""
    _judge(rig, Situation.THROTTLED)


def denied_is_unauthorised(rig: Rig) -> None:
    """A dead credential is an incident, never "nothing found" (Law 2)."""
    _judge(rig, Situation.DENIED)


def garbled_is_malformed(rig: Rig) -> None:
    """Nothing is concluded from an answer that makes no sense."""
    _judge(rig, Situation.GARBLED)


def _everything(opening: Scene, rig: Rig) -> Iterator[tuple[str, Callable[[], object]]]:
    yield from _reads(opening.connector, rig, opening.account)
    for stage in (Stage.CONTAIN, Stage.REVOKE):
        try:
            act, chosen = opening.act(stage), opening.of(stage)
        except NotClaimed:
            continue
        yield stage.value, lambda act=act, chosen=chosen: act(opening.account, chosen[:1])  # type: ignore[misc]


def _escapes(rig: Rig) -> Iterator[tuple[str, BaseException]]:
    lasting = [
        situation
        for situation in Situation
        if situation not in {Situation.VANISHED, Situation.RENAMED, Situation.SOLE}
        and situation not in rig.unsupported
    ]
    for situation in lasting:
        with scene(rig) as opening, rig.situation(situation):
            for name, call in _everything(opening, rig):
                with _Escaped() as escaped:
                    call()
                if escaped.error is not None:
                    yield f"{name} while {situation.name}", escaped.error


def only_faults_escape(rig: Rig) -> None:
    """Whatever happens outside, only the five faults come out of a connector."""
    for where, error in _escapes(rig):
        expect(isinstance(error, Fault), f"{where}: {type(error).__name__} escaped")


def fault_texts_name_nobody(rig: Rig) -> None:
    """Fault texts hold no personal data: they go to logs (Law 10)."""
    person = rig.subject
    with opened(rig, Credential.VERIFY) as connector:
        account = account_of(connector, person)
    words = {
        *person.names,
        *person.logins,
        *person.emails,
        person.upn,
        person.employee_number,
        account.login,
        account.display,
    }
    telling = [word.lower() for word in words if len(word) >= SHORTEST_TELLING_WORD]
    expect(telling, "the rig's leaver has no name, login or number to look for")
    for where, error in _escapes(rig):
        text = f"{error} {getattr(error, 'code', '')}".lower()
        expect(not any(word in text for word in telling), f"{where}: the text names the person")
