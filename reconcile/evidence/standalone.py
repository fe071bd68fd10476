#!/usr/bin/env python3
"""Verify an evidence bundle with nothing but Python 3.8 or newer.

    python3 verify.py BUNDLE.zip --key 'NAME+ID+KEY' [--open]
    python3 verify.py BUNDLE.zip --trust-bundled-key [--open]

Exit codes: 0 verified, 1 not verified, 2 could not read.

--key   the log's verifier key, which you must have got by another road than the bundle (audit
contract,
        printed fingerprint). Without it the key in the bundle is used, and the result proves only
        that the bundle agrees with itself: a forger would have put his own key there. The exit code
        is then 1, or 0 with --trust-bundled-key.
--open  also accept a case that is not closed yet; records at its end may then be missing.

It checks the same eight obligations as reconcile/evidence/verify.py and shares no code with it, so
that a mistake in one does not hide in the other. Formats: C2SP signed-note, tlog-checkpoint,
tlog-proof; RFC 6962 tree; RFC 8032 Ed25519. It reads one file, writes none, and uses no network.
"""

# ruff: noqa: ANN401, FBT001, PLR2004, PTH123, T201, EXE001 - one readable file without imports of
# ours: JSON has any type, numbers are those of the formats, it prints, and it is run as a script
# only once it lies in a bundle.

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import zipfile
from typing import Any, NoReturn

DOMAIN = b"deprov-evidence/v1\x00"
MOST_RECORDS = 100000
LARGEST_BUNDLE = 512000000
LARGEST_RECORD = 8000000
EXTRAS = {"README.txt", "checkpoint", "verify.py", "vkey"}
FIELDS = {"control", "control_salt", "person", "person_salt", "person_commit"}


class NotVerified(Exception):
    """The bundle does not prove what it claims."""


