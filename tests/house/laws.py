"""House laws that no linter has, as code. `test_laws.py` runs them and plants a violation of each.

A law reads one source file and yields findings. Exceptions are named here, by module and function,
so that adding one is a change somebody reviews. Import floors are not here: see `.importlinter`.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

PACKAGES = ("deprovisioner", "config", "reconcile", "policies", "connectors")

MODULE_LINES = 600
FUNCTION_LINES = 80

MAY_CATCH_EVERYTHING = frozenset(
    {"reconcile.engine.worker:Worker._job", "reconcile.operations.runner:OperationRunner._step"}
)
"""`module:function` of the operation runner and the engine's worker loop; both record evidence."""

MAY_READ_CLOCK_AND_CHANCE = frozenset(
    {
        "deprovisioner.wiring:*",  # where the clock, the ids and the chance of all others are made
        # The pretend company and the pretended system of the reference connector are worlds of
        # their own, with a clock and ids of their own.
        "deprovisioner.sandbox.*:*",
        "connectors.memory.world:*",
        # The engine makes what it hands down. Its library stores a delay by the machine's clock,
        # so an instant must be turned into a delay by that same clock.
        "reconcile.engine.durable:*",
        "reconcile.engine.jobs:time.time",
        # A password that nobody must ever know, and a file name that nobody must ever guess.
        "connectors.active_directory.connector:os.urandom",
        "connectors.doors.hikvision:secrets.token_hex",  # a value that no gateway has ever seen
        "connectors.entra.connector:os.urandom",
        "connectors.gitlab.connector:os.urandom",
        "connectors.ldap.connector:os.urandom",
        "connectors.ldap.rights:secrets.*",  # values that nobody has, for probes of rights
        "connectors.ldap.sign_in:secrets.token_urlsafe",
        "connectors.scim.connector:secrets.token_urlsafe",
        "connectors.vaults.folder:secrets.token_hex",
    }
)
"""`module:what is read`, `*` for any: at the roof, and where chance must never be repeated."""

MAY_WAIT_IN_CONNECTORS = frozenset({"connectors.memory.world:time.sleep"})
"""A pretended system may be slow on purpose."""

MAY_PRINT = frozenset({"reconcile.evidence.standalone"})
"""Modules below the roof that are programs of their own: the verifier inside a bundle."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One Python file: its path inside the repository, its text and its syntax tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: PurePosixPath, text: str) -> "SourceFile":
        """Parse; raises SyntaxError."""
        return cls(path, text, ast.parse(text, str(path)))

    @property
    def module(self) -> str:
        """Return the dotted name: `reconcile/store/__init__.py` is `reconcile.store`."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def top(self) -> str:
        """Return the first folder."""
        return self.path.parts[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken law: where, and what stands there."""

    path: PurePosixPath
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Law:
    """A rule of the house: why it stands, where it holds, and how a file is judged."""

    why: str
    holds_in: frozenset[str]
    judge: Callable[[SourceFile], Iterator[tuple[int, str]]]

    def findings(self, source: SourceFile) -> list[Finding]:
        """Judge one file; a file outside the law's folders has no findings."""
        if source.top not in self.holds_in:
            return []
        return [Finding(source.path, line, what) for line, what in self.judge(source)]


# ------------------------------------------------------------------------------ reading a tree


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Map each local name to what it was imported from: `from datetime import datetime as d`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else None
    return None


def _uses(tree: ast.Module, *, imported_only: bool = False) -> Iterator[tuple[int, str]]:
    """Yield every name or attribute that is read, written out in full (`datetime.datetime.now`).

    A reference counts like a call: `default_factory=uuid4` reads chance as surely as `uuid4()`.
    With `imported_only` a parameter that happens to be called `random` is not the module.
    """
    imported = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            dotted = _dotted(node)
            first, _, rest = (dotted or "").partition(".")
            if dotted and (first in imported or not imported_only):
                full = imported.get(first, first)
                yield node.lineno, f"{full}.{rest}" if rest else full


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _is_under(name: str, roots: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in roots for length in range(1, len(parts) + 1))


def _functions(
    node: ast.AST, inside: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function with its qualified name, nested ones too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{inside}{child.name}"
            yield name, child
            yield from _functions(child, f"{name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{inside}{child.name}.")
        else:
            yield from _functions(child, inside)


# ------------------------------------------------------------------------------------ the laws


def _broad_excepts(source: SourceFile) -> Iterator[tuple[int, str]]:
    allowed: set[int] = set()
    for name, function in _functions(source.tree):
        if f"{source.module}:{name}" in MAY_CATCH_EVERYTHING:
            allowed.update(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and node.lineno not in allowed:
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or _is_broad(kind) for kind in caught)
            if broad and not _raises_again(node):
                yield node.lineno, "catches everything"
        elif isinstance(node, ast.Call) and (_dotted(node.func) or "").endswith("suppress"):
            yield from ((a.lineno, "suppresses everything") for a in node.args if _is_broad(a))


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Rolling back and raising the same error again swallows nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_broad(kind: ast.expr) -> bool:
    return _dotted(kind) in {"Exception", "BaseException"}


_DANGEROUS_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle"})
_DANGEROUS_USES = frozenset({"eval", "exec", "os.system", "os.popen", "yaml.unsafe_load"})


def _code_from_data(source: SourceFile) -> Iterator[tuple[int, str]]:
    for line, name in _imports(source.tree):
        if _is_under(name, _DANGEROUS_MODULES):
            yield line, f"imports {name}"
    for line, name in _uses(source.tree):
        if name in _DANGEROUS_USES:
            yield line, f"uses {name}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg == "shell" and not _is_false(node.value):
            yield node.value.lineno, "runs a shell"


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


_CLOCK_AND_CHANCE = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "time.localtime",
        "time.gmtime",
        "uuid.uuid1",
        "uuid.uuid4",
        "random",
        "secrets",
        "os.urandom",
    }
)
_NOT_CHANCE = frozenset({"secrets.compare_digest", "secrets", "random"})
"""A comparison, and the bare names: what is read *from* a module is judged, `secrets.token_hex`."""


