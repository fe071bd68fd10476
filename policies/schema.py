"""JSON Schema of a policy file, for editors, generated from the tables of the language.

``policies/policy.schema.json`` is checked in and compared by a test; write it anew with
``python -m policies.schema > policies/policy.schema.json``. An editor finds it through the comment
``# yaml-language-server: $schema=…``. The loader does not use it: its own messages are better.
"""

from __future__ import annotations

import json
import sys

from connectors.contract import Json
from policies.grammar import POLICY


def json_schema() -> dict[str, Json]:
    """The schema as JSON."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:deprovisioner:schema:policy:1",
        "title": "deprovisioner policy",
        **POLICY.schema(),
    }


def schema_text() -> str:
    """The schema as the checked-in file has it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
