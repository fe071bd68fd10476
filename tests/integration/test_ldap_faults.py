"""When the directory cannot be believed: blind reads, lost connections, wrong certificates.

Each trouble is made on a real server or on the way to it; none may look like an empty directory.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from connectors._directory.session import Sessions
from connectors.contract import Account, Credential, HoldingState, gather
from connectors.faults import Fault, Malformed, Transient, Unauthorised
from connectors.ldap import CanaryObject, Login
from connectors.secret import Secret
from tests.support.peers.authority import Authority
from tests.support.peers.connecting import (
    LEAVER_SUBJECT,
    account_of,
    connect,
    held,
    now,
    settings_for,
    survey_of,
)
from tests.support.peers.meddling import Meddler
from tests.support.peers.population import (
    CANARY,
    LIMITED,
    SUFFIX,
    VERIFIER,
    Entry,
    group,
    people,
)
from tests.support.peers.slapd import Slapd

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.ldap import LdapConnector
    from tests.support.peers.directory import Directory
    from tests.support.peers.three_eight_nine import ThreeEightNine

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers


@pytest.fixture
def leaver(directory: Directory) -> Account:
    """The leaver's account on the directory under test."""
    connector = connect(directory, Credential.VERIFY)
    try:
        return account_of(connector)
    finally:
        connector.close()


def blind_survey(directory: Directory, account: Account, **changed: Any) -> str:
    """Why a survey by the verifying identity proves nothing."""
    connector = connect(directory, Credential.VERIFY, **changed)
    try:
        return gather(connector.survey(account)).blind
    finally:
        connector.close()


def fault_of(connector: LdapConnector) -> Fault:
    """The fault that a find raises."""
    try:
        with pytest.raises(Fault) as caught:
            gather(connector.find(LEAVER_SUBJECT))
    finally:
        connector.close()
    return caught.value


def test_size_limit_is_blind_not_short(directory: Directory, leaver: Account) -> None:
    """Seven of twenty entries without an error are not twenty."""
    limited: dict[str, Any] = {"verify": Login(dn=LIMITED, password=held())}

    assert blind_survey(directory, leaver, **limited) == "the read was cut short"
    connector = connect(directory, Credential.VERIFY, people=(SUFFIX,), **limited)
    reading = gather(connector.list_accounts())
    connector.close()
    assert reading.blind == "the read was cut short"


def test_own_bound_is_blind_too(directory: Directory, leaver: Account) -> None:
    """More entries than the operator said could be: stop, and say so."""
    assert blind_survey(directory, leaver, max_entries=3, page_size=2) == "the read was cut short"


def test_right_taken_away_is_blind(slapd: Slapd) -> None:
    """An answer of success with nothing in it proves nothing: the canary's group is gone too."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    with slapd.access(f'to dn.subtree="ou=groups,{SUFFIX}" by * none'):
        reading = gather(connector.survey(account))
    connector.close()

    assert reading.complete
    assert reading.blind == "the canary was not seen"


def test_hidden_attribute_of_the_canary_is_blind(slapd: Slapd) -> None:
    """A right on one attribute taken away is seen on the canary before it closes anything."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    with slapd.access("to attrs=sshPublicKey by * none"):
        reading = gather(connector.survey(account))
    connector.close()

    assert reading.blind == "not readable: sshPublicKey of canary 1"


def test_group_that_only_memberof_shows_is_blind(slapd: Slapd) -> None:
    """Membership is read from both sides; a group we may not see is a gap, not nothing."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    with slapd.access(f'to dn.exact="{group("engineers")}" by * none'):
        reading = gather(connector.survey(account))
    connector.close()

    assert "memberOf" in reading.blind


def test_missing_canary_is_blind(directory: Directory, leaver: Account) -> None:
    """A canary that does not exist cannot vouch for anything."""
    nowhere = (CanaryObject(dn=people("nobody")),)

    assert blind_survey(directory, leaver, canaries=nowhere) == "the canary was not seen"


def test_nobody_found_still_carries_the_canary(directory: Directory) -> None:
    """Zero hits are believable only because the canary was seen in the same session."""
    connector = connect(directory, Credential.VERIFY)
    subject = type(LEAVER_SUBJECT)(employment_id="emp-9", employee_number="E-9999")
    reading = gather(connector.find(subject))
    connector.close()

    assert (reading.items, reading.blind) == ((), "")


def test_referral_is_blind(slapd: Slapd) -> None:
    """A part of the tree that lives elsewhere was not read; we do not follow."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    elsewhere = {"ref": f"ldap://127.0.0.1:1/ou=far,{SUFFIX}", "ou": "far"}
    classes = ("referral", "extensibleObject")
    slapd.add(Entry(f"ou=far,{SUFFIX}", classes, dict(elsewhere)))
    try:
        reading = gather(connector.survey(account))
    finally:
        with slapd.root() as connection:
            manage = [("2.16.840.1.113730.3.4.2", True, None)]
            connection.delete(f"ou=far,{SUFFIX}", controls=manage)
        connector.close()

    assert reading.blind == "the read was cut short"


