"""Rows E40 and E43: devices that the person registered or owns, and those that Intune manages.

Called by the connector through :data:`ROW`. A device is disabled, which ends its primary refresh
token, unless other people are registered on it. It is never deleted here: with the device object
BitLocker and LAPS secrets are lost, and a wipe of a private device cannot be taken back; both are a
person's task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.device_management.managed_devices.managed_devices_request_builder import (
    ManagedDevicesRequestBuilder,
)
from msgraph.generated.devices.item.device_item_request_builder import DeviceItemRequestBuilder
from msgraph.generated.users.item.owned_devices.owned_devices_request_builder import (
    OwnedDevicesRequestBuilder,
)
from msgraph.generated.users.item.registered_devices.registered_devices_request_builder import (
    RegisteredDevicesRequestBuilder,
)

from connectors.contract import (
    Effect,
    Gap,
    Holding,
    HoldingState,
    Json,
    Outcome,
    Stage,
    Strength,
    Support,
    kind,
)
from connectors.entra.answers import Row as Object
from connectors.entra.graph import Graph, segment
from connectors.entra.instants import instant
from connectors.entra.queries import asking, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen
from connectors.entra.settings import Feature, Settings
from connectors.faults import Fault, Missing

DEVICE: Final = kind("device")
MANAGED: Final = kind("ownership.device")
"""A kind of its own: nothing of it is contained here, so it must not hold up what is."""
_SELECT: Final = ["id", "displayName", "accountEnabled", "approximateLastSignInDateTime"]
_MANAGED_SELECT: Final = ["id", "deviceName", "managedDeviceOwnerType", "lastSyncDateTime"]
_INTUNE_RIGHT: Final = "DeviceManagementManagedDevices.Read.All"
_DUTY: Final = (
    "Take the machine back. Store its recovery key first (Get-MgInformationProtectionBitlocker"
    "RecoveryKey -BitlockerRecoveryKeyId ID -Property key; Get-MgDirectoryDeviceLocalCredential), "
    "then delete the object: Remove-MgDevice -DeviceId {id}"
)
_INTUNE_DUTY: Final = (
    "Retire the device, which removes company data only: Invoke-MgRetireDeviceManagementManaged"
    "Device -ManagedDeviceId {id}. Wipe it only with an approval, and never a private device."
)
_OTHERS_DUTY: Final = (
    "Other people are registered on this device, so it is not disabled: they would be shut out. "
    "Take it back from this person, then, signed in as an administrator (no app may): DELETE "
    "/devices/{id}/registeredOwners/{user}/$ref and /devices/{id}/registeredUsers/{user}/$ref"
)
_NOT_CUT: Final = (
    "A device that other people are registered on is not disabled; its link to the person ends "
    "with the device, or by a signed-in administrator: no application may remove it."
)
_KNOWN: Final = kind("secret_known")
_UNSEEN: Final = "apps under app protection alone, and Cloud PCs, are not shown to an application"
_UNSEEN_DUTY: Final = (
    "In the Intune admin centre, Apps, App selective wipe: make a wipe request for each device of "
    "this person (signed in: GET /users/<id>/managedAppRegistrations, POST /users/<id>/"
    "wipeManagedAppRegistrationsByDeviceTag). Devices, Cloud PCs (GET /users/<id>/cloudPCs): once "
    "the licence is gone, POST /deviceManagement/virtualEndpoint/cloudPCs/<id>/endGracePeriod."
)
_READ_BY: Final = (
    "which local administrator passwords (LAPS) and BitLocker keys the person has read is not told"
)
_ROTATE: Final = (
    "For each machine whose local administrator password or recovery key this person may have "
    "read, in the Intune admin centre: Rotate local admin password, BitLocker key rotation (POST "
    "/deviceManagement/managedDevices/<id>/rotateLocalAdminPassword and .../rotateBitLockerKeys)."
)


def _card(settings: Settings) -> RowCard:
    device = Support(DEVICE, frozenset({Stage.CONTAIN}), rights=("Device.ReadWrite.All",))
    managed = Support(
        MANAGED,
        frozenset(),
        revokes=Strength.NEVER,
        rights=(_INTUNE_RIGHT,) if settings.has(Feature.INTUNE) else (),
        duty="Retire the devices that Intune manages.",
    )
    gaps = (Gap(DEVICE, _UNSEEN, _UNSEEN_DUTY), Gap(_KNOWN, _READ_BY, _ROTATE))
    notes = (
        "An offline device keeps its local data, and learns of a retirement when it is back.",
        _NOT_CUT,
    )
    return RowCard((device, managed), gaps if settings.has(Feature.INTUNE) else (), notes)


def _read(leaver: Leaver) -> RowReading:
    requests = [_owned(leaver), _registered(leaver)]
    if leaver.settings.has(Feature.INTUNE):
        requests.append(_managed(leaver))
    answers = leaver.graph.gather(requests)
    owned, gaps = seen(answers[0], "owned devices", "User.Read.All")
    registered, more = seen(answers[1], "registered devices", "User.Read.All")
    devices = {str(device.get("id")): device for device in (*owned, *registered)}
    shared, unseen = _shared(leaver, devices)
    gaps = (*gaps, *more, *_unreadable(devices.values()), *unseen)
    holdings = [
        _holding(leaver, native_id, device, others=native_id in shared)
        for native_id, device in devices.items()
    ]
    if len(answers) > len((owned, registered)):
        managed, more = seen(answers[2], "devices managed by Intune", _INTUNE_RIGHT)
        gaps += more
        holdings += [_managed_holding(leaver, device) for device in managed]
    return RowReading(tuple(holdings), gaps)


def _owned(leaver: Leaver) -> RequestInformation:
    query = OwnedDevicesRequestBuilder.OwnedDevicesRequestBuilderGetQueryParameters(select=_SELECT)
    builder = leaver.graph.client.users.by_user_id(leaver.id).owned_devices
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def _registered(leaver: Leaver) -> RequestInformation:
    query = RegisteredDevicesRequestBuilder.RegisteredDevicesRequestBuilderGetQueryParameters(
        select=_SELECT
    )
    builder = leaver.graph.client.users.by_user_id(leaver.id).registered_devices
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def _managed(leaver: Leaver) -> RequestInformation:
    query = ManagedDevicesRequestBuilder.ManagedDevicesRequestBuilderGetQueryParameters(
        filter=f"userId eq '{leaver.id}'", select=_MANAGED_SELECT
    )
    builder = leaver.graph.client.device_management.managed_devices
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def _unreadable(devices: Iterable[Object]) -> tuple[str, ...]:
    """Graph shows only id and type of what we may not read: then nobody knows the state."""
    thin = any(device.get("accountEnabled") is None for device in devices)
    return ("accountEnabled of a device (needs Device.Read.All)",) if thin else ()


def _shared(
    leaver: Leaver, devices: Mapping[str, Object]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Tell which devices that still work have other users: who joined it owns it for good."""
    live = [one for one, device in devices.items() if device.get("accountEnabled") is not False]
    shared, gaps = set[str](), tuple[str, ...]()
    for native_id, answer in zip(
        live, leaver.graph.gather([_users(leaver, one) for one in live]), strict=True
    ):
        users, more = seen(answer, "users of devices", "Device.Read.All")
        gaps += tuple(gap for gap in more if gap not in gaps)
        if _others(leaver, users):
            shared.add(native_id)
    return frozenset(shared), gaps


