"""Log lines: one JSON object per event on standard error, with fields and nothing personal.

``configure`` is called once, by the process entries. Law 10 is kept here as well as by whoever
logs: a field whose name speaks of a person or a secret is emptied, so is text that looks like an
address, and an exception is logged as its class and place, never with its message. Libraries that
use the standard ``logging`` pass through the same; of their text only constant templates of the
HTTP server are kept, because a finished sentence may quote anything.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict

REMOVED: Final = "[removed]"
PERSONAL: Final = frozenset(
    {
        "account",
        "address",
        "authorization",
        "body",
        "cookie",
        "display",
        "display_name",
        "dn",
        "email",
        "emails",
        "employee_number",
        "headers",
        "im",
        "label",
        "login",
        "mail",
        "name",
        "names",
        "password",
        "person",
        "phone",
        "raw",
        "secret",
        "signature",
        "subject",
        "successor",
        "token",
        "upn",
        "user",
        "username",
        "value",
        "work_email",
    }
)
"""Field names that would hold personal data or a secret."""
_TEMPLATES_KEPT: Final = frozenset({"uvicorn.error"})
_LONGEST: Final = 500
_PLAIN = str | int | float | bool | None


def configure(*, level: str = "info", console: bool = False, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        fault_by_place,
        nothing_personal,
    ]
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, from_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # what libraries say below that is their business


def from_library(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace a library's sentence by an event; it may quote a person or a statement's values."""
    record = event.get("_record")
    library = str(event.pop("logger", "unknown"))
    if isinstance(record, logging.LogRecord):
        if library in _TEMPLATES_KEPT and isinstance(record.msg, str):
            event["template"] = record.msg.splitlines()[0] if record.msg else ""
        if record.exc_info:
            event["exc_info"] = record.exc_info
        event["at"] = f"{record.filename}:{record.lineno}"
    event["event"] = "library.spoke"
    event["library"] = library
    return event


def fault_by_place(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Write an exception as its class and where it arose; its message may quote anything."""
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if given is True:
        given = sys.exc_info()
    fault = given[1] if isinstance(given, tuple) else given
    if isinstance(fault, BaseException):
        event["fault"] = type(fault).__name__
        event["trace"] = list(_places(fault.__traceback__))
    return event


def _places(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next


def nothing_personal(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Empty every field that could tell who somebody is (Law 10)."""
    for field, value in event.items():
        if not field.startswith("_"):
            event[field] = REMOVED if field.lower() in PERSONAL else _plain(value)
    return event


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return REMOVED if "@" in value else value[:_LONGEST]
    return value if isinstance(value, _PLAIN) else f"<{type(value).__name__}>"
