"""The house keeps its laws, and each law catches the violation it was written for."""

import fnmatch
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.house import laws
from tests.house.laws import LAWS, PACKAGES, SourceFile

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (*PACKAGES, "tests", "benchmarks")

# law, where, text: each must be found.
PLANTED = (
    ("no_broad_except", "reconcile/x.py", "try:\n    f()\nexcept Exception:\n    g()\n"),
    ("no_broad_except", "connectors/x.py", "try:\n    f()\nexcept:\n    g()\n"),
    (
        "no_broad_except",
        "config/x.py",
        "try:\n    f()\nexcept (OSError, BaseException):\n    g()\n",
    ),
    ("no_broad_except", "policies/x.py", "import contextlib\ncontextlib.suppress(Exception)\n"),
    (
        "no_broad_except",
        "reconcile/x.py",
        "try:\n    f()\nexcept Exception:\n    if g():\n        raise\n",
    ),
    ("no_code_from_data", "reconcile/x.py", "import pickle\n"),
    ("no_code_from_data", "tests/x.py", "from marshal import loads\n"),
    ("no_code_from_data", "policies/x.py", "eval('1')\n"),
    ("no_code_from_data", "config/x.py", "from os import system as s\ns('true')\n"),
    ("no_code_from_data", "tests/x.py", "import subprocess\nsubprocess.run('true', shell=True)\n"),
    ("injected_clock", "reconcile/x.py", "from datetime import datetime as d\nd.now()\n"),
    ("injected_clock", "reconcile/x.py", "import datetime\nf(datetime.datetime.utcnow)\n"),
    ("injected_clock", "connectors/x.py", "import time\ntime.time()\n"),
    ("injected_clock", "policies/x.py", "from datetime import date\ndate.today()\n"),
    ("injected_clock", "reconcile/x.py", "import uuid\nf(default_factory=uuid.uuid4)\n"),
    ("injected_clock", "reconcile/x.py", "from random import choice\nchoice([1])\n"),
    ("injected_clock", "reconcile/x.py", "import secrets\nsecrets.token_bytes(32)\n"),
    ("injected_clock", "connectors/x.py", "import os\nos.urandom(32)\n"),
    ("connectors_never_wait", "connectors/x.py", "from time import sleep\nsleep(1)\n"),
    ("connectors_never_wait", "connectors/x.py", "import tenacity\ntenacity.retry(f)\n"),
    ("no_print", "reconcile/x.py", "print(1)\n"),
    ("full_names", "reconcile/utils.py", ""),
    ("full_names", "connectors/_common/x.py", ""),
    ("sizes", "reconcile/x.py", "\n" * 601),
    ("sizes", "tests/x.py", "def f():\n" + "    g()\n" * 80),
    ("docstrings", "reconcile/x.py", "x = 1\n"),
    ("docstrings", "reconcile/x.py", '"""X."""\nclass Case:\n    x = 1\n'),
    ("tests_say_what_they_show", "tests/unit/test_x.py", "def test_x():\n    assert f()\n"),
    ("tests_do_not_sleep", "tests/unit/test_x.py", "import time\ntime.sleep(1)\n"),
    ("no_mocks", "tests/unit/test_x.py", "from unittest.mock import patch\n"),
    ("no_mocks", "tests/unit/test_x.py", "import unittest.mock\n"),
)