def test_server_away_is_transient(slapd: Slapd) -> None:
    """Try again later; and the same connector works when the server is back."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    slapd.stop()
    try:
        with pytest.raises(Transient):
            gather(connector.survey(account))
    finally:
        slapd.start()

    assert survey_of(connector, account).items
    connector.close()


def test_frozen_server_is_transient(slapd: Slapd) -> None:
    """An answer that does not come in time decides nothing, on an old and on a new connection."""
    slow: dict[str, Any] = {
        "receive_timeout": dt.timedelta(seconds=1),
        "connect_timeout": dt.timedelta(seconds=1),
    }
    connector = connect(slapd, Credential.VERIFY, **slow)
    account = account_of(connector)
    slapd.freeze()
    try:
        with pytest.raises(Transient):
            gather(connector.survey(account))
        with pytest.raises(Transient):
            gather(connector.survey(account))
    finally:
        slapd.thaw()
    connector.close()


@pytest.mark.parametrize("passed", [600, 1500, 3000, 5000])
def test_connection_cut_in_an_answer_is_never_an_end(slapd: Slapd, passed: int) -> None:
    """However many bytes came through, a cut read raises or is blind."""
    whole = connect(slapd, Credential.VERIFY)
    account = account_of(whole)
    whole.close()
    with Meddler(slapd.secure_port, cut_after=passed) as meddler:
        connector = connect(slapd, Credential.VERIFY, url=meddler.url)
        with pytest.raises(Transient):
            gather(connector.survey(account))
        connector.close()


def test_proxy_of_these_tests_cuts_nothing_by_itself(slapd: Slapd) -> None:
    """Connections that come and go at once through the proxy do not end each other."""
    with Meddler(slapd.secure_port) as meddler:

        def find(_: int) -> str:
            connector = connect(slapd, Credential.VERIFY, url=meddler.url)
            try:
                return account_of(connector).login
            finally:
                connector.close()

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(find, range(200)))

    assert set(found) == {"lmeyer"}


def test_answer_that_is_no_ldap_is_malformed(slapd: Slapd) -> None:
    """The login page of a proxy is not a slow server."""
    page = b"HTTP/1.1 200 OK\r\n\r\n" + b"<p>Sign in</p>" * 50
    with Meddler(slapd.secure_port, garbage=page) as meddler:
        fault = fault_of(connect(slapd, Credential.VERIFY, url=meddler.url))

    assert isinstance(fault, Malformed)


def test_unknown_authority_is_refused(slapd: Slapd, tmp_path: Path) -> None:
    """A certificate of another authority is an incident, not an outage."""
    stranger = Authority(tmp_path)
    fault = fault_of(connect(slapd, Credential.VERIFY, ca_file=stranger.ca_file))

    assert isinstance(fault, Unauthorised)
    assert fault.code == "tls:certificate"


def test_machine_authorities_do_not_know_ours(slapd: Slapd) -> None:
    """Without a CA file the server's own authority is not trusted by default."""
    assert isinstance(fault_of(connect(slapd, Credential.VERIFY, ca_file=None)), Unauthorised)


def test_certificate_of_another_name_is_refused(three_eight_nine: ThreeEightNine) -> None:
    """The address must be in the certificate: this one names localhost only."""
    url = f"ldaps://127.0.0.1:{three_eight_nine.secure_port}"
    fault = fault_of(connect(three_eight_nine, Credential.VERIFY, url=url))

    assert isinstance(fault, Unauthorised)
    assert fault.code == "tls:certificate"


def test_clear_text_is_refused_by_the_server(slapd: Slapd) -> None:
    """ConfidentialityRequired is a missing right of ours, never an empty directory."""
    fault = fault_of(connect(slapd, Credential.VERIFY, url=slapd.url))

    assert isinstance(fault, Unauthorised)
    assert fault.code == "ldap:13"


def test_start_tls_works_and_is_checked(slapd: Slapd, tmp_path: Path) -> None:
    """The clear-text port upgraded by StartTLS gives the same answers, with the same check."""
    upgraded = f"ldap://localhost:{slapd.port}"
    connector = connect(slapd, Credential.VERIFY, url=upgraded, start_tls=True)
    assert account_of(connector).login == "lmeyer"
    connector.close()
    stranger = Authority(tmp_path)

    fault = fault_of(
        connect(slapd, Credential.VERIFY, url=upgraded, start_tls=True, ca_file=stranger.ca_file)
    )
    assert isinstance(fault, Unauthorised)


