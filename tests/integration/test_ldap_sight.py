"""What an identity cannot see is never taken for gone: rights lost, never given, or swapped.

On both servers: canaries prove every watched attribute, the doctor proves canaries and rights, and
a case of the whole core stays open while its verifier cannot see the groups.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ldap3
import pytest
import yaml

from connectors.contract import Credential, Probe, Subject, gather
from connectors.ldap import CanaryObject, Login
from deprovisioner.initialise import Directory as InitDirectory
from deprovisioner.initialise import install
from reconcile.case import CaseState
from reconcile.estate import System, abilities_of
from tests.support.peers.connecting import (
    account_of,
    canaries_of,
    connect,
    held,
)
from tests.support.peers.population import (
    ACTOR,
    CANARIES,
    CANARY_GROUP,
    LEAVER,
    SUFFIX,
    VERIFIER,
    Entry,
    group,
)
from tests.support.peers.slapd import Slapd
from tests.support.peers.three_eight_nine import ThreeEightNine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.peers.directory import Directory
    from tests.support.scenario import Scenario

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers
GROUPS = f"ou=groups,{SUFFIX}"
SWAPPED: dict[str, Any] = {
    "act": Login(dn=VERIFIER, password=held()),
    "verify": Login(dn=ACTOR, password=held()),
}


@contextlib.contextmanager
def without(
    directory: Directory, *who: str, below: str = SUFFIX, attribute: str = "", search: bool = False
) -> Iterator[None]:
    """Take read (or only ``search``) from identities, on a branch or on one attribute of it."""
    with contextlib.ExitStack() as rules:
        for dn in who:
            if isinstance(directory, Slapd):
                what = f" attrs={attribute}" if attribute else ""
                level = "=r" if search else "none"
                rule = f'to dn.subtree="{below}"{what} by dn.exact="{dn}" {level} by * break'
                rules.enter_context(directory.access(rule))
            else:
                assert isinstance(directory, ThreeEightNine)
                rights = "search" if search else "all"
                denied = f'deny ({rights}) userdn="ldap:///{dn}";'
                target = f'(targetattr="{attribute or "*"}")'
                rules.enter_context(
                    directory.aci(below, f'{target}(version 3.0; acl "hide"; {denied})')
                )
        yield


def blind(directory: Directory, credential: Credential, **changed: Any) -> str:
    """Why neither a survey nor a find of an identity proves anything; empty when both do."""
    knowing = connect(directory, Credential.ACT)
    connector = connect(directory, credential, **changed)
    try:
        account = account_of(knowing)
        surveyed = gather(connector.survey(account)).blind
        assert bool(gather(connector.find(Subject("emp-9", "", "E-9999"))).blind) == bool(surveyed)
        return surveyed
    finally:
        knowing.close()
        connector.close()


def failing(directory: Directory, credential: Credential, **changed: Any) -> dict[str, Probe]:
    """The doctor's failing lines about one identity."""
    connector = connect(directory, credential, **changed)
    try:
        return {line.check: line for line in connector.probe() if not line.holds}
    finally:
        connector.close()


def lacking(directory: Directory, *attributes: str) -> dict[str, Any]:
    """Settings whose canaries do not show some attributes."""
    canaries = tuple(
        canary.model_copy(
            update={"attributes": tuple(a for a in canary.attributes if a not in attributes)}
        )
        for canary in canaries_of(directory)
    )
    return {"canaries": canaries}


@pytest.mark.parametrize("who", [(VERIFIER,), (VERIFIER, ACTOR)], ids=["verifier", "both"])
def test_no_sight_of_groups_is_blind(directory: Directory, who: tuple[str, ...]) -> None:
    """An identity that may not read ou=groups sees no membership, and says that it is blind."""
    with without(directory, *who, below=GROUPS):
        assert blind(directory, Credential.VERIFY) == "the canary was not seen"
        if ACTOR in who:
            assert blind(directory, Credential.ACT) == "the canary was not seen"
    assert blind(directory, Credential.VERIFY) == ""


@pytest.mark.parametrize(
    ("attribute", "canary"), [("member", 2), ("memberUid", 4), ("sudoUser", 7), ("manager", 1)]
)
def test_no_right_on_an_attribute_is_blind(
    directory: Directory, attribute: str, canary: int
) -> None:
    """One attribute that may not be read, or only not be searched by, is named."""
    with without(directory, VERIFIER, attribute=attribute):
        assert f"{attribute} of canary {canary}" in blind(directory, Credential.VERIFY)
    with without(directory, VERIFIER, attribute=attribute, search=True):
        assert f"search by {attribute} of canary {canary}" in blind(directory, Credential.VERIFY)


def test_a_watched_attribute_without_canary_is_blind(directory: Directory) -> None:
    """The configuration of the fresh-eyes test: one person as canary, nothing about groups."""
    one = {"canaries": (canaries_of(directory)[0].model_copy(update={"attributes": ("uid",)}),)}

    said = blind(directory, Credential.VERIFY, **one)

    for name in ("member", "uniqueMember", "memberUid", "nisNetgroupTriple", "sudoUser", "owner",
                 "roleOccupant", "aliasedObjectName", "rfc822MailMember", "sshPublicKey",
                 "employeeNumber"):  # fmt: skip
        assert f"no canary shows {name}" in said
    assert "userPassword" not in said
    assert "no canary shows userPassword" in blind(directory, Credential.ACT, **one)


