"""One table from what a directory answers to the decision it carries (``connectors.faults``).

Every result code of RFC 4511 (4.1.9) and of the registered extensions is in it; a code that nobody
has heard of is :class:`~connectors.faults.Malformed`. Called by ``session`` after every answer.
Texts carry the operation and the code, never a DN or the server's own message, which quotes DNs.
"""

from __future__ import annotations

from typing import Final

from ldap3.core import exceptions
from ldap3.core.results import RESULT_CODES
from pyasn1.error import PyAsn1Error

from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

SUCCESS: Final = 0
NOT_FAULTS: Final = frozenset({SUCCESS, 5, 6})
"""success, compareFalse, compareTrue."""


class Truncated(Refused):
    """The server stopped at a limit: what came is true, what did not come is unknown (Law 2)."""


class Referred(Refused):
    """The server pointed elsewhere instead of answering: the rest was not read (Law 2)."""


class OutOfRange(Refused):
    """We stopped at our own bound: more entries than any sane answer here."""


_FAULTS: Final[dict[int, type[Fault]]] = {
    1: Transient,  # operationsError
    2: Malformed,  # protocolError
    3: Truncated,  # timeLimitExceeded
    4: Truncated,  # sizeLimitExceeded
    7: Unauthorised,  # authMethodNotSupported
    8: Unauthorised,  # strongerAuthRequired
    9: Malformed,  # partial results of LDAPv2, which we do not speak
    10: Referred,  # referral
    11: Truncated,  # adminLimitExceeded
    12: Refused,  # unavailableCriticalExtension
    13: Unauthorised,  # confidentialityRequired
    14: Malformed,  # saslBindInProgress: we never started one
    16: Missing,  # noSuchAttribute
    17: Refused,  # undefinedAttributeType
    18: Refused,  # inappropriateMatching
    19: Refused,  # constraintViolation
    20: Refused,  # attributeOrValueExists
    21: Refused,  # invalidAttributeSyntax
    32: Missing,  # noSuchObject
    33: Refused,  # aliasProblem
    34: Refused,  # invalidDNSyntax
    36: Refused,  # aliasDereferencingProblem
    48: Unauthorised,  # inappropriateAuthentication
    49: Unauthorised,  # invalidCredentials
    50: Unauthorised,  # insufficientAccessRights
    51: Transient,  # busy
    52: Transient,  # unavailable
    53: Refused,  # unwillingToPerform
    54: Refused,  # loopDetected
    64: Refused,  # namingViolation
    65: Refused,  # objectClassViolation
    66: Refused,  # notAllowedOnNonLeaf
    67: Refused,  # notAllowedOnRDN
    68: Refused,  # entryAlreadyExists
    69: Refused,  # objectClassModificationProhibited
    71: Refused,  # affectMultipleDSAS
    76: Refused,  # virtual list view error
    80: Transient,  # other
    113: Malformed,  # lcupResourcesExhausted and its kin answer requests we never make
    114: Malformed,
    115: Malformed,
    116: Malformed,
    117: Malformed,
    118: Transient,  # canceled
    119: Malformed,  # noSuchOperation
    120: Malformed,  # tooLate
    121: Malformed,  # cannotCancel
    122: Transient,  # assertionFailed: somebody changed it between our read and our write
    123: Unauthorised,  # authorizationDenied
    4096: Malformed,  # e-syncRefreshRequired
}

_LOST: Final[tuple[type[Exception], ...]] = (
    exceptions.LDAPCommunicationError,
    exceptions.LDAPResponseTimeoutError,
    OSError,
)
FAILURES: Final = (
    exceptions.LDAPExceptionError,
    OSError,
    PyAsn1Error,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""All that comes out of ldap3 for an outside reason: its decoder trusts the bytes it is given, so
an answer that is no LDAP ends in whatever exception the wrong byte causes."""
_GARBLED: Final = (exceptions.LDAPUnknownResponseError, exceptions.LDAPUnknownRequestError)


def fault_for(code: int, operation: str) -> Fault | None:
    """Translate a result code; ``None`` when it is no fault."""
    if code in NOT_FAULTS:
        return None
    name = RESULT_CODES.get(code, "unknown result")
    return _FAULTS.get(code, Malformed)(f"{operation}: {name}", code=f"ldap:{code}")


def fault_from(error: Exception, operation: str) -> Fault:
    """Translate an exception of ldap3 or of the socket below it."""
    if isinstance(error, exceptions.LDAPOperationResult):
        return fault_for(int(error.result), operation) or Malformed(operation)
    if isinstance(error, exceptions.LDAPPasswordIsMandatoryError):
        return Unauthorised(f"{operation}: the password is empty")
    name = type(error).__name__
    if isinstance(error, _LOST) and not isinstance(error, _GARBLED):
        return Transient(f"{operation}: connection lost ({name})", code=f"ldap3:{name}")
    return Malformed(f"{operation}: answer not understood ({name})", code=f"ldap3:{name}")
