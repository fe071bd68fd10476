"""Broken connectors: honest ones with one habit changed.

Each habit is one that closed cases falsely, or cut the wrong person, in other people's products.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from connectors.contract import (
    Account,
    Activity,
    Canary,
    Card,
    Credential,
    Effect,
    Export,
    Holding,
    Kind,
    Outcome,
    Page,
    Probe,
    ReadEnd,
    Subject,
)
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised
from connectors.memory import MemoryConnector, Trouble
from tests.support.memory_rig import START, MemoryRig

CLEAR = ReadEnd(
    complete=True,
    canary=Canary("canary", seen=True),
    read_at=START,
    credential=Credential.VERIFY,
)


def in_words(
    connector: MemoryConnector, account: Account, holdings: Sequence[Holding]
) -> Sequence[Effect]:
    """Answer as an honest connector would, one holding a call, and change nothing."""
    key = holdings[0].key
    connector._may_write()
    with connector._call("in words", account.native_id, holdings) as struck:
        if Trouble.SILENT in struck:
            raise Transient("unchanged", code="memory:silent")
        said = [line for line in connector._world.calls() if line.operation == "in words"]
    again = any(line.phase == "end" and key in line.holding_keys for line in said)
    gone = connector._changes({}).row(holdings[0]) is None
    return [Effect(key, Outcome.ALREADY if again or gone else Outcome.DONE)]


class ReadsOnePageOnly(MemoryConnector):
    """Takes the first page for all there is, as list() of a client library does."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Stop after the first page and call it complete."""
        pages = list(super().survey(account))
        yield from [replace(page, end=pages[-1].end) for page in pages[:1]]


class EndsEveryPage(MemoryConnector):
    """Puts an end on every page, in another stream than the reader of whole surveys sees."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Mark each page as the last one."""
        for page in super().survey(account):
            yield replace(page, end=page.end or replace(CLEAR, complete=False))


class BelievesCutReads(MemoryConnector):
    """Adds an end of its own when the system's stream just stops."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Close what was cut short as if it were complete."""
        ended = False
        for page in super().survey(account):
            ended = page.end is not None
            yield page
        if not ended:
            yield Page((), CLEAR)


class ImaginesTheCanary(MemoryConnector):
    """Reports the canary as seen without having looked."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """See the canary always."""
        for page in super().survey(account):
            end = page.end and replace(page.end, canary=Canary("canary", seen=True))
            yield replace(page, end=end)


class ForgetsItsGaps(MemoryConnector):
    """Drops the hint that something was withheld."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Report no gaps."""
        for page in super().survey(account):
            yield replace(page, end=page.end and replace(page.end, gaps=()))


class LooksForNobodyWithoutCanary(MemoryConnector):
    """Leaves the canary out when nothing was found."""

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Say only that there is nobody."""
        for page in super().find(subject):
            end = page.end
            if end is not None and not page.items:
                end = replace(end, canary=Canary("canary", seen=False))
            yield replace(page, end=end)


class FindsTheNamesakeSurely(MemoryConnector):
    """Finds the same account for everybody."""

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Answer with the leaver for the successor as well, beside the right one."""
        for page in super().find(subject):
            if subject.employee_number != MemoryRig.successor.employee_number:
                yield page
                continue
            extra = next(iter(super().find(MemoryRig.subject))).items
            yield replace(page, items=page.items + extra)


class ShowsPreImagesToAnybody(MemoryConnector):
    """Brings the pre-image, with its secrets, to the verifying credential."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Put a password hash where it must not be."""
        for page in super().survey(account):
            items = tuple(replace(item, restore={"secret": "hash"}) for item in page.items)
            yield replace(
                page, items=items if self._credential is Credential.VERIFY else page.items
            )


class ForgetsAKindOnItsCard(MemoryConnector):
    """Reports a kind that its card does not declare."""

    def card(self) -> Card:
        """Leave the devices out."""
        card = super().card()
        kept = tuple(support for support in card.supports if support.kind != "device")
        return replace(card, supports=kept)


class VerifierSeesLess(MemoryConnector):
    """Does not show devices to the verifying credential, and does not say so."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Filter silently."""
        for page in super().survey(account):
            if self._credential is Credential.ACT:
                yield page
            else:
                seen = tuple(item for item in page.items if item.kind != "device")
                yield replace(page, items=seen)


class ListsOnePage(MemoryConnector):
    """Sweeps over the first page only."""

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Stop early and call it complete."""
        pages = list(super().list_accounts())
        yield from [replace(page, end=pages[-1].end) for page in pages[:1]]


class NamesFilesAfterPeople(MemoryConnector):
    """Puts the login into the export's file name."""

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Prefix with the login."""
        for export in super().export(account, holdings):
            yield replace(export, name=f"{account.login}/{export.name}")


class ReportsOldActivity(MemoryConnector):
    """Does not keep to the moment asked for."""

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Report everything ever."""
        return super().activity(account, START - timedelta(days=365))


