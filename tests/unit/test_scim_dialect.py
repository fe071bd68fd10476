"""The bodies of changes in every form, and the reading of what products really send."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models.path.expressions import Comparison
from scim2_models.path.filter import ScimFilter

from connectors.contract import Credential
from connectors.faults import Malformed
from connectors.registry import load
from connectors.scim import Booleans, Delete, Form, MemberName, Settings
from connectors.scim import dialect as of_dialect
from connectors.scim.card import card
from connectors.scim.resources import Resource, quoted, resource
from connectors.scim.settings import EMPLOYEE_NUMBER, OUTSIDE, WATCHED

SETTINGS: Mapping[str, Any] = {
    "url": "https://wiki.example.com/scim/v2",
    "act": "env:ACT",
    "verify": "env:VERIFY",
    "canary": {"id": "c", "group": "g"},
}


def user(**attributes: object) -> Resource:
    return resource({"id": "u1", **attributes})


def settings(**changes: object) -> Settings:
    return Settings.model_validate({**SETTINGS, **changes})


def test_the_registry_knows_scim() -> None:
    """An operator writes ``type: scim``; opening needs no network."""
    room = load("scim")

    connector = room.open_connector("wiki", settings(), Credential.VERIFY, _no_clock)

    assert connector.card().product == "SCIM 2.0 target"
    connector.close()


def _no_clock() -> Any:
    raise AssertionError("opening and the card need no clock")


# ------------------------------------------------------------------------------------ reading
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("False", False),
        ("false", False),
        ("FALSE ", False),
        ("no", None),
        (0, None),
        (None, None),
    ],
)
def test_truth_is_read_as_json_or_text_and_nothing_else(said: object, meant: bool | None) -> None:
    """``"False"`` is off as Entra writes it; what cannot be understood is not taken for off."""
    assert user(active=said).active is meant


def test_attribute_names_have_no_case_and_ids_do() -> None:
    """RFC 7643 section 2.1 against section 3.1."""
    found = resource({"ID": "AbC", "USERNAME": "lin", "Roles": [{"VALUE": "r"}]})

    assert (found.id, found.text("userName")) == ("AbC", "lin")
    assert [one.value for one in found.elements("roles")] == ["r"]


def test_an_extension_attribute_is_found_through_its_schema() -> None:
    """The HR number of the enterprise extension; leading zeros stay."""
    extension, _, _ = EMPLOYEE_NUMBER.rpartition(":")

    assert user(**{extension: {"employeeNumber": "001042"}}).text(EMPLOYEE_NUMBER) == "001042"
    assert user().text(EMPLOYEE_NUMBER) == ""


@pytest.mark.parametrize(
    "body", [None, [], {}, {"id": ""}, {"id": 7}, {"id": "x" * 600}, {"id": None}]
)
def test_a_resource_without_an_id_is_malformed(body: object) -> None:
    """Nothing may be hung on an object that cannot be addressed."""
    with pytest.raises(Malformed):
        resource(body)


@pytest.mark.parametrize("roles", ["admin", {"value": "admin"}, [1], [["admin"]]])
def test_a_list_of_an_unknown_shape_is_malformed(roles: object) -> None:
    """An unreadable list is not an empty one (law 2)."""
    with pytest.raises(Malformed):
        user(roles=roles).elements("roles")


def test_two_values_that_differ_in_type_are_two() -> None:
    """Identity within an attribute is type and value; without a value it is a digest."""
    found = user(roles=[{"value": "a"}, {"value": "a", "type": "x"}, {"display": "only shown"}])

    ids = [one.native_id for one in found.elements("roles")]
    assert ids[:2] == ["a", "x:a"]
    assert ids[2].startswith("sha256:")


# ------------------------------------------------------------------------------------ filters
@given(st.text(max_size=40))
def test_nothing_leaves_the_quotes_of_a_filter(value: str) -> None:
    """A filter's value is one JSON string, whatever is in it (RFC 7644 section 3.4.2.2)."""
    written = quoted(value)

    assert json.loads(written) == value
    assert json.JSONDecoder().raw_decode(written)[1] == len(written)


@given(st.text(min_size=1, max_size=30).filter(str.isprintable))
def test_an_independent_parser_reads_back_the_same_value(value: str) -> None:
    """scim2-models takes our filter as one comparison with exactly this value."""
    comparison = ScimFilter(f"externalId eq {quoted(value)}").ast

    assert isinstance(comparison, Comparison)
    assert (comparison.op, comparison.value) == ("eq", value)


# -------------------------------------------------------------------------------------- forms
def test_forms_for_a_switch_start_with_the_configured_one() -> None:
    """All of them mean the same, so every form may follow."""
    path, pathless, put = Form.PATH, Form.PATHLESS, Form.PUT

    assert of_dialect.setting_forms(Form.AUTO, patch=None) == (path, pathless, put)
    assert of_dialect.setting_forms(Form.AUTO, patch=False) == (put,)
    assert of_dialect.setting_forms(Form.PATHLESS, patch=True) == (pathless, path, put)
    assert of_dialect.setting_forms(Form.PUT, patch=True)[0] == put


def test_forms_for_a_list_are_never_guessed() -> None:
    """A removal in a form that is misunderstood empties everybody's list (law 5)."""
    for versioned in (True, False):
        tried = of_dialect.list_forms(Form.AUTO, patch=True, versioned=versioned)
        assert Form.LIST not in tried
        assert Form.PATHLESS not in tried
        assert (Form.PUT in tried) == versioned
    assert of_dialect.list_forms(Form.LIST, patch=True, versioned=True) == (Form.LIST,)


