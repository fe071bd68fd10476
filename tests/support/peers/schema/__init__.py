"""Schema the directory peers need beyond what their packages bring, in our own words.

One ``.ldif`` file per topic in the syntax of RFC 4512; ``slapd`` reads the same definitions under
other keywords.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def for_slapd(*topics: str) -> str:
    """Return the definitions as lines of slapd.conf(5)."""
    return "\n".join(
        line.replace("attributeTypes:", "attributetype", 1).replace(
            "objectClasses:", "objectclass", 1
        )
        for topic in topics
        for line in definitions(topic)
    )


def definitions(topic: str) -> list[str]:
    """Return the lines of one topic, comments left out."""
    text = (_FOLDER / f"{topic}.ldif").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
