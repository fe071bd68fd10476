"""What Graph shows in ways that are easily overlooked, and is not nothing (Law 2)."""

from collections.abc import Mapping

import pytest

from connectors.contract import Holding, Outcome
from connectors.entra.drive import _outward
from tests.unit.test_entra_rows_reading import OTHER, USER, leaver, page, read, row

Answers = Mapping[str, object]


@pytest.mark.parametrize(
    ("kind", "collection"),
    [
        ("agentIdentityBlueprint", "applications"),
        ("agentIdentityBlueprintPrincipal", "servicePrincipals"),
    ],
)
def test_a_blueprint_of_agents_is_an_owned_application(kind: str, collection: str) -> None:
    """Its owner may add a secret to it, as to any application."""
    answers = {
        "ownedObjects": page(
            {"@odata.type": f"#microsoft.graph.{kind}", "id": "b", "displayName": "blueprint"}
        ),
        f"/{collection}/b/owners": page({"id": USER}, {"id": OTHER}),
        f"/{collection}/b": {"id": "b", "passwordCredentials": [], "keyCredentials": []},
    }
    found = read("owned applications", answers)
    assert [one.native_id for one in found] == [f"{collection}/b"]


def test_an_owned_object_of_an_unknown_type_is_not_nothing() -> None:
    """No row reports it, so the survey says that there is something it does not know."""
    answers = {"ownedObjects": page({"@odata.type": "#microsoft.graph.novelty", "id": "n"})}
    reading = row("owned applications").read(leaver(answers))
    assert any("novelty" in gap for gap in reading.gaps)


@pytest.mark.parametrize("purpose", ["user", None, "others", "linked"])
def test_a_mailbox_that_is_not_said_to_be_shared_keeps_its_licence(purpose: str | None) -> None:
    """Nothing said is not "converted": without the licence Exchange deletes the mailbox."""
    sku = "87220a9c-97d9-5ea0-9aab-d47078b174d9"
    plan = {"servicePlanName": "EXCHANGE_S_ENTERPRISE"}
    answers = {
        "mailboxSettings": {"userPurpose": purpose},
        "licenseDetails": page({"skuId": sku, "servicePlans": [plan]}),
        f"/users/{USER}": {"id": USER, "licenseAssignmentStates": [{"skuId": sku}]},
    }
    who = leaver(answers, {"licenseAssignmentStates": [{"skuId": sku}]})
    licence = row("licences").read(who).holdings[0]
    revoke = row("licences").revoke
    assert revoke is not None
    effect = revoke(who, [licence])[0]
    assert effect.outcome is Outcome.PENDING
    assert "converted" in effect.why
    assert "duty.other" in {one.kind for one in row("mailbox").read(who).holdings}


@pytest.mark.parametrize("user", [{}, {"licenseAssignmentStates": None}])
def test_licences_that_are_not_shown_are_not_none(user: Answers) -> None:
    """A user without licences shows an empty list; no list is a right that we lack."""
    assert row("licences").read(leaver({}, user)).gaps
    assert not row("licences").read(leaver({}, {"licenseAssignmentStates": []})).gaps


# --------------------------------------------------------------------------------------- sharing


_GUEST = "i:0#.f|membership|urn{}spo{}guest#a@else.example"


@pytest.mark.parametrize(
    "permission",
    [
        {"link": {"scope": "users"}, "grantedToIdentitiesV2": [{"user": {"email": "a@b.example"}}]},
        {"grantedToV2": {"siteUser": {"loginName": _GUEST.format("%3a", "%3a")}}},
        {"grantedToV2": {"siteUser": {"loginName": _GUEST.format(":", ":")}}},
        {"invitation": {"email": "a@else.example", "signInRequired": True}},
    ],
)
def test_people_whom_our_directory_does_not_know_are_outside(permission: Answers) -> None:
    """SharePoint shares with addresses too, which never become guests of the tenant."""
    assert _outward(permission)  # type: ignore[arg-type]


def test_a_colleague_who_was_invited_is_not_outside() -> None:
    """An invitation by address to somebody of ours."""
    who = {"user": {"id": OTHER, "email": "someone@example.com"}}
    assert not _outward({"invitation": {"email": "someone@example.com"}, "grantedToV2": who})


def _links(scope: str | None, permission: Answers, item: str = "f") -> list[Holding]:
    shared = {"scope": scope} if scope else {}
    listed = {"id": "f", "name": "plan.txt", "file": {}, "shared": shared}
    answers = {
        "/drive": {"id": "d"},
        "root/delta": page(listed),
        f"/items/{item}/permissions": page(permission),
    }
    return [one for one in read("OneDrive", answers) if one.kind == "grant.trust"]


@pytest.mark.parametrize("scope", ["organization", "users", "anonymous", None])
def test_an_outsider_behind_a_wider_or_unknown_scope_is_found(scope: str | None) -> None:
    """The listing shows one scope of several: what the organisation may open has guests too."""
    guest = {"id": "p", "grantedToV2": {"user": {"id": OTHER, "email": "a#EXT#@example.com"}}}
    assert [one.native_id for one in _links(scope, guest)] == ["d:f:p"]


def test_a_link_to_the_whole_drive_is_found() -> None:
    """The root's own permissions are read for the heirs; who is outside is seen there as well."""
    anybody = {"id": "p", "link": {"scope": "anonymous"}}
    assert [one.native_id for one in _links("users", anybody, "root")] == ["d:root:p"]
