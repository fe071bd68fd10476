"""The front door: looks who answers to our package names, then hands over to the command line.

The console script and `python -m deprovisioner` both enter here. Our packages have plain names
(`config`, `policies` ...), so a planted `config.py` earlier on the path, or another distribution
that ships a package of that name, would run inside a daemon that holds directory-admin rights.
House names are therefore *found* without being executed and compared with the folder this very
file came from; one stranger and nothing of ours is imported (exit code 78, EX_CONFIG).

What this cannot do: stop somebody who may write into our own folder, into the interpreter, or who
makes the interpreter run code before us (`sitecustomize`, `.pth`). `docs/threat-model.md` says so.
Until the current directory has left the path, only modules that every start of the interpreter
has loaded already are imported here: not even `typing` or `pathlib`.
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader

EX_CONFIG = 78
"""Exit code of sysexits.h for "something is wrong with the set-up"; systemd shows it by name."""

PACKAGES = ("config", "reconcile", "policies", "connectors")
"""Names that only we may answer to. `deprovisioner` itself answered already: it is this file's."""

HOUSE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is not loaded yet


def main() -> None:
    """Start the command line, unless a stranger answers to one of our names (then exit 78)."""
    found = strangers()
    _leave_current_directory()
    found += overwritten()
    if found:
        for line in found:
            sys.stderr.write(f"deprovisioner: {line}\n")
        sys.stderr.write(
            "deprovisioner: refusing to start: code that is not ours would run with our rights.\n"
            "Look at PYTHONPATH, the current directory and the packages installed beside us.\n"
        )
        raise SystemExit(EX_CONFIG)

    from deprovisioner.cli import main as command_line  # noqa: PLC0415 - only after the check

    command_line()


def strangers() -> list[str]:
    """Say, one sentence each, which of our names somebody else answers to. Executes nothing."""
    found = []
    for name in PACKAGES:
        try:
            complaint = _complaint(name, importlib.util.find_spec(name))
        except ValueError:  # already in sys.modules, and made by hand
            complaint = f"{name!r} was loaded before us by something without an import spec"
        if complaint:
            found.append(complaint)
    return found


def _complaint(name: str, spec: ModuleSpec | None) -> str | None:
    folder = os.path.join(HOUSE, name)  # noqa: PTH118 - pathlib is not loaded yet
    ours = os.path.join(folder, "__init__.py")  # noqa: PTH118 - the same
    if spec is None:
        return f"{name!r} is missing: expected {ours}"
    if spec.origin is None:
        where = ", ".join(spec.submodule_search_locations or ()) or "nowhere"
        return f"{name!r} is answered by a namespace package ({where}), expected {ours}"
    places = [os.path.realpath(place) for place in spec.submodule_search_locations or ()]
    if os.path.realpath(spec.origin) != ours or places != [folder]:
        return f"{name!r} is answered by {spec.origin}, expected {ours}"
    if type(spec.loader) is not SourceFileLoader or spec.loader.path != spec.origin:
        return f"{name!r} is answered by a foreign loader, expected the file {ours}"
    return None


def overwritten() -> list[str]:
    """Say which `__init__.py` of ours is not the one our wheel's RECORD lists; a checkout has none.

    A distribution that ships a package of one of our names and is installed after us overwrites
    our files in place, where no comparison of folders can see it.
    """
    found = []
    for path, recorded in _recorded_digests().items():
        if not os.path.isfile(path) or _digest(path) != recorded:  # noqa: PTH113 - the same
            found.append(f"{path} is not the file that was installed: something overwrote it")
    return found


def _recorded_digests() -> dict[str, str]:
    digests: dict[str, str] = {}
    for entry in os.scandir(HOUSE):
        if entry.name.startswith("deprovisioner-") and entry.name.endswith(".dist-info"):
            record = os.path.join(entry.path, "RECORD")  # noqa: PTH118 - the same
            with open(record, encoding="utf-8") as lines:  # noqa: PTH123 - the same
                for line in lines:
                    name, _, rest = line.rstrip("\n").partition("/__init__.py,sha256=")
                    if rest and name in PACKAGES:
                        path = os.path.join(HOUSE, name, "__init__.py")  # noqa: PTH118 - the same
                        digests[path] = rest.partition(",")[0]
    return digests


def _digest(path: str) -> str:
    """Return the SHA-256 of a file as RECORD writes it (PEP 376: URL-safe base64, no padding)."""
    import base64  # noqa: PLC0415 - not before the current directory has left the path
    import hashlib  # noqa: PLC0415 - the same

    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not loaded yet
        digest = hashlib.sha256(file.read()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _leave_current_directory() -> None:
    """Drop the current directory that `python -m` puts first, unless it is the house itself.

    The check above has refused a planted `config.py`; this keeps a planted `yaml.py` out, too.
    The console script never has the current directory on its path.
    """
    first = os.path.realpath(sys.path[0]) if sys.path else HOUSE
    if not sys.flags.safe_path and first != HOUSE and first == os.path.realpath(os.curdir):
        del sys.path[0]
