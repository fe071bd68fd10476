"""The canonical event: what it becomes, and every way in which a body is not one."""

# ruff: noqa: E501 - a message is compared whole, on one line

import copy
import json
import os
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from connectors.contract import Subject
from deprovisioner.intake import canonical, document
from deprovisioner.intake.canonical import SubjectData, TerminationData, compose, read
from deprovisioner.intake.refusals import Unusable
from reconcile.event import Action, TerminationEvent

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SHARED = Path(
    os.environ.get("DEPROVISIONER_SHARED", Path(config.__file__).parent.parent.parent / "shared")
)
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "evt_1",
    "source": "urn:hr:people:tenant1",
    "type": "org.deprovisioner.termination.scheduled.v1",
    "time": "2026-11-22T03:00:00Z",
    "subject": "employment/E-1042",
    "datacontenttype": "application/json",
    "data": {
        "action": "scheduled",
        "subject": {
            "employment_id": "E-1042",
            "employee_number": "1042",
            "work_email": "robin@example.com",
            "display_name": "Robin Example",
            "worker_type": "employee",
        },
        "employment": {"org_unit": "R&D/Platform", "manager": "E-7"},
        "role_key": "rd.engineer",
        "dates": {
            "last_working_day": "2026-12-18",
            "termination_date": "2026-12-31",
            "time_zone": "Asia/Shanghai",
        },
        "reason": {"category": "voluntary"},
        "handover": {"successor": "kim@example.com"},
        "flags": {"legal_hold": True},
    },
}


def changed(path: str, value: object) -> bytes:
    """The event with one value changed; a missing section is made."""
    event = copy.deepcopy(EVENT)
    *sections, last = path.split("/")
    place = event
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    return json.dumps(event).encode()


def reasons(raw: bytes) -> list[str]:
    with pytest.raises(Unusable) as caught:
        read(raw, received_at=NOW)
    return list(caught.value.reasons)


def taken(raw: bytes) -> TerminationEvent:
    return read(raw, received_at=NOW)


def test_all_that_matters_arrives() -> None:
    """Person, dates, successors in order, legal hold, revision from the source's time."""
    event = taken(json.dumps(EVENT).encode())
    assert event.action is Action.SCHEDULED
    assert event.person.subject == Subject(
        employment_id="E-1042",
        employee_number="1042",
        emails=("robin@example.com",),
        names=("Robin Example",),
    )
    assert event.person.dates.last_working_day == date(2026, 12, 18)
    assert event.person.dates.time_zone == "Asia/Shanghai"
    assert event.person.chain == (
        Subject(employment_id="", emails=("kim@example.com",)),
        Subject(employment_id="E-7", employee_number="E-7"),
    )
    assert event.person.legal_hold
    assert event.person.employment.role_key == "rd.engineer"
    assert event.revision == 1795316400000
    assert not event.pointer


def test_the_shared_sample_is_taken() -> None:
    """The sample of the specification is a canonical event."""
    path = SHARED / "facts" / "hr" / "samples" / "canonical_cloudevent.json"
    if not path.exists():
        pytest.skip("the shared samples are not on this machine (DEPROVISIONER_SHARED)")
    body = json.loads(path.read_text(encoding="utf-8"))["body"]
    assert taken(json.dumps(body).encode()).person.subject.employment_id == "E100245"


def test_the_event_id_is_the_hash_of_the_rule() -> None:
    """sha256 of system, tenant, source event id, subject key and action."""
    rule = "people|tenant1|evt_1|E-1042|scheduled"
    assert taken(json.dumps(EVENT).encode()).event_id == sha256(rule.encode()).hexdigest()


def test_two_events_never_share_an_id_by_a_clever_separator() -> None:
    """A bar inside a part cannot pretend to be the next part."""
    one = taken(changed("id", "a|E-1042")).event_id
    other = copy.deepcopy(EVENT) | {"id": "a", "subject": ""}
    other["data"]["subject"]["employment_id"] = "E-1042|E-1042"
    assert one != taken(json.dumps(other).encode()).event_id


