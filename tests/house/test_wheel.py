"""The wheel is what people install, so the wheel is what is built, looked into and started."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("deprovisioner", "config", "reconcile", "policies", "connectors")
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program without our checkout on its path and without a network index."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | NO_NETWORK
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once, as `make wheel` does."""
    out = tmp_path_factory.mktemp("dist")
    command = ("-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    result = run(sys.executable, *command, cwd=out)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = out.glob("*.whl")
    return built


def files_in_tree() -> set[str]:
    """Return every file of our five packages, as paths inside the wheel."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*"))
    files = {path.relative_to(ROOT).as_posix() for path in found if path.is_file()}
    return {name for name in files if "__pycache__" not in name}


def test_the_wheel_carries_the_five_packages_whole(wheel: Path) -> None:
    """Every module, type marker, shipped policy, migration and template of the tree is inside."""
    names = set(zipfile.ZipFile(wheel).namelist())

    wanted = files_in_tree()

    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert any(name.startswith("policies/roles/") and name.endswith(".yaml") for name in wanted)
    assert any("/migrations/versions/" in name for name in wanted)
    assert wanted - names == set()


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    """No tests, benchmarks, byte code or stray top-level folder comes along."""
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.partition("/")[0] for name in names}

    assert tops == {*PACKAGES, f"deprovisioner-{PROJECT['version']}.dist-info"}
    assert [name for name in names if name.endswith((".pyc", ".so")) or "/tests/" in name] == []


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Its metadata names the licence and the guarded console script."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"deprovisioner-{PROJECT['version']}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()

        assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert "License-Expression: Apache-2.0" in metadata
    assert "deprovisioner = deprovisioner.house:main" in scripts


def test_the_installed_wheel_starts(wheel: Path, tmp_path: Path) -> None:
    """In an environment with only our dependencies the console script answers `--help`."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    target = ("--python", python, "install", "--no-deps", "--no-index", wheel)
    installed = run(sys.executable, "-m", "pip", *target, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    # Our dependencies, read-only, after our own wheel; path files inside them (a development
    # install of the checkout) are not followed for a folder that is only on the path.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    result = run(environment / "bin" / "deprovisioner", "--help", cwd=tmp_path)
    place = run(python, "-c", "import policies; print(policies.__file__)", cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    assert "demo" in result.stdout
    assert Path(place.stdout.strip()).is_relative_to(site)