def _users(leaver: Leaver, device: str) -> RequestInformation:
    users = leaver.graph.client.devices.by_device_id(device).registered_users
    return asking(users.to_get_request_information(), select=("id",))


def _others(leaver: Leaver, users: Iterable[Object]) -> bool:
    return any(text(one, "id") != leaver.id for one in users)


def _holding(leaver: Leaver, native_id: str, device: Object, *, others: bool) -> Holding:
    blocked = device.get("accountEnabled") is False
    task = _DUTY if blocked else _OTHERS_DUTY if others else ""
    return leaver.holding(
        DEVICE,
        native_id,
        str(device.get("displayName") or ""),
        state=HoldingState.CONTAINED if blocked else HoldingState.LIVE,
        restore={"accountEnabled": device.get("accountEnabled")},
        duty=task.format(id=native_id, user=leaver.id),
        last_used=instant(device.get("approximateLastSignInDateTime")),
    )


def _managed_holding(leaver: Leaver, device: Object) -> Holding:
    native_id = str(device.get("id"))
    return leaver.holding(
        MANAGED,
        native_id,
        str(device.get("deviceName") or ""),
        duty=_INTUNE_DUTY.format(id=native_id),
        last_used=instant(device.get("lastSyncDateTime")),
    )


def _contain(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_set_enabled(leaver, holding, enabled=False) for holding in holdings]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        _set_enabled(leaver, holding, enabled=holding.restore.get("accountEnabled") is not False)
        for holding in holdings
    ]


def _set_enabled(leaver: Leaver, holding: Holding, *, enabled: bool) -> Effect:
    try:
        before = leaver.graph.get(_device(leaver.graph, holding.native_id))
    except Missing:
        return Effect(holding.key, Outcome.ALREADY, {"device": "absent"})
    if before.get("accountEnabled") is enabled:
        return Effect(holding.key, Outcome.ALREADY, _shown(before))
    if not enabled and (why := _not_ours_alone(leaver, holding.native_id)):
        return Effect(holding.key, Outcome.REFUSED, _shown(before), why=why)
    path = f"/devices/{segment(holding.native_id)}"
    answer = leaver.graph.send(leaver.graph.raw("PATCH", path, {"accountEnabled": enabled}))
    after = leaver.graph.get(_device(leaver.graph, holding.native_id))
    if after.get("accountEnabled") is not enabled:
        return leaver.pending(holding, _shown(after), answer.request_id)
    return Effect(holding.key, Outcome.DONE, _shown(after), answer.request_id)


def _not_ours_alone(leaver: Leaver, device: str) -> str:
    """Looked up now, not when surveyed: others may have been registered since (Law 5)."""
    users = leaver.graph.gather([_users(leaver, device)])[0]
    if isinstance(users, Fault):
        raise users
    return _OTHERS_DUTY.format(id=device, user=leaver.id) if _others(leaver, users) else ""


def _device(graph: Graph, native_id: str) -> RequestInformation:
    query = DeviceItemRequestBuilder.DeviceItemRequestBuilderGetQueryParameters(
        select=["id", "accountEnabled"]
    )
    return graph.client.devices.by_device_id(native_id).to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )


def _shown(device: Object) -> dict[str, Json]:
    return {"accountEnabled": device.get("accountEnabled")}


ROW: Final = Row(
    name="E40, E43 devices",
    kinds=frozenset({DEVICE, MANAGED}),
    card=_card,
    read=_read,
    contain=_contain,
    restore=_restore,
)