def test_an_account_base_without_canary_is_blind(directory: Directory) -> None:
    """Sight of the people proves nothing about the branch of service accounts."""
    services = {"services": (f"ou=services,{SUFFIX}",)}

    assert "no canary below account base 2" in blind(directory, Credential.VERIFY, **services)
    assert "canary coverage" in failing(directory, Credential.VERIFY, **services)


def test_unused_is_believed_until_it_is_found(directory: Directory) -> None:
    """An attribute excluded by name needs no canary; one that the survey meets is a gap."""
    none = lacking(directory, "roleOccupant", "krbPrincipalName")
    named = {"unused": ("nsSshPublicKey", "ROLEOCCUPANT", "krbPrincipalName")}

    said = blind_survey(directory, **none, **named)

    assert "ROLEOCCUPANT is named unused and is used" in said
    assert "krbPrincipalName is named unused and is used" in said
    assert "no canary shows" not in said
    directory.delete(f"cn=duty officer,{GROUPS}")
    directory.modify(LEAVER, {name: [(ldap3.MODIFY_REPLACE, [])] for name in ("krbPrincipalName",)})
    assert blind_survey(directory, **none, **named) == ""


def blind_survey(directory: Directory, **changed: Any) -> str:
    """Why the verifying identity's survey of the leaver proves nothing."""
    connector = connect(directory, Credential.VERIFY, **changed)
    try:
        knowing = connect(directory, Credential.ACT)
        account = account_of(knowing)
        knowing.close()
        return gather(connector.survey(account)).blind
    finally:
        connector.close()


def test_exclusions_are_on_the_card(directory: Directory) -> None:
    """What nobody proves is printed by name."""
    connector = connect(directory, Credential.ACT, unused=("sudoUser", "authzTo"))
    notes = connector.card().notes
    connector.close()

    assert any("authzTo, sudoUser" in note and "unused" in note for note in notes)


def test_doctor_names_what_is_not_covered_and_an_example(directory: Directory) -> None:
    """The acting identity shows an entry to copy, or says that the attribute may be unused."""
    directory.modify(CANARY_GROUP, {"mgrpRFC822MailMember": [(ldap3.MODIFY_REPLACE, [])]})
    directory.delete(group("announce"))
    changed = lacking(directory, "sudoRunAsUser", "mgrpRFC822MailMember")

    acting = failing(directory, Credential.ACT, **changed)["canary coverage"]
    verifying = failing(directory, Credential.VERIFY, **changed)["canary coverage"]

    assert "sudoRunAsUser: add an entry that has it to canaries, such as cn=" in acting.advice
    assert f"ou=sudoers,{SUFFIX}" in acting.advice
    assert "mgrpRFC822MailMember: this identity sees it nowhere; add it to unused" in acting.advice
    assert "no canary shows sudoRunAsUser" in verifying.detail
    assert "canary coverage" not in failing(directory, Credential.ACT)


def test_doctor_notes_a_branch_without_canary(directory: Directory) -> None:
    """Groups in a second branch, where no canary is, are named: rights often end at a branch."""
    directory.add(Entry(f"ou=Teams,{SUFFIX}", ("organizationalUnit",), {"ou": "Teams"}))
    team = Entry(f"cn=red,ou=Teams,{SUFFIX}", ("groupOfNames",), {"cn": "red", "member": LEAVER})
    notes = []
    for _ in range(2):
        connector = connect(directory, Credential.ACT)
        notes += [line for line in connector.probe() if line.check == "canary branches"]
        connector.close()
        if len(notes) == 1:
            directory.add(team)

    assert (notes[0].holds, notes[0].advice) == (True, "")
    assert (notes[1].detail, notes[1].holds) == ("ou=teams", True)
    assert "add an entry of each to canaries" in notes[1].advice


def test_doctor_does_not_believe_unused(directory: Directory) -> None:
    """An attribute that somebody has is not unused."""
    line = failing(directory, Credential.ACT, unused=("nsSshPublicKey", "sudoUser"))

    assert "sudoUser is named unused, but cn=" in line["canary coverage"].advice


def test_doctor_tells_the_two_identities_apart(directory: Directory) -> None:
    """Swapped credentials fail on both sides, right ones on none, and nothing is changed."""
    before = directory.world()

    right = [failing(directory, credential) for credential in Credential]
    acting = failing(directory, Credential.ACT, **SWAPPED)
    verifying = failing(directory, Credential.VERIFY, **SWAPPED)

    assert right == [{}, {}]
    for name in ("userPassword", "member", "memberUid", "sudoUser", "nisNetgroupTriple"):
        assert name in acting["write rights"].detail
        assert name in verifying["writes nothing"].detail
    assert directory.world() == before


