"""What an operator says about any door system; each product adds its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class CanaryPerson(BaseModel):
    """Somebody who never leaves, by the platform's own id: has this number, a card and a door."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    number: str = Field(min_length=1)


class DoorSettings(BaseModel):
    """One door system.

    ``canaries``: one person for each part of the platform that rights can hide (division,
    organisation); a read in which one is not seen whole is blind. ``protected``: ids that are
    never changed (guards' own, break-glass). ``ca_file``: the one certificate or authority that
    the platform is known by; checking cannot be switched off. ``excluded_panels``: ids of panels
    out of service, each with the reason, whose silence says nothing; printed on the card.
    ``panel_wait``: how long a panel is given before it is asked again. ``settle``: how long after
    the last write a verification may begin. ``timeout`` bounds each call as a whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    canaries: tuple[CanaryPerson, ...] = Field(min_length=1)
    protected: frozenset[str] = frozenset()
    ca_file: Path | None = None
    excluded_panels: Mapping[str, str] = Field(default_factory=dict)
    panel_wait: timedelta = Field(default=timedelta(minutes=2), gt=timedelta(0))
    settle: timedelta = timedelta(minutes=2)
    timeout: timedelta = Field(default=timedelta(seconds=40), gt=timedelta(0))
    page_size: int = Field(default=100, ge=1, le=1_000)
    max_people: int = Field(default=500_000, ge=1)
    max_answer_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)

    @field_validator("url")
    @classmethod
    def _safe_address(cls, address: str) -> str:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise ValueError("url is no address") from error
        if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
            raise ValueError("url starts with https:// (http:// on loopback only)")
        if url.query or url.fragment or url.userinfo:
            raise ValueError("url has no query, fragment or password in it")
        return address.rstrip("/")

    @field_validator("excluded_panels")
    @classmethod
    def _reasons(cls, panels: Mapping[str, str]) -> Mapping[str, str]:
        if any(not reason.strip() for reason in panels.values()):
            raise ValueError("an excluded panel needs a reason")
        return panels
