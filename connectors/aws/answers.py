"""What AWS answered, as the fault that carries the decision. Called by ``session`` for every call.

Texts of faults hold the operation and AWS's own code: its messages name users and ARNs (Law 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from connectors._http.waiting import http_date, retry_after
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)
"""A right is missing: the credential itself is alive."""
_DEAD: Final = frozenset(
    {
        "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "AuthFailure",
        "InvalidSignatureException", "MissingAuthenticationToken", "OptInRequired",
        "IncompleteSignature", "RequestExpired", "InvalidToken",
    }
)  # fmt: skip
_NOT_NOW: Final = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
        "TooManyRequestsException", "RequestThrottled", "RequestThrottledException", "SlowDown",
        "PriorRequestNotComplete", "ServiceUnavailable", "ServiceUnavailableException",
        "InternalFailure", "InternalError", "InternalServerException", "InternalServerError",
        "ServiceFailure", "ConcurrentModification", "ConcurrentModificationException",
        "EntityTemporarilyUnmodifiable", "ConflictException", "OperationAborted",
        "BandwidthLimitExceeded", "KMSInternalException", "RequestTimeout",
    }
)  # fmt: skip
_GONE: Final = frozenset(
    {
        "NoSuchEntity", "ResourceNotFoundException", "NotFoundException", "NoSuchBucketPolicy",
        "NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound",
        "RepositoryPolicyNotFoundException", "RepositoryNotFoundException",
        "InvalidKeyPair.NotFound", "PolicyNotFoundException",
    }
)  # fmt: skip


@contextmanager
def faults(operation: str) -> Iterator[None]:
    """Turn whatever botocore raises into a fault."""
    try:
        yield
    except ClientError as error:
        raise _judged(operation, error.response) from error
    except ResponseParserError as error:
        raise Malformed(f"{operation}: not an answer of AWS", code="aws:parse") from error
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise Unauthorised(f"{operation}: no credentials", code="aws:credentials") from error
    except SSLError as error:
        raise Unauthorised(f"{operation}: not AWS's certificate", code="aws:tls") from error
    except (HTTPClientError, NoConnection, IncompleteReadError) as error:
        raise Transient(f"{operation}: no answer", code=f"aws:{type(error).__name__}") from error
    except BotoCoreError as error:
        code = f"aws:{type(error).__name__}"
        raise Refused(f"{operation}: not sent", code=code) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # A parser that meets what its model does not know fails with the language's own errors.
        raise Malformed(f"{operation}: not an answer of AWS", code="aws:shape") from error


def _judged(operation: str, response: Mapping[str, Any]) -> Fault:
    name = str(response.get("Error", {}).get("Code", ""))[:80]
    meta = response.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    code, text = f"aws:{name or status}", f"{operation} was turned down"
    if name in DENIED or name in _DEAD:
        return Unauthorised(text, code=code)
    if name in _GONE:
        return Missing(f"{operation}: not there", code=code)
    if name in _NOT_NOW or status == 429 or status >= 500:  # noqa: PLR2004 - RFC 9110, RFC 6585
        headers = meta.get("HTTPHeaders", {})
        now = http_date(headers.get("date", ""))  # AWS's own clock is the one that a date is of
        wait = retry_after(headers.get("retry-after", ""), now)
        return Transient(f"{operation}: not now", code=code, retry_after=wait)
    if not name or name == str(status) or not name[0].isalpha():
        return Malformed(f"{operation}: an error without a code", code=code)
    return Refused(text, code=code)


def is_denied(fault: Fault) -> bool:
    """Say whether only a right is missing, and the credential is alive."""
    return isinstance(fault, Unauthorised) and fault.code.removeprefix("aws:") in DENIED
