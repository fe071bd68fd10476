"""The reference connector passes the suite; the suite has teeth: each sin fails its own check."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from connectors.conformance import (
    CHECKS,
    Check,
    Rig,
    Situation,
    Verdict,
    check_named,
    judge,
    run,
)
from connectors.contract import Card, Connector, Credential, Support
from connectors.memory import MemoryConnector
from tests.support import sinners
from tests.support.memory_rig import MemoryRig, opens


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_reference_connector_keeps_the_contract(check: Check) -> None:
    """The remembered world's connector passes every check; none is skipped or not claimed."""
    result = judge(check, opens())

    assert result.verdict is Verdict.PASSED, result


def test_the_reference_connector_keeps_it_over_a_file(tmp_path: Path) -> None:
    """The same suite passes when every connector opens the world's file by itself."""
    results = run(opens(path=tmp_path / "world.sqlite"))

    assert [result for result in results if result.verdict is not Verdict.PASSED] == []


# Elsewhere one sin is one check, but: the check with new names repeats contain and revoke and looks
# at everybody; a contain in words is one whoever contains; an end too early makes any read blind.
RENAMED = "renamed-in-between-is-the-same-object"
SINS: dict[type[MemoryConnector], set[str]] = {
    sinners.ReadsOnePageOnly: {"page-size-one-equals-a-big-page"},
    sinners.EndsEveryPage: {"only-the-last-page-ends", "page-size-one-equals-a-big-page"},
    sinners.BelievesCutReads: {"truncated-read-is-blind"},
    sinners.ImaginesTheCanary: {"hidden-canary-is-blind"},
    sinners.ForgetsItsGaps: {"hidden-target-is-blind"},
    sinners.LooksForNobodyWithoutCanary: {"nobody-carries-a-canary"},
    sinners.FindsTheNamesakeSurely: {"finds-by-immutable-match"},
    sinners.ShowsPreImagesToAnybody: {"pre-image-with-act-only"},
    sinners.ForgetsAKindOnItsCard: {"card-covers-what-is-reported"},
    sinners.VerifierSeesLess: {"both-credentials-see-the-same"},
    sinners.ListsOnePage: {"lists-everybody"},
    sinners.NamesFilesAfterPeople: {"exports-stream"},
    sinners.ReportsOldActivity: {"activity-is-a-complete-read"},
    sinners.ProbesByWriting: {"probe-changes-nothing"},
    sinners.CardNeedsTheNetwork: {"card-and-close-need-no-network"},
    sinners.SharesABuffer: {"threads-have-their-own-instance"},
    sinners.ContainsOnlyInWords: {
        "contained-is-seen-by-the-verifier",
        "two-at-once-do-no-harm",
        RENAMED,
    },
    sinners.SaysDoneTwice: {"second-contain-is-already"},
    sinners.RevokesDoneTwice: {"second-revoke-is-already"},
    sinners.RevokesOnlyInWords: {"revoked-is-gone-for-the-verifier", RENAMED},
    sinners.StumblesOverTheVanished: {"vanished-before-write-is-already"},
    sinners.RemovesTheLastMember: {"sole-is-never-removed"},
    sinners.HandsOverInWords: {"transferred-is-seen-by-the-verifier"},
    sinners.AddressesByLogin: {"renamed-in-between-is-the-same-object"},
    sinners.EmptiesTheWholeGroup: {"nobody-else-is-touched", RENAMED},
    sinners.DestroysTwice: {"destroyed-is-gone"},
    sinners.BelievesSilence: {"silent-success-is-not-done"},
    sinners.VerifierMayWrite: {"verifier-cannot-write"},
    sinners.RestoresThePasswordEmpty: {"contain-is-undone"},
    sinners.RestoresNoAlias: {"revoke-is-undone"},
    sinners.MovesInsteadOfSharing: {"transfer-is-undone"},
    sinners.TakesSilenceForRefusal: {"unreachable-is-transient"},
    sinners.TakesSlownessForRefusal: {"slow-is-transient"},
    sinners.DropsTheWait: {"throttled-says-when"},
    sinners.TakesDeathForPatience: {"denied-is-unauthorised"},
    sinners.TakesNonsenseForPatience: {"garbled-is-malformed"},
    sinners.LeaksItsLibrary: {"only-faults-escape"},
    sinners.TalksAboutPeople: {"fault-texts-name-nobody"},
    sinners.CallsHalfAnExportWhole: {"cut-export-is-whole-or-raises"},
    sinners.TellsTimeWithoutZone: {"instants-are-aware"},
    sinners.WorksInTheMainThreadOnly: {"two-at-once-do-no-harm"},
    sinners.AnswersOutOfOrder: {"effects-match-holdings-in-order"},
}


