"""What an operator says about one ZKBio CVSecurity server."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from connectors.contract import Credential
from connectors.doors.settings import DoorSettings
from connectors.secret import Secret


class Settings(DoorSettings):
    """``url`` ends before ``/api``. ``act`` and ``verify`` are two access tokens.

    A personnel id (``pin``) is the id here and, in this product, the employee number; canaries are
    named by it twice. ``time_zone``: the server's, an IANA name; its events carry none.
    ``leave_type``: the kind of leave that is written with a dismissal.
    """

    act: Secret
    verify: Secret
    time_zone: str
    leave_type: int = Field(default=1, ge=0)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("time_zone is no IANA name") from error
        return name

    @model_validator(mode="after")
    def _two(self) -> Settings:
        if self.act.reference == self.verify.reference:
            raise ValueError("act and verify must be two tokens: one checks the other")
        return self

    def token(self, credential: Credential) -> Secret:
        """Choose the token that speaks."""
        return self.act if credential is Credential.ACT else self.verify
