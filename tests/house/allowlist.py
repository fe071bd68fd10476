"""A contract that import-linter does not have: these modules may import *only* that.

`.importlinter` names it as contract type `allowlist`; `lint-imports` and `test_floors` run it. A
list of what is forbidden grows stale when a module is added; a list of what is allowed does not.

Options of a contract:
    source_modules: expressions; every module that matches is judged alone, with all below it.
    exempt:         matches of `source_modules` that are not judged. Optional.
    scope:          packages whose import is judged; `*` judges every import, from outside, too.
    allowed:        what may be imported, with all below it. A source may always import itself.
                    `<stdlib>` stands for the standard library.
    ignore_imports: single imports, `importer -> imported`, that somebody has argued for. Optional.
"""

import sys
from collections.abc import Iterable, Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules

STANDARD_LIBRARY = "<stdlib>"
EVERYTHING = "*"


class AllowlistContract(Contract):
    """The source modules import, within the scope, nothing but what is allowed."""

    type_name = "allowlist"

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField())
    exempt = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)
    scope = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField(), required=False)
    ignore_imports = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Judge every import of every source; a contract that matches no module is broken."""
        sources = _names(graph, self.source_modules)
        judged = sources - _names(graph, self.exempt)
        argued_for = _words(self.ignore_imports)
        strangers = [
            (importer, imported, _lines(graph, importer, imported))
            for source in sorted(judged)
            for importer, imported in _imports_of(graph, source)
            if self._is_judged(imported)
            and not self._is_allowed(source, imported)
            and f"{importer} -> {imported}" not in argued_for
        ]
        return ContractCheck(
            kept=bool(judged) and not strangers,
            metadata={"strangers": strangers, "judged": len(judged)},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line per import that is not on the list."""
        if not check.metadata["judged"]:
            output.print_error("No module matches source_modules: the contract guards nothing.")
        for importer, imported, lines in check.metadata["strangers"]:
            output.print_error(f"{importer} must not import {imported} (lines {lines})")
        output.new_line()

    def _is_judged(self, imported: str) -> bool:
        scope = _words(self.scope)
        return EVERYTHING in scope or _is_under(imported, scope)

    def _is_allowed(self, source: str, imported: str) -> bool:
        allowed = _words(self.allowed)
        if STANDARD_LIBRARY in allowed and imported in sys.stdlib_module_names:
            return True
        return _is_under(imported, {source} | allowed)


def _words(parsed: object) -> set[str]:
    """import-linter replaces a field by its parsed value; the type checker sees the field."""
    return {str(word) for word in parsed} if isinstance(parsed, set) else set()


def _names(graph: ImportGraph, expressions: object) -> set[str]:
    if not expressions:
        return set()
    return {module.name for module in module_expressions_to_modules(graph, expressions)}  # type: ignore[arg-type]


def _imports_of(graph: ImportGraph, source: str) -> Iterator[tuple[str, str]]:
    for importer in sorted({source, *graph.find_descendants(source)}):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            yield importer, imported


def _lines(graph: ImportGraph, importer: str, imported: str) -> str:
    details = graph.get_import_details(importer=importer, imported=imported)
    return ", ".join(str(detail["line_number"]) for detail in details)


def _is_under(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
