"""What a person has for themselves: authentication methods, devices, keys of the devices.

Called by `hosting` for the three leavers of the tenant (hybrid, cloud-only, privileged), so that
each holds one of everything of the personal kind.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier
from deprovisioner.sandbox.people import Person

_PASSWORD_ID = "28c10230-6103-485e-b985-444c60001490"
"""The id that every password method has in the real service too."""


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Give the leavers their methods and devices, and everybody else a password method."""
    leavers = (tenant.leaver, tenant.cloud_leaver, tenant.privileged_leaver)
    for person in leavers:
        for record in _methods(person, now):
            store.put(Table.AUTHENTICATION_METHODS, _of(tenant, person, record))
        _devices(store, tenant, person, now)
    unknown = _method(tenant.privileged_leaver, "hardwareOathAuthenticationMethod", now)
    store.put(Table.AUTHENTICATION_METHODS, _of(tenant, tenant.privileged_leaver, unknown))
    for user in store.view(now).every(Table.USERS):
        password: Record = {"id": _PASSWORD_ID, "password": None, "createdDateTime": None}
        password.update(_type="passwordAuthenticationMethod", _user=user["id"])
        password["_key"] = f"{user['id']}/{_PASSWORD_ID}"
        store.put(Table.AUTHENTICATION_METHODS, password)


def _of(tenant: Tenant, person: Person, record: Record) -> Record:
    user = tenant.user_id(person.employment_id)
    return {**record, "_user": user, "_key": f"{user}/{record['id']}"}


def _method(person: Person, kind: str, now: datetime, **members: object) -> Record:
    name = f"{kind} {person.employment_id} {members.get('phoneType', '')}"
    created = stamp(now - timedelta(days=200))
    return {"id": identifier(name), "_type": kind, "createdDateTime": created, **members}


def _methods(person: Person, now: datetime) -> Iterator[Record]:
    tail = person.employee_number[-4:]
    yield _method(person, "fido2AuthenticationMethod", now, displayName="Blue key",
                  model="Example Key 5", aaGuid=identifier("aaguid"),
                  attestationCertificates=[], attestationLevel="attested")  # fmt: skip
    yield _method(person, "microsoftAuthenticatorAuthenticationMethod", now,
                  displayName="Phone", deviceTag="SoftwareTokenActivated",
                  phoneAppVersion="6.2511.1")  # fmt: skip
    yield _method(person, "phoneAuthenticationMethod", now, phoneNumber=f"+86 1555555{tail}",
                  phoneType="mobile", smsSignInState="notEnabled", _default=True)  # fmt: skip
    yield _method(person, "phoneAuthenticationMethod", now, phoneNumber=f"+86 1666666{tail}",
                  phoneType="alternateMobile", smsSignInState="notEnabled")  # fmt: skip
    yield _method(person, "emailAuthenticationMethod", now,
                  emailAddress=f"{person.login}@home.example")  # fmt: skip
    yield _method(person, "softwareOathAuthenticationMethod", now, secretKey=None)
    yield _method(person, "windowsHelloForBusinessAuthenticationMethod", now,
                  displayName="Laptop", keyStrength="normal")  # fmt: skip


def _devices(store: Store, tenant: Tenant, person: Person, now: datetime) -> None:
    user = tenant.user_id(person.employment_id)
    for name, system, trust in (
        ("laptop", "Windows", "AzureAd"),
        ("phone", "iOS", "Workplace"),
    ):
        key = tenant.device_id(person, name)
        store.put(Table.DEVICES, _device(key, name, person, system, trust, now))
        store.link(Link.REGISTERED_OWNER, key, user)
        store.link(Link.REGISTERED_USER, key, user)
    laptop = identifier(f"deviceId laptop {person.employment_id}")
    _recovery(store, person, laptop, now)
    store.put(Table.MANAGED_DEVICES, _managed(tenant, person, laptop, now))


def _device(key: str, name: str, person: Person, system: str, trust: str, now: datetime) -> Record:
    return {
        "id": key,
        "deviceId": identifier(f"deviceId {name} {person.employment_id}"),
        "displayName": f"{person.login}-{name}",
        "accountEnabled": True,
        "operatingSystem": system,
        "operatingSystemVersion": "11" if system == "Windows" else "19.1",
        "trustType": trust,
        "isManaged": name == "laptop",
        "isCompliant": name == "laptop",
        "approximateLastSignInDateTime": stamp(now - timedelta(hours=3)),
        "registrationDateTime": stamp(now - timedelta(days=300)),
    }


def _recovery(store: Store, person: Person, laptop: str, now: datetime) -> None:
    store.put(
        Table.RECOVERY_KEYS,
        {
            "id": identifier(f"recovery key {person.employment_id}"),
            "createdDateTime": stamp(now - timedelta(days=300)),
            "deviceId": laptop,
            "volumeType": "operatingSystemVolume",
            "key": "-".join(f"{number:06d}" for number in range(110011, 110099, 11)),
            "_device": laptop,
        },
    )
    password = {
        "accountName": "Administrator",
        "accountSid": "S-1-5-21-1004336348-1177238915-682003330-500",
        "backupDateTime": stamp(now - timedelta(days=20)),
        "passwordBase64": "bGFwcy1wYXNzd29yZC1vZi1hbi1pbnZlbnRlZC1sYXB0b3A=",
    }
    store.put(
        Table.LOCAL_CREDENTIALS,
        {
            "id": laptop,
            "deviceName": f"{person.login}-laptop",
            "lastBackupDateTime": stamp(now - timedelta(days=20)),
            "refreshDateTime": stamp(now + timedelta(days=10)),
            "credentials": [password],
            "_device": laptop,
        },
    )


def _managed(tenant: Tenant, person: Person, laptop: str, now: datetime) -> Record:
    return {
        "id": identifier(f"managed device {person.employment_id}"),
        "azureADDeviceId": laptop,
        "deviceName": f"{person.login}-laptop",
        "managedDeviceOwnerType": "company",
        "managementState": "managed",
        "complianceState": "compliant",
        "operatingSystem": "Windows",
        "serialNumber": f"SN{person.employee_number}",
        "isEncrypted": True,
        "lastSyncDateTime": stamp(now - timedelta(hours=1)),
        "userId": tenant.user_id(person.employment_id),
        "userPrincipalName": f"{person.login}@{tenant.domain}",
        "userDisplayName": person.display_name,
        "deviceActionResults": [],
    }
