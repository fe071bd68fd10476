"""One leaver on one door product, taken through stages by the connector."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.contract import (
    Account,
    Credential,
    Holding,
    HoldingState,
    Reading,
    Stage,
    gather,
)
from tests.support.doors import company, subject_of

LEAVER = company().demo_leaver()
NUMBER = LEAVER.employee_number


class Case:
    """One leaver on one product, taken through stages by the connector."""

    def __init__(self, doors: Any) -> None:
        self.doors = doors
        self._open: list[Any] = []
        self.account = self.find()[0]

    def open(self, credential: Credential, **more: Any) -> Any:
        self._open.append(self.doors.connector(credential, self.doors.server.url, **more))
        return self._open[-1]

    def close(self) -> None:
        for one in self._open:
            one.close()

    def find(self, **more: Any) -> tuple[Account, ...]:
        connector = self.open(Credential.VERIFY, **more)
        return gather(connector.find(subject_of(LEAVER))).items

    def survey(self, credential: Credential = Credential.VERIFY, **more: Any) -> Reading[Holding]:
        return gather(self.open(credential, **more).survey(self.account))

    def take(self, stage: Stage, **more: Any) -> dict[Any, Any]:
        connector = self.open(Credential.ACT, **more)
        card = connector.card()
        holdings = [
            one
            for one in self.survey(Credential.ACT, **more).items
            if stage in getattr(card.support(one.kind), "stages", ()) and not one.duty
        ]
        act = connector.contain if stage is Stage.CONTAIN else connector.revoke
        effects = act(self.account, holdings)
        return {(one.kind, one.native_id): it for one, it in zip(holdings, effects, strict=True)}

    def wait(self, seconds: float = 60) -> None:
        self.doors.clock.at += timedelta(seconds=seconds)

    def live(self, kind: Any) -> list[Holding]:
        found = self.survey().items
        return [one for one in found if one.kind == kind and one.state is HoldingState.LIVE]
