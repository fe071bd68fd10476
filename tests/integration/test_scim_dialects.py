"""SCIM where products differ: forms of a change, and what DELETE means."""

from __future__ import annotations

import json

import pytest

from connectors.contract import (
    Account,
    Credential,
    Holding,
    Outcome,
    Stage,
    gather,
    kind,
)
from connectors.faults import Refused
from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer
from deprovisioner.sandbox.scim_application import MEDIA_TYPE, Wiki
from tests.support.peers.scim import ScimRig
from tests.support.peers.scim_worlds import connected, leaver, of_kind, outcomes

pytest_plugins = ("tests.support.peers.scim_fixtures",)
pytestmark = pytest.mark.peers

SIGN_IN = ("account.person", "credential.password")


# -------------------------------------------------------------------------------------- forms
@pytest.mark.parametrize("form", ["auto", "path", "pathless", "put", "list"])
def test_every_form_switches_off_and_on_again(standard: ScimRig, form: str) -> None:
    """scim2-server takes all the forms of a switch; each is read back, and undone."""
    before = standard.witness()
    with connected(standard, users=form) as connector:
        account, reading = leaver(connector, standard)
        mine = of_kind(reading, "account.person")

        assert outcomes(connector.contain(account, mine)) == [Outcome.DONE]
        assert json.loads(str(standard.witness()["user"]))["active"] is False
        assert outcomes(connector.restore(account, mine)) == [Outcome.DONE]
    assert standard.witness() == before


@pytest.mark.parametrize("form", ["auto", "pathless", "put"])
def test_every_form_takes_one_value_and_leaves_the_others(standard: ScimRig, form: str) -> None:
    """A group loses the leaver only, a user one role only; and both come back."""
    before, others = standard.witness(), standard.bystanders()
    with connected(standard, users=form, members=form) as connector:
        account, reading = leaver(connector, standard)
        chosen = [of_kind(reading, kind)[0] for kind in ("grant.group", "grant.role")]

        assert outcomes(connector.revoke(account, chosen)) == [Outcome.DONE] * 2
        left = {holding.key for holding in gather(connector.survey(account)).items}
        assert left == {holding.key for holding in reading.items} - {one.key for one in chosen}
        assert standard.bystanders() == others
        assert outcomes(connector.restore(account, chosen)) == [Outcome.DONE] * 2
    assert standard.witness() == before


def test_a_form_that_is_not_taken_is_followed_by_the_next(odd: ScimRig, wiki: Wiki) -> None:
    """The wiki refuses a path with 400: the pathless form follows, each is sent once."""
    with connected(odd, users="auto") as connector:
        account, reading = leaver(connector, odd)
        wiki.events.clear()

        assert outcomes(connector.contain(account, of_kind(reading, "account.person"))) == [
            Outcome.DONE
        ]
    writes = [(event.method, event.status) for event in wiki.events if event.method != "GET"]
    assert writes == [("PATCH", 400), ("PATCH", 204)]


def test_a_list_is_not_sent_in_forms_nobody_named(odd: ScimRig, wiki: Wiki) -> None:
    """Refused with a path, the connector asks a person rather than guess at a group's members."""
    members = wiki.members_of()
    with connected(odd, members="auto") as connector:
        account, reading = leaver(connector, odd)
        effect = connector.revoke(account, of_kind(reading, "grant.group")[:1])[0]

    assert effect.outcome is Outcome.REFUSED
    assert "http:400" in effect.why
    assert wiki.members_of() == members


def test_a_password_that_is_not_liked_does_not_keep_somebody_signed_in(odd: ScimRig) -> None:
    """JSON false is refused by the wiki in every form; with text, account and password go off."""
    with connected(odd, booleans="json") as connector:
        account, reading = leaver(connector, odd)
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))
        assert outcomes(effects) == [Outcome.REFUSED] * 2
    with connected(odd) as connector:
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))
        assert outcomes(effects) == [Outcome.DONE] * 2
        assert [bool(effect.lost) for effect in effects] == [False, True]


def test_the_scrambled_password_is_one_that_nobody_was_told(odd: ScimRig, wiki: Wiki) -> None:
    """It is random, long, and in no effect."""
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))

    password = str(wiki.user(account.native_id)["password"])
    assert len(password) >= 40
    assert password not in repr(effects)


def test_containing_only_the_account_leaves_the_password(odd: ScimRig, wiki: Wiki) -> None:
    """What was not asked for is not changed; with scrambling off, never."""
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        connector.contain(account, of_kind(reading, "account.person"))

    assert "password" not in wiki.user(account.native_id)


