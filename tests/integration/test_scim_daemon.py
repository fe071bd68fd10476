"""A whole case over the pretend company's wiki: a signed event in, a verified bundle out."""

from __future__ import annotations

import itertools
from pathlib import Path

from config.settings import System
from connectors.scim import Settings
from deprovisioner.sandbox.people import people
from deprovisioner.sandbox.scim_application import wiki
from reconcile.evidence.verify import verify_bundle
from reconcile.principals import Role
from tests.support.house_rig import event, running_daemon, vault_in
from tests.support.peers.scim import held
from tests.support.waiting import wait_until

QUICK = """\
policy: quick
extends: default
match: "true"
stages:
  revoke: {at: access_end}
"""
GAPS = 4
"""Sessions, API tokens, owned objects, manager: what SCIM cannot do is asked of a person."""


def test_a_termination_empties_the_wiki_and_closes(tmp_path: Path) -> None:
    """Contained, stripped and verified; every gap became a duty; nobody else was touched."""
    numbers = itertools.count()
    company = people(1)
    made = wiki(company, "act", "verify", new_id=lambda: f"W{next(numbers):04}")
    person = next(one for one in company if one.org_unit == "R&D/Platform")
    made.server.start()
    tokens = {"act": held("act"), "verify": held("verify")}
    settings = Settings.model_validate(
        {**made.connector_settings("", ""), **tokens, "settle": "PT0S"}
    )
    before = {one: made.user(one) for one in made.user_ids()}
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quick.yaml").write_text(QUICK, encoding="utf-8")
    try:
        with running_daemon(
            tmp_path,
            systems={"wiki": System(type="scim", settings=settings)},
            policies=tmp_path / "policies",
            vault=vault_in(tmp_path),
        ) as visitor:
            operator = visitor.as_(Role.OPERATOR)
            delivered = event(subject_changes={"employee_number": person.employee_number})
            case_id = visitor.deliver(delivered).json()["case_id"]
            asked: dict[str, str] = {}

            def closed() -> bool:
                case = operator.get(f"/v1/cases/{case_id}").json()
                for question in case["questions"]:
                    asked[question["id"]] = question["kind"]
                    if not question["answer"]:
                        said = {"confirm_termination": "ends"}.get(question["kind"], "done")
                        path = f"/v1/cases/{case_id}/questions/{question['id']}"
                        operator.post(path, json={"answer": said})
                return bool(case["summary"]["state"] == "closed")

            wait_until(closed, 60, every=0.2)
            summary = operator.get(f"/v1/cases/{case_id}").json()["summary"]
            (tmp_path / "bundle.zip").write_bytes(
                operator.get(f"/v1/cases/{case_id}/bundle").content
            )
            assert verify_bundle(tmp_path / "bundle.zip", visitor.house.signer.verifier).closed
    finally:
        made.server.stop()

    leaver = next(
        one for one, user in before.items() if user.get("externalId") == person.employee_number
    )
    assert summary["percent"] == 100
    assert list(asked.values()).count("duty") >= GAPS
    after = made.user(leaver)
    assert (after["active"], after["roles"], after["entitlements"]) == ("False", [], [])
    assert not any(leaver in members for members in made.members_of().values())
    assert {one: made.user(one) for one in made.user_ids() if one != leaver} == {
        one: user for one, user in before.items() if one != leaver
    }
    writes = [one for one in made.events if one.method != "GET" and one.status < 300]
    assert writes
    assert all(one.acting for one in writes)
