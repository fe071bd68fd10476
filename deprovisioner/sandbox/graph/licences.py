"""Licences: assigned directly or through a group, and the refusal to mix the two up.

What a user shows is worked out from the view: direct assignments on the user, inherited ones from
the groups it is a direct member of. The rules kept: `assignLicense` needs both arrays; what comes
from a group goes with the group only; a licence that is not there is a 400.
"""

from collections.abc import Iterable, Iterator

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import USER, Kind
from deprovisioner.sandbox.graph.wording import words

MEMBERS = words("assignedLicenses licenseAssignmentStates")
PRODUCT = Kind(
    "subscribedSku",
    words(
        "accountId accountName appliesTo capabilityStatus consumedUnits id prepaidUnits "
        "servicePlans skuId skuPartNumber subscriptionIds"
    ),
)
DETAILS = Kind("licenseDetails", words("id servicePlans skuId skuPartNumber"))


def with_licences(view: View, users: Iterable[Record]) -> Iterator[Record]:
    """Yield users with what they are licensed for, as the view shows it."""
    licensed = {
        group["id"]: group["assignedLicenses"]
        for group in view.every(Table.GROUPS)
        if group.get("assignedLicenses")
    }
    inherited: dict[str, list[tuple[str, Record]]] = {}
    for group, assigned in licensed.items():
        for user in view.targets(Link.MEMBER, group):
            inherited.setdefault(user, []).extend((group, licence) for licence in assigned)
    for record in users:
        states = [_state(record, None, licence) for licence in record.get("_licences", ())]
        states += [_state(record, *pair) for pair in inherited.get(record["id"], ())]
        unique = {state["skuId"]: state for state in reversed(states)}
        assigned = [
            {"skuId": key, "disabledPlans": state["disabledPlans"]} for key, state in unique.items()
        ]
        yield {**record, "licenseAssignmentStates": states, "assignedLicenses": assigned}


def _state(user: Record, group: str | None, licence: Record) -> Record:
    return {
        "skuId": licence["skuId"],
        "assignedByGroup": group,
        "disabledPlans": licence["disabledPlans"],
        "state": "Active",
        "error": "None",
        "lastUpdatedDateTime": user.get("createdDateTime"),
    }


def one(view: View, user: Record) -> Record:
    """Return a user with its licences."""
    return next(with_licences(view, [user]))


def has_mailbox(view: View, user: Record) -> bool:
    """Tell whether a licence that the user has keeps a mailbox."""
    products = {row["skuId"]: row for row in view.every(Table.PRODUCTS)}
    assigned = one(view, user)["assignedLicenses"]
    return any(products.get(row["skuId"], {}).get("_exchange") for row in assigned)


def _products(call: Call) -> Reply:
    items = [Typed(PRODUCT, row) for row in call.view.every(Table.PRODUCTS)]
    return Listing(PRODUCT, items, "subscribedSkus", options=words("$select"))


def _details(call: Call) -> Reply:
    user = one(call.view, objects.user(call.view, call.path["user"]))
    held = {row["skuId"] for row in user["assignedLicenses"]}
    rows = (row for row in call.view.every(Table.PRODUCTS) if row["skuId"] in held)
    context = f"users('{user['id']}')/licenseDetails"
    return Listing(DETAILS, [Typed(DETAILS, row) for row in rows], context)


def _assign(call: Call) -> Reply:
    added, removed = call.body.get("addLicenses"), call.body.get("removeLicenses")
    if not isinstance(added, list) or not isinstance(removed, list):
        raise bad_request("One or more parameters of the operation 'assignLicense' are missing.")
    user = objects.user(call.world.truth, call.path["user"])
    direct = {row["skuId"]: row for row in user.get("_licences", ())}
    for key in removed:
        _refuse_removal(call, user, direct, key)
        del direct[key]
    for row in added:
        wanted = _wanted(call, user, row)
        direct[wanted["skuId"]] = wanted
    changed = call.world.store.change(Table.USERS, user["id"], _licences=list(direct.values()))
    return Item(Typed(USER, one(call.world.truth, changed)), "users/$entity")


def _refuse_removal(call: Call, user: Record, direct: dict[str, Record], key: str) -> None:
    if key in direct:
        return
    inherited = {row["skuId"] for row in one(call.world.truth, user)["assignedLicenses"]}
    if key in inherited:
        raise bad_request(
            "User license is inherited from a group membership and it cannot be removed directly "
            "from the user."
        )
    raise bad_request("User does not have a corresponding license.")


def _wanted(call: Call, user: Record, row: object) -> Record:
    key = row.get("skuId") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not call.world.truth.where(Table.PRODUCTS, skuId=key):
        raise bad_request("License with the given skuId does not exist.")
    if not user.get("usageLocation"):
        raise bad_request("License assignment cannot be done for user with invalid usage location.")
    return {"skuId": key, "disabledPlans": list(row.get("disabledPlans") or ())}


ROUTES: tuple[Route, ...] = (
    *routes(
        "LicenseAssignment.Read.All LicenseAssignment.ReadWrite.All Directory.Read.All "
        "Organization.Read.All",
        ("GET", "/subscribedSkus", _products),
    ),
    *routes(
        "LicenseAssignment.Read.All LicenseAssignment.ReadWrite.All Directory.Read.All "
        "User.Read.All User.ReadWrite.All",
        ("GET", "/users/{user}/licenseDetails", _details),
    ),
    *routes(
        "LicenseAssignment.ReadWrite.All Directory.ReadWrite.All User.ReadWrite.All",
        ("POST", "/users/{user}/assignLicense", _assign),
    ),
)
