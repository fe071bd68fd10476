"""Checks of reading: pages, canaries, blindness, the card, pre-images, threads.

Called by ``connectors.conformance.run``; nothing here changes the world under test.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import PurePosixPath

from connectors.conformance.rig import (
    Nonconformity,
    Rig,
    Situation,
    account_of,
    claimed,
    expect,
    keys_in,
    opened,
    scene,
    survey,
)
from connectors.contract import (
    KINDS,
    Contains,
    Credential,
    Destroys,
    Item,
    Lists,
    Page,
    Preserves,
    Probes,
    Reading,
    Restores,
    Revokes,
    Stage,
    Transfers,
    Watches,
    gather,
)
from connectors.faults import Fault

ABILITY_OF_STAGE = {
    Stage.CONTAIN: Contains,
    Stage.PRESERVE: Preserves,
    Stage.TRANSFER: Transfers,
    Stage.REVOKE: Revokes,
    Stage.DESTROY: Destroys,
}
THREADS = 4
EPOCH_DISTANCE = timedelta(days=1)


def finds_by_immutable_match(rig: Rig) -> None:
    """The leaver is found with confidence 100 in this system; everybody else found is another."""
    with opened(rig, Credential.VERIFY) as connector:
        reading = gather(connector.find(rig.subject))
        other = gather(connector.find(rig.successor))
    expect(not reading.blind, f"an undisturbed find is blind: {reading.blind}")
    sure = [account.native_id for account in reading.items if account.confidence == 100]  # noqa: PLR2004 - the contract's own number
    others = [account.native_id for account in other.items if account.confidence == 100]  # noqa: PLR2004 - the contract's own number
    expect(sure, "nobody found for a person the rig put there")
    expect(not set(sure) & set(others), "two people are found as one account")
    expect(all(0 <= account.confidence <= 100 for account in reading.items), "confidence: 0 to 100")  # noqa: PLR2004 - the contract's own number


def page_size_one_equals_a_big_page(rig: Rig) -> None:
    """Reading one object per page gives exactly what one big page gives."""
    seen = []
    for page_size in (1, 1000):
        with opened(rig, Credential.VERIFY, page_size=page_size) as connector:
            account = account_of(connector, rig.subject)
            reading = gather(connector.survey(account))
        expect(not reading.blind, f"survey with page size {page_size} is blind: {reading.blind}")
        seen.append(sorted(holding.key for holding in reading.items))
    expect(seen[0] == seen[1], f"page size 1: {len(seen[0])} holdings, 1000: {len(seen[1])}")
    expect(len(seen[0]) == len(set(seen[0])), "a holding is reported twice")


def only_the_last_page_ends(rig: Rig) -> None:
    """Exactly one page carries the end, and it is the last one (Law 2)."""
    with opened(rig, Credential.VERIFY, page_size=1) as connector:
        ends = [page.end for page in connector.survey(account_of(connector, rig.subject))]
    expect(ends and ends[-1] is not None, "the last page has no end")
    expect(all(end is None for end in ends[:-1]), "a page before the last one has an end")
    end = ends[-1]
    expect(end and end.credential is Credential.VERIFY, "the end names the wrong credential")
    expect(end and end.read_at.tzinfo is not None, "read_at is not an aware instant")


def nobody_carries_a_canary(rig: Rig) -> None:
    """Finding nobody is only believable with the canary seen in the same session (Law 2)."""
    with opened(rig, Credential.VERIFY) as connector:
        reading = gather(connector.find(rig.stranger))
    expect(not reading.items, "somebody was found for a person without account")
    expect(reading.canary is not None, "the end of an empty read carries no canary")
    expect(not reading.blind, f"finding nobody is blind: {reading.blind}")


def _never_clear(pages: Iterable[Page[Item]], what: str) -> None:
    """A disturbed read is blind or raises; anything else could close a case falsely (Law 2)."""
    try:
        reading: Reading[Item] = gather(pages)
    except Fault:
        return
    expect(reading.blind, f"{what} looks like a clear read of {len(reading.items)} items")


def _blind_while(rig: Rig, situation: Situation) -> None:
    with opened(rig, Credential.VERIFY, page_size=1) as connector:
        account = account_of(connector, rig.subject)
    with (
        rig.situation(situation),
        opened(rig, Credential.VERIFY, page_size=1) as connector,
    ):
        _never_clear(connector.survey(account), "survey")
        _never_clear(connector.find(rig.subject), "find")


def truncated_read_is_blind(rig: Rig) -> None:
    """A read that the system cut short never counts as complete."""
    _blind_while(rig, Situation.TRUNCATED)


def hidden_canary_is_blind(rig: Rig) -> None:
    """Without the canary nothing may be concluded from absence."""
    _blind_while(rig, Situation.CANARY_HIDDEN)


def hidden_target_is_blind(rig: Rig) -> None:
    """A right that was taken away never looks like a person who has nothing."""
    _blind_while(rig, Situation.TARGET_HIDDEN)


def pre_image_with_act_only(rig: Rig) -> None:
    """ACT brings the pre-image of all it may change; VERIFY brings none (it may hold secrets)."""
    changing = {Stage.CONTAIN, Stage.TRANSFER, Stage.REVOKE}
    with scene(rig) as opening:
        for holding in opening.holdings:
            support = opening.card.support(holding.kind)
            undoable = support and support.stages & changing and not support.not_restorable
            if undoable and isinstance(opening.connector, Restores):
                expect(holding.restore, f"{holding.kind} has no pre-image with ACT")
        account = opening.account
    verified = survey(rig, Credential.VERIFY, account)
    leaked = [str(holding.kind) for holding in verified.items if holding.restore]
    expect(not leaked, f"VERIFY reports pre-images: {', '.join(leaked)}")


def card_covers_what_is_reported(rig: Rig) -> None:
    """Every kind reported is declared, every stage declared is claimed, every word is known."""
    with scene(rig) as opening:
        card = opening.card
        reported = {holding.kind for holding in opening.holdings}
        for of in sorted(reported):
            expect(card.support(of), f"{of} is reported but not on the card")
        for support in card.supports:
            expect(support.kind in KINDS, f"{support.kind} is not in the vocabulary")
            for stage in support.stages:
                claims = isinstance(opening.connector, ABILITY_OF_STAGE[stage])
                expect(claims, f"{support.kind}: {stage} is on the card but not claimed")
            expect(support.stages or support.duty, f"{support.kind}: no stage and no duty")
        for holding in opening.holdings:
            expect(holding.account_id == opening.account.native_id, "holding of another account")


def both_credentials_see_the_same(rig: Rig) -> None:
    """What ACT may change, VERIFY can see: a verifier that sees less would close falsely."""
    with scene(rig) as opening:
        acting = keys_in(opening.holdings)
        account = opening.account
    verifying = keys_in(survey(rig, Credential.VERIFY, account).items)
    expect(acting == verifying, f"ACT sees {len(acting)} holdings, VERIFY {len(verifying)}")


def lists_everybody(rig: Rig) -> None:
    """The sweep's list holds leaver and successor, whatever the page size."""
    populations = []
    for page_size in (1, 1000):
        with opened(rig, Credential.VERIFY, page_size=page_size) as connector:
            lister = claimed(connector, Lists)
            wanted = {
                account_of(connector, person).native_id for person in (rig.subject, rig.successor)
            }
            reading = gather(lister.list_accounts())
        expect(not reading.blind, f"an undisturbed list is blind: {reading.blind}")
        populations.append(sorted(account.native_id for account in reading.items))
        expect(wanted <= set(populations[-1]), "the list leaves somebody out")
    expect(populations[0] == populations[1], "page size changes the list")


