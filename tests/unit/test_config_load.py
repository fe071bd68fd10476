"""The settings file: what it becomes, and what is said about mistakes in it."""

# ruff: noqa: E501 - a message is compared whole, on one line

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, Settings, load
from config.duration import LONGEST, parse_duration, spell_duration
from config.settings import Mode
from connectors.memory import Settings as MemorySettings
from policies.problems import WordError

Write = Callable[[str], Path]

LEAST = """\
data_directory: data
systems:
  door:
    type: memory
evidence:
  origin: example.com/log
  signing_key: env:SIGNING
  sealing_key: env:SEALING
"""


ESCROW = str(pyrage.x25519.Identity.generate().to_public())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a settings file and return its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write_file


def complaints(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [line.replace(f"{path}:", "") for line in str(caught.value).splitlines()]


def test_the_least_file_observes_on_loopback(write: Write) -> None:
    """With nothing but what must be set, nothing is changed outside and nobody outside listens."""
    path = write(LEAST)
    settings = load(path)
    assert settings.mode is Mode.OBSERVE
    assert settings.http.host == "127.0.0.1"
    assert settings.guards.people_per_window == 10
    assert settings.data_directory == path.parent / "data"
    assert settings.database_url == f"sqlite:///{path.parent}/data/deprovisioner.db"
    assert settings.socket_path == path.parent / "data" / "deprovisioner.sock"
    assert settings.webhooks.secrets == ()


def test_connector_settings_become_the_type_of_their_room(write: Write) -> None:
    """Settings of a system are read by the model of its connector, lengths of time included."""
    path = write(LEAST.replace("memory", "memory\n    settings: {world: w, latency: 20ms}"))
    system = load(path).systems["door"]
    assert system.settings == MemorySettings(world="w", latency=timedelta(milliseconds=20))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("modee: act", "9:1: 'modee': unknown word (did you mean 'mode'?)"),
        ("mode: destroy", "9:1: 'mode': not one of 'observe' or 'act'"),
        ("drain: 5 sx", "9:10: 'sx' is not a unit; expected ms, s, m, h or d (did you mean 's'?)"),
        ("drain: soon", "9:8: 'soon' is not a length of time; expected one like '5m'"),
        ("drain: 0", "9:1: 'drain': it must be greater than 0 seconds"),
        ("time_zone: Asia/Shangai", "9:1: 'time_zone': 'Asia/Shangai' is not an IANA time zone; did you mean Asia/Shanghai?"),
        ("http: {port: 70000}", "9:8: 'port': it must be less than or equal to 65535"),
        ("http: {port: many}", "9:8: 'port': a whole number belongs here"),
        ("http: 8420", "9:1: 'http': a section with keys belongs here"),
        ("http: {host: 0.0.0.0}", "9:1: 'http': without TLS only loopback is served: set certificate and key"),
        ("http: {host: hr.example.com}", "9:1: 'http': without TLS only loopback is served: set certificate and key"),
        ("http: {key: k.pem}", "9:1: 'http': certificate and key belong together: set both or neither"),
        ("database: {url: 'postgresql://u:p@h/d'}", "9:12: 'url': a password stands in the URL; use database.password"),
        ("webhooks: {secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}", "9:22: 'secrets': a secret is given by reference: env:NAME, file:/path or credential:NAME"),
        ("webhooks: {secrets: env:X}", "9:12: 'secrets': a list belongs here"),
        ("guards: {people_per_window: 0}", "9:10: 'people_per_window': it must be greater than or equal to 1"),
        ("pace: {factor: 2}", "9:8: 'factor': it must be less than or equal to 1"),
        ("limits: {verified_for: 10m}", "1:1: limits.verified_for must be more than twice pace.verify_gap"),
        ("vault: {directory: v, escrow: []}", "9:23: 'escrow': at least 1 must stand here"),
        ("vault: {directory: v, escrow: [age1xxxx]}", "9:23: 'escrow': escrow key 1 is no age public key: age1 and 58 characters, as 'init' or age-keygen made it"),
        ("vault: {directory: v, escrow: [ESCROW, ESCROW]}", "9:23: 'escrow': the same escrow key stands here twice: name two people, or one"),
        ("vault: {directory: {a: b}, escrow: [ESCROW]}", "9:9: 'directory': the path of a file or folder belongs here"),
        ("mode: act\nmode: observe", "10:1: 'mode' stands here twice, first in line 9; expected each word once"),
        ("mode: &x act", "9:7: an anchor 'x'; expected no anchors"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(write: Write, wrong: str, said: str) -> None:
    """Each mistake is one line: line, column, what is wrong, the nearest right word."""
    text = f"{LEAST}{wrong}\n".replace("ESCROW", ESCROW)
    assert complaints(write(text)) == [said]


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("type: memry", "4:5: 'memry' is not a kind of system; expected"),
        ("typ: memory", "4:5: 'typ': unknown word (did you mean 'type'?)"),
        ("type: memory\n    concurency: 2", "5:5: 'concurency': unknown word (did you mean 'concurrency'?)"),
        ("type: memory\n    settings: {wrld: a}", "5:16: 'wrld': unknown word (did you mean 'world'?)"),
        ("type: memory\n    settings: {latency: 3q}", "5:26: 'q' is not a unit"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_system_is_named_with_its_place(
    write: Write, system: str, said: str
) -> None:
    """Settings of a connector get the same care as our own."""
    lines = complaints(write(LEAST.replace("type: memory", system)))
    assert any(line.startswith(said) for line in lines), lines


def test_all_mistakes_are_named_at_once(write: Write) -> None:
    """Nobody mends a file one restart at a time."""
    lines = complaints(write(f"{LEAST}modee: act\ndrain: soon\nhttp: {{port: x}}\n"))
    assert len(lines) == 3


def test_hr_is_no_name_for_a_system(write: Write) -> None:
    """Operations that ask HR are filed under that name."""
    lines = complaints(write(LEAST.replace("door:", "hr:")))
    assert lines == ["2:1: 'systems': a system cannot be called 'hr': HR has that name"]


def test_a_complaint_never_repeats_a_value(write: Write) -> None:
    """Law 10: what stands in the wrong place may be a password."""
    text = f"{LEAST}webhooks: {{secrets: [correct-horse]}}\ndatabase: {{password: battery}}\n"
    said = "\n".join(complaints(write(text)))
    assert "correct-horse" not in said
    assert "battery" not in said


@pytest.mark.parametrize(
    "text", ["", "- a\n", "just words\n", "a: [\n", "\x00", "a: b\n---\nc: d\n"]
)
def test_what_is_no_settings_file_is_refused(write: Write, text: str) -> None:
    """Whatever the bytes are, the answer is a ConfigError with a place."""
    assert re.match(r"\d+:\d+: ", complaints(write(text))[0])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A binary file is named as such."""
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    assert "not UTF-8" in complaints(path)[0]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The operator sees which file was looked for."""
    with pytest.raises(ConfigError, match=r"absent\.yaml:1:1: cannot be read"):
        load(tmp_path / "absent.yaml")


def test_a_file_that_everybody_may_write_is_refused(write: Write) -> None:
    """Whoever writes the file decides whom the daemon cuts off."""
    path = write(LEAST)
    os.chmod(path, 0o646)  # noqa: PTH101, S103 - the point of the test
    assert complaints(path) == ["1:1: everybody may write this file; expected chmod o-w"]


@given(st.timedeltas(min_value=timedelta(0), max_value=LONGEST).map(
    lambda d: timedelta(milliseconds=d // timedelta(milliseconds=1))))  # fmt: skip
def test_a_length_of_time_reads_as_it_is_spelled(duration: timedelta) -> None:
    """Spelling and reading are inverse for whole milliseconds."""
    assert parse_duration(spell_duration(duration)) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "-5s", "1.5h", "5 parsecs", "s", "9999999999d", "5s5", "٣s"]
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """A number without a unit is refused too: seconds and minutes are too easily confused."""
    with pytest.raises(WordError):
        parse_duration(text)


def test_settings_are_frozen(write: Write) -> None:
    """Nothing changes under a running daemon."""
    settings: Settings = load(write(LEAST))
    with pytest.raises(ValueError, match="frozen"):
        settings.mode = Mode.ACT  # type: ignore[misc]
