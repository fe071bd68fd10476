"""MFA devices of an IAM user. Kept during contain: a factor more never opens a door.

Revoke deactivates a device and then deletes it where it is virtual, in this order: IAM refuses the
other one, and a device left behind would be found by whoever gets the same user name again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connectors.aws.documents import digest
from connectors.aws.rows import Leaver, Look, Row, RowCard, RowReading, partly, refused, take, text
from connectors.aws.session import Object
from connectors.aws.settings import Settings
from connectors.contract import Effect, Holding, Stage, Support, kind

MFA: Final = kind("credential.mfa")
_LOST: Final = "the MFA device: its seed is gone, so enrol a new one"


def _serials(leaver: Leaver) -> dict[str, str]:
    """Read the serial numbers of what is active or still assigned, by name.

    Serial numbers of virtual devices hold the user's name, so a digest names the holding (Law 10).
    """
    active = [
        text(one, "SerialNumber") for one in leaver.iam_list("list_mfa_devices", "MFADevices")
    ]
    assigned = [text(one, "SerialNumber") for one in _virtual(leaver)]
    return {digest(serial): serial for serial in (*active, *assigned)}


def _virtual(leaver: Leaver) -> list[Any]:
    listed = leaver.sessions.listed(
        leaver.place, "iam", "list_virtual_mfa_devices", "VirtualMFADevices"
    )
    suffix = f":mfa/{leaver.login}"
    return [
        one
        for one in listed
        if one.get("User", {}).get("UserId") == leaver.id
        or ("User" not in one and str(one.get("SerialNumber", "")).endswith(suffix))
    ]


def _read(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for name in _serials(leaver):
            yield leaver.holding(MFA, name, "MFA device", restore={"enabled": True})

    return partly(read, "MFA devices", "iam:ListMFADevices, iam:ListVirtualMFADevices")


def _revoke(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        serial = _serials(leaver).get(holding.native_id, "")
        return Look(not serial, {"device": bool(serial)}, lambda: _remove(leaver, serial))

    return take(leaver, holding, look, lost=_LOST)


def _remove(leaver: Leaver, serial: str) -> Object:
    answer: Object = {}
    active = {one.get("SerialNumber") for one in leaver.iam_list("list_mfa_devices", "MFADevices")}
    if serial in active:
        answer = leaver.iam("deactivate_mfa_device", SerialNumber=serial)
    if ":mfa/" in serial:
        answer = leaver.sessions.call(
            leaver.place, "iam", "delete_virtual_mfa_device", SerialNumber=serial
        )
    return answer


def _restore(_leaver: Leaver, holding: Holding) -> Effect:
    return refused(holding, _LOST)


def _card(_settings: Settings) -> RowCard:
    rights = ("iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice")
    stages = frozenset({Stage.REVOKE})
    return RowCard((Support(MFA, stages, rights=rights, not_restorable=_LOST),))


ROW: Final = Row("MFA devices", frozenset({MFA}), _card, _read, revoke=_revoke, restore=_restore)