class ProbesByWriting(MemoryConnector):
    """Tries a write to see whether it may."""

    def probe(self) -> Iterator[Probe]:
        """Leave a trace on the leaver."""
        yield from super().probe()
        for account_id in self._world.account_ids():
            self._world.give(account_id, Kind("alias"), label="probe")


class CardNeedsTheNetwork(MemoryConnector):
    """Asks the system before it can describe itself."""

    def card(self) -> Card:
        """Read the canary first."""
        list(super().find(Subject("E-0")))
        return super().card()


class SharesABuffer(MemoryConnector):
    """Keeps what it read in a place that all instances share."""

    shared: ClassVar[list[Holding]] = []

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Collect into the shared list; another thread's survey comes in between."""
        mine = threading.current_thread() is threading.main_thread()
        for page in super().survey(account):
            if not mine:
                self.shared.extend(page.items)
            items = page.items if mine else tuple(self.shared)
            yield replace(page, items=(*items, *_odd(account, mine=mine)))


def _odd(account: Account, *, mine: bool) -> tuple[Holding, ...]:
    """Something that only this thread sees."""
    native_id = f"thread-{threading.get_ident()}-{time.monotonic_ns()}"
    return () if mine else (Holding(account.native_id, Kind("alias"), native_id),)


class ContainsOnlyInWords(MemoryConnector):
    """Believes the system's 200 and never looks again."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Say done the first time and already from then on; SSH keys stay usable."""
        if holdings[0].kind != "credential.ssh_key":
            return super().contain(account, holdings)
        return in_words(self, account, holdings)


class SaysDoneTwice(MemoryConnector):
    """Has no word for already so, when it contains."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Turn already into done where the thing is still there."""
        effects = super().contain(account, holdings)
        return [
            replace(effect, outcome=Outcome.DONE)
            if effect.outcome is Outcome.ALREADY and effect.read_back["state"] != "gone"
            else effect
            for effect in effects
        ]


class RevokesDoneTwice(MemoryConnector):
    """Has no word for already gone, when a whole revoke is repeated."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Turn already into done for licences."""
        effects = super().revoke(account, holdings)
        return [
            replace(effect, outcome=Outcome.DONE)
            if "grant.licence" in effect.holding_key
            else effect
            for effect in effects
            if effect.outcome is Outcome.ALREADY
        ] or effects


class RevokesOnlyInWords(MemoryConnector):
    """Leaves aliases where they are and says they are gone."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Skip the write."""
        if holdings[0].kind != "alias":
            return super().revoke(account, holdings)
        return in_words(self, account, holdings)


class StumblesOverTheVanished(MemoryConnector):
    """Takes not-found for an error."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Raise for what was never seen to be removed by us."""
        gone = self._world.rows(
            "SELECT 1 FROM holdings WHERE account_id = ? AND kind = ? AND native_id = ?",
            account.native_id,
            holdings[0].kind,
            holdings[0].native_id,
        )
        removed = {line.holding_key for line in self._world.audit()}
        if not gone and holdings[0].key not in removed:
            raise Missing("no such object", code="404")
        return super().revoke(account, holdings)


class RemovesTheLastMember(MemoryConnector):
    """Trusts the survey's word about who is the last one, instead of looking again."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Refuse what was marked; remove what was not."""
        effects = list(super().revoke(account, holdings))
        for place, (holding, effect) in enumerate(zip(holdings, effects, strict=True)):
            if effect.outcome is Outcome.REFUSED and not holding.sole:
                self._world.take(account.native_id, holding.kind, holding.native_id)
                effects[place] = replace(effect, outcome=Outcome.DONE)
        return effects


class HandsOverInWords(MemoryConnector):
    """Says that the successor is in the group already, when it is not."""

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Hand over only what nobody else has."""
        if holdings[0].kind != "grant.group" or holdings[0].sole:
            return super().transfer(account, holdings, successor)
        return [Effect(holding.key, Outcome.ALREADY) for holding in holdings]


class AddressesByLogin(MemoryConnector):
    """Looks the account up again by its login before it writes."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Hit whoever bears the name now."""
        bearer = self._world.rows("SELECT native_id FROM accounts WHERE login = ?", account.login)
        target = bearer[0]["native_id"]
        moved = [replace(holding, account_id=target) for holding in holdings]
        effects = super().contain(replace(account, native_id=target), moved)
        return [
            replace(effect, holding_key=holding.key)
            for holding, effect in zip(holdings, effects, strict=True)
        ]


class EmptiesTheWholeGroup(MemoryConnector):
    """Removes the group's other members with the leaver."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Take the thing away from everybody."""
        effects = super().revoke(account, holdings)
        for holding, effect in zip(holdings, effects, strict=True):
            if effect.outcome is Outcome.DONE and holding.kind == "grant.group":
                for other in self._world.holders(holding.kind, holding.native_id):
                    self._world.take(other, holding.kind, holding.native_id)
        return effects


class DestroysTwice(MemoryConnector):
    """Deletes happily what is not there."""

    def destroy(self, account: Account) -> Effect:
        """Say done whatever happened."""
        effect = super().destroy(account)
        return replace(effect, outcome=Outcome.DONE)


