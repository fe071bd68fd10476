"""The rows of the Entra room hand over and keep what a leaver has, on a stateful Graph over HTTP.

Requests and answers are held to Microsoft's own document where it is on this machine.
"""

import hashlib
import io
import json
import tarfile
from email import message_from_bytes

import httpx
import pytest

from connectors.conformance.rig import opened
from connectors.contract import Credential, Export, Outcome, gather
from connectors.faults import Fault as ConnectorFault
from connectors.faults import Transient
from deprovisioner.sandbox.graph import Fault, FaultKind, Link, Table
from tests.support.entra_office import Office, office
from tests.support.vendor_contracts import CheckedTransport, contract

HANDED_OVER = {
    "ownership.group", "ownership.application", "ownership.agent", "ownership.report",
    "ownership.resource", "data.drive",
}  # fmt: skip


class Judged(CheckedTransport):
    """HTTP to the fake, with both sides held to the vendor's document."""

    def __init__(self) -> None:
        super().__init__(contract("graph.yaml"), httpx.HTTPTransport())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """A store's address is the permission itself: our token must not go there."""
        if request.url.path.startswith("/content/"):
            assert "authorization" not in request.headers
        return super().handle_request(request)


def exports(case: Office, kind: str) -> dict[str, bytes]:
    """Export everything of a kind, as the vault would read it."""
    holdings = [one for one in case.survey().items if one.kind == kind]
    assert holdings
    taken: list[Export] = []
    content: dict[str, bytes] = {}
    for one in case.actor.export(case.account, holdings):
        taken.append(one)
        content[one.name] = b"".join(one.chunks)
    assert len(taken) == len(content)
    return content


def count(case: Office, table: Table) -> int:
    """How many records a table truly has."""
    return sum(1 for _ in case.rig.graph.truth.every(table))


def successors(case: Office) -> set[tuple[str, str]]:
    """What the verifier sees the successor with, by kind and native id."""
    with opened(case.rig, Credential.VERIFY) as verifier:
        theirs = gather(verifier.survey(case.successor)).items
    return {(str(one.kind), one.native_id) for one in theirs}


@pytest.mark.parametrize("who", ["cloud_leaver", "leaver"])
def test_what_lives_on_goes_to_the_successor(who: str) -> None:
    """Every ownership is the successor's, seen with the other identity; a second time is already.

    Afterwards the leaver's own is taken away, because nobody is left without an owner.
    """
    with office(who, Judged if who == "cloud_leaver" else None) as case:
        owned = [
            one
            for one in case.survey().items
            if one.kind in HANDED_OVER and "Active Directory" not in one.duty
        ]
        assert {one.kind for one in owned} >= HANDED_OVER - {"ownership.report"}
        for holding in owned:
            effect = case.hand_over(holding)
            assert effect.outcome in {Outcome.DONE, Outcome.ALREADY}, (holding.kind, effect.why)
            assert case.hand_over(holding).outcome is Outcome.ALREADY
        after = {one.key: one for one in case.survey(Credential.VERIFY).items}
        given = {
            (str(one.kind), one.native_id)
            for one in after.values()
            if case.successor.native_id in one.handed_to  # no survey of theirs shows a shared drive
        }
        assert {str(kind) for kind, _ in given} == {"data.drive"}
        assert {(str(one.kind), one.native_id) for one in owned} <= successors(case) | given
        for holding in owned:
            assert holding.key not in after or not after[holding.key].sole


def test_an_owner_of_a_team_is_a_member_too() -> None:
    """Teams shows nobody as owner who is not a member of the group."""
    with office() as case:
        team = case.held("ownership.group", "Project Atlas")
        for link in (Link.OWNER, Link.MEMBER):
            case.unlink(link, team.native_id, case.successor.native_id)
        assert case.hand_over(team).outcome is Outcome.DONE
        truth = case.rig.graph.truth
        for link in (Link.OWNER, Link.MEMBER):
            assert truth.linked(link, team.native_id, case.successor.native_id)


def test_a_synced_report_is_a_task_and_a_cloud_one_gets_the_successor() -> None:
    """A report has one manager: never taken away, and put where it is mastered."""
    with office("leaver") as case:
        report = next(one for one in case.survey().items if one.kind == "ownership.report")
        assert report.sole
        assert "Set-ADUser" in report.duty
        assert case.hand_over(report).outcome is Outcome.REFUSED
        case.change(Table.USERS, report.native_id, onPremisesSyncEnabled=None)
        report = next(one for one in case.survey().items if one.kind == "ownership.report")
        assert case.revoke(report).outcome is Outcome.REFUSED  # first the successor
        assert case.hand_over(report).outcome is Outcome.DONE
        assert (report.kind, report.native_id) in successors(case)
        assert case.revoke(report).outcome is Outcome.ALREADY
        assert case.restore(report).outcome is Outcome.DONE
        truth = case.rig.graph.truth
    assert truth.targets(Link.MANAGER, report.native_id) == [case.account.native_id]