def test_wrong_password_is_an_incident(directory: Directory) -> None:
    """A dead credential never means that nobody was found."""
    wrong: dict[str, Any] = {"verify": Login(dn=VERIFIER, password=held("wrong-password-3"))}

    assert isinstance(fault_of(connect(directory, Credential.VERIFY, **wrong)), Unauthorised)


def test_missing_secret_is_an_incident(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that cannot be read is told by its name, without a value."""
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    missing: dict[str, Any] = {
        "verify": Login(dn=VERIFIER, password=Secret("env:NOT_SET_ANYWHERE"))
    }
    fault = fault_of(connect(directory, Credential.VERIFY, **missing))

    assert isinstance(fault, Unauthorised)
    assert "NOT_SET_ANYWHERE" in str(fault)


def test_verifier_may_not_even_try_to_write(directory: Directory, leaver: Account) -> None:
    """Who verifies changes nothing, whatever it is asked."""
    connector = connect(directory, Credential.VERIFY)
    for write in (connector.contain, connector.revoke, connector.restore):
        with pytest.raises(Unauthorised):
            write(leaver, [])
    with pytest.raises(Unauthorised):
        connector.destroy(leaver)
    connector.close()


def test_swallowed_write_is_not_believed(slapd: Slapd) -> None:
    """Success without a change is found out by the re-read (Law 1)."""
    with Meddler(slapd.secure_port) as meddler:
        connector = connect(slapd, Credential.ACT, url=meddler.url)
        account = account_of(connector)
        holdings = [one for one in survey_of(connector, account).items if not one.sole]
        meddler.swallow_writes = True
        for holding in holdings:
            stage = connector.revoke if "account" not in holding.kind else connector.contain
            if holding.kind == "credential.password":
                continue
            with pytest.raises(Transient):
                stage(account, [holding])
        connector.close()


def test_replica_that_lags_keeps_the_case_open(slapd: Slapd, tmp_path: Path) -> None:
    """Verification reads every server: locked on one and open on the other is open (L13)."""
    actor = connect(slapd, Credential.ACT)
    account = account_of(actor)
    with slapd.copied_to(tmp_path) as replica:
        both: dict[str, Any] = {
            "verify_urls": (replica.secure_url,),
            "ca_file": _both(slapd, replica, tmp_path),
        }
        verifier = connect(slapd, Credential.VERIFY, **both)
        bundle = [
            one
            for one in survey_of(actor, account).items
            if one.kind in ("account.person", "credential.password")
        ]
        actor.contain(account, bundle)

        assert _state(verifier, account) is HoldingState.LIVE
        replica.stop()
        with pytest.raises(Transient):
            gather(verifier.survey(account))
        verifier.close()
    actor.close()


def test_threads_have_connections_of_their_own(slapd: Slapd) -> None:
    """One thread gets the same session again, another thread another one."""
    settings = settings_for(slapd)
    sessions = Sessions(settings.endpoints(Credential.VERIFY)[0], now)
    mine = sessions.current()
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(sessions.current).result()

    assert sessions.current() is mine
    assert theirs is not mine
    sessions.close()
    assert mine.broken
    assert theirs.broken


def test_idle_connection_is_not_trusted(slapd: Slapd) -> None:
    """A connection that lay idle may have been dropped by the server: a new one is opened."""
    moments = iter([now(), now() + dt.timedelta(seconds=30), now() + dt.timedelta(seconds=120)])
    sessions = Sessions(settings_for(slapd).endpoints(Credential.VERIFY)[0], lambda: next(moments))

    first, second, third = sessions.current(), sessions.current(), sessions.current()

    assert first is second
    assert third is not first
    sessions.close()


def test_canary_shows_what_the_verifier_needs(slapd: Slapd) -> None:
    """Doctor names the attribute that the verifying identity may not read."""
    connector = connect(slapd, Credential.VERIFY)
    with slapd.access(f'to dn.exact="{CANARY}" attrs=employeeNumber by * none'):
        wrong = [line for line in connector.probe() if not line.holds]
    connector.close()

    assert [line.check for line in wrong] == ["canary attributes"]
    assert "employeeNumber" in wrong[0].detail


def _state(connector: LdapConnector, account: Account) -> HoldingState:
    found = survey_of(connector, account).items
    return next(one.state for one in found if one.kind == "account.person")


def _both(one: Slapd, other: Slapd, folder: Path) -> Path:
    authorities = folder / "both.pem"
    authorities.write_bytes(one.ca_file.read_bytes() + other.ca_file.read_bytes())
    return authorities
