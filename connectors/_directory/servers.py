"""One answer from several servers of the same directory (replicas, domain controllers).

Called by a connector's survey with the verifying credential: what one server still has is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from connectors.contract import Canary, Holding, HoldingState, Page, ReadEnd, gather


def merged(readings: Iterable[tuple[str, Iterable[Page[Holding]]]]) -> Iterator[Page[Holding]]:
    """Join readings by server: live anywhere is live, blind anywhere is blind."""
    worst: dict[str, Holding] = {}
    ends: list[ReadEnd] = []
    complete = True
    for server, pages in readings:
        reading = gather(pages)
        for holding in reading.items:
            known = worst.get(holding.key)
            if known is None or known.state is not HoldingState.LIVE:
                worst[holding.key] = _longest(holding, known)
            elif holding.duty and not known.duty:
                worst[holding.key] = replace(known, duty=holding.duty)
        complete = complete and reading.complete
        if reading.canary and reading.read_at and reading.credential:
            gaps = tuple(f"{gap} ({server})" for gap in reading.gaps)
            ends.append(
                ReadEnd(reading.complete, reading.canary, reading.read_at, reading.credential, gaps)
            )
        else:
            complete = False
    yield Page(tuple(worst.values()))
    if ends:
        last = ends[-1]
        seen = all(end.canary.seen for end in ends)
        gaps = tuple(gap for end in ends for gap in end.gaps)
        canary = Canary(last.canary.name, seen)
        yield Page((), ReadEnd(complete, canary, last.read_at, last.credential, gaps))


def _longest(holding: Holding, known: Holding | None) -> Holding:
    """Of two that are contained, what may still work lasts until the later moment."""
    before = known.residual_until if known else None
    after = holding.residual_until
    if before is None or holding.state is HoldingState.LIVE or (after and after >= before):
        return holding
    return replace(holding, residual_until=before)