@pytest.mark.parametrize("sinner", SINS, ids=lambda sinner: sinner.__name__)
def test_a_sinner_fails_its_own_check(sinner: type[MemoryConnector]) -> None:
    """Each broken connector fails exactly the check that is about its sin, and no other."""
    results = run(opens(sinner))

    failed = {result.check for result in results if result.verdict is Verdict.FAILED}
    assert failed == SINS[sinner], [r for r in results if r.verdict is Verdict.FAILED]


def test_every_check_has_a_sinner() -> None:
    """No check is without somebody who fails it, so none can be hollow."""
    caught = set().union(*SINS.values())

    assert {check.name for check in CHECKS} - caught == set()


class ClaimsTheLeast:
    """A connector with a card, find and survey, and nothing else."""

    def __init__(self, whole: Connector) -> None:
        """Show only a part of another connector."""
        self.find, self.survey, self.close = whole.find, whole.survey, whole.close
        self._whole = whole

    def card(self) -> Card:
        """Declare every kind as a duty."""
        kinds = (support.kind for support in self._whole.card().supports)
        duties = tuple(Support(kind, frozenset(), duty="by hand") for kind in kinds)
        return Card("the least", duties, timedelta(0))


class LeastRig(MemoryRig):
    """A rig whose connectors claim the least."""

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Cut the abilities off."""
        return ClaimsTheLeast(super().connector(credential, page_size=page_size))


def test_what_is_not_claimed_is_said_and_not_failed() -> None:
    """A connector that only reads passes what is about reading; the rest is named not claimed."""
    verdicts = {result.check: result.verdict for result in run(opens(rig_class=LeastRig))}

    by_verdict = {verdict: {c for c, v in verdicts.items() if v is verdict} for verdict in Verdict}
    assert by_verdict[Verdict.FAILED] == by_verdict[Verdict.UNSUPPORTED] == set()
    assert by_verdict[Verdict.NOT_CLAIMED] >= {"contain-is-undone", "lists-everybody"}
    assert by_verdict[Verdict.PASSED] >= {"hidden-canary-is-blind", "garbled-is-malformed"}


class HalfARig(MemoryRig):
    """A rig that cannot cut reads and whose leaver is the last one of nothing."""

    unsupported: ClassVar[Mapping[Situation, str]] = {
        Situation.TRUNCATED: "the server has no limits",
        Situation.SOLE: "nobody is the last one",
    }


def test_what_a_rig_cannot_do_is_reported_with_its_reason() -> None:
    """A check that could not be made is a result with words, never a silent pass."""
    results = run(opens(rig_class=HalfARig))

    missing = {r.check: r.detail for r in results if r.verdict is Verdict.UNSUPPORTED}
    assert missing == {
        "truncated-read-is-blind": "the server has no limits",
        "cut-export-is-whole-or-raises": "the server has no limits",
        "sole-is-never-removed": "nobody is the last one",
    }
    assert {r.verdict for r in results} == {Verdict.PASSED, Verdict.UNSUPPORTED}


def test_a_world_that_cannot_be_made_fails_the_check() -> None:
    """A rig that breaks while it opens is a failure with its error kept, not a crash of the run."""

    @contextmanager
    def broken() -> Iterator[Rig]:
        raise ConnectionError("no server")
        yield

    result = judge(check_named("lists-everybody"), broken)

    assert (result.verdict, type(result.error)) == (Verdict.FAILED, ConnectionError)


def test_a_check_can_be_asked_for_by_name() -> None:
    """Names are unique, and an unknown one is an error."""
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert check_named("destroyed-is-gone").run.__name__ == "destroyed_is_gone"
    with pytest.raises(KeyError):
        check_named("no-such-check")
