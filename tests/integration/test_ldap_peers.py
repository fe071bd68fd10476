"""The directory peers themselves: what the other tests rely on is really so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ldap3
import psycopg
import pytest
from ldap3.core.exceptions import LDAPException, LDAPOperationResult

from tests.support.peers.population import (
    ACTOR,
    LEAVER,
    LEAVER_PASSWORD,
    LIMITED,
    SERVICE_PASSWORD,
    SUFFIX,
    VERIFIER,
    group,
)

if TYPE_CHECKING:
    from tests.support.peers.directory import Directory
    from tests.support.peers.postgres import Postgres
    from tests.support.peers.slapd import Slapd
    from tests.support.peers.three_eight_nine import ThreeEightNine

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers


def test_leaver_can_sign_in(directory: Directory) -> None:
    """The right password binds and a wrong one does not."""
    assert directory.binds(LEAVER, LEAVER_PASSWORD)
    assert not directory.binds(LEAVER, "wrong-password-1")


def test_reset_puts_everything_back(directory: Directory, leaver_certificate: bytes) -> None:
    """A changed directory is the same as before after a reset."""
    before = directory.world()
    directory.delete(group("lonely"))
    directory.modify(LEAVER, {"sshPublicKey": [(ldap3.MODIFY_DELETE, [])]})

    directory.reset(leaver_certificate)

    after = directory.world()
    for world in (before, after):
        for attributes in world.values():
            attributes.pop("userpassword", None)  # stored under a new salt
    assert after == before


def test_verifier_cannot_read_hashes_or_write(directory: Directory) -> None:
    """The verifying identity reads entries, no password hash, and changes nothing."""
    with directory.session(VERIFIER, SERVICE_PASSWORD) as connection:
        connection.search(LEAVER, "(objectClass=*)", attributes=["uid", "userPassword"])
        read = connection.response[0]["raw_attributes"]
        with pytest.raises(LDAPOperationResult):
            connection.modify(LEAVER, {"description": [(ldap3.MODIFY_REPLACE, ["x"])]})

    assert read["uid"] == [b"lmeyer"]
    assert not read.get("userPassword")


def test_limited_identity_gets_seven_entries_and_no_error(directory: Directory) -> None:
    """The size limit cuts an answer short while ldap3 reports nothing wrong."""
    with directory.session(LIMITED, SERVICE_PASSWORD) as connection:
        connection.search(SUFFIX, "(objectClass=*)", attributes=["1.1"])

        assert len(connection.response) == 7
        assert connection.result["result"] == 4


def test_clear_text_bind_is_refused_by_slapd(slapd: Slapd) -> None:
    """OpenLDAP asks for confidentiality before it looks at a password."""
    server = ldap3.Server("127.0.0.1", port=slapd.port, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, ACTOR, SERVICE_PASSWORD)
    assert not connection.bind()
    assert connection.result["description"] == "confidentialityRequired"
    connection.unbind()


def test_access_rules_can_be_taken_away_and_come_back(slapd: Slapd) -> None:
    """A right taken away gives success with nothing, as real directories do."""
    with slapd.session(VERIFIER, SERVICE_PASSWORD) as connection:
        with slapd.access(f'to dn.subtree="ou=people,{SUFFIX}" by * none'):
            connection.search(SUFFIX, "(uid=lmeyer)", attributes=["1.1"])
            assert (connection.result["result"], connection.response) == (0, [])

        connection.search(SUFFIX, "(uid=lmeyer)", attributes=["1.1"])
        assert len(connection.response) == 1


def test_accesslog_witnesses_changes(slapd: Slapd) -> None:
    """OpenLDAP itself keeps who changed what."""
    with slapd.session(ACTOR, SERVICE_PASSWORD) as connection:
        connection.modify(LEAVER, {"description": [(ldap3.MODIFY_REPLACE, ["witnessed"])]})

    last = slapd.changes_by(ACTOR)[-1]

    assert last["reqDN"] == [LEAVER]
    assert "description:= witnessed" in last["reqMod"]


def test_stopped_server_comes_back_with_its_data(three_eight_nine: ThreeEightNine) -> None:
    """A stop is an outage, not a loss."""
    three_eight_nine.stop()
    with pytest.raises(LDAPException), three_eight_nine.root():
        pass

    three_eight_nine.start()

    assert three_eight_nine.read(LEAVER, "uid") == {"uid": [b"lmeyer"]}


def test_postgres_hands_out_fresh_databases_and_survives_a_crash(postgres: Postgres) -> None:
    """Committed rows are there after an immediate stop."""
    url = postgres.database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('yes')")

    postgres.restart("immediate")

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("yes",)]
    assert postgres.database() != url
