"""Duties in the tenant: which deed the words of a duty ask for, and whether it was done.

Called by ``people`` for each open duty. A duty about a holding is confirmed only when its deed was
done and seen in the world; words that no deed understands stay unanswered, and the case open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from deprovisioner.demo import deeds
from deprovisioner.demo.guards import Guard
from reconcile.views import QuestionView


class Done(StrEnum):
    """What a person says of a duty."""

    DONE = "done, and seen to be so"
    NOTHING_THERE = "looked: this company has none of that"
    NOT_YET = ""


_OF_THE_CARD: Final = "/gap/"
_ID: Final = r"[0-9a-f-]{36}"
_INSTEAD: Final = rf"than the user (?P<user>{_ID}) .*(?:organisation|review|policy) (?P<id>[\w-]+)"
_DEEDS: Final[Mapping[str, deeds.Deed]] = MappingProxyType(
    {
        rf'DistributionGroupMember -Identity "(?P<group>{_ID})" -Member "(?P<member>{_ID})"':
            deeds.leave_list,
        r"Rule: (?P<rule>.+?)\. Change the attribute (?P<attribute>\w+) of this person in Active":
            deeds.change_attribute,
        rf"-ManagedDeviceId (?P<device>{_ID})": deeds.retire,
        rf"Remove-MgDevice -DeviceId (?P<device>{_ID})": deeds.take_back,
        rf'/(?P<application>{_ID})/removePassword {{"keyId": "(?P<key>{_ID})"}}':
            deeds.replace_secret,
        rf"federatedIdentityCredentials/(?P<credential>{_ID})": deeds.look_at_trust,
        rf"Take the user (?P<user>{_ID}) out of .* policy (?P<id>{_ID})": deeds.leave_policy,
        rf"instead of the user (?P<user>{_ID}) .* package policy (?P<id>{_ID})":
            deeds.name_another,
        _INSTEAD: deeds.name_another,
        r"manager of this report is mastered in Active Directory": deeds.see_reports,
        r"The successor sets up the meetings": deeds.set_up_meetings,
        r"Give the successor access to the OneDrive": deeds.open_drive,
        rf'Set-Mailbox "(?P<mailbox>{_ID})" -Type Shared': deeds.convert_mailbox,
        r"Set-Mailbox <id> -HiddenFromAddressListsEnabled": deeds.hide_mailbox,
    }
)  # fmt: skip
"""What is asked, as its words are recognised, and what is then done."""


@dataclass(frozen=True, slots=True)
class Duties:
    """The people who have duties; without an ``office`` there is no tenant to work in.

    Without a ``guard`` there are no doors.
    """

    office: deeds.Office | None = None
    guard: Guard | None = None

    def see_to(self, question: QuestionView) -> Done:
        """Do what a duty asks, where it can be done now."""
        if self.office is not None:
            for words, deed in _DEEDS.items():
                asked = re.search(words, question.words, re.DOTALL)
                if asked is not None:
                    return Done.DONE if deed(self.office, asked) else Done.NOT_YET
        seen = self.guard.see_to(question.words) if self.guard is not None else None
        if seen is not None:
            return Done.DONE if seen else Done.NOT_YET
        # What a connector's card cannot see at all: hosts, certificate authorities, other clouds.
        return Done.NOTHING_THERE if _OF_THE_CARD in question.id else Done.NOT_YET
