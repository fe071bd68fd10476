"""What an exit code means: one table for the code, for docs/command-line.md and for scripts."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    NO = 1
    UNREADABLE = 2
    DENIED = 3
    UNKNOWN = 4
    REFUSED = 5
    UNAVAILABLE = 6
    DEFECT = 70
    SETUP = 78
    INTERRUPTED = 130


MEANING: Final = {
    Exit.OK: "done, or the answer is yes",
    Exit.NO: "the answer is no: not verified, not closed, a failed check, a policy with errors",
    Exit.UNREADABLE: "the command was not understood, or a file that it names cannot be read",
    Exit.DENIED: "no token, a token that is not known, or a role that may not do this",
    Exit.UNKNOWN: "there is no such case, question, hold, operation, token or connector",
    Exit.REFUSED: "a rule forbids it, or it does not fit the present state: the message says which",
    Exit.UNAVAILABLE: "the daemon, the database or an outside system does not answer: try again",
    Exit.DEFECT: "a defect of ours; nothing is known about the answer",
    Exit.SETUP: "the configuration, a key or the installation is wrong: mend it, then try again",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}
"""In the words of docs/command-line.md; a test compares the two."""


class CommandFailed(Exception):
    """Ends a command: what is wrong, and what to do next."""

    def __init__(self, code: Exit, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.advice = code, message, advice
