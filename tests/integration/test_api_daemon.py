"""The whole daemon on SQLite: a signed event in over TCP, a verified bundle out."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.settings import Evidence, Mode
from connectors.contract import Kind
from deprovisioner.daemon import Daemon
from deprovisioner.intake.canonical import read
from deprovisioner.wiring import CannotStart, open_house
from reconcile.evidence.verify import verify_bundle
from reconcile.principals import Role
from tests.support.databases import BOTH, fresh_url
from tests.support.house_rig import (
    database_at,
    event,
    held,
    memory_world,
    running_daemon,
    settings_for,
    vault_in,
)
from tests.support.waiting import wait_until

pytest_plugins = ("tests.support.peers.fixtures",)

QUICK = """\
policy: quick
extends: default
match: "true"
stages:
  revoke: {at: access_end}
"""


def quick(folder: Path) -> dict[str, object]:
    """Settings under which a case can close within seconds."""
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "quick.yaml").write_text(QUICK, encoding="utf-8")
    return {"policies": folder / "policies", "vault": vault_in(folder)}


@pytest.mark.parametrize("kind", BOTH)
def test_a_termination_runs_to_its_bundle(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Accepted, contained, asked about, revoked, verified twice, published, closed at 100 %."""
    with memory_world(tmp_path) as world:
        leaver = world.add_person("lver", employee_number="1042", names=["Lea Ver"])
        other = world.add_person("other", employee_number="1007")
        world.give(leaver, Kind("credential.ssh_key"), label="laptop")
        world.give(leaver, Kind("data.home"), label="home", content=b"notes")
        for person in (leaver, other):
            world.give(person, Kind("grant.group"), native_id="g-dev", label="developers")
        database = database_at(fresh_url(kind, tmp_path, request))
        with running_daemon(tmp_path, database=database, **quick(tmp_path)) as visitor:
            operator = visitor.as_(Role.OPERATOR)
            case_id = visitor.deliver(event()).json()["case_id"]

            def state() -> str:
                case = operator.get(f"/v1/cases/{case_id}").json()
                for question in case["questions"]:
                    if not question["answer"]:
                        said = {"confirm_termination": "ends"}.get(question["kind"], "done")
                        path = f"/v1/cases/{case_id}/questions/{question['id']}"
                        operator.post(path, json={"answer": said})
                summary: dict[str, str] = case["summary"]
                return summary["state"]

            wait_until(lambda: state() == "closed", 60, every=0.2)
            assert world.holders(Kind("grant.group"), "g-dev") == (other,)
            summary = operator.get(f"/v1/cases/{case_id}").json()["summary"]
            assert summary["percent"] == 100
            answer = operator.get(f"/v1/cases/{case_id}/bundle")
            assert answer.headers["content-type"] == "application/zip"
            (tmp_path / "bundle.zip").write_bytes(answer.content)
            verdict = verify_bundle(tmp_path / "bundle.zip", visitor.house.signer.verifier)
            assert (verdict.case, verdict.closed) == (case_id, True)
            records = operator.get(f"/v1/cases/{case_id}/records").json()
            assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
            assert list((tmp_path / "data").glob("bundle-*")) == []


def test_ready_while_it_runs_and_unready_without_a_lease(tmp_path: Path) -> None:
    """Readiness follows the lease, not the process."""
    with memory_world(tmp_path), running_daemon(tmp_path) as visitor:
        client = visitor.as_(None)
        assert client.get("/readyz").json() == {"status": "ready"}
        engine = visitor.house.engine
        assert engine is not None
        engine._lease.refuse()
        answer = client.get("/readyz")
        assert answer.json()["errors"] == ["the lease of this node is not fresh"]


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.peers),
    ],
)
def test_one_event_delivered_by_many_at_once_is_one_case(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """A sender that does not wait for the answer before it repeats itself."""
    database = database_at(fresh_url(kind, tmp_path, request))
    with (
        memory_world(tmp_path),
        running_daemon(tmp_path, mode=Mode.OBSERVE, database=database) as visitor,
    ):
        raw, answers = event(), []

        def post() -> None:
            answers.append(visitor.deliver(raw))

        threads = [threading.Thread(target=post) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {202}
        outcomes = sorted(answer.json()["outcome"] for answer in answers)
        assert outcomes == ["accepted", *["duplicate"] * 7]
        assert len({answer.json()["case_id"] for answer in answers}) == 1


def test_a_start_that_acts_says_how_much_begins(tmp_path: Path) -> None:
    """What was taken in while the daemon only watched is counted in the log before it runs."""
    settings = settings_for(tmp_path)
    with memory_world(tmp_path), open_house(settings, at_rest=True) as house:
        for employment in ("E-1", "E-2"):
            raw = event(employment=employment)
            taken = read(raw, received_at=house.estate.clock())
            house.desk.receive(taken, raw=raw, principal="test")
    with memory_world(tmp_path), open_house(settings) as house:
        daemon = Daemon(house)
        with capture_logs() as logged:
            daemon.start()
        daemon.stop(timedelta(seconds=20))

    (said,) = (line for line in logged if line["event"] == "daemon.acts")
    assert (said["open_cases"], said["contain_due"]) == (2, 2)


def test_a_rolled_back_database_does_not_start(tmp_path: Path) -> None:
    """The anchor knows more than the database: signing on would tell a second story."""
    settings = settings_for(tmp_path)
    copy = tmp_path / "copy.db"
    with memory_world(tmp_path), open_house(settings, at_rest=True) as house:
        house.database.backup(copy)
        raw = event()
        taken = read(raw, received_at=house.estate.clock())
        house.desk.receive(taken, raw=raw, principal="test")
        house.sequencer.integrate()
        house.sequencer.publish()
    path = settings.data_directory / "deprovisioner.db"
    for file in settings.data_directory.glob("deprovisioner.db-*"):
        file.unlink()
    path.write_bytes(copy.read_bytes())
    with memory_world(tmp_path), open_house(settings) as house:
        daemon = Daemon(house)
        with pytest.raises(CannotStart, match="rolled back"):
            daemon.start()
        daemon.stop(timedelta(0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"origin": "example.com/other"}, "not evidence.origin"),
        ({"signing_key": held("x")}, "no signing key"),
        ({"sealing_key": held("AAAA")}, "not 32 bytes"),
        ({"sealing_key": held("!")}, "not base64"),
    ],
)
def test_keys_that_do_not_fit_are_named_at_start(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    """Before anything runs, and without showing a key."""
    settings = settings_for(tmp_path)
    evidence = Evidence(**(dict(settings.evidence) | change))
    with pytest.raises(CannotStart, match=said):
        open_house(settings.model_copy(update={"evidence": evidence}), at_rest=True)
    # The database was let go of: the next one can open it.
    with open_house(settings, at_rest=True):
        pass
