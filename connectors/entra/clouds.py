"""The clouds that Microsoft Graph is served from, and what each of them lacks.

Called by the session layer for addresses and by the card for what is a duty in this cloud only.
A capability that a cloud lacks is never called there: it is on the card, with a person's task.
Sources: ``NationalClouds`` of msgraph-core 1.5.2 and the cloud notes of the Graph reference pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CloudName(StrEnum):
    """The word an operator writes."""

    GLOBAL = "global"
    US_GOVERNMENT = "us-government"
    US_DEFENCE = "us-defence"
    CHINA = "china"


class Capability(StrEnum):
    """What some cloud is known to lack."""

    AUTHENTICATION_METHODS = "reading and deleting authentication methods"
    PHONE_METHOD_DELETE = "deleting phone authentication methods"
    MAILBOX_EXPORT = "mailbox exportItems"
    GROUP_PIM_CANCEL = "cancelling a request of PIM for groups"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: where Graph and the sign-in service are, and what is missing."""

    name: CloudName
    graph: str
    authority: str
    lacks: frozenset[Capability] = frozenset()

    def offers(self, capability: Capability) -> bool:
        """Tell whether the cloud has it."""
        return capability not in self.lacks


CLOUDS: Final[dict[CloudName, Cloud]] = {
    cloud.name: cloud
    for cloud in (
        Cloud(CloudName.GLOBAL, "https://graph.microsoft.com", "login.microsoftonline.com"),
        Cloud(
            CloudName.US_GOVERNMENT,
            "https://graph.microsoft.us",
            "login.microsoftonline.us",
            frozenset({Capability.MAILBOX_EXPORT}),
        ),
        Cloud(
            CloudName.US_DEFENCE,
            "https://dod-graph.microsoft.us",
            "login.microsoftonline.us",
            frozenset({Capability.MAILBOX_EXPORT}),
        ),
        Cloud(
            CloudName.CHINA,
            "https://microsoftgraph.chinacloudapi.cn",
            "login.chinacloudapi.cn",
            frozenset(Capability),
        ),
    )
}
