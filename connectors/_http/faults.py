"""What a connection does, as the fault that carries the decision.

Called around every request that is made with httpx. It judges no status: an answer is the room's to
translate. Texts hold no address, which names people (Law 10).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from connectors.faults import Malformed, Refused, Transient, Unauthorised

_CUT: Final = ("disconnected", "closed connection")
_NOT_TRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
_NOT_SENDABLE: Final = "header"
_UNSENDABLE: Final = "{}: the credential holds what no header can carry: a line break or the like"


def sendable(room: str, credential: str) -> str:
    """Return a token that a header can carry. Raises Unauthorised (``<room>:token``) else.

    A line break out of a file or a vault is no failed connection: asked again, it never ends.
    The value is in no text and in no cause (Law 10).
    """
    if not credential.isascii() or not credential.isprintable() or not credential.strip():
        raise Unauthorised(_UNSENDABLE.format(room), code=f"{room}:token")
    return credential


@contextmanager
def transport_faults(room: str) -> Iterator[None]:
    """Turn everything that httpx raises into a fault; codes are ``<room>:timeout`` and so on.

    Transient: ``timeout``, ``cut``, ``connect``, ``transport``. Unauthorised: ``tls``, and
    ``token`` (a header that cannot be sent). Refused: ``request``. Malformed: ``protocol`` (not
    HTTP), ``url`` (an address out of an answer), ``http`` (a body that cannot be decoded).
    """
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        # Settings are checked before: such an address is a link or a cursor that was answered.
        raise Malformed(f"{room}: not an address that can be asked", code=f"{room}:url") from error
    except httpx.TimeoutException as error:
        raise Transient(f"{room}: no answer in time", code=f"{room}:timeout") from error
    except httpx.LocalProtocolError as error:
        # Its text is the header's value. Law 10: not kept as the cause, which tracebacks print.
        if _NOT_SENDABLE in str(error):
            raise Unauthorised(_UNSENDABLE.format(room), code=f"{room}:token") from None
        raise Refused(f"{room}: not a request that can be sent", code=f"{room}:request") from None
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