def exports_stream(rig: Rig) -> None:
    """Exports have relative names without the person in them, and bring bytes."""
    with scene(rig) as opening:
        preserver = claimed(opening.connector, Preserves)
        exports = 0
        for export in preserver.export(opening.account, opening.of(Stage.PRESERVE)):
            exports += 1
            name = PurePosixPath(export.name)
            expect(not name.is_absolute() and ".." not in name.parts, "name leaves its folder")
            expect("/" in export.media_type, "media type is not type/subtype")
            expect(opening.account.login not in export.name, "name holds the login (Law 10)")
            expect(sum(len(chunk) for chunk in export.chunks) > 0, "an export without a byte")
        expect(exports, "nothing was exported")


def _exported(rig: Rig) -> dict[str, int]:
    """Export everything and measure it."""
    with scene(rig) as opening:
        preserver = claimed(opening.connector, Preserves)
        return {
            export.name: sum(len(chunk) for chunk in export.chunks)
            for export in preserver.export(opening.account, opening.of(Stage.PRESERVE))
        }


def cut_export_is_whole_or_raises(rig: Rig) -> None:
    """An export that the system cuts short raises: a backup of half a mailbox allows deletion."""
    whole = _exported(rig)
    with scene(rig) as opening, rig.situation(Situation.TRUNCATED):
        preserver = claimed(opening.connector, Preserves)
        try:
            cut = {
                export.name: sum(len(chunk) for chunk in export.chunks)
                for export in preserver.export(opening.account, opening.of(Stage.PRESERVE))
            }
        except Fault:
            return
    expect(cut == whole, f"{len(cut)} of {len(whole)} exports, some shorter, and nothing raised")


