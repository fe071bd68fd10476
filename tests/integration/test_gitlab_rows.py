"""What outlives the account in a GitLab: taken over before the block, revoked, named, told."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
import responses

from connectors.contract import (
    Account,
    AccountKind,
    Credential,
    Effect,
    Holding,
    HoldingState,
    IdentityKey,
    Outcome,
    Stage,
    gather,
)
from connectors.gitlab import Feature, GitLabConnector, Mode
from connectors.gitlab.machines import AGENTS
from connectors.gitlab.rows import Leaver
from connectors.gitlab.session import GitLab
from deprovisioner.sandbox.gitlab import TOP, Table
from tests.support.gitlab_forge import ForgeRig, forge, subject_of


@pytest.fixture
def rig() -> Iterator[ForgeRig]:
    """A GitLab in which people have done their part."""
    with forge(prepared=True) as fresh:
        yield fresh


@pytest.fixture
def acting(rig: ForgeRig) -> Iterator[GitLabConnector]:
    """The acting connector."""
    connector = rig.opened(Credential.ACT)
    yield connector
    connector.close()


def held(connector: GitLabConnector, account: Account, *words: str) -> list[Holding]:
    """Survey, and keep those whose id begins with one of the words."""
    found = gather(connector.survey(account)).items
    return [one for one in found if one.native_id.partition(":")[0] in words]


def hand_over(
    rig: ForgeRig, connector: GitLabConnector, account: Account, holdings: Sequence[Holding]
) -> list[Effect]:
    """Hand over one by one, as the core does."""
    successor = rig.account(subject_of(rig.forge.successor))
    return [connector.transfer(account, [one], successor)[0] for one in holdings]


def test_schedules_that_were_taken_over_survive_the_block(
    rig: ForgeRig, acting: GitLabConnector
) -> None:
    """Taken over before the block they run on; left behind, a worker disables them afterwards."""
    account = rig.account()
    nightly, weekly = held(acting, account, "schedule")
    groups = held(acting, account, "group")
    hand_over(rig, acting, account, [one for one in groups if one.kind == "ownership.group"])
    assert hand_over(rig, acting, account, [nightly])[0].outcome is Outcome.DONE
    acting.contain(account, held(acting, account, "account"))
    rig.clock.forward(minutes=5)
    state = {one["id"]: one for one in rig.gitlab.truth.every(Table.SCHEDULES)}
    taken, left = (state[int(one.native_id.rpartition(":")[2])] for one in (nightly, weekly))
    assert taken["_owner"] == rig.gitlab.user_id(rig.forge.successor)
    assert taken["active"]
    assert not left["active"]


def test_a_deploy_key_moves_with_all_its_projects(rig: ForgeRig, acting: GitLabConnector) -> None:
    """The owner of a key cannot be changed: it leaves both projects and comes back as another's."""
    account = rig.account()
    keys = held(acting, account, "deploy_key")
    assert len(keys) == 2
    assert hand_over(rig, acting, account, keys[:1])[0].outcome is Outcome.DONE
    assert not held(acting, account, "deploy_key")
    successor = rig.account(subject_of(rig.forge.successor))
    moved = {one.native_id for one in held(acting, successor, "deploy_key")}
    assert {one.native_id for one in keys} <= moved


def test_the_card_takes_over_before_the_block(acting: GitLabConnector) -> None:
    """Transfer comes before contain, within a bound; the core waits not at all when immediate."""
    card = acting.card()
    for word in ("ownership.schedule", "ownership.resource", "ownership.group"):
        support = next(one for one in card.supports if one.kind == word)
        order = [one for one in support.order if one.before is Stage.CONTAIN]
        assert [one.first for one in order] == [Stage.TRANSFER]
        assert timedelta(0) < order[0].deadline <= timedelta(hours=2)


def test_without_sudo_people_take_over(rig: ForgeRig) -> None:
    """A token without that scope cannot act as the successor: a task with its command."""
    rig.more = {"sudo": False}
    connector = rig.opened(Credential.ACT)
    account = rig.account()
    found = held(connector, account, "schedule", "deploy_key")
    card = connector.card()
    connector.close()
    assert all("As the successor" in one.duty or "as the successor" in one.duty for one in found)
    assert all(Stage.TRANSFER not in _stages(card.supports, one) for one in found)


def _stages(supports: Sequence[object], holding: Holding) -> frozenset[Stage]:
    return next(one.stages for one in supports if one.kind == holding.kind)  # type: ignore[attr-defined]


def test_what_nobody_can_attribute_is_a_task_until_its_host_is_known(rig: ForgeRig) -> None:
    """Webhooks and mirrors name nobody: shown for review, and gone when their host is listed."""
    account = rig.account()
    connector = rig.opened(Credential.VERIFY)
    shown = held(connector, account, "hook", "mirror")
    connector.close()
    assert shown
    assert all("DELETE" in one.duty for one in shown)
    hosts = {one.duty.partition("host ")[2].partition(" ours")[0] for one in shown}
    rig.more = {"webhook_hosts": frozenset(hosts)}
    connector = rig.opened(Credential.VERIFY)
    assert not held(connector, account, "hook", "mirror")
    connector.close()


def test_secrets_that_people_must_move_are_tasks_and_can_be_taken_after(
    rig: ForgeRig, acting: GitLabConnector
) -> None:
    """Runners, agent tokens and triggers carry the command; once it is done they are removed."""
    account = rig.account()
    found = held(acting, account, "runner", "agent_token", "trigger")
    assert {one.native_id.partition(":")[0] for one in found} == {
        "runner",
        "agent_token",
        "trigger",
    }
    assert all("confirm" in one.duty for one in found)
    effects = [acting.revoke(account, [one])[0] for one in found]
    assert {one.outcome for one in effects} == {Outcome.DONE}
    assert not held(acting, account, "runner", "agent_token", "trigger")
    again = [acting.revoke(account, [one])[0] for one in found]
    assert {one.outcome for one in again} == {Outcome.ALREADY}


