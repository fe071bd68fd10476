"""What a connection does, as the fault that carries the decision.

Called around every request that is made with httpx. It judges no status: an answer is the room's to
translate. Texts hold no address, which names people (Law 10).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from connectors.faults import Malformed, Transient, Unauthorised

_CUT: Final = ("disconnected", "closed connection")
_NOT_TRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"


@contextmanager
def transport_faults(room: str) -> Iterator[None]:
    """Turn everything that httpx raises into a fault; codes are ``<room>:timeout`` and so on.

    Transient: ``timeout``, ``cut``, ``connect``, ``transport``. Unauthorised: ``tls``. Malformed:
    ``protocol`` (not HTTP), ``url`` (an address out of an answer), ``http`` (a body that cannot be
    decoded).
    """
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        # Settings are checked before: such an address is a link or a cursor that was answered.
        raise Malformed(f"{room}: not an address that can be asked", code=f"{room}:url") from error
    except httpx.TimeoutException as error:
        raise Transient(f"{room}: no answer in time", code=f"{room}:timeout") from error
    except httpx.RemoteProtocolError as error:
        if any(word in str(error) for word in _CUT):
            raise Transient(f"{room}: the connection was cut", code=f"{room}:cut") from error
        raise Malformed(f"{room}: the answer is not HTTP", code=f"{room}:protocol") from error
    except httpx.ConnectError as error:
        if _NOT_TRUSTED in str(error):
            text = f"{room}: the system cannot prove who it is"
            raise Unauthorised(text, code=f"{room}:tls") from error
        raise Transient(f"{room}: not reachable", code=f"{room}:connect") from error
    except httpx.TransportError as error:
        raise Transient(f"{room}: the connection failed", code=f"{room}:transport") from error
    except httpx.HTTPError as error:
        raise Malformed(f"{room}: the answer cannot be read", code=f"{room}:http") from error
