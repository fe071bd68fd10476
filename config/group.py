"""What all groups of settings share. No setting is here, and nothing is read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """What all groups share: frozen, no unknown word, docstrings kept as descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )
