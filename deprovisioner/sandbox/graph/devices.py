"""Devices of the directory, what Intune manages, and the recovery secrets that go with them.

The rules kept: a disabled device kills its primary refresh token; deleting one loses BitLocker
and LAPS values for good; owners and users of a device are unlinked with delegated rights only;
Intune does what it is told later.
"""

from collections.abc import Callable

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table
from deprovisioner.sandbox.graph.vocabulary import DEVICE, DIRECTORY_OBJECT, Kind
from deprovisioner.sandbox.graph.wording import words


def _of_user(link: Link) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        user = objects.user(call.view, call.path["user"])
        items = objects.typed(call.view, call.view.sources(link, user["id"]))
        return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)

    return listed


def _list(call: Call) -> Reply:
    return Listing(DEVICE, objects.of_table(call.view, Table.DEVICES), "devices")


def _get(call: Call) -> Reply:
    found = objects.record(call.view, Table.DEVICES, call.path["device"])
    return Item(Typed(DEVICE, found), "devices/$entity")


def _patch(call: Call) -> Reply:
    old = objects.record(call.world.truth, Table.DEVICES, call.path["device"])
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    if set(changes) != {"accountEnabled"} or not isinstance(changes["accountEnabled"], bool):
        raise bad_request("Only accountEnabled of a device can be changed by an app.")
    call.world.store.change(Table.DEVICES, old["id"], **changes)
    return Answer(204)


def _delete(call: Call) -> Reply:
    old = objects.record(call.world.truth, Table.DEVICES, call.path["device"])
    store, view = call.world.store, call.world.truth
    for table in (Table.RECOVERY_KEYS, Table.LOCAL_CREDENTIALS):
        for row in view.where(table, _device=old["deviceId"]):
            store.drop(table, row["id"])
    objects.drop_object(call, Table.DEVICES, old["id"])
    return Answer(204)


def _people_of(link: Link) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        found = objects.record(call.view, Table.DEVICES, call.path["device"])
        items = objects.typed(call.view, call.view.targets(link, found["id"]))
        return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)

    return listed


# --------------------------------------------------------------------------------------- Intune

MANAGED = Kind(
    "managedDevice",
    words(
        """
        azureADDeviceId complianceState deviceActionResults deviceName id isEncrypted
        lastSyncDateTime managedDeviceOwnerType managementAgent managementState operatingSystem
        serialNumber userDisplayName userId userPrincipalName
        """
    ),
    basic={"userId": frozenset({"eq"}), "deviceName": frozenset({"eq"})},
)
_BARRED = frozenset({"$select", "$filter", "$top", "$skiptoken", "$count"})


def _managed_list(call: Call) -> Reply:
    items = [Typed(MANAGED, row) for row in call.view.every(Table.MANAGED_DEVICES)]
    context = "deviceManagement/managedDevices"
    return Listing(MANAGED, items, context, directory=False, most=1000, options=_BARRED)


def _managed_get(call: Call) -> Reply:
    found = _managed(call.view.get(Table.MANAGED_DEVICES, call.path["device"]))
    return Item(Typed(MANAGED, found), "deviceManagement/managedDevices/$entity")


def _managed(found: Record | None) -> Record:
    if found is None:
        raise GraphError(404, "ResourceNotFound", "The managed device was not found.")
    return found


def _told(action: str, end_state: str | None) -> Callable[[Call], Reply]:
    """Return the handler of an action that Intune carries out when the device is online."""

    def told(call: Call) -> Reply:
        key = call.path["device"]
        old = _managed(call.world.truth.get(Table.MANAGED_DEVICES, key))
        started = {
            "actionName": action,
            "actionState": "pending",
            "startDateTime": objects.stamp(call.world.now),
        }
        results = [*old.get("deviceActionResults", ()), started]
        call.world.store.change(Table.MANAGED_DEVICES, key, deviceActionResults=results)

        def carry_out() -> None:
            now = call.world.store.view(call.world.now).get(Table.MANAGED_DEVICES, key)
            if now is None or now.get("_offline"):
                return  # an offline device keeps what it has
            when = objects.stamp(call.world.now)
            done = {**started, "actionState": "done", "lastUpdatedDateTime": when}
            others = [row for row in now["deviceActionResults"] if row != started]
            changes: Record = {"deviceActionResults": [*others, done]}
            if end_state is not None:
                changes["managementState"] = end_state
            call.world.store.change(Table.MANAGED_DEVICES, key, **changes)

        call.world.agenda.after(call.world.delays.devices, carry_out)
        return Answer(204)

    return told


def _managed_delete(call: Call) -> Reply:
    found = _managed(call.world.truth.get(Table.MANAGED_DEVICES, call.path["device"]))
    call.world.store.drop(Table.MANAGED_DEVICES, found["id"])
    return Answer(204)


# ---------------------------------------------------------------------------- recovery secrets