# law, where, text: none of these may be found.
INNOCENT = (
    (
        "no_broad_except",
        "reconcile/x.py",
        "try:\n    f()\nexcept BaseException:\n    roll_back()\n    raise\n",
    ),
    ("no_broad_except", "reconcile/x.py", "try:\n    f()\nexcept OSError:\n    raise\n"),
    (
        "no_code_from_data",
        "connectors/x.py",
        "import subprocess\nsubprocess.run(['a'], shell=False)\n",
    ),
    ("no_code_from_data", "policies/x.py", "program.eval(fields)\nre.compile('a')\n"),
    ("injected_clock", "reconcile/x.py", "from datetime import UTC, datetime\nclock()\nUTC\n"),
    ("injected_clock", "connectors/x.py", "import secrets\nsecrets.compare_digest(a, b)\n"),
    ("injected_clock", "tests/x.py", "import time\ntime.time()\n"),
    ("injected_clock", "reconcile/x.py", "def f(random):\n    return random.choice([1])\n"),
    ("connectors_never_wait", "reconcile/x.py", "import tenacity\ntenacity.retry(f)\n"),
    ("no_print", "deprovisioner/x.py", "print(1)\n"),
    ("full_names", "reconcile/commons.py", ""),
    ("sizes", "reconcile/x.py", "\n" * 600),
    ("sizes", "tests/x.py", "def f():\n" + "    g()\n" * 79),
    ("docstrings", "reconcile/x.py", '"""X."""\nclass _Hidden:\n    x = 1\n'),
    ("docstrings", "tests/x.py", '"""X."""\nclass World:\n    x = 1\n'),
    ("tests_say_what_they_show", "tests/x.py", 'def test_x():\n    """Shows."""\n'),
    ("tests_do_not_sleep", "tests/integration/x.py", "import time\ntime.sleep(1)\n"),
    ("no_mocks", "tests/x.py", "import unittest\n"),
)


def tracked_files() -> list[Path]:
    """Return the files under version control; without git (an unpacked sdist), all files."""
    result = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    paths = [ROOT / name for name in result.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def sources() -> list[SourceFile]:
    """Return every Python file under version control that a law may judge."""
    found = []
    for path in tracked_files():
        relative = PurePosixPath(path.relative_to(ROOT).as_posix())
        if relative.suffix == ".py" and relative.parts[0] in FOLDERS:
            found.append(SourceFile.parse(relative, path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("name", sorted(LAWS))
def test_the_house_keeps_the_law(name: str) -> None:
    """No file under version control breaks this law."""
    findings = [str(finding) for source in sources() for finding in LAWS[name].findings(source)]

    assert findings == [], LAWS[name].why


@pytest.mark.parametrize(("name", "path", "text"), PLANTED)
def test_a_planted_violation_is_found(name: str, path: str, text: str) -> None:
    """The law finds the line that breaks it."""
    source = SourceFile.parse(PurePosixPath(path), text)

    assert LAWS[name].findings(source)


@pytest.mark.parametrize(("name", "path", "text"), INNOCENT)
def test_an_innocent_line_is_left_alone(name: str, path: str, text: str) -> None:
    """The law does not find what only looks like a violation."""
    source = SourceFile.parse(PurePosixPath(path), text)

    assert LAWS[name].findings(source) == []


def test_every_law_has_a_violation_and_an_innocent() -> None:
    """A law that nothing breaks, or that everything breaks, says nothing."""
    assert {name for name, _, _ in PLANTED} == set(LAWS)
    assert {name for name, _, _ in INNOCENT} == set(LAWS)


def test_each_named_exception_still_stands() -> None:
    """An exception for code that is gone would wait there for somebody else to use it."""
    found = sources()
    functions = {
        f"{source.module}:{name}" for source in found for name, _ in laws._functions(source.tree)
    }
    reads = {
        f"{source.module}:{what}" for source in found for _, what in laws.clock_and_chance(source)
    }
    waits = {f"{source.module}:{name}" for source in found for _, name in laws._uses(source.tree)}
    unused = [it for it in laws.MAY_READ_CLOCK_AND_CHANCE if not fnmatch.filter(reads, it)]

    assert unused == []
    assert functions >= laws.MAY_CATCH_EVERYTHING
    assert waits >= laws.MAY_WAIT_IN_CONNECTORS
    assert {source.module for source in found} >= laws.MAY_PRINT


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    """The repository stands on any machine: no folder of ours, no registry's host, in any file."""
    findings = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for line, what in laws.foreign_strings(text):
            findings.append(f"{path.relative_to(ROOT)}:{line}: {what}")

    assert findings == []


@pytest.mark.parametrize("word", laws._FOREIGN_STRINGS)
def test_a_planted_machine_path_is_found(word: str) -> None:
    """Each forbidden string is found in the middle of a line."""
    assert list(laws.foreign_strings(f"first\nsee {word}x\n")) == [(2, f"names {word}")]
