"""What an operator says about one UniFi Access console."""

from __future__ import annotations

from pydantic import model_validator

from connectors.contract import Credential
from connectors.doors.settings import DoorSettings
from connectors.secret import Secret


class Settings(DoorSettings):
    """``url`` ends before ``/api/v1`` (port 12445). ``act`` and ``verify`` are two API tokens.

    Both need ``view:user, view:credential, view:policy, view:device, view:system_log``; the acting
    one ``edit:user`` and ``edit:credential`` too. ``identity``: WiFi, VPN and charging are assigned
    to people here (UniFi Identity); they are shown, and a person takes them away.
    """

    act: Secret
    verify: Secret
    identity: bool = True

    @model_validator(mode="after")
    def _two(self) -> Settings:
        if self.act.reference == self.verify.reference:
            raise ValueError("act and verify must be two tokens: one checks the other")
        return self

    def token(self, credential: Credential) -> Secret:
        """Choose the token that speaks."""
        return self.act if credential is Credential.ACT else self.verify