RECOVERY_KEY = Kind(
    "bitlockerRecoveryKey",
    frozenset({"createdDateTime", "deviceId", "id", "key", "volumeType"}),
    frozenset({"createdDateTime", "deviceId", "id", "volumeType"}),
    basic={"deviceId": frozenset({"eq"})},
)
LOCAL_CREDENTIAL = Kind(
    "deviceLocalCredentialInfo",
    frozenset({"credentials", "deviceName", "id", "lastBackupDateTime", "refreshDateTime"}),
    frozenset({"deviceName", "id", "lastBackupDateTime", "refreshDateTime"}),
)


def _keys(call: Call) -> Reply:
    items = [Typed(RECOVERY_KEY, row) for row in call.view.every(Table.RECOVERY_KEYS)]
    context = "informationProtection/bitlocker/recoveryKeys"
    if "key" in (call.query.selected(RECOVERY_KEY) or ()):
        raise bad_request("The key can be read of one recovery key at a time only.")
    return Listing(RECOVERY_KEY, items, context, directory=False, options=_BARRED)


def _key(call: Call) -> Reply:
    if "key" in (call.query.selected(RECOVERY_KEY) or ()):
        call.caller.need("BitlockerKey.Read.All")
    found = objects.record(call.view, Table.RECOVERY_KEYS, call.path["key"])
    context = "informationProtection/bitlocker/recoveryKeys/$entity"
    return Item(Typed(RECOVERY_KEY, found), context, options=frozenset({"$select"}))


def _local_credentials(call: Call) -> Reply:
    items = [Typed(LOCAL_CREDENTIAL, row) for row in call.view.every(Table.LOCAL_CREDENTIALS)]
    context = "directory/deviceLocalCredentials"
    return Listing(LOCAL_CREDENTIAL, items, context, directory=False, options=_BARRED)


def _local_credential(call: Call) -> Reply:
    found = objects.record(call.view, Table.LOCAL_CREDENTIALS, call.path["device"])
    context = "directory/deviceLocalCredentials/$entity"
    return Item(Typed(LOCAL_CREDENTIAL, found), context, options=frozenset({"$select"}))


_OF_USER = "User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
_INTUNE = "DeviceManagementManagedDevices.Read.All DeviceManagementManagedDevices.ReadWrite.All"
_ONE = "/deviceManagement/managedDevices/{device}"
_BITLOCKER = "/informationProtection/bitlocker/recoveryKeys"
_DEVICES = "Device.Read.All Device.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"

ROUTES: tuple[Route, ...] = (
    *routes(
        _OF_USER,
        ("GET", "/users/{user}/ownedDevices", _of_user(Link.REGISTERED_OWNER)),
        ("GET", "/users/{user}/registeredDevices", _of_user(Link.REGISTERED_USER)),
        units=2,
    ),
    *routes(
        _DEVICES,
        ("GET", "/devices", _list),
        ("GET", "/devices/{device}", _get),
        ("GET", "/devices/{device}/registeredOwners", _people_of(Link.REGISTERED_OWNER)),
        ("GET", "/devices/{device}/registeredUsers", _people_of(Link.REGISTERED_USER)),
    ),
    *routes("Device.ReadWrite.All Directory.ReadWrite.All", ("PATCH", "/devices/{device}", _patch)),
    *routes("Device.ReadWrite.All", ("DELETE", "/devices/{device}", _delete)),
    *routes(
        "",
        ("DELETE", "/devices/{device}/registeredOwners/{owner}/$ref", objects.delegated_only),
        ("DELETE", "/devices/{device}/registeredUsers/{owner}/$ref", objects.delegated_only),
    ),
    *routes(
        _INTUNE,
        ("GET", "/deviceManagement/managedDevices", _managed_list),
        ("GET", _ONE, _managed_get),
    ),
    *routes(
        "DeviceManagementManagedDevices.PrivilegedOperations.All",
        ("POST", f"{_ONE}/retire", _told("retire", "retirePending")),
        ("POST", f"{_ONE}/remoteLock", _told("remoteLock", None)),
    ),
    *routes(
        "DeviceManagementManagedDevices.ReadWrite.All "
        "DeviceManagementManagedDevices.PrivilegedOperations.All",
        ("POST", f"{_ONE}/wipe", _told("factoryReset", "wipePending")),
    ),
    *routes("DeviceManagementManagedDevices.ReadWrite.All", ("DELETE", _ONE, _managed_delete)),
    *routes(
        "BitlockerKey.ReadBasic.All BitlockerKey.Read.All",
        ("GET", _BITLOCKER, _keys),
        ("GET", f"{_BITLOCKER}/{{key}}", _key),
    ),
    *routes(
        "DeviceLocalCredential.Read.All",
        ("GET", "/directory/deviceLocalCredentials", _local_credentials),
        ("GET", "/directory/deviceLocalCredentials/{device}", _local_credential),
    ),
)
