"""What the house promises on paper is so: commands, locks, reasons, links and words."""

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
LISTS = re.compile(
    r'^(?:dependencies|ignore|test|lint|build|"[^"]+") = \[\n(.*?)^\]', re.MULTILINE | re.DOTALL
)
COMMANDS = ["help", "demo", "test", "lint", "types", "bench", "soak", "wheel", "lock", "clean"]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, outside any make that started us."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """Return the distributions that a list of requirements names."""
    return {normal(re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]) for line in requirements}


def locked(name: str) -> dict[str, str]:
    """Return name and version of everything a lock file pins."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {normal(package): version for package, version in PINNED.findall(text)}


def test_make_help_lists_every_command_and_its_meaning() -> None:
    """`make` alone explains itself: each command stands there with a sentence."""
    result = make()

    listed = dict(re.findall(r"^  make (\S+) +(.+)$", result.stdout, re.MULTILINE))

    assert list(listed) == COMMANDS
    assert all(len(meaning) > len("a word") for meaning in listed.values())


def test_the_demo_passes_the_directory_on() -> None:
    """`make demo DIRECTORY=slapd` runs the demo on the real server; without it, on the own one."""
    assert make("-n", "demo", "DIRECTORY=slapd").stdout.rstrip().endswith(" demo --directory slapd")
    assert make("-n", "demo").stdout.rstrip().endswith("-m deprovisioner demo")


def test_a_missing_python_is_explained() -> None:
    """Without a usable interpreter make says what to install, not what failed."""
    result = make("demo", "PYTHON=", "VENV=no-such-folder")

    assert result.returncode != 0
    assert "Python 3.11" in result.stderr


def test_ci_requires_the_peers_and_ends_with_the_tests() -> None:
    """Under CI a missing server fails, and the runner's closing line is the last one printed."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "DEPROVISIONER_REQUIRE_PEERS=1" in make("-n", "test", "CI=true").stdout
    assert "DEPROVISIONER_REQUIRE_PEERS" not in make("-n", "test", "CI=").stdout
    assert script.rstrip().splitlines()[-1].endswith(" test")
    assert "set -euo pipefail" in script


@pytest.mark.parametrize("path", [".ci/run", "tests/support/install_peers.sh"])
def test_scripts_are_well_formed(path: str) -> None:
    """A script that is rarely run is at least read by the shell each time."""
    assert subprocess.run(["bash", "-n", path], cwd=ROOT, check=False).returncode == 0


def test_the_locks_hold_everything_with_hashes() -> None:
    """Each dependency is pinned, each pin has a hash, demo and tests run the same versions."""
    groups = PROJECT["dependency-groups"]
    base, demo, dev = locked("base.lock"), locked("demo.lock"), locked("dev.lock")
    extras = PROJECT["project"]["optional-dependencies"]

    assert names(PROJECT["project"]["dependencies"]) - set(base) == set()
    assert names([line for extra in extras.values() for line in extra]) - set(demo) == set()
    assert names([line for group in groups.values() for line in group]) - set(dev) == set()
    assert base.items() <= demo.items() <= dev.items()
    for name in ("base.lock", "demo.lock", "dev.lock", "canaille.lock"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        entries = text.replace("\\\n", " ").splitlines()
        assert [line for line in entries if "==" in line and "--hash=sha256:" not in line] == []


def test_every_dependency_and_every_silenced_rule_has_a_reason() -> None:
    """No line of these lists in pyproject.toml stands without a word why."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = LISTS.findall(text)

    silent = [line for block in lists for line in block.splitlines() if "#" not in line]

    assert len(lists) > len("many")
    assert silent == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that exists."""
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)

    assert [target for target in targets if not (document.parent / target).exists()] == []


def commands_in_documents() -> list[tuple[str, ...]]:
    """Return each `$ deprovisioner ...` line of the documents, from the first word after the name.

    What follows a `#` on the line is talk. Examples of installing are not ours to check.
    """
    found = set()
    for document in DOCUMENTS:
        for line in document.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*\$ (?:\S+ -m )?deprovisioner (.*)", line)
            if match:
                found.add(tuple(match[1].partition(" #")[0].split()))
    return sorted(found)


@pytest.mark.parametrize("words", commands_in_documents(), ids=" ".join)
def test_a_command_in_a_document_is_one_that_the_program_has(words: tuple[str, ...]) -> None:
    """Each command and option that a document shows stands in the program's own help."""
    command = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words))
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    result = subprocess.run(
        [sys.executable, "-m", "deprovisioner", *command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert {option for option in options if option not in result.stdout} == set()


def test_every_decision_is_listed() -> None:
    """A decision record that the list does not name is not found by anybody."""
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")

    assert [path.name for path in folder.glob("[0-9]*.md") if path.name not in listed] == []
