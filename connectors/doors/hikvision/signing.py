"""The AK/SK signature of Hikvision's Artemis gateway. Pure; called by ``artemis`` and the sandbox.

Like the ``x-ca-*`` signatures of a well-known cloud, and not interchangeable with them: here a
header that is absent contributes *no line*, there an empty one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

_PLAIN: Final = ("accept", "content-md5", "content-type", "date")
"""In this order, each on a line of its own when present."""
SIGNATURE: Final = "X-Ca-Signature"
SIGNED_HEADERS: Final = "X-Ca-Signature-Headers"


def string_to_sign(
    method: str,
    path: str,
    headers: Mapping[str, str],
    signed: Iterable[str],
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Write down what is signed.

    ``signed`` are the names in X-Ca-Signature-Headers; ``parameters`` are those of query and form.
    """
    present = {name.lower(): value for name, value in headers.items()}
    lines = [method.upper()]
    lines += [
        _without_boundary(value) if name == "content-type" else value
        for name in _PLAIN
        if (value := present.get(name))
    ]
    lines += [f"{name}:{present.get(name, '')}" for name in sorted(one.lower() for one in signed)]
    lines.append(path + _query(parameters or {}))
    return "\n".join(lines)


def signature(secret: str, text: str) -> str:
    """Sign: base64 of HMAC-SHA256."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def content_md5(body: bytes) -> str:
    """Digest a body for Content-MD5: against accidents on the way, the signature is the guard."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _without_boundary(media_type: str) -> str:
    parts = (part.strip() for part in media_type.split(";"))
    return ";".join(part for part in parts if not part.lower().startswith("boundary="))


def _query(parameters: Mapping[str, str]) -> str:
    if not parameters:
        return ""
    pairs = (f"{name}={value}" if value else name for name, value in sorted(parameters.items()))
    return "?" + "&".join(pairs)
