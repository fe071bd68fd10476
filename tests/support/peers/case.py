"""A leaver's case on a directory peer, as the integration tests play it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Credential, Holding, HoldingState
from tests.support.peers.connecting import account_of, connect, survey_of

if TYPE_CHECKING:
    from tests.support.peers.directory import Directory


class Case:
    """An acting and a verifying connector on one directory, with the leaver found."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.actor = connect(directory, Credential.ACT)
        self.verifier = connect(directory, Credential.VERIFY)
        self.account = account_of(self.actor)
        self.holdings = survey_of(self.actor, self.account).items

    def close(self) -> None:
        self.actor.close()
        self.verifier.close()

    def of(self, *kinds: str) -> list[Holding]:
        return [one for one in self.holdings if one.kind.startswith(kinds)]

    def named(self, label: str) -> Holding:
        return next(one for one in self.holdings if one.label == label)

    def state(self, kind: str) -> set[HoldingState]:
        seen = survey_of(self.verifier, self.account).items
        return {one.state for one in seen if one.kind == kind}

    def keys(self) -> set[str]:
        return {one.key for one in survey_of(self.verifier, self.account).items}
