"""Password, access keys and service-specific credentials of an IAM user.

Keys are made inactive by contain and deleted by revoke. The password cannot be paused: contain
deletes the login profile. None of the secrets come back; inactive ones become active again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from connectors.aws.rows import (
    Leaver,
    Look,
    Row,
    RowCard,
    RowReading,
    partly,
    refused,
    stored,
    take,
    text,
    unless_missing,
)
from connectors.aws.session import Object
from connectors.aws.settings import Feature, Settings
from connectors.contract import Effect, Holding, HoldingState, Kind, Stage, Support, kind
from connectors.faults import Malformed

PASSWORD: Final = kind("credential.password")
ACCESS_KEY: Final = kind("credential.access_key")
API_TOKEN: Final = kind("credential.api_token")
PROFILE: Final = "login-profile"
ACTIVE, INACTIVE = "Active", "Inactive"
_FREEZE_AND_TAKE: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.REVOKE})


def state_of(status: object) -> HoldingState:
    """Tell the state from AWS's word; anything but inactive may work."""
    return HoldingState.CONTAINED if status == INACTIVE else HoldingState.LIVE


# ---------------------------------------------------------------------------------- the password
def _profile(leaver: Leaver) -> bool:
    answer = unless_missing(lambda: leaver.iam("get_login_profile"))
    if answer is not None and not isinstance(answer.get("LoginProfile"), dict):
        raise Malformed("a login profile is none", code="aws:shape")
    return answer is not None


