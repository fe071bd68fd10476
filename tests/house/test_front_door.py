"""The front door refuses to start beside a stranger, however the stranger came in.

Every case is a real process; the planted code writes a file when it runs, and must never run.
"""

import importlib.machinery
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deprovisioner.house import EX_CONFIG, PACKAGES

ROOT = Path(__file__).resolve().parents[2]
PAYLOAD = "import pathlib; pathlib.Path({witness!r}).write_text('ran')\n"

Plant = Callable[[Path, str, str], None]


def _module(folder: Path, name: str, payload: str) -> None:
    (folder / f"{name}.py").write_text(payload)


def _package(folder: Path, name: str, payload: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(payload)


def _extension(folder: Path, name: str, _payload: str) -> None:
    (folder / f"{name}{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF")


def _bytecode(folder: Path, name: str, _payload: str) -> None:
    (folder / f"{name}.pyc").write_bytes(b"anything")


def start(
    cwd: Path, *arguments: str, path: tuple[Path, ...] = (ROOT,)
) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in `cwd` with `path` as PYTHONPATH and nothing else of ours."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def copy_of_the_house(to: Path) -> Path:
    """Copy the five packages as a source checkout would have them."""
    for name in ("deprovisioner", *PACKAGES):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def assert_refused(result: subprocess.CompletedProcess[str], name: str, witness: Path) -> None:
    """It ended with EX_CONFIG, named the stranger, and ran nothing of it."""
    assert result.returncode == EX_CONFIG, result.stderr
    assert "refusing to start" in result.stderr
    assert f"{name!r}" in result.stderr
    assert not witness.exists()


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("plant", [_module, _package, _extension, _bytecode])
def test_a_stranger_in_the_current_directory_stops_a_module_start(
    tmp_path: Path, name: str, plant: Plant
) -> None:
    """`python -m deprovisioner` beside a planted module of any make exits 78, executing nothing."""
    witness = tmp_path / "witness"
    work = tmp_path / "work"
    work.mkdir()
    plant(work, name, PAYLOAD.format(witness=str(witness)))

    result = start(work, "-m", "deprovisioner", "--help")

    assert_refused(result, name, witness)


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("plant", [_module, _package])
def test_a_stranger_on_pythonpath_stops_the_console_script(
    tmp_path: Path, name: str, plant: Plant
) -> None:
    """The console script's own line, with a planted folder first on PYTHONPATH, exits 78."""
    witness = tmp_path / "witness"
    planted = tmp_path / "planted"
    planted.mkdir()
    plant(planted, name, PAYLOAD.format(witness=str(witness)))

    script = "import sys; from deprovisioner.house import main; sys.exit(main())"
    result = start(tmp_path, "-P", "-c", script, path=(planted, ROOT))

    assert_refused(result, name, witness)


def test_a_namespace_package_that_answers_is_a_stranger(tmp_path: Path) -> None:
    """A bare folder answers when ours is gone (half an upgrade): refused like any stranger."""
    house = copy_of_the_house(tmp_path / "house")
    shutil.rmtree(house / "policies")
    (tmp_path / "planted" / "policies").mkdir(parents=True)

    result = start(tmp_path, "-S", "-P", "-m", "deprovisioner", path=(tmp_path / "planted", house))

    assert_refused(result, "policies", tmp_path / "witness")
    assert "namespace package" in result.stderr


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    """A house with a room missing does not start and says which one."""
    house = copy_of_the_house(tmp_path / "house")
    shutil.rmtree(house / "reconcile")

    result = start(tmp_path, "-S", "-P", "-m", "deprovisioner", path=(house,))

    assert_refused(result, "reconcile", tmp_path / "witness")
    assert "missing" in result.stderr


def test_a_module_made_by_hand_before_us_is_a_stranger(tmp_path: Path) -> None:
    """A `config` already in sys.modules without a spec (a start-up hook) is refused."""
    script = (
        "import sys, types; sys.modules['config'] = types.ModuleType('config');"
        "from deprovisioner.house import main; main()"
    )

    result = start(tmp_path, "-P", "-c", script)

    assert_refused(result, "config", tmp_path / "witness")


def test_a_stranger_loaded_by_a_start_up_hook_is_named(tmp_path: Path) -> None:
    """When sitecustomize has imported a planted `config`, it has run, but we still do not start."""
    (tmp_path / "config.py").write_text("")
    (tmp_path / "sitecustomize.py").write_text("import config\n")

    result = start(tmp_path, "-P", "-m", "deprovisioner", path=(tmp_path, ROOT))

    assert_refused(result, "config", tmp_path / "witness")


def test_a_package_overwritten_in_place_is_seen(tmp_path: Path) -> None:
    """Another distribution that shipped its own `config` over ours is found through RECORD."""
    house = copy_of_the_house(tmp_path / "house")
    info = house / "deprovisioner-0.1.0.dist-info"
    info.mkdir()
    digest_of_another_file = "A" * 43
    (info / "RECORD").write_text(f"config/__init__.py,sha256={digest_of_another_file},12\n")

    result = start(tmp_path, "-P", "-m", "deprovisioner", path=(house,))

    assert result.returncode == EX_CONFIG
    assert "overwrote" in result.stderr


def test_a_planted_library_in_the_current_directory_is_not_imported(tmp_path: Path) -> None:
    """A `yaml.py`, `typing.py` or `hashlib.py` lying about does not run on a module start."""
    witness = tmp_path / "witness"
    work = tmp_path / "work"
    work.mkdir()
    for name in ("yaml", "typing", "pathlib", "hashlib", "base64", "structlog", "typer", "rich"):
        _module(work, name, PAYLOAD.format(witness=str(witness)))

    result = start(work, "-m", "deprovisioner", "--help")

    assert not witness.exists()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("folder", ["elsewhere", "."])
def test_an_honest_house_starts_from_anywhere(tmp_path: Path, folder: str) -> None:
    """With nobody in the way the check finds nothing, in the checkout itself and elsewhere."""
    cwd = ROOT if folder == "." else tmp_path

    result = start(cwd, "-m", "deprovisioner", "--help", path=(ROOT,))

    assert result.returncode == 0, result.stderr
    assert "refusing" not in result.stderr


def test_a_bare_folder_that_does_not_answer_is_harmless(tmp_path: Path) -> None:
    """A folder `config/` without code in the current directory loses against ours: no refusal."""
    (tmp_path / "config").mkdir()

    result = start(tmp_path, "-m", "deprovisioner", "--help")

    assert result.returncode == 0, result.stderr