def instants_are_aware(rig: Rig) -> None:
    """Every time that is reported says its offset: a naive one is another instant elsewhere."""
    with scene(rig) as opening:
        for holding in opening.holdings:
            for moment in (holding.last_used, holding.residual_until):
                aware = moment is None or moment.utcoffset() is not None
                expect(aware, f"{holding.kind} reports a time without offset")


def activity_is_a_complete_read(rig: Rig) -> None:
    """Activity is paged like every read, about this account and after the moment asked for."""
    since = rig.now() - EPOCH_DISTANCE
    with opened(rig, Credential.VERIFY) as connector:
        watcher = claimed(connector, Watches)
        account = account_of(connector, rig.subject)
        reading = gather(watcher.activity(account, since))
    expect(not reading.blind, f"undisturbed activity is blind: {reading.blind}")
    for activity in reading.items:
        expect(activity.account_id == account.native_id, "activity of another account")
        expect(activity.at >= since, "activity from before the moment asked for")


def probe_changes_nothing(rig: Rig) -> None:
    """Doctor's probe holds on a healthy system, with both credentials, and writes nothing."""
    before = (dict(rig.witness()), dict(rig.bystanders()))
    for credential in Credential:
        with opened(rig, credential) as connector:
            lines = list(claimed(connector, Probes).probe())
        expect(lines, "probe said nothing")
        bad = [line.check for line in lines if not line.holds]
        expect(not bad, f"probe of a healthy system fails with {credential}: {bad}")
    expect((dict(rig.witness()), dict(rig.bystanders())) == before, "probe changed the world")


def card_and_close_need_no_network(rig: Rig) -> None:
    """A card can be printed while the system is down, and close may be called twice."""
    with rig.situation(Situation.UNREACHABLE):
        connector = rig.connector(Credential.ACT)
        expect(connector.card().product, "the card names no product")
        connector.close()
        connector.close()


def threads_have_their_own_instance(rig: Rig) -> None:
    """One instance per thread is the rule; instances side by side do not disturb each other."""

    def read(_: int) -> frozenset[str]:
        with opened(rig, Credential.VERIFY) as connector:
            reading = gather(connector.survey(account_of(connector, rig.subject)))
        if reading.blind:
            message = f"a survey beside others is blind: {reading.blind}"
            raise Nonconformity(message)
        return frozenset(keys_in(reading.items))

    with ThreadPoolExecutor(THREADS) as pool:
        answers = set(pool.map(read, range(THREADS * 2)))
    expect(len(answers) == 1, "surveys side by side see different worlds")
