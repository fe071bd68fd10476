"""What an operator says about one Command Centre."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Credential
from connectors.doors.settings import DoorSettings
from connectors.secret import Secret


class PersonalDataField(BaseModel):
    """The personal data field (PDF) that holds the employee number: its id and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(gt=0)
    name: str = Field(min_length=1)


class Settings(DoorSettings):
    """``url`` ends before ``/api``. ``act`` and ``verify`` are API keys of two REST clients.

    Ids of canaries and protected people are the paths of their cardholders
    (``/api/cardholders/325``). ``disabled_state``: the card state of this site that makes a card
    inactive. ``pins``: PINs or user codes are in use here; they cannot be read, so a person looks.
    ``operator_scope`` names the divisions that the operators may view, for the evidence.
    ``legacy_events``: the server is 8.60 or older and knows movements by number only.
    """

    act: Secret
    verify: Secret
    number_field: PersonalDataField
    disabled_state: str = "Disabled (manually)"
    pins: bool = True
    operator_scope: str = Field(min_length=1)
    legacy_events: bool = False

    @model_validator(mode="after")
    def _two(self) -> Settings:
        if self.act.reference == self.verify.reference:
            raise ValueError("act and verify must be two keys: one checks the other")
        return self

    def key(self, credential: Credential) -> Secret:
        """Choose the key that speaks."""
        return self.act if credential is Credential.ACT else self.verify
