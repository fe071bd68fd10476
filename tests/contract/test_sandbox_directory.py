"""One table of operations and result codes, run against the fake directory and against real slapd.

The expected codes were measured on slapd 2.5.13. A fake that a connector is tested with must not
be kinder than the real one; where it is knowingly poorer (`docs/sandbox.md`), no row of this table
says otherwise.
"""

from pathlib import Path

import ldap3
import pytest
from ldap3 import MODIFY_REPLACE
from ldap3.protocol.rfc4527 import post_read_control, pre_read_control

from deprovisioner.sandbox.company import SUFFIX
from deprovisioner.sandbox.running import DirectoryKind, Sandbox
from tests.support.directory_scenarios import SCENARIOS
from tests.support.directory_world import (
    COMPANY,
    GROUPS,
    LOCK,
    ME,
    NEXT,
    PEOPLE,
    RUNNING,
    World,
    running_fake,
    running_slapd,
    world,
)
from tests.support.peers.processes import need

__all__ = ["world"]

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("name", SCENARIOS)
def test_codes_are_those_of_openldap(world: World, name: str) -> None:
    """Each step answers the code of the table, in the order of the story."""
    steps = SCENARIOS[name]

    answered = [(step.says, step.do(world)) for step in steps]

    assert answered == [(step.says, step.code) for step in steps]


FILTERS = {
    "(nisNetgroupTriple=*yue*)": 0,
    "(!(nisNetgroupTriple=*yue*))": 0,
    "(nisNetgroupTriple=*)": 3,
    r"(nisNetgroupTriple=\28build01,yue.lin,example.com\29)": 0,
    "(foo=bar)": 0,
    "(!(foo=bar))": 0,
    "(|(foo=bar)(uid=yue.lin))": 1,
    "(&(foo=bar)(uid=yue.lin))": 0,
    "(uid=YUE.LIN)": 1,
    "(memberUid=yue.lin)": 2,
    "(memberUid=YUE.LIN)": 1,
    "(memberUid=YUE.LIN )": 1,
    "(sudoUser=yue.lin)": 2,
    "(sudoUser=YUE.LIN)": 0,
    "(sudoRunAsUser=yue.lin)": 1,
    "(uidNumber>=20299)": 6,
    "(uidNumber<=20003)": 3,
    "(uidNumber=abc)": 0,
    "(uid>=z)": 0,
    "(cn=张伟)": 3,
    "(name=林悦)": 1,
    "(cn=  all-sales )": 1,
    f"(member={ME.upper()})": 4,
    f"(uniqueMember={ME})": 2,
    "(member=nonsense)": 0,
    f"(manager={ME})": 1,
    f"(|(owner={ME})(seeAlso={ME})(secretary={ME})(roleOccupant={ME}))": 4,
    f"(aliasedObjectName={ME})": 1,
    f"(entryDN={ME})": 1,
    "(objectClass=person)": 304,
    "(objectClass=nonsense)": 0,
    "(rfc822MailMember=YUE.LIN)": 1,
    "(rfc822MailMember=yue*)": 0,
    "(userCertificate=*)": 3,
    "(sshPublicKey=*)": 145,
    "(pwdAccountLockedTime=*)": 0,
    "(employeeNumber=200042)": 1,
    "(homeDirectory=/home/yue.lin)": 1,
    "(structuralObjectClass=device)": 3,
}


def test_filters_find_what_openldap_finds(world: World) -> None:
    """A filter selects as many entries as on slapd, traps included."""
    found = {condition: world.hits("act", SUFFIX, condition) for condition in FILTERS}

    assert found == FILTERS


def test_dereferenced_aliases_hide_themselves(world: World) -> None:
    """ldap3 dereferences by default, and then no alias entry can be found."""
    branch, alias = f"ou=aliases,{SUFFIX}", f"uid=lin.yue,ou=aliases,{SUFFIX}"
    condition = f"(aliasedObjectName={ME})"
    always, never = ldap3.DEREF_ALWAYS, ldap3.DEREF_NEVER

    assert world.hits("act", branch, condition, dereference_aliases=never) == 1
    assert world.hits("act", branch, condition, dereference_aliases=always) == 0
    world.search("act", alias, search_scope=ldap3.BASE, dereference_aliases=always)
    assert [row["dn"].lower() for row in world.rows("act")] == [ME.lower()]


