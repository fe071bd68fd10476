"""The chain of one case: every record names its place and its predecessor, and the last one counts
them.

A proof that a record is in the log says nothing about a record that was left out. The chain does:
numbers ``seq`` from 1, ``prev`` with the predecessor's entry, and a closing record with the count.
Called by `verify` and by `reconcile.store.evidence_log`; a chain needs not belong to a case (key
rotation, the brake).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.evidence.encoding import HASH_SIZE, Json, parse_canonical
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.record import Record

VERSION: Final = 1
CLOSING: Final = "case.closed"
RESERVED: Final = frozenset({"v", "case", "seq", "prev", "type", "at", "records"})


@dataclass(frozen=True, slots=True)
class ChainTip:
    """Where a chain ends: number and entry of its last record (0 and zeros before the first)."""

    seq: int = 0
    entry: bytes = bytes(HASH_SIZE)


def linked(
    case: str, tip: ChainTip, kind: str, at: str, control: Mapping[str, Json]
) -> dict[str, Json]:
    """The control part of the record after ``tip``; `UnfitValue` when ``control`` uses a reserved
    name.

    A record of type `CLOSING` gets the count of the chain's records, itself included.
    """
    if not RESERVED.isdisjoint(control):
        raise UnfitValue(f"control may not set {sorted(RESERVED.intersection(control))}")
    link: dict[str, Json] = {
        "v": VERSION,
        "case": case,
        "seq": tip.seq + 1,
        "prev": tip.entry.hex(),
        "type": kind,
        "at": at,
    }
    if kind == CLOSING:
        link["records"] = tip.seq + 1
    return {**control, **link}


def read_control(record: Record) -> dict[str, Json]:
    """The control part as values."""
    control = parse_canonical(record.control)
    if not isinstance(control, dict):
        raise NotVerified("the control part is no object")
    return control


def follow(case: str, tip: ChainTip, record: Record) -> ChainTip:
    """The new tip when ``record`` is the next of this chain; `NotVerified` when it is not."""
    control = read_control(record)
    if not _is_number(control.get("v"), VERSION):
        raise NotVerified("the record is of a version that is not understood here")
    if control.get("case") != case:
        raise NotVerified("the record is of another case")
    if not _is_number(control.get("seq"), tip.seq + 1):
        raise NotVerified("the record's number does not follow its predecessor's")
    if control.get("prev") != tip.entry.hex():
        raise NotVerified("the record does not follow its predecessor")
    if not isinstance(control.get("type"), str) or not isinstance(control.get("at"), str):
        raise NotVerified("the record has no type or no time")
    return ChainTip(tip.seq + 1, record.entry)


def check_end(records: Sequence[Record], *, may_be_open: bool) -> bool:
    """Whether the chain is closed: its last record, and no other, is of type `CLOSING` and counts
    all.

    `NotVerified` when the end is wrong, or missing unless it ``may_be_open``.
    """
    controls = [read_control(record) for record in records]
    ends = [seq for seq, control in enumerate(controls, 1) if control["type"] == CLOSING]
    if not ends and may_be_open:
        return False
    if ends != [len(records)]:
        raise NotVerified("the closing record is missing, repeated or not the last")
    if not _is_number(controls[-1].get("records"), len(records)):
        raise NotVerified("the closing record counts another number of records")
    return True


def _is_number(value: Json, number: int) -> bool:
    return type(value) is int and value == number  # True equals 1 but is no number
