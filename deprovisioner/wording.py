"""Words for people: kinds of holdings, steps, states, and instants in the leaver's time zone.

Called by the report and by the command line's tables. Words only: it knows no view and no case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

KINDS: Final = {
    "account.person": "account",
    "account.admin": "administrator's account",
    "account.service": "service account",
    "session": "open session",
    "credential.password": "password",
    "credential.mfa": "second factor",
    "credential.recovery": "recovery code",
    "credential.ssh_key": "SSH key",
    "credential.gpg_key": "GPG key",
    "credential.api_token": "API token",
    "credential.access_key": "access key",
    "credential.certificate": "certificate",
    "credential.kerberos": "Kerberos principal",
    "credential.card": "card",
    "credential.pin": "PIN",
    "credential.biometric": "biometric template",
    "credential.mobile_pass": "mobile pass",
    "grant.group": "group",
    "grant.role": "role",
    "grant.role_eligible": "role they may take",
    "grant.app_role": "application role",
    "grant.consent": "consent",
    "grant.licence": "licence",
    "grant.policy": "policy",
    "grant.trust": "trust",
    "grant.acl": "access rule",
    "grant.sudo": "sudo rule",
    "grant.netgroup": "netgroup",
    "grant.delegation": "delegation",
    "grant.access_package": "access package",
    "grant.door": "door",
    "ownership.group": "owns a group",
    "ownership.project": "owns a project",
    "ownership.application": "owns an application",
    "ownership.device": "owns a device",
    "ownership.schedule": "owns a schedule",
    "ownership.webhook": "owns a webhook",
    "ownership.runner": "owns a runner",
    "ownership.agent": "owns an agent",
    "ownership.entry": "named in an entry",
    "ownership.report": "owns a report",
    "ownership.resource": "owns a resource",
    "alias": "alias",
    "data.mailbox": "mailbox",
    "data.drive": "files",
    "data.repository": "repository",
    "data.home": "home folder",
    "data.snippet": "snippet",
    "device": "device",
    "secret_known": "a shared secret they know",
}
STEPS: Final = {
    "contain": "blocked",
    "preserve": "kept",
    "transfer": "handed over",
    "revoke": "taken away",
    "destroy": "deleted",
    "restore": "put back",
}
OUTCOMES: Final = {"done": "done by us", "already": "found done", "open": "open",
                   "pending": "under way", "refused": "refused"}  # fmt: skip
PHASES: Final = {
    "survey": "Survey",
    "verify_first": "1st closing read",
    "verify_second": "2nd closing read",
}
STATES: Final = {"gone": "gone", "contained": "blocked", "live": "left alone"}
"""What a holding is, or what the policy wants it to be."""
REACHES: Final = {
    "ended": "over",
    "dated": "runs out by itself",
    "unknown": "not known",
    "lasting": "until somebody takes or rotates it",
}
"""How long something issued to the leaver may work, where there is no date to print."""
SHORTENINGS: Final = {
    "confirmed": "taken, and seen so",
    "planned": "in the plan",
    "duty": "a task for a person",
    "none": "no action shortens it",
}
"""Where the action stands that ends it sooner."""
HOLDS: Final = {
    "brake": "the brake: too many people at once",
    "protected": "a protected identity",
    "policy": "no single policy governs",
    "hr": "HR says otherwise",
    "manual": "a person",
}


DECISIONS: Final = {
    "accepted": "theirs",
    "service": "theirs to hand over",
    "candidate": "waits for a person",
    "rejected": "not theirs",
}
"""What became of an account that was found."""
REASONS: Final = {
    "anothers_number": "it carries another person's HR number",
    "contradictory": "one id says it is theirs, an HR number says it is not",
    "anothers_account": "it was signed off as another person's",
    "look_alike": "it only looks alike",
    "unproven": "the system calls it sure and shows no number or id",
    "below_threshold": "weaker than what is asked about",
}


def kind(word: str) -> str:
    """A kind of holding in words; its own word where we have none."""
    return KINDS.get(word, word)


class Clock:
    """Writes instants in one civil time zone, and says which."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone or "UTC"  # an immediate case may have no zone at all
        self._zone = ZoneInfo(self.time_zone)

    def full(self, at: datetime) -> str:
        """``Wed 25 Nov 2026, 00:00:00``."""
        return f"{at.astimezone(self._zone):%a %-d %b %Y, %H:%M:%S}"

    def short(self, at: datetime) -> str:
        """``25 Nov, 00:00:00``."""
        return f"{at.astimezone(self._zone):%-d %b, %H:%M:%S}"

    @staticmethod
    def utc(at: datetime) -> str:
        """``2026-11-24 16:00:00 UTC``."""
        return f"{at.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M:%S} UTC"