@pytest.mark.parametrize("server", RUNNING)
def test_paging_does_not_lift_the_limit(server: str, tmp_path: Path) -> None:
    """Limited to 7, a paged reader gets 5 entries, then 2 and code 4; an unpaged one 7 and code
    4.
    """
    with RUNNING[server](tmp_path, limit=7) as url:
        world = World(url, COMPANY)
        read = [(world.search("act", PEOPLE, "(uid=*)", paged_size=5), len(world.rows("act")))]
        cookie = world.of("act").result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        more = {"paged_size": 5, "paged_cookie": cookie}
        read.append((world.search("act", PEOPLE, "(uid=*)", **more), len(world.rows("act"))))
        read.append((world.search("act", PEOPLE, "(uid=*)"), len(world.rows("act"))))
        read.append((world.search("admin", PEOPLE, "(uid=*)"), len(world.rows("admin"))))
        world.close()

    assert read == [(0, 5), (4, 2), (4, 7), (0, 304)]


def test_operational_attributes_come_by_name_only(world: World) -> None:
    """The lock is not in `*`; it comes by its name and with `+`."""
    world.modify("act", ME, LOCK)

    seen = {}
    for wanted in ("*", "+", "pwdAccountLockedTime"):
        world.search("verify", ME, attributes=[wanted])
        seen[wanted] = "pwdAccountLockedTime" in world.rows("verify")[0]["raw_attributes"]
    assert seen == {"*": False, "+": True, "pwdAccountLockedTime": True}


def test_the_verifier_sees_no_password(world: World) -> None:
    """The verifying account reads the entry without the hash, the acting one with it."""
    shown = {}
    for who in ("act", "verify"):
        world.search(who, ME, attributes=["*"])
        shown[who] = "userPassword" in world.rows(who)[0]["raw_attributes"]

    assert shown == {"act": True, "verify": False}
    assert world.hits("verify", PEOPLE, "(userPassword=*)") == 0


def test_bound_connections_outlive_their_entry(world: World) -> None:
    """After the entry is gone its connection still says who it was."""
    world.of("leaver")
    assert world.delete("act", ME) == 0

    assert world.of("leaver").extend.standard.who_am_i() == f"dn:{ME}"
    assert world.hits("act", SUFFIX, f"(|(member={ME})(uniqueMember={ME})(manager={ME}))") == 7


def test_images_come_with_the_change(world: World) -> None:
    """Pre-read and post-read show both sides of one modify."""
    controls = [pre_read_control(["loginShell"]), post_read_control(["loginShell"])]
    world.modify("act", NEXT, {"loginShell": [(MODIFY_REPLACE, ["/bin/x"])]}, controls=controls)

    answered = world.of("act").result["controls"]
    values = [answered[f"1.3.6.1.1.13.{n}"]["value"]["result"]["loginShell"] for n in (1, 2)]
    assert values == [["/bin/bash"], ["/bin/x"]]


def test_both_directories_hold_the_same_company(tmp_path: Path) -> None:
    """Every entry reads the same on both, but for what a server makes itself."""
    with running_slapd(tmp_path) as real_url, running_fake(tmp_path) as fake_url:
        read = [everything(url) for url in (fake_url, real_url)]

    assert read[0] == read[1]
    assert len(read[0]) == len(COMPANY.entries)


def test_names_are_printed_as_openldap_prints_them(world: World) -> None:
    """A name comes back in the server's spelling, as an entry's name and as a value."""
    odd = r"CN= Ops\, \"night\=shift\" \<x\>\;\#1 , OU=groups,dc=example,dc=com"
    added = world.add("act", odd, ["groupOfNames"], member=f"UID=yue.lin, {PEOPLE}", owner=odd)
    world.search("act", GROUPS, "(cn=ops*)", attributes=["member", "owner"])

    (row,) = world.rows("act")
    assert added == 0
    assert row["dn"] == r"cn=Ops\2C \22night\3Dshift\22 \3Cx\3E\3B#1,ou=groups,dc=example,dc=com"
    assert row["raw_attributes"] == {"member": [ME.encode()], "owner": [row["dn"].encode()]}


@pytest.mark.parametrize("kind", DirectoryKind)
def test_the_sandbox_runs_on_either_directory(kind: DirectoryKind) -> None:
    """`make demo DIRECTORY=...`: one sandbox, the leaver found by employee number on both."""
    if kind is DirectoryKind.SLAPD:
        need("/usr/sbin/slapd", "slapd")
    with Sandbox(COMPANY, kind=kind) as sandbox:
        world = World(sandbox.directory_url, COMPANY)
        number = COMPANY.demo_leaver().employee_number
        world.search("verify", SUFFIX, f"(employeeNumber={number})")
        found = [row["dn"] for row in world.rows("verify")]
        world.close()

    assert found == [ME]


def everything(url: str) -> dict[str, dict[str, list[bytes]]]:
    """Read all user attributes of all entries as the acting account."""
    world = World(url, COMPANY)
    try:
        world.search("act", SUFFIX, attributes=["*"])
        return {
            row["dn"]: {name: sorted(values) for name, values in row["raw_attributes"].items()}
            for row in world.rows("act")
        }
    finally:
        world.close()
