"""Sets of names, written as one text: permissions, members, operators.

Used by the tables of every area, so that a long list reads as prose and not as punctuation.
"""


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())
