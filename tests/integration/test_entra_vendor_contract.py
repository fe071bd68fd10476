"""Everything the Entra connector sends, and the fake answers, is what Graph's document allows."""

import httpx
import pytest

from connectors.conformance.rig import opened
from connectors.contract import Account, Credential, gather
from connectors.entra import EntraConnector
from deprovisioner.sandbox.graph import Store, Table
from tests.support.entra_tenant import EntraRig, subject_of, tenant
from tests.support.vendor_contracts import CheckedTransport, contract


def whole_case(rig: EntraRig, account: Account) -> None:
    """Read with both identities, contain, revoke, and look again, as a case does."""
    for credential in Credential:
        with opened(rig, credential) as reader:
            assert isinstance(reader, EntraConnector)
            list(reader.probe())
            assert not gather(reader.find(rig.subject)).blind
            assert not gather(reader.list_accounts()).blind
            assert not gather(reader.survey(account)).blind
    with opened(rig, Credential.ACT) as actor:
        assert isinstance(actor, EntraConnector)
        holdings = gather(actor.survey(account)).items
        for export in actor.export(account, holdings):
            assert b"".join(export.chunks)
        contained = [one for one in holdings if one.kind.startswith(CONTAINED)]
        actor.contain(account, contained)
        actor.revoke(account, [one for one in holdings if not one.sole])
        actor.restore(account, [one for one in holdings if one.kind.startswith("account")])
        actor.contain(account, contained)
        actor.destroy(account)


def drop_what_the_document_lacks(store: Store) -> None:
    """Take away hardware tokens: Graph lists them, and its v1.0 document has no word for them."""
    for method in store.view(store.clock()).every(Table.AUTHENTICATION_METHODS):
        if method["_type"] == "hardwareOathAuthenticationMethod":
            store.drop(Table.AUTHENTICATION_METHODS, str(method.get("_key") or method["id"]))


CONTAINED = ("account", "session", "credential", "device")


@pytest.mark.parametrize("who", ["cloud", "hybrid", "admin"])
def test_traffic_keeps_the_vendors_contract(who: str) -> None:
    """Cloud-only, hybrid and privileged people: requests and answers fit Graph's own document."""
    api, checked = contract("graph.yaml"), list[CheckedTransport]()

    def transport() -> httpx.BaseTransport:
        checked.append(CheckedTransport(api, httpx.HTTPTransport()))
        return checked[-1]

    with tenant(transport) as rig:
        people = {
            "cloud": rig.graph.tenant.cloud_leaver,
            "hybrid": rig.graph.tenant.leaver,
            "admin": rig.graph.tenant.privileged_leaver,
        }
        person = people[who]
        rig.graph.edit(drop_what_the_document_lacks)
        native_id = rig.graph.tenant.user_id(person.employment_id)
        with opened(rig, Credential.VERIFY) as connector:
            found = gather(connector.find(subject_of(person))).items
        whole_case(rig, next(one for one in found if one.native_id == native_id))
    assert sum(each.checked for each in checked) > 30