def test_an_immediate_termination_needs_no_date() -> None:
    """Whatever the dates are, access ends now."""
    event = copy.deepcopy(EVENT)
    event["type"] = event["type"].replace("scheduled", "immediate")
    event["data"]["action"] = "immediate"
    del event["data"]["dates"]
    event["data"]["access_end"] = {"at": "2026-11-24T20:00:00+08:00", "basis": "source_instant"}
    taken_event = taken(json.dumps(event).encode())
    assert taken_event.source_instant == NOW


def test_null_is_the_same_as_absent() -> None:
    """Many HR systems send every key."""
    raw = changed("data/subject/upn", None)
    assert taken(raw) == taken(json.dumps(EVENT).encode())


def test_without_a_time_the_receipt_is_the_revision() -> None:
    """A source without versions and times is ordered by arrival, so that a rescission counts."""
    assert taken(changed("time", None)).revision == int(NOW.timestamp() * 1000)
    assert taken(changed("data/revision", 3)).revision == 3


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("data/dates/last_workng_day", "2026-12-18", "data.dates.last_workng_day: unknown word (did you mean 'last_working_day'?)"),
        ("data/subject/employmentid", "E", "data.subject.employmentid: unknown word (did you mean 'employment_id'?)"),
        ("dat", {}, "dat: unknown word (did you mean 'data'?)"),
        ("data/flags/keep_account", True, "data.flags.keep_account: unknown word"),
        ("data/handover/receivers", {"mail": "E-1"}, "data.handover.receivers: unknown word"),
        ("data/dates/last_working_day", "2026-02-30", "data.dates.last_working_day: it is not a date of the calendar (YYYY-MM-DD)"),
        ("data/dates/last_working_day", "2026-2-3", "data.dates.last_working_day: it is not written as YYYY-MM-DD"),
        ("data/dates/last_working_day", "18.12.2026", "data.dates.last_working_day: it is not a date of the calendar (YYYY-MM-DD)"),
        ("data/dates/last_working_day", 1797552000, "data.dates.last_working_day: a date is text, YYYY-MM-DD"),
        ("data/dates/last_working_day", "2026-12-18T00:00:00Z", "data.dates.last_working_day: it is not a date of the calendar (YYYY-MM-DD)"),
        ("data/dates/last_working_day", "2027-01-01", "data.dates: last_working_day is after termination_date"),
        ("data/dates/time_zone", "Asia/Shangai", "data.dates.time_zone: not an IANA time zone"),
        ("data/dates/time_zone", "../../etc/passwd", "data.dates.time_zone: not an IANA time zone"),
        ("data/dates", {}, "data: last_working_day or termination_date is needed, or 'pointer'"),
        ("data/action", "fired", "data.action: not one of 'scheduled', 'rescheduled', 'effective', 'immediate', 'rescinded', 'rehired', 'record_deleted' or 'status_hint'"),
        ("data/action", "rescinded", "type and data.action name different actions"),
        ("type", "org.deprovisioner.termination.scheduled.v2", "type: it is not written in the form that belongs here"),
        ("specversion", "0.3", "specversion: not one of '1.0'"),
        ("subject", "employment/E-9", "subject and data.subject.employment_id name different employments"),
        ("time", "2026-11-22", "time: an instant is text with its offset, 2026-12-18T16:00:00Z (RFC 3339)"),
        ("time", "2026-11-22T25:00:00Z", "time: there is no such instant"),
        ("time", "0001-01-01T00:00:00+14:00", "time: there is no such instant"),
        ("time", "2027-11-22T03:00:00Z", "time: it is in the future"),
        ("data/access_end", {"at": "2026-12-18T16:00:00Z", "basis": "source_instant"}, "data: access_end is only taken with action immediate; send dates"),
        ("data/revision", -1, "data.revision: it must be greater than or equal to 0"),
        ("data/revision", "7", "data.revision: a whole number belongs here"),
        ("data/revision", True, "data.revision: a whole number belongs here"),
        ("data/revision", 2**53, f"data.revision: it must be less than or equal to {2**53 - 1}"),
        ("data/flags/legal_hold", "no", "data.flags.legal_hold: true or false belongs here"),
        ("data/subject/employment_id", "", "data.subject.employment_id: it is empty"),
        ("data/subject/employment_id", "  ", "data.subject.employment_id: it is empty"),
        ("data/subject/employment_id", None, "data.subject.employment_id: it is missing"),
        ("data/subject/employment_id", 1042, "data.subject.employment_id: text belongs here"),
        ("data/subject/employment_id", "E" * 257, "data.subject.employment_id: it is longer than 256 characters"),
        ("data/subject/employment_id", "E\u0000", "data.subject.employment_id: control characters are not allowed"),
        ("data/subject/employment_id", "E\n1", "data.subject.employment_id: control characters are not allowed"),
        ("data/subject/display_name", "\u202egnp.exe", "data.subject.display_name: control characters are not allowed"),
        ("data/subject/display_name", "\ud800", "data.subject.display_name: control characters are not allowed"),
        ("data/subject/work_email", "robin", "data.subject.work_email: it is not written in the form that belongs here"),
        ("data/subject", [], "data.subject: a section with keys belongs here"),
        ("data", None, "data: it is missing"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(path: str, value: object, said: str) -> None:
    """One mistake, one sentence that names the field; the value is not repeated."""
    assert reasons(changed(path, value)) == [said]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the document is not JSON (line 1, column 1)"),
        (b"{", "the document is not JSON (line 1, column 2)"),
        (b"null", "the document is not a JSON object"),
        (b"[]", "the document is not a JSON object"),
        (b'"text"', "the document is not a JSON object"),
        (b"\xff\xfe{}", "the document is not UTF-8"),
        (b"\xef\xbb\xbf{}", "the document is not JSON (line 1, column 1)"),
        (b'{"id": 1, "id": 2}', "id: stands twice in one object"),
        (b'{"data": {"a": 1, "a": 1}}', "a: stands twice in one object"),
        (b'{"id": NaN}', "NaN and Infinity are not JSON"),
        (b'{"id": -Infinity}', "NaN and Infinity are not JSON"),
        (b'{"id": 1e999}', "a number is out of range"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number is out of range"),
        (b"[" * 33, "the document is nested deeper than 32"),
        (b"[" * 100_000, "the document is nested deeper than 32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "the document is nested deeper than 32"),
        (b'{"\\u0000": 1}', "a key: control characters are not allowed"),
        (b" " * (document.MAX_BYTES + 1), "the document is larger than 262144 bytes"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_plain_json_object_is_refused(raw: bytes, said: str) -> None:
    """Two readers of the same bytes must never see two events."""
    assert reasons(raw) == [said]


def test_brackets_inside_text_are_not_depth() -> None:
    """A name may hold brackets, escaped quotes too."""
    raw = json.dumps({"a": '[{"\\' * 100}).encode()
    assert document.parse(raw) == {"a": '[{"\\' * 100}


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["data", "subject", "dates"]), inner, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_taken_or_refused_in_words(tree: object) -> None:
    """Nothing but Unusable comes out, whatever is posted."""
    with pytest.raises(Unusable):
        taken(json.dumps(tree).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(raw: bytes) -> None:
    """The same for bytes that are no JSON."""
    with pytest.raises(Unusable):
        taken(raw)


def test_a_refusal_names_no_person() -> None:
    """Law 10: the sentences go back to the sender, into the inbox and into logs."""
    event = copy.deepcopy(EVENT)
    event["data"]["subject"] |= {"work_email": "robin", "employment_id": "E" * 300}
    event["data"]["reason"] = {"category": "misconduct"}
    said = " ".join(reasons(json.dumps(event).encode()))
    assert "robin" not in said
    assert "EEE" not in said
    assert "misconduct" not in said


def test_what_the_command_line_composes_comes_back() -> None:
    """Terminate and rescind go through the same door with the same event."""
    data = TerminationData(action=Action.RESCINDED, subject=SubjectData(employment_id="E-1"))
    raw = compose(data, source_event_id="cli-1", at=NOW, source="urn:hr:command-line")
    event = taken(raw)
    assert (event.action, event.person.subject.employment_id) == (Action.RESCINDED, "E-1")


def test_an_unusable_delivery_has_an_id_of_its_bytes() -> None:
    """The same bytes twice are kept once."""
    assert canonical.rejected_id(b"a") == canonical.rejected_id(b"a")
    assert canonical.rejected_id(b"a") != canonical.rejected_id(b"b")
