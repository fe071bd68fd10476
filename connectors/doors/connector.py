"""The connector of any door system: the verbs of a product as the contract of the daemon.

Claims ``Probes, Finds, Surveys, Lists, Watches, Contains, Revokes, Restores, Destroys``. It reads
before and after each call of a stage and believes only what it read (Law 1): ``done`` needs the
platform and every panel where the thing counts, ``pending`` is a panel that has not taken it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.contract import (
    Account,
    Activity,
    Canary,
    Card,
    Credential,
    Effect,
    Holding,
    HoldingState,
    Identifier,
    IdentityKey,
    Json,
    Outcome,
    Page,
    Probe,
    ReadEnd,
    Subject,
)
from connectors.doors import folding
from connectors.doors.contract import (
    ACCOUNT,
    DOOR,
    Cut,
    DoorSystem,
    Held,
    Inventory,
    Person,
)
from connectors.doors.folding import Folded
from connectors.doors.settings import CanaryPerson, DoorSettings
from connectors.faults import Fault, Refused, Unauthorised

CERTAIN: Final = 100
SHARED: Final = 40
"""Two people carry the number: neither is sure."""
CANDIDATE: Final = 60
"""An address, or a number that is only the same without regard to case."""
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no number, nor an address that this product keeps"
)
_CANARY: Final = "canary people"
_ABSENT: Final[Mapping[str, Json]] = {"person": "absent"}
_NOT_YET: Final = "accepted, and still read as before"


class DoorConnector:
    """One door system and one credential. One instance per thread."""

    def __init__(
        self,
        name: str,
        settings: DoorSettings,
        credential: Credential,
        clock: Callable[[], datetime],
        system: DoorSystem,
        card: Card,
    ) -> None:
        """Put a product behind the contract; no I/O."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._clock = clock
        self._system = system
        self._card = card

    def card(self) -> Card:
        """Say what can be done with each kind."""
        return self._card

    def close(self) -> None:
        """Let go of connections."""
        self._system.close()

    # ----------------------------------------------------------------------------------- reads
    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Find by employee number, and candidates by address. Never by card number."""
        mails = tuple(dict.fromkeys(one for one in (*subject.emails, subject.upn) if one))
        if not subject.employee_number and not (mails and self._system.keeps_mails):
            yield Page((), self._end([NOTHING_TO_SEARCH_BY]))  # Law 2: empty is not absent
            return
        try:
            people = self._system.search(subject.employee_number, mails)
        except Cut as cut:
            yield Page((), self._end(complete=False, gaps=[str(cut)]))
            return
        sure = [one for one in people if one.number == subject.employee_number != ""]
        graded = [self._graded(one, subject, alone=len(sure) == 1) for one in people]
        yield Page(tuple(graded), self._end())

    def _graded(self, person: Person, subject: Subject, *, alone: bool) -> Account:
        if subject.employee_number and person.number == subject.employee_number:
            return self._account(person, "employee_number", CERTAIN if alone else SHARED)
        alike = person.number.casefold() == subject.employee_number.casefold() != ""
        return self._account(person, "employee_number" if alike else "mail", CANDIDATE)

    def _account(self, person: Person, matched_by: str, confidence: int = CERTAIN) -> Account:
        numbers = [Identifier(IdentityKey.EMPLOYEE_NUMBER, person.number)] if person.number else []
        named = [Identifier(IdentityKey.NAME, person.display)] if person.display else []
        mails = [Identifier(IdentityKey.MAIL, one) for one in person.mails]
        return Account(
            system=self._name,
            native_id=person.id,
            login=person.number or person.id,
            matched_by=matched_by,
            confidence=confidence,
            display=person.display,
            identifiers=(*numbers, *mails, *named),
        )

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through everybody; each canary must be among them."""
        met: set[str] = set()
        try:
            for people in self._system.people():
                met |= {one.id for one in people}
                yield Page(tuple(self._account(one, "listed") for one in people))
        except Cut as cut:
            yield Page((), self._end(complete=False, gaps=[str(cut)]))
            return
        yield Page((), self._end(listed=all(one.id in met for one in self._settings.canaries)))

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read the person, all they hold and the panels; who is not there holds nothing."""
        inventory = self._system.inventory(account.native_id)
        if inventory is None:
            yield Page((), self._end())
            return
        acting = self._credential is Credential.ACT
        holdings = folding.reported(inventory, with_pre_image=acting)
        size = self._settings.page_size
        for start in range(0, len(holdings), size):
            yield Page(holdings[start : start + size])
        gaps = list(inventory.gaps)
        if not acting:
            # A panel out of reach forbids closing, which the verifying read decides. It must not
            # keep us from taking away at the platform what can be taken away.
            gaps += folding.panel_gaps(inventory)
        yield Page((), self._end(gaps))

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Page through door events since a moment, by the time they happened.

        Read again later, it shows what an offline panel has reported since.
        """
        gaps: list[str] = []
        seen: set[str] = set()
        for page in self._system.entries(account.native_id, since, self._clock()):
            gaps += page.gaps
            fresh = [one for one in page.entries if one.at >= since and one.id not in seen]
            seen |= {one.id for one in fresh}
            if fresh:
                yield Page(tuple(Activity(account.native_id, one.at, one.what) for one in fresh))
        yield Page((), self._end(gaps))

    def probe(self) -> Iterator[Probe]:
        """Check reachability, rights, clock and canaries without changing anything."""
        yield from self._system.probe()
        for number, canary in enumerate(self._settings.canaries, start=1):
            missing = self._unseen(canary)
            yield Probe(
                f"canary {number}",
                holds=not missing,
                detail=missing,
                advice="give the identity the right to see this person" if missing else "",
            )

    # ------------------------------------------------------------------------------------- sight
    def _end(
        self, gaps: Sequence[str] = (), *, complete: bool = True, listed: bool = True
    ) -> ReadEnd:
        seen = listed and not any(self._unseen(one) for one in self._settings.canaries)
        return ReadEnd(
            complete=complete,
            canary=Canary(_CANARY, seen),
            read_at=self._clock(),
            credential=self._credential,
            gaps=tuple(dict.fromkeys(gaps)),
        )

    def _unseen(self, canary: CanaryPerson) -> str:
        """Say what of a canary is not seen; empty when all is (Law 2)."""
        inventory = self._system.inventory(canary.id)
        if inventory is None:
            return "the canary person is not seen"
        if inventory.person.number != canary.number:
            return "the canary's number is not seen"
        kinds = {one.kind for one in inventory.held}
        if DOOR not in kinds:
            return "the canary's doors are not seen"
        if not any(one.startswith("credential.") for one in kinds):
            return "the canary's credentials are not seen"
        return ""

    # ------------------------------------------------------------------------------------ writes
    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Suspend: the person on the platform, and each credential; reversible."""
        return self._change(account, holdings, _Change(_suspended, self._system.suspend))

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Remove credentials and access groups."""
        return self._change(account, holdings, _Change(_gone, self._system.remove))

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from pre-images: grants and credentials first, the person last."""
        self._may_write(account)
        before = self._system.inventory(account.native_id)
        if before is None:
            return self._reinstated(account, holdings)
        effects: dict[str, Effect] = {}
        for one in sorted(holdings, key=lambda each: each.kind == ACCOUNT):
            effects[one.key] = self._put_back(before, one)
        return [effects[one.key] for one in holdings]

    def _reinstated(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Bring back who is not on the platform, where it has a verb for that."""
        try:
            request = self._system.reinstate(account.native_id, holdings[0].restore)
        except Refused as error:
            why = _why(error)
            return [Effect(one.key, Outcome.REFUSED, _ABSENT, why=why) for one in holdings]
        after = self._system.inventory(account.native_id)
        effects = []
        for one in holdings:
            found = after.find(one.kind, one.native_id) if after is not None else None
            if found is None:
                effects.append(self._pending(one.key, _ABSENT, request, _NOT_YET))
            else:
                effects.append(Effect(one.key, Outcome.DONE, _said(found), request))
        return effects

    def destroy(self, account: Account) -> Effect:
        """Delete the person. Panels may keep them a while: the re-read shows only the platform."""
        self._may_write(account)
        key = Holding(account.native_id, ACCOUNT, account.native_id).key
        if self._system.inventory(account.native_id) is None:
            return Effect(key, Outcome.ALREADY, _ABSENT)
        try:
            request = self._system.delete(account.native_id)
        except Refused as error:
            return Effect(key, Outcome.REFUSED, why=_why(error))
        if self._system.inventory(account.native_id) is not None:
            return self._pending(key, {"person": "present"}, request, _NOT_YET)
        return Effect(key, Outcome.DONE, _ABSENT, request, lost="the person's id and events")

    def _change(
        self, account: Account, holdings: Sequence[Holding], change: _Change
    ) -> Sequence[Effect]:
        self._may_write(account)
        before = self._system.inventory(account.native_id)
        if before is None:
            return [Effect(one.key, Outcome.ALREADY, _ABSENT) for one in holdings]
        settled: dict[str, Effect] = {}
        requests: dict[str, str | Refused] = {}
        for one in holdings:
            folded = _folded(before, one)
            if folded is None or change.reached(folded.state):
                settled[one.key] = Effect(one.key, Outcome.ALREADY, _read_back(folded))
                continue
            requests[one.key] = self._ask(before, folded, change)
        if requests:
            after = self._system.inventory(account.native_id)
            for one in holdings:
                if one.key in requests:
                    settled[one.key] = self._judged(one, after, change, requests[one.key])
        return [settled[one.key] for one in holdings]

    def _ask(self, before: Inventory, folded: Folded, change: _Change) -> str | Refused:
        """Ask the platform; a refusal is judged after the re-read: another worker may be ahead."""
        try:
            if change.reached(folded.held.state):  # only panels are behind
                self._system.push(before, folded.held)
                return ""
            return change.act(before, folded.held)
        except Refused as error:
            return error

    def _judged(
        self, holding: Holding, after: Inventory | None, change: _Change, said: str | Refused
    ) -> Effect:
        folded = _folded(after, holding) if after is not None else None
        back = _read_back(folded)
        request = said if isinstance(said, str) else ""
        if folded is None or change.reached(folded.state):
            outcome = Outcome.DONE if isinstance(said, str) else Outcome.ALREADY
            return Effect(holding.key, outcome, back, request)
        if isinstance(said, Refused) and not change.reached(folded.held.state):
            return Effect(holding.key, Outcome.REFUSED, back, why=_why(said))
        if not change.reached(folded.held.state):
            return self._pending(holding.key, back, request, _NOT_YET)  # Law 1
        names = ", ".join(f"{one.name} ({one.state})" for one in folded.waiting)
        why = folding.guards(folded.waiting) or f"panels have not taken it yet: {names}"
        return self._pending(holding.key, back, request, why)

    def _put_back(self, before: Inventory, holding: Holding) -> Effect:
        wanted = holding.restore
        if "state" not in wanted:
            return Effect(holding.key, Outcome.REFUSED, why="no pre-image was stored")
        there = self._system.counterpart(before, holding.kind, holding.native_id, wanted)
        if there is not None and (there.state.value == wanted["state"]):
            return Effect(holding.key, Outcome.ALREADY, _said(there))
        if wanted["state"] != HoldingState.LIVE:
            why = "it was not usable before, so it is not made usable now"
            return Effect(holding.key, Outcome.REFUSED, why=why)
        try:
            request = self._system.put_back(before, holding.kind, wanted)
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, _said(there), why=_why(error))
        after = self._system.inventory(before.person.id)
        found = (
            self._system.counterpart(after, holding.kind, holding.native_id, wanted)
            if after is not None
            else None
        )
        if found is None or found.state is not HoldingState.LIVE:
            return self._pending(holding.key, _said(found), request, _NOT_YET)
        return Effect(holding.key, Outcome.DONE, _said(found), request)

    def _pending(self, key: str, back: Mapping[str, Json], request: str, why: str) -> Effect:
        until = self._clock() + self._settings.panel_wait
        return Effect(key, Outcome.PENDING, back, request, pending_until=until, why=why)

    def _may_write(self, account: Account) -> None:
        if self._credential is not Credential.ACT:
            raise Unauthorised("doors: the verifying identity changes nothing", code="doors:verify")
        canaries = {one.id for one in self._settings.canaries}
        if account.native_id in self._settings.protected | canaries:
            raise Refused("doors: a protected person is never changed", code="doors:protected")


@dataclass(frozen=True, slots=True)
class _Change:
    """A stage: when it is reached, and the verb that reaches it."""

    reached: Callable[[HoldingState], bool]
    act: Callable[[Inventory, Held], str]


def _suspended(state: HoldingState) -> bool:
    return state is not HoldingState.LIVE


def _gone(state: HoldingState) -> bool:
    return state is HoldingState.GONE


def _folded(inventory: Inventory, holding: Holding) -> Folded | None:
    wanted = (holding.kind, holding.native_id)
    return next(
        (one for one in folding.fold(inventory) if (one.held.kind, one.held.id) == wanted), None
    )


def _read_back(folded: Folded | None) -> Mapping[str, Json]:
    """What was read: platform and panels; names of panels are no personal data."""
    if folded is None:
        return {"platform": HoldingState.GONE.value}
    waiting = [{"panel": one.name, "state": one.state.value} for one in folded.waiting]
    return {"platform": folded.held.state.value, "panels waiting": waiting}


def _said(held: Held | None) -> Mapping[str, Json]:
    return {"platform": held.state.value if held else HoldingState.GONE.value}


def _why(error: Fault) -> str:
    return f"{error} ({error.code})" if error.code else str(error)
