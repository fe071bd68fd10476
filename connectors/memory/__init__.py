"""The reference connector: claims every ability, over a world that is only remembered.

It is what the conformance suite, the engine's tests and the benchmarks run against, and the
example for authors (``docs/connectors/writing-a-connector.md``). It is honest in the ways real
connectors must be: it refuses to remove the last owner or member, says "already", reports pending
work, reads back every write, and turns each trouble into the fault that carries the decision.

Operators never need it: ``type: memory`` connects to nothing outside.
"""

from connectors.memory.connector import MemoryConnector, Settings, open_connector
from connectors.memory.records import AuditLine, CallLine, Injection, Trouble
from connectors.memory.world import MemoryWorld

__all__ = [
    "AuditLine",
    "CallLine",
    "Injection",
    "MemoryConnector",
    "MemoryWorld",
    "Settings",
    "Trouble",
    "open_connector",
]