def clock_and_chance(source: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield what a module reads of clock and chance, allowed or not."""
    for line, name in _uses(source.tree, imported_only=True):
        if _is_under(name, _CLOCK_AND_CHANCE) and name not in _NOT_CHANCE:
            yield line, name


def _clock_and_chance(source: SourceFile) -> Iterator[tuple[int, str]]:
    for line, name in clock_and_chance(source):
        if not any(fnmatchcase(f"{source.module}:{name}", it) for it in MAY_READ_CLOCK_AND_CHANCE):
            yield line, f"reads {name}"


def _waiting_in_connectors(source: SourceFile) -> Iterator[tuple[int, str]]:
    for line, name in _uses(source.tree):
        waits = name in {"time.sleep", "asyncio.sleep"} or _is_under(name, frozenset({"tenacity"}))
        if waits and f"{source.module}:{name}" not in MAY_WAIT_IN_CONNECTORS:
            yield line, f"uses {name}"


def _prints(source: SourceFile) -> Iterator[tuple[int, str]]:
    if source.module not in MAY_PRINT:
        for line, name in _uses(source.tree):
            if name == "print":
                yield line, "prints"


_EMPTY_WORDS = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers"})


def _empty_names(source: SourceFile) -> Iterator[tuple[int, str]]:
    for word in source.module.split("."):
        if word.strip("_") in _EMPTY_WORDS:
            yield 1, f"a module named {word!r}"


def _sizes(source: SourceFile) -> Iterator[tuple[int, str]]:
    length = source.text.count("\n")
    if length > MODULE_LINES:
        yield 1, f"{length} lines in a module"
    for name, function in _functions(source.tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        is_table = "migrations/versions/" in str(source.path)  # tables, written once, never changed
        if length > FUNCTION_LINES and not is_table:
            yield function.lineno, f"{length} lines in {name}"


def _missing_docstrings(source: SourceFile) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(source.tree):
        yield 1, "a module without a docstring"
    if source.top == "tests":  # a test's own classes are explained by the test
        return
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and not (
            node.name.startswith("_") or ast.get_docstring(node)
        ):
            yield node.lineno, f"class {node.name} without a docstring"


def _tests_without_docstrings(source: SourceFile) -> Iterator[tuple[int, str]]:
    for name, function in _functions(source.tree):
        if function.name.startswith("test_") and not ast.get_docstring(function):
            yield function.lineno, f"{name} does not say what it shows"


def _sleeping_tests(source: SourceFile) -> Iterator[tuple[int, str]]:
    """Tests with real processes may pause; unit and contract tests turn a clock."""
    if source.path.parts[1] in {"unit", "contract"}:
        for line, name in _uses(source.tree):
            if name == "time.sleep":
                yield line, "sleeps"


def _mocks(source: SourceFile) -> Iterator[tuple[int, str]]:
    for line, name in _imports(source.tree):
        if _is_under(name, frozenset({"unittest.mock", "mock", "pytest_mock"})):
            yield line, f"imports {name}"


# Written in two halves, so that this file does not break the law it states.
_FOREIGN_STRINGS = (
    "/wo" + "rk/",
    "/opt/" + "pypi",
    "pypi" + ".org",
    "python" + "hosted",
    "registry.npm" + "js",
    "deb." + "debian",
    "proxy." + "golang",
)


def foreign_strings(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that name a folder of somebody's machine or the host of a package registry."""
    for number, line in enumerate(text.splitlines(), start=1):
        for word in _FOREIGN_STRINGS:
            if word in line.lower():
                yield number, f"names {word}"


_CODE = frozenset(PACKAGES)
_TESTS = frozenset({"tests"})
_BELOW_THE_ROOF = _CODE - {"deprovisioner"}
_ALL = _CODE | _TESTS | {"benchmarks"}

LAWS: Mapping[str, Law] = {
    "no_broad_except": Law(
        "an unknown error must stop an operation, not look like success", _CODE, _broad_excepts
    ),
    "no_code_from_data": Law("data never becomes code", _ALL, _code_from_data),
    "injected_clock": Law("clock, ids and chance come in from the roof", _CODE, _clock_and_chance),
    "connectors_never_wait": Law(
        "the engine retries and waits; a connector says so and returns",
        frozenset({"connectors"}),
        _waiting_in_connectors,
    ),
    "no_print": Law("logs are events with fields (law 10)", _BELOW_THE_ROOF, _prints),
    "full_names": Law("a name says what is inside", _ALL, _empty_names),
    "sizes": Law("a reader holds a module in mind", _ALL, _sizes),
    "docstrings": Law(
        "a module says what it is, who calls it, what not", _ALL, _missing_docstrings
    ),
    "tests_say_what_they_show": Law(
        "a red test must explain itself", _TESTS, _tests_without_docstrings
    ),
    "tests_do_not_sleep": Law("a clock is turned, a server is polled", _TESTS, _sleeping_tests),
    "no_mocks": Law("tests look at the world, not at calls", _TESTS, _mocks),
}