def test_the_drive_is_given_without_stripping_what_others_have() -> None:
    """Every boolean of the invitation is said: left to the SDK it strips inherited permissions."""
    with office(transport=Judged) as case:
        drive = case.held("data.drive")
        assert drive.handed_to == frozenset()
        before = count(case, Table.DRIVE_PERMISSIONS)
        assert case.hand_over(drive).outcome is Outcome.DONE
        assert case.held("data.drive").handed_to == {case.successor.native_id}
        assert case.hand_over(drive).outcome is Outcome.ALREADY
        truth = case.rig.graph.truth
        assert count(case, Table.DRIVE_PERMISSIONS) == before + 1
        assert not [row for row in truth.every(Table.DRIVE_ITEMS) if row.get("_unique")]


def test_links_that_anybody_may_follow_are_closed() -> None:
    """What is shared outward is found in the whole drive; what colleagues have stays."""
    with office() as case:
        links = [one for one in case.survey().items if one.kind == "grant.trust"]
        assert links
        permissions = count(case, Table.DRIVE_PERMISSIONS)
        for link in links:
            effect = case.revoke(link)
            assert effect.outcome is Outcome.DONE
            assert "another address" in effect.lost
        assert count(case, Table.DRIVE_PERMISSIONS) == permissions - len(links)
        assert "grant.trust" not in case.kinds()


def test_every_file_of_the_drive_is_exported() -> None:
    """The index tells where each file lay; each file has the bytes that the tenant holds."""
    with office(transport=Judged) as case:
        content = exports(case, "data.drive")
        truth = case.rig.graph.truth
        files = [row for row in truth.every(Table.DRIVE_ITEMS) if "file" in row]
        mine = [row for row in files if row["_drive"] == case.held("data.drive").native_id]
        index = json.loads(next(body for name, body in content.items() if name.endswith(".json")))
    assert {row["id"] for row in mine} == {one["id"] for one in index["files"]}
    for row in mine:
        body = next(body for name, body in content.items() if name.endswith(row["id"]))
        assert hashlib.sha256(body).digest() == hashlib.sha256(bytes(row["_content"])).digest()


def test_a_file_that_is_not_whole_raises() -> None:
    """A backup of half a file never counts as one."""
    with office() as case:
        drive = case.held("data.drive")
        row = next(
            row
            for row in case.rig.graph.truth.every(Table.DRIVE_ITEMS)
            if "file" in row and row["_drive"] == drive.native_id
        )
        case.change(Table.DRIVE_ITEMS, row["id"], size=row["size"] + 1)
        with pytest.raises(Transient):
            exports(case, "data.drive")


def test_a_mailbox_is_exported_as_mime() -> None:
    """Messages in tar files, the calendar and the contacts as JSON, an index of where all lay."""
    with office(transport=Judged) as case:
        content = exports(case, "data.mailbox")
        expected = case.of_user(Table.MESSAGES)
    tars = [body for name, body in content.items() if name.endswith(".tar")]
    assert len(tars) == 1
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        found = [archive.extractfile(name) for name in archive.getnames()]
        messages = [message_from_bytes(one.read()) for one in found if one is not None]
    assert {one["Message-ID"] for one in messages} == {one["internetMessageId"] for one in expected}
    index = json.loads(next(body for name, body in content.items() if name.endswith("index.json")))
    assert len(index["messages"]) == len(expected)
    events = json.loads(
        next(body for name, body in content.items() if name.endswith("events.json"))
    )
    assert any(one["isOrganizer"] for one in events)
    assert all("kaethe" not in name for name in content)  # Law 10: no name of a person


def test_a_message_that_cannot_be_read_ends_the_export_with_a_fault() -> None:
    """A mailbox is backed up whole or not at all."""
    with office() as case:
        broken = Fault(FaultKind.FAILING, path="/users/*/messages/*", status=503)
        case.rig.graph.faults.add(broken)
        with pytest.raises(ConnectorFault):
            exports(case, "data.mailbox")


def test_the_auto_reply_is_set_and_put_back() -> None:
    """Everybody who writes is told; undo brings the setting back as it was."""
    with office(transport=Judged, auto_reply="Left <the company> & gone") as case:
        duty = case.held("duty.handover")
        assert case.revoke(duty).outcome is Outcome.DONE
        assert "duty.handover" not in case.kinds()
        mailbox = case.rig.graph.truth.get(Table.MAILBOXES, case.account.native_id)
        assert mailbox is not None
        reply = mailbox["automaticRepliesSetting"]
        assert reply["status"] == "alwaysEnabled"
        assert "&lt;the company&gt; &amp; gone" in reply["externalReplyMessage"]
        assert case.restore(duty).outcome is Outcome.DONE
        assert case.held("duty.handover").native_id == duty.native_id


def test_rules_and_calendar_permissions_come_back_under_the_same_name() -> None:
    """Graph gives another id after undo; ours says what the thing is."""
    with office(transport=Judged) as case:
        before = [one for one in case.survey().items if one.kind == "grant.delegation"]
        assert len(before) == 2
        for one in before:
            assert case.revoke(one).outcome is Outcome.DONE
        assert "grant.delegation" not in case.kinds()
        for one in before:
            assert case.restore(one).outcome is Outcome.DONE
            assert case.restore(one).outcome is Outcome.ALREADY
        after = {one.key for one in case.survey().items if one.kind == "grant.delegation"}
    assert after == {one.key for one in before}