def _read_password(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        if _profile(leaver):
            yield leaver.holding(PASSWORD, PROFILE, "console password", restore={"set": True})

    return partly(read, "console password", "iam:GetLoginProfile")


def _delete_password(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        there = _profile(leaver)
        return Look(not there, {"login_profile": there}, lambda: leaver.iam("delete_login_profile"))

    return take(leaver, holding, look, lost="the console password: set a new one")


def _restore_password(leaver: Leaver, holding: Holding) -> Effect:
    return refused(
        holding,
        f"the old password is gone; run: aws iam create-login-profile --user-name {leaver.login} "
        "--password-reset-required --password NEW",
    )


def _password_card(_settings: Settings) -> RowCard:
    return RowCard(
        (
            Support(
                PASSWORD,
                frozenset({Stage.CONTAIN, Stage.REVOKE}),
                rights=("iam:DeleteLoginProfile",),
                not_restorable="the console password: it is deleted, so set a new one",
            ),
        )
    )


PASSWORD_ROW: Final = Row(
    "console password",
    frozenset({PASSWORD}),
    _password_card,
    _read_password,
    contain=_delete_password,
    revoke=_delete_password,
    restore=_restore_password,
)


# --------------------------------------------------------------------- credentials with a switch
class Switched:
    """A sort of credential that AWS can make inactive, addressed by an id of its own."""

    def __init__(self, of: Kind, words: tuple[str, str, str], names: tuple[str, str, str]) -> None:
        """``words``: list, update, delete operations; ``names``: member, id, what it is."""
        self.kind = of
        self.list, self.update, self.delete = words
        self.member, self.id, self.what = names

    def listed(self, leaver: Leaver) -> list[Any]:
        """Read all of them; never with a service name, which would hide some."""
        return leaver.iam_list(self.list, self.member)

    def status(self, leaver: Leaver, native_id: str) -> str:
        """Read one's status; empty when it is not there."""
        listed = self.listed(leaver)
        return next((str(one.get("Status")) for one in listed if one.get(self.id) == native_id), "")

    def read(self, leaver: Leaver) -> RowReading:
        """Report all of them."""

        def read() -> Iterator[Holding]:
            for one in self.listed(leaver):
                native_id, status = text(one, self.id), text(one, "Status")
                yield leaver.holding(
                    self.kind,
                    native_id,
                    str(one.get("ServiceName") or self.what),
                    state=state_of(status),
                    restore={"status": status},
                    last_used=self.last_used(leaver, native_id),
                )

        return partly(read, f"{self.what}s", "iam:List*")

    def last_used(self, leaver: Leaver, native_id: str) -> datetime | None:
        """Read when it was used last; only access keys tell."""
        if self.kind != ACCESS_KEY:
            return None
        call = leaver.sessions.call
        answer = unless_missing(
            lambda: call(leaver.place, "iam", "get_access_key_last_used", AccessKeyId=native_id)
        )
        used = answer.get("AccessKeyLastUsed", {}).get("LastUsedDate") if answer else None
        return used if isinstance(used, datetime) and used.tzinfo else None

    def switch(self, leaver: Leaver, holding: Holding, to: str) -> Effect:
        """Make it active or inactive."""

        def write() -> Object:
            return leaver.iam(self.update, Status=to, **{self.id: holding.native_id})

        def look() -> Look:
            status = self.status(leaver, holding.native_id)
            gone = "" if status or to == INACTIVE else "it was deleted: issue a new one"
            reached = status in ("", to) if to == INACTIVE else status == to
            return Look(reached, {"status": status or "absent"}, write, refuse=gone)

        return take(leaver, holding, look)

    def contain(self, leaver: Leaver, holding: Holding) -> Effect:
        """Make it inactive."""
        return self.switch(leaver, holding, INACTIVE)

    def restore(self, leaver: Leaver, holding: Holding) -> Effect:
        """Make it what it was."""
        return self.switch(leaver, holding, stored(holding, "status"))

    def revoke(self, leaver: Leaver, holding: Holding) -> Effect:
        """Delete it."""

        def look() -> Look:
            status = self.status(leaver, holding.native_id)
            return Look(
                not status,
                {"status": status or "absent"},
                lambda: leaver.iam(self.delete, **{self.id: holding.native_id}),
            )

        return take(leaver, holding, look, lost=f"the {self.what}: issue a new one")

    def support(self, *rights: str) -> Support:
        """Make the card's line."""
        return Support(
            self.kind,
            _FREEZE_AND_TAKE,
            rights=rights,
            not_restorable=f"a deleted {self.what}; inactive ones become active again",
        )


_KEYS: Final = Switched(
    ACCESS_KEY,
    ("list_access_keys", "update_access_key", "delete_access_key"),
    ("AccessKeyMetadata", "AccessKeyId", "access key"),
)
_SERVICES: Final = Switched(
    API_TOKEN,
    (
        "list_service_specific_credentials",
        "update_service_specific_credential",
        "delete_service_specific_credential",
    ),
    ("ServiceSpecificCredentials", "ServiceSpecificCredentialId", "service-specific credential"),
)


def _keys_card(_settings: Settings) -> RowCard:
    note = "SES SMTP passwords derived from an access key stop with it: they show nowhere else."
    return RowCard((_KEYS.support("iam:UpdateAccessKey", "iam:DeleteAccessKey"),), notes=(note,))


def _services_card(_settings: Settings) -> RowCard:
    rights = ("iam:UpdateServiceSpecificCredential", "iam:DeleteServiceSpecificCredential")
    note = (
        "Bedrock keys made in the console belong to hidden users named BedrockAPIKey-*, not after "
        "the person: tag them, or give them the person as owner."
    )
    return RowCard((_SERVICES.support(*rights),), notes=(note,))


KEYS_ROW: Final = Row(
    "access keys",
    frozenset({ACCESS_KEY}),
    _keys_card,
    _KEYS.read,
    contain=_KEYS.contain,
    revoke=_KEYS.revoke,
    restore=_KEYS.restore,
)
SERVICES_ROW: Final = Row(
    "service-specific credentials",
    frozenset({API_TOKEN}),
    _services_card,
    _SERVICES.read,
    contain=_SERVICES.contain,
    revoke=_SERVICES.revoke,
    restore=_SERVICES.restore,
    absent=lambda settings: not settings.has(Feature.SERVICE_CREDENTIALS),
)