class Unreadable(Exception):
    """There is no zip to be read: nothing was checked."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def require(truth: object, reason: str) -> None:
    if not truth:
        raise NotVerified(reason)


# --- Ed25519, RFC 8032 section 5.1.7, with checks for unsound keys

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Addition in extended coordinates (X, Y, Z, T), RFC 8032 section 5.1.4."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return (x * y % P, z * t % P, y * z % P, x * t % P)


def point_times(scalar: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_same(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_read(data: bytes) -> tuple[int, int, int, int] | None:
    """The point of 32 bytes, or None when they are not its canonical encoding (section 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


NEUTRAL = (0, 1, 1, 0)
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = point_read(BASE_Y.to_bytes(32, "little")) or NEUTRAL


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is good; keys of low order, under which anything verifies, are
    refused.
    """
    key = point_read(public)
    if key is None or len(signature) != 64 or point_same(point_times(8, key), NEUTRAL):
        return False
    r, s = point_read(signature[:32]), int.from_bytes(signature[32:], "little")
    if r is None or s >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % ORDER
    return point_same(point_times(s, BASE), point_add(r, point_times(k, key)))


# --- Text forms with one spelling each


def from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise NotVerified("base64 is malformed") from None
    require(base64.b64encode(data).decode() == text, "base64 is not canonical")
    return data


def from_hex(text: Any) -> bytes:
    form = isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text)
    require(form, "a hash is malformed")
    return bytes.fromhex(text)


def from_decimal(text: str) -> int:
    require(re.fullmatch("0|[1-9][0-9]{0,18}", text), "a number is not a plain decimal")
    return int(text)


def canonical(value: Any) -> bytes:
    """RFC 8785 for the values that evidence may hold: see `check_value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def check_value(value: Any, depth: int = 32) -> None:
    """Strings, integers within 2**53 - 1, booleans, null, arrays, objects with ASCII keys; nothing
    else.
    """
    require(depth > 0, "JSON is nested too deeply")
    if isinstance(value, dict):
        require(all(max(map(ord, key), default=0) < 128 for key in value), "a key is not ASCII")
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            check_value(item, depth - 1 if isinstance(item, (dict, list)) else depth)
    elif isinstance(value, int):
        require(abs(value) < 2**53, "an integer is too large")
    else:
        require(value is None or isinstance(value, str), "JSON holds a float")


def refuse(text: str) -> NoReturn:
    raise NotVerified(f"JSON holds a float ({len(text)} characters)")


def integer(text: str) -> int:
    require(len(text) <= 17, "an integer is too large")
    return int(text)


def parse(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_int=integer, parse_float=refuse, parse_constant=refuse)
        check_value(value)
        again = canonical(value)
    except (ValueError, RecursionError):
        raise NotVerified("JSON is malformed") from None
    require(again == raw, "JSON is not in its canonical form")
    return value


def record_name(seq: int) -> str:
    return f"records/{seq:06d}.json"


def proof_name(seq: int) -> str:
    return f"proofs/{seq:06d}.tlog-proof"


def is_number(value: Any, number: int) -> bool:
    return type(value) is int and value == number


# --- Obligations 1 and 2: the zip and its manifest


# All that the standard library raises on a hostile or damaged archive.
BROKEN_ZIP = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    NotImplementedError,
    OverflowError,
    ValueError,
    struct.error,
)


def read_bundle(path: str) -> dict[str, bytes]:
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
                check_shape(entries, size)
                return {entry.filename: archive.read(entry) for entry in entries}
    except BROKEN_ZIP as error:
        raise Unreadable("the file is missing, not readable or no zip") from error


def check_shape(entries: list[zipfile.ZipInfo], size: int) -> None:
    require(len(entries) <= 2 * MOST_RECORDS + len(EXTRAS) + 1, "the zip holds too many files")
    require(len({e.filename for e in entries}) == len(entries), "a name is used twice in the zip")
    total = sum(e.file_size for e in entries)
    require(total <= min(size, LARGEST_BUNDLE), "the files are too large or overlap")
    for e in entries:
        stored = e.compress_type == zipfile.ZIP_STORED and not e.flag_bits & 1
        require(stored and e.file_size == e.compress_size, "a file is compressed or encrypted")


def check_manifest(files: dict[str, bytes]) -> dict[str, Any]:
    manifest = parse(files.get("manifest.json", b""))
    if not isinstance(manifest, dict) or manifest.get("format") != "deprov-bundle/v1":
        raise NotVerified("the manifest is not of the form deprov-bundle/v1")
    count = manifest.get("records")
    if type(count) is not int or not 0 < count <= MOST_RECORDS:
        raise NotVerified("the manifest counts no records or too many")
    require(isinstance(manifest.get("case"), str), "the manifest names no case")
    require(isinstance(manifest.get("closed"), bool), "the manifest names no state")
    hashes = {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "manifest.json"}
    require(manifest.get("files") == hashes, "the files are not those of the manifest")
    expected = set(EXTRAS)
    for seq in range(1, count + 1):
        expected |= {record_name(seq), proof_name(seq)}
    require(set(hashes) == expected, "a record, a proof or another file is missing or too many")
    return manifest


# --- Obligation 3: the signed checkpoint


def read_key(vkey: str) -> tuple[str, bytes, bytes]:
    parts = vkey.split("+", 2)
    require(len(parts) == 3, "the key is not of the form name+id+base64")
    name, key_id, material = parts[0], parts[1], from_base64(parts[2])
    require(material[:1] == b"\x01" and len(material) == 33, "the key is no Ed25519 key")
    require(name and not re.search(r"[\s\x00-\x1f]", name), "the key's name is malformed")
    require(sha256(name.encode(), b"\n", material)[:4].hex() == key_id, "the key's id is wrong")
    return name, bytes.fromhex(key_id), material[1:]


def open_checkpoint(note: bytes, vkey: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of a checkpoint that the key signed."""
    name, key_id, public = read_key(vkey)
    require(len(note) <= 1000000, "the checkpoint is too large")
    try:
        text, blank, tail = note.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise NotVerified("the checkpoint is not UTF-8") from None
    require(blank and tail.endswith("\n"), "the checkpoint is not signed")
    require(not re.search(r"[\x00-\x09\x0b-\x1f]", text + tail), "a control character")
    text, lines, signed = text + "\n", tail[:-1].split("\n"), False
    require(len(lines) <= 100, "the checkpoint has too many signatures")
    for line in lines:
        match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line)
        if match is None:
            raise NotVerified("a signature line is malformed")
        payload = from_base64(match.group(2))
        require(len(payload) > 4, "a signature is empty")
        if (match.group(1), payload[:4]) == (name, key_id):
            good = ed25519_verify(public, text.encode(), payload[4:])
            require(good, "the signature of the checkpoint does not verify")
            signed = True
    require(signed, "the trusted key did not sign this checkpoint")
    parts = text.split("\n")
    require(len(parts) == 4, "the checkpoint is not origin, size and root")
    require(parts[0] == name, "the checkpoint is of another log than the key")
    root = from_base64(parts[2])
    require(len(root) == 32, "the root is not 32 bytes long")
    return parts[0], from_decimal(parts[1]), root


# --- Obligations 4, 5 and 6: records and their chain


def record_entry(raw: bytes) -> tuple[dict[str, Any], bool, bytes]:
    """The control part of a record file, and the 32 bytes that stand in the log for it."""
    require(len(raw) <= LARGEST_RECORD, "the record is too large")
    record = parse(raw)
    if not isinstance(record, dict) or set(record) != FIELDS:
        raise NotVerified("a record has not exactly the fields of a record")
    control, person, salt = record["control"], record["person"], record["person_salt"]
    if not isinstance(control, dict):
        raise NotVerified("the control part is no object")
    person_commit = from_hex(record["person_commit"])
    if person is None:
        require(salt is None, "the record is half erased")
    else:
        require(isinstance(person, dict), "the person part is no object")
        computed = sha256(DOMAIN, b"person\x00", from_hex(salt), canonical(person))
        require(computed == person_commit, "the person part is not what was committed to")
    control_salt = from_hex(record["control_salt"])
    control_commit = sha256(DOMAIN, b"control\x00", control_salt, canonical(control))
    return control, person is None, sha256(DOMAIN, b"leaf\x00", control_commit, person_commit)


def check_chain(
    files: dict[str, bytes], manifest: dict[str, Any], may_be_open: bool
) -> tuple[list[bytes], int, bool]:
    case, count = manifest["case"], manifest["records"]
    entries: list[bytes] = []
    ends: list[int] = []
    erased, previous = 0, bytes(32)
    control: dict[str, Any] = {}
    for seq in range(1, count + 1):
        control, gone, entry = record_entry(files[record_name(seq)])
        require(is_number(control.get("v"), 1), f"record {seq} is of an unknown version")
        require(control.get("case") == case, f"record {seq} is of another case")
        require(is_number(control.get("seq"), seq), f"record {seq} has a wrong number")
        require(control.get("prev") == previous.hex(), f"record {seq} breaks the chain")
        told = isinstance(control.get("type"), str) and isinstance(control.get("at"), str)
        require(told, f"record {seq} has no type or no time")
        if control["type"] == "case.closed":
            ends.append(seq)
        entries.append(entry)
        erased, previous = erased + gone, entry
    closed = bool(ends)
    require(closed or may_be_open, "the closing record is missing")
    require(closed == manifest["closed"], "manifest and chain disagree on whether it is closed")
    if closed:
        require(ends == [count], "the closing record is repeated or not the last")
        require(is_number(control.get("records"), count), "the closing record counts otherwise")
    return entries, erased, closed


# --- Obligations 7 and 8: proofs


def read_proof(raw: bytes) -> tuple[int, list[bytes], bytes]:
    head, blank, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NotVerified("a proof is malformed") from None
    form = blank and lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) > 1
    require(form and lines[1].startswith("index "), "a proof is malformed")
    require(len(lines) <= 65, "a proof is too long")
    path = [from_base64(line) for line in lines[2:]]
    require(all(len(value) == 32 for value in path), "a hash in a proof is not 32 bytes long")
    return from_decimal(lines[1][6:]), path, checkpoint


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an audit path leads to, by the recursion of RFC 6962 section 2.1.1."""
    if size == 1:
        require(not path, "an inclusion proof is too long")
        return leaf
    require(path, "an inclusion proof is too short")
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return sha256(b"\x01", root_of(index, split, leaf, path[:-1]), path[-1])
    return sha256(b"\x01", path[-1], root_of(index - split, size - split, leaf, path[:-1]))


def check_proofs(files: dict[str, bytes], entries: list[bytes], size: int, root: bytes) -> None:
    previous = -1
    for seq, entry in enumerate(entries, 1):
        index, path, checkpoint = read_proof(files[proof_name(seq)])
        require(checkpoint == files["checkpoint"], f"proof {seq} is for another checkpoint")
        require(previous < index < size, f"proof {seq} has an index out of order")
        previous = index
        good = root_of(index, size, sha256(b"\x00", entry), path) == root
        require(good, f"proof {seq} does not lead to the signed root")


def verify(path: str, key: str | None, may_be_open: bool) -> list[str]:
    """Lines that say what was verified; NotVerified when it was not."""
    files = read_bundle(path)
    manifest = check_manifest(files)
    if key is None:
        key = files["vkey"].decode("utf-8", "replace")
        require(key.endswith("\n"), "the key in the bundle is no single line")
        key = key[:-1]
    origin, size, root = open_checkpoint(files["checkpoint"], key)
    entries, erased, closed = check_chain(files, manifest, may_be_open)
    check_proofs(files, entries, size, root)
    state = "closed" if closed else "STILL OPEN"
    return [  # ascii() so that no name can play tricks on the terminal
        f"case     {manifest['case']!a} ({state})",
        f"records  {len(entries)}, of which {erased} with erased person part",
        f"log      {origin!a}, {size} entries",
        f"key      {key!a}",
    ]


WARNING = """\
WARNING: no --key was given, so the key INSIDE the bundle was used.
WARNING: This proves only that the bundle agrees with itself; anybody can make such a bundle.
WARNING: Get the key by another road and run this again."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify an evidence bundle offline.")
    parser.add_argument("bundle")
    parser.add_argument(
        "--key", metavar="VKEY", help="verifier key of the log, got by another road"
    )
    parser.add_argument(
        "--trust-bundled-key",
        action="store_true",
        help="exit 0 although only the key inside the bundle was used; proves no origin",
    )
    parser.add_argument("--open", action="store_true", help="also accept a case that is not closed")
    options = parser.parse_args(arguments)
    try:
        lines = verify(options.bundle, options.key, options.open)
    except NotVerified as error:
        print(f"NOT VERIFIED: {error}")
        return 1
    except Unreadable as error:
        print(f"COULD NOT READ: {error}")
        return 2
    if options.key is None:
        print(WARNING)
    print("VERIFIED" if options.key else "CONSISTENT WITH ITSELF ONLY")
    print("\n".join(lines))
    return 0 if options.key or options.trust_bundled_key else 1


if __name__ == "__main__":
    sys.exit(main())