class BelievesSilence(MemoryConnector):
    """Takes a success code for a fact."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Swallow the read-back that showed nothing had changed."""
        try:
            return super().revoke(account, holdings)
        except Transient as error:
            if error.code != "memory:silent":
                raise
            return [Effect(holding.key, Outcome.DONE) for holding in holdings]


class VerifierMayWrite(MemoryConnector):
    """Uses one and the same right for both credentials."""

    def _may_write(self) -> None:
        """Let anybody write."""


class RestoresThePasswordEmpty(MemoryConnector):
    """Puts the account back without what was scrambled."""

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Drop the secret of a password that is still there, scrambled."""
        rows = [self._changes({}).row(holding) for holding in holdings]
        there = [row is not None and row["state"] == "contained" for row in rows]
        emptied = [
            replace(holding, restore={**holding.restore, "secret": ""})
            if still and holding.kind == "credential.password"
            else holding
            for holding, still in zip(holdings, there, strict=True)
        ]
        return super().restore(account, emptied)


class RestoresNoAlias(MemoryConnector):
    """Says that an alias is back."""

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Skip aliases."""
        if holdings[0].kind == "alias":
            return [Effect(holdings[0].key, Outcome.ALREADY)]
        return super().restore(account, holdings)


class MovesInsteadOfSharing(MemoryConnector):
    """Takes projects from the leaver when it hands them over, and cannot give them back."""

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Move projects."""
        effects = super().transfer(account, holdings, successor)
        if holdings[0].kind == "ownership.project":
            self._world.take(account.native_id, holdings[0].kind, holdings[0].native_id)
        return effects

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Claim that projects are the leaver's again, unless they were revoked by us."""
        revoked = any(line.operation == "revoke" for line in self._world.audit())
        if holdings[0].kind == "ownership.project" and not revoked:
            return [Effect(holdings[0].key, Outcome.ALREADY)]
        return super().restore(account, holdings)


class MistakesFaults(MemoryConnector):
    """Turns one type of fault into another; subclasses say which."""

    seen: ClassVar[type[Fault]] = Fault
    said: ClassVar[type[Fault]] = Fault
    code: ClassVar[str] = ""

    def mistakes(self, error: Fault) -> bool:
        """Tell whether this is the one taken for another."""
        return self.code in error.code

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Translate wrongly."""
        try:
            yield from super().find(subject)
        except self.seen as error:
            if not self.mistakes(error):
                raise
            raise self.said("mistaken") from error


class TakesSilenceForRefusal(MistakesFaults):
    """Gives up when nothing listens."""

    seen, said, code = Transient, Refused, "memory:503"

    def mistakes(self, error: Fault) -> bool:
        """Leave alone what says when to come back."""
        return super().mistakes(error) and not getattr(error, "retry_after", None)


class TakesSlownessForRefusal(MistakesFaults):
    """Gives up when the answer is slow."""

    seen, said, code = Transient, Refused, "memory:timeout"


class TakesDeathForPatience(MistakesFaults):
    """Waits for ever on a revoked credential."""

    seen, said, code = Unauthorised, Transient, ""


class TakesNonsenseForPatience(MistakesFaults):
    """Tries again on an answer that makes no sense."""

    seen, said, code = Malformed, Transient, ""


class DropsTheWait(MemoryConnector):
    """Forgets the wait that was asked for."""

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Raise without it."""
        try:
            yield from super().find(subject)
        except Transient as error:
            raise Transient("not now", code=error.code) from error


class LeaksItsLibrary(MemoryConnector):
    """Lets the client library's own exception through when it writes."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Raise what the socket raised."""
        try:
            return super().contain(account, holdings)
        except Transient as error:
            if error.code != "memory:503":
                raise
            raise ConnectionResetError(104, "reset") from error


class TalksAboutPeople(MemoryConnector):
    """Quotes the login in its error."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Say who."""
        try:
            return super().contain(account, holdings)
        except Transient as error:
            raise Transient(f"cannot block {account.login}") from error


class AnswersOutOfOrder(MemoryConnector):
    """Reports the effects of a bundle in an order of its own."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Turn them round."""
        return list(reversed(super().contain(account, holdings)))


class CallsHalfAnExportWhole(MemoryConnector):
    """Takes the end of a broken stream for the end of the file."""

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stop quietly where the stream broke."""

        def quietly(chunks: Iterator[bytes]) -> Iterator[bytes]:
            with suppress(Transient):
                yield from chunks

        for export in super().export(account, holdings):
            yield replace(export, chunks=quietly(export.chunks))


class TellsTimeWithoutZone(MemoryConnector):
    """Reports when something was used, in a zone that only it knows."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Drop the offset."""
        naive = START.replace(tzinfo=None)
        for page in super().survey(account):
            yield replace(page, items=tuple(replace(item, last_used=naive) for item in page.items))


class WorksInTheMainThreadOnly(MemoryConnector):
    """Guards its writes with a signal's alarm, which other threads do not have."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Give up in a worker."""
        if threading.current_thread() is not threading.main_thread():
            raise Refused("cannot set the alarm")
        return super().contain(account, holdings)