def test_doctor_finds_the_one_missing_write_right(directory: Directory) -> None:
    """Read but no write on one attribute: named. One write right of the verifier: named too."""
    with contextlib.ExitStack() as rules:
        if isinstance(directory, Slapd):
            who = f'by dn.exact="{ACTOR}" read by dn.exact="{VERIFIER}" write by * break'
            rules.enter_context(directory.access(f"to attrs=memberUid {who}"))
        else:
            assert isinstance(directory, ThreeEightNine)
            rule = '(targetattr="memberUid")(version 3.0; acl "less"; {} userdn="ldap:///{}";)'
            for words, dn in (("deny (write)", ACTOR), ("allow (write)", VERIFIER)):
                rules.enter_context(directory.aci(SUFFIX, rule.format(words, dn)))
        acting = failing(directory, Credential.ACT)
        verifying = failing(directory, Credential.VERIFY)

    assert {check: line.detail for check, line in acting.items()} == {
        "write rights": "may not write memberUid"
    }
    assert {check: line.detail for check, line in verifying.items()} == {
        "writes nothing": "may write memberUid"
    }


def test_what_init_writes_is_complete(directory: Directory, tmp_path: Path) -> None:
    """The LDIF loads into both products, and with it the listed canaries prove everything but what
    the operator is told to name: one command, one ldapadd, and the doctor is content.
    """
    known = InitDirectory(directory.secure_url, SUFFIX, ACTOR, VERIFIER)
    made = install(tmp_path, "example.com/deprovisioner", known, secrets.token_bytes)
    for dn in reversed(CANARIES):
        directory.delete(dn)
    directory.add(Entry(f"ou=roles,{SUFFIX}", ("organizationalUnit",), {"ou": "roles"}))
    for entry in ldif_entries(made.canaries.read_text("utf-8")):
        directory.add(entry)
    written = yaml.safe_load(made.config.read_text("utf-8"))["systems"]["directory"]["settings"]
    canaries = tuple(CanaryObject.model_validate(one) for one in written["canaries"])

    told = failing(directory, Credential.ACT, canaries=canaries, unused=())
    named = told.pop("canary coverage").advice
    own = {"openldap": ["authzFrom", "authzTo"], "389ds": ["nsSshPublicKey", "nsRoleDN"]}
    missing = ("mgrpRFC822MailMember", "userCertificate", *own[directory.product])

    assert told == {}
    assert sorted(re.findall(r"(\w+): (?:add|this)", named)) == sorted(missing)
    directory.delete(group("announce"))
    directory.modify(LEAVER, {"userCertificate;binary": [(ldap3.MODIFY_REPLACE, [])]})
    for credential in Credential:
        assert failing(directory, credential, canaries=canaries, unused=missing) == {}
        assert blind(directory, credential, canaries=canaries, unused=missing) == ""


def ldif_entries(text: str) -> Iterator[Entry]:
    """Read LDIF as simple as ours: no folded and no coded lines."""
    for record in text.split("\n\n"):
        lines = [line for line in record.splitlines() if line and not line.startswith("#")]
        pairs = [tuple(line.split(": ", 1)) for line in lines]
        if pairs:
            values: dict[str, list[str]] = {}
            for name, value in pairs[1:]:
                values.setdefault(name, []).append(value)
            yield Entry(pairs[0][1], tuple(values.pop("objectClass")), dict(values))


def in_engineers(directory: Directory) -> bool:
    """Whether the leaver is a member, as the server's root sees it."""
    return LEAVER.encode() in directory.read(group("engineers"), "member")["member"]


def run_until_revoked(core: Scenario, directory: Directory) -> None:
    """Run job by job, turning the clock from wait to wait, until the membership is gone."""
    for _ in range(2000):
        if not in_engineers(directory):
            return
        if not core.step():
            core.clock.now = min(at for at in core.jobs.wakes.values() if at)
    raise AssertionError("the membership was never revoked")


def test_a_case_stays_open_while_the_verifier_cannot_see_groups(
    directory: Directory, core: Scenario
) -> None:
    """Mid-case the verifier loses ou=groups and a membership comes back: the case stays open, and
    closes only once the right is back and the membership really gone. The whole core, real server.
    """
    opened = connect(directory, Credential.ACT, core.clock)
    system = System(
        "directory",
        lambda credential: connect(directory, credential, core.clock),
        opened.card(),
        abilities_of(opened),
    )
    opened.close()
    core.change_estate(systems={"directory": system})
    case_id = core.receive(number="E-1042", successor="E-1043")
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    run_until_revoked(core, directory)
    directory.modify(group("engineers"), {"member": [(ldap3.MODIFY_ADD, [LEAVER])]})

    with without(directory, VERIFIER, below=GROUPS):
        core.settle(until=core.clock() + timedelta(hours=3))
        core.answer_all(case_id, duty="done")
        core.settle(until=core.clock() + timedelta(hours=3))
        blinded = core.desk.case(case_id)
    assert blinded.summary.state is CaseState.RUNNING
    assert "the canary was not seen" in {read.blind for read in blinded.surveys}
    assert in_engineers(directory)

    core.settle(until=core.clock() + timedelta(hours=6))
    seeing = core.desk.case(case_id)
    assert seeing.summary.state is CaseState.CLOSED
    assert not in_engineers(directory)