class KeepsPasswords:
    """A server that turns down every request with a password in it, and takes the rest."""

    def __init__(self) -> None:
        """One user who is on."""
        self.active = True
        self.server = JsonServer(self.respond, "act", "verify")

    def respond(self, call: Call) -> Answer:
        """Switch off, but not together with a password."""
        if call.path[-1] == "ServiceProviderConfig":
            return Answer(404, {}, MEDIA_TYPE)
        if call.method == "GET":
            return Answer(200, {"id": "leaver", "active": self.active}, MEDIA_TYPE)
        if "password" in repr(call.body):
            return Answer(400, {}, MEDIA_TYPE)
        self.active = False
        return Answer(204, {})


def test_a_password_that_was_kept_is_not_told_to_be_scrambled(odd: ScimRig) -> None:
    """The account is off all the same; evidence does not say that a random password was set."""
    product = KeepsPasswords()
    product.server.start()
    try:
        with connected(odd, url=product.server.url) as connector:
            sign_in = [
                Holding("leaver", kind("account.person"), "leaver"),
                Holding("leaver", kind("credential.password"), "password"),
            ]
            account, password = connector.contain(Account("wiki", "leaver", "leaver"), sign_in)
    finally:
        product.server.stop()

    assert not product.active
    assert (account.outcome, password.outcome) == (Outcome.DONE, Outcome.REFUSED)
    assert (password.lost, bool(password.why)) == ("", True)


class ListForm:
    """A server that ignores ``value`` on a remove: the whole group goes. Some products do."""

    def __init__(self) -> None:
        """One group of two, and two users."""
        self.members = [{"value": "canary"}, {"value": "leaver"}, {"value": "other"}]
        self.server = JsonServer(self.respond, "act", "verify")

    def respond(self, call: Call) -> Answer:
        """Answer reads; forget all members on any change."""
        if call.method == "PATCH":
            self.members = []
            return Answer(204, {})
        if call.path[-1] == "ServiceProviderConfig":
            return Answer(404, {}, MEDIA_TYPE)
        if call.path[-1] in {"canary", "leaver"}:
            body = {"id": call.path[-1], "externalId": call.path[-1], "active": True}
            return Answer(200, body, MEDIA_TYPE)
        if call.path[-1] == "g":
            return Answer(200, {"id": "g", "members": self.members}, MEDIA_TYPE)
        return Answer(404, {}, MEDIA_TYPE)


def test_a_server_that_empties_the_group_is_an_alarm_and_no_success(odd: ScimRig) -> None:
    """The form was named by an operator and misunderstood by the server: a person must know."""
    product = ListForm()
    product.server.start()
    try:
        with connected(odd, url=product.server.url, members="list") as connector:
            account = Account("wiki", "leaver", "leaver")
            with pytest.raises(Refused, match="other values of members went too") as caught:
                connector.revoke(account, [Holding("leaver", "grant.group", "g")])  # type: ignore[arg-type]
            assert caught.value.beyond
    finally:
        product.server.stop()


# ------------------------------------------------------------------------------------- DELETE
@pytest.mark.parametrize("delete", ["deactivates", "never"])
def test_delete_is_not_sent_where_it_does_not_delete(odd: ScimRig, wiki: Wiki, delete: str) -> None:
    """Destroy is not on the card, and refused if it is asked for all the same."""
    with connected(odd, delete=delete) as connector:
        account, _ = leaver(connector, odd)
        assert not any(Stage.DESTROY in one.stages for one in connector.card().supports)
        assert connector.destroy(account).outcome is Outcome.REFUSED

    assert not any(event.method == "DELETE" for event in wiki.events)
    assert account.native_id in wiki.user_ids()


def test_what_was_deleted_is_not_put_back_under_another_id(standard: ScimRig) -> None:
    """A new user would be somebody else to everything that knew the old id."""
    with connected(standard) as connector:
        account, reading = leaver(connector, standard)
        assert connector.destroy(account).outcome is Outcome.DONE

        effects = connector.restore(account, reading.items)

    assert set(outcomes(effects)) == {Outcome.REFUSED}
    assert all("new" in effect.why for effect in effects)


def test_a_user_that_a_search_still_shows_is_not_gone(standard: ScimRig) -> None:
    """Its own address says 404, a filter finds it: the survey is blind."""
    with connected(standard, Credential.VERIFY) as connector:
        account, _ = leaver(connector, standard)
        standard.spoiler.missing = account.native_id
        reading = gather(connector.survey(account))

    assert "search still shows" in reading.blind
