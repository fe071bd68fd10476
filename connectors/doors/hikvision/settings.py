"""What an operator says about one iSecure Center."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Credential
from connectors.doors.settings import DoorSettings
from connectors.secret import Secret


class Partner(BaseModel):
    """One API partner of the platform: its app key (AK) and the secret (SK) it signs with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app_key: str = Field(min_length=1)
    secret: Secret


class Settings(DoorSettings):
    """``url`` ends before ``/artemis``. Two partners: one acts, one verifies.

    ``tag_id`` marks what is granted over OpenAPI; ``auth_config/delete`` removes only what the
    same tag granted. ``console_grants``: guards grant doors in the web client too; OpenAPI then
    cannot see them once a person is frozen, and a person looks. ``events_subscribed``: somebody
    has checked that door events are subscribed in the access component; unsubscribed ones are
    never stored, so without it every read of activity has a gap.
    """

    act: Partner
    verify: Partner
    tag_id: str = "0"
    console_grants: bool = True
    events_subscribed: bool = False

    @model_validator(mode="after")
    def _two(self) -> Settings:
        same = self.act.secret.reference == self.verify.secret.reference
        if same or self.act.app_key == self.verify.app_key:
            raise ValueError("act and verify must be two partners: one checks the other")
        return self

    def partner(self, credential: Credential) -> Partner:
        """Choose the partner that speaks."""
        return self.act if credential is Credential.ACT else self.verify