def test_a_runner_is_paused_and_woken(rig: ForgeRig, acting: GitLabConnector) -> None:
    """Contain pauses what works on by itself; undo wakes what was awake."""
    account = rig.account()
    runner = held(acting, account, "runner")[0]
    assert acting.contain(account, [runner])[0].outcome is Outcome.DONE
    assert held(acting, account, "runner")[0].state is HoldingState.CONTAINED
    assert acting.restore(account, [runner])[0].outcome is Outcome.DONE
    assert held(acting, account, "runner")[0].state is HoldingState.LIVE


def test_code_owners_are_people_s_to_change(rig: ForgeRig, acting: GitLabConnector) -> None:
    """The file is never pushed to; the task names file and project and nobody."""
    account = rig.account()
    found = held(acting, account, "code_owner")
    assert len(found) == 2
    assert all("merge request" in one.duty for one in found)
    assert not any(account.login in one.duty for one in found)
    assert {one.outcome for one in acting.revoke(account, found)} == {Outcome.REFUSED}


def test_the_successor_who_is_no_member_is_named(acting: GitLabConnector, rig: ForgeRig) -> None:
    """GitLab leaves strangers out of a rule in silence: refused with words, not waited for."""
    account = rig.account()
    rule = next(one for one in held(acting, account, "group_approval"))
    stranger = rig.account(subject_of(rig.forge.person(90)))
    effect = acting.transfer(account, [rule], stranger)[0]
    assert effect.outcome is Outcome.REFUSED
    assert "member" in effect.why


def test_service_accounts_are_found_by_their_maker(rig: ForgeRig, acting: GitLabConnector) -> None:
    """They are candidates for a person to say who is next, never taken for the person."""
    found = gather(acting.find(rig.subject)).items
    services = [one for one in found if one.kind is AccountKind.SERVICE]
    assert services
    for one in services:
        assert one.confidence < 100
        assert IdentityKey.OWNER in {each.key for each in one.identifiers}


def test_another_s_tokens_stay(rig: ForgeRig, acting: GitLabConnector) -> None:
    """Access tokens of projects are told apart by who made their bot."""
    account = rig.account()
    mine = held(acting, account, "project_token", "group_token")
    other = rig.account(subject_of(rig.forge.bystander))
    theirs = held(acting, other, "project_token", "group_token")
    assert mine
    assert theirs
    assert not {one.native_id for one in mine} & {one.native_id for one in theirs}


@pytest.mark.parametrize("there", [True, False])
def test_a_hidden_list_is_not_an_empty_one(rig: ForgeRig, there: bool) -> None:
    """404 for a list of a project that is there is a gap; of one that was deleted it is not."""
    settings = rig.settings(absent=frozenset({Feature.AGENTS}))
    gitlab = GitLab(settings, settings.verify, rig.clock)
    leaver = Leaver(gitlab, Account("g", "52", "x"), {}, verifying=True, projects=({"id": 3},))
    with responses.RequestsMock() as wire:
        api = f"{rig.gitlab.url}/api/v4/projects/3"
        wire.get(f"{api}/triggers", json={"message": "404 Not Found"}, status=404)
        missing = {"json": {"message": "404 Project Not Found"}, "status": 404}
        wire.get(api, **({"json": {"id": 3}} if there else missing))
        assert bool(AGENTS.read(leaver).gaps) is there
    gitlab.close()


# --------------------------------------------------------------------------------- group mode


def test_a_group_owner_takes_people_out_and_says_what_they_cannot() -> None:
    """gitlab.com: no block; memberships go, links go, and the rest is named on the card."""
    with forge(mode=Mode.GROUP, group=5001) as rig:
        assert rig.gitlab.group_id(TOP) == 5001
        rig.more = {**rig.more, "absent": frozenset(), "sudo": False}
        acting, verifying = rig.opened(Credential.ACT), rig.opened(Credential.VERIFY)
        assert all(line.holds for one in (acting, verifying) for line in one.probe())
        subject = subject_of(rig.forge.leaver)
        found = [one for one in gather(acting.list_accounts()).items if one.login == "yue.lin"]
        assert found
        assert not gather(verifying.find(subject)).blind
        account = found[0]
        members = held(acting, account, "group", "project")
        grants = [one for one in members if not one.sole]
        assert grants
        for one in grants:
            assert acting.contain(account, [one])[0].outcome is Outcome.DONE
        reading = gather(verifying.survey(account))
        assert not reading.blind
        state = {one.native_id: one.state for one in reading.items}
        # Still Developer through a group of their own that was invited: not outside yet.
        assert state["account"] is HoldingState.LIVE
        named = next(one.duty for one in reading.items if one.native_id == "account")
        assert "/groups/5003" in named
        assert account.native_id in {one.native_id for one in gather(verifying.find(subject)).items}
        assert not [one for one in reading.items if one.kind == "grant.group"]
        rig.gitlab.edit(lambda store: store.drop(Table.SHARES, 8001))
        reading = gather(verifying.survey(account))
        state = {one.native_id: one.state for one in reading.items}
        assert state["account"] is HoldingState.CONTAINED
        card = acting.card()
        assert {"session", "credential.access_key", "ownership.resource"} <= {
            one.kind for one in card.gaps
        }
        assert any("cannot block" in one.duty for one in card.supports)
        assert acting.destroy(account).outcome is Outcome.REFUSED
        for one in grants:
            assert acting.restore(account, [one])[0].outcome is Outcome.DONE
        acting.close()
        verifying.close()
