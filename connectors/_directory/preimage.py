"""Pre-images: raw attribute values as JSON, lossless, so that undo puts back exactly what was.

Written by a connector's survey with the acting credential, read by its changes and undo.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from connectors.contract import Json
from connectors.faults import Malformed


def pack(values: Sequence[bytes]) -> list[str]:
    """Turn raw values into JSON strings."""
    return [base64.b64encode(value).decode("ascii") for value in values]


def unpack(image: Mapping[str, Json], name: str) -> tuple[bytes, ...]:
    """Return raw values from a pre-image; none when it does not name them.

    Raises :class:`~connectors.faults.Malformed` when the image is damaged.
    """
    stored = image.get(name, [])
    if isinstance(stored, str) or not isinstance(stored, Sequence):
        raise Malformed("a stored pre-image is damaged")
    texts = [value for value in stored if isinstance(value, str)]
    if len(texts) != len(stored):
        raise Malformed("a stored pre-image is damaged")
    try:
        return tuple(base64.b64decode(text, validate=True) for text in texts)
    except (binascii.Error, ValueError) as error:
        raise Malformed("a stored pre-image is damaged") from error
