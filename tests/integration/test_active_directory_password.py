"""Whether a password is scrambled, judged by what the account's object shows, on real Samba.

The core asks again by a survey after every write and every crash: what the survey takes for
scrambled is never reset again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import ldap3
import pytest

from connectors.active_directory.controllers import Controllers
from connectors.active_directory.sign_in import contain
from connectors.contract import Credential, Holding, HoldingState, Outcome
from tests.support.active_directory import account_of, now, settings, subject_of, survey
from tests.support.peers import samba_population as population
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.active_directory import Connecting
    from tests.support.peers.samba_domain import SambaDomain

pytest_plugins = ("tests.support.peers.fixtures", "tests.support.active_directory_fixtures")
pytestmark = pytest.mark.peers

_SIGN_IN = ("account.person", "credential.password", "credential.kerberos")
_CONTAINED = dict.fromkeys(_SIGN_IN, HoldingState.CONTAINED)
_PASSWORD_LIVES = _CONTAINED | {"credential.password": HoldingState.LIVE}


def sign_in(holdings: tuple[Holding, ...]) -> list[Holding]:
    """The bundle that is contained in one call."""
    return [holding for holding in holdings if holding.kind in _SIGN_IN]


def _states(holdings: tuple[Holding, ...]) -> dict[str, HoldingState]:
    return {str(one.kind): one.state for one in sign_in(holdings)}


def test_an_account_that_is_only_disabled_still_has_its_password(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """Disabled by somebody else, or with a reset that came after ours: the password lives (A03)."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    first.modify(leaver.name, {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["514"])]})
    found = survey(act, account).items

    assert _states(found) == _PASSWORD_LIVES

    effects = act.contain(account, sign_in(found))
    assert {one.outcome for one in effects} == {Outcome.DONE}
    assert _states(survey(act, account).items) == _CONTAINED

    known = '"Known-to-somebody-1"'.encode("utf-16-le")
    first.modify(leaver.name, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [known])]})
    assert _states(survey(act, account).items) == _PASSWORD_LIVES


def test_a_password_that_may_not_be_reset_is_told_and_stays_open(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """The account is disabled all the same, and the next try asks for the password again."""
    leaver = samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    rule = "D:(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;{sid})"
    samba_domain.grant(leaver.name, rule, population.ACTOR)

    for _ in range(2):
        effects = act.contain(account, sign_in(survey(act, account).items))
        said = {effect.holding_key.split("|")[1]: effect for effect in effects}
        assert said["credential.password"].outcome is Outcome.REFUSED
        assert said["credential.password"].why
        assert said["account.person"].outcome in {Outcome.DONE, Outcome.ALREADY}
        assert _states(survey(act, account).items) == _PASSWORD_LIVES


def test_death_between_the_two_resets_leaves_the_password_to_the_next_try(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """After one reset the old password is still taken: only two are done (section 0, fact 1)."""
    leaver = samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    found = survey(act, account).items
    controllers = Controllers(settings(samba_domain), Credential.ACT, now)
    given = iter([b"first", None])

    def dying(_size: int) -> bytes:
        chance = next(given)
        if chance is None:
            raise KeyboardInterrupt
        return chance * 8

    with contextlib.closing(controllers), pytest.raises(KeyboardInterrupt):
        contain(controllers.home(), account, sign_in(found), dying)

    assert _states(survey(act, account).items) == _PASSWORD_LIVES
    since = samba_domain.first.witness.now()
    again = act.contain(account, sign_in(survey(act, account).items))
    wait_until(lambda: len(samba_domain.first.witness.passwords(since)) == 2, 10)
    assert _states(survey(act, account).items) == _CONTAINED
    assert Outcome.REFUSED not in {effect.outcome for effect in again}