def test_switching_off_in_every_form() -> None:
    """The two documented PATCH bodies, and the whole resource with one value changed."""
    found = user(userName="lin", active="True", roles=[{"value": "r"}])
    off = {"active": of_dialect.truth(value=False, booleans=Booleans.TEXT)}

    by_path = of_dialect.setting(Form.PATH, found, {"active": False})
    pathless = of_dialect.setting(Form.PATHLESS, found, off)
    whole = of_dialect.setting(Form.PUT, found, off)

    assert by_path.body["Operations"] == [{"op": "replace", "path": "active", "value": False}]
    assert pathless.body["Operations"] == [{"op": "replace", "value": {"active": "False"}}]
    assert whole.body == {**found.body, "active": "False"}
    assert (by_path.guarded, pathless.guarded, whole.guarded) == (False, False, True)


def test_put_spells_an_attribute_as_the_product_does() -> None:
    """``Active`` is changed and not put beside a second ``active``."""
    whole = of_dialect.setting(Form.PUT, user(Active=True), {"active": False})

    assert whole.body == {"id": "u1", "Active": False}


def test_removing_one_member_in_every_form_keeps_the_others() -> None:
    """Only the standard form and the list name who goes; the others name who stays."""
    group = resource({"id": "g", "members": [{"value": 'a"b'}, {"value": "c", "type": "User"}]})
    gone = group.elements("members")[0]

    def operation(form: Form) -> Any:
        return of_dialect.removing(form, group, "members", gone).body["Operations"][0]

    assert operation(Form.PATH) == {"op": "remove", "path": 'members[value eq "a\\"b"]'}
    assert operation(Form.LIST)["value"] == [{"value": 'a"b'}]
    assert operation(Form.PATHLESS)["value"] == {"members": [{"value": "c", "type": "User"}]}
    put = of_dialect.removing(Form.PUT, group, "members", gone)
    assert put.body["members"] == [{"value": "c", "type": "User"}]
    assert put.guarded


# ----------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://wiki.example.com"},
        {"url": "https://me:secret@wiki.example.com"},
        {"url": "https://wiki.example.com?token=1"},
        {"verify": "env:ACT"},
        {"canary": {"group": "g"}},
        {"canary": {"id": "c", "external_id": "e", "group": "g"}},
        {"canary": {"id": "c"}},
        {"certain": {"userName": "login"}},
        {"certain": {}},
        {"unused": ["emails"]},
        {"act": "a literal token"},
        {"page_size": -1},
    ],
)
def test_settings_that_would_lie_are_refused(changes: dict[str, object]) -> None:
    """Clear text, one token for both, no canary, a re-usable name as proof: refused at load."""
    with pytest.raises(ValidationError):
        settings(**changes)


def test_a_target_without_groups_needs_no_canary_group() -> None:
    """Named unused, it is on the card as an exclusion and no longer supported."""
    without = settings(canary={"id": "c"}, unused=["groups", "password"])

    shown = card(without)
    assert {"grant.group", "credential.password"}.isdisjoint(one.kind for one in shown.supports)
    assert any("unused" in note and "groups" in note for note in shown.notes)


@pytest.mark.parametrize("delete", ["removes", "deactivates", "never"])
def test_the_card_offers_destroy_only_where_delete_deletes(delete: str) -> None:
    """Elsewhere the duty is said in words."""
    shown = card(settings(delete=delete))

    offered = any("destroy" in support.stages for support in shown.supports)
    assert offered == (delete == "removes")
    assert offered or any("by hand" in note for note in shown.notes)


def test_the_card_names_what_scim_cannot_do() -> None:
    """Sessions, tokens and ownership are gaps with a task for a person, never silence."""
    gaps = {gap.kind: gap.duty for gap in card(settings()).gaps}

    assert set(gaps) == {
        "session", "credential.api_token", "ownership.resource", "ownership.entry"
    }  # fmt: skip
    assert all(gaps.values())


def test_what_a_product_does_not_have_is_no_duty() -> None:
    """Named unused, a gap leaves the card and stands there as an exclusion."""
    shown = card(settings(unused=["sessions", "manager"]))

    assert {gap.kind for gap in shown.gaps} == {"credential.api_token", "ownership.resource"}
    assert any("sessions" in note for note in shown.notes)


PAGE = (Path(__file__).parents[2] / "docs" / "connectors" / "scim.md").read_text("utf-8")


def test_documented_example_loads() -> None:
    """What docs/connectors/scim.md tells operators to write is accepted as it stands."""
    (system,) = yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0])["systems"].values()

    assert system["type"] == "scim"
    assert Settings.model_validate(system["settings"]).canary.id


def test_every_word_of_the_dialect_is_documented() -> None:
    """A setting that changes what is sent, and each of its values, stands in the page's table."""
    words = {*Form, *Booleans, *Delete, *MemberName, *OUTSIDE, *WATCHED}
    chosen = {"users", "members", "member_name", "booleans", "filters", "page_size", "delete"}
    chosen |= {"scramble_password", "user_types", "session_lifetime", "certain", "unused"}

    assert chosen <= set(Settings.model_fields)
    assert [word for word in sorted({*words, *chosen}) if f"`{word}" not in PAGE] == []
