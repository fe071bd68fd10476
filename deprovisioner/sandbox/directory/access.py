"""Who may do what: the access rules of the sandbox directory, the same that `openldap` writes into
slapd.conf.

Called by `operations`. Four readers are known: the administrator (everything, no limits), the
acting service account (writes on the granted branches), the verifying one (reads, but no
passwords), and each person (own entry).
"""

from dataclasses import dataclass
from enum import IntEnum

from deprovisioner.sandbox.directory.names import Key

PASSWORD = "userpassword"


class Right(IntEnum):
    """Ordered levels: a higher one includes the lower."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Rights by bind DN; every name in normal form."""

    administrator: Key
    acts: Key
    verifies: Key
    writable: tuple[Key, ...]
    unlimited: bool = True
    """Whether the two service accounts are free of the size limit, as a careful operator sets
    it."""

    def right(self, who: Key | None, entry: Key, attribute: str | None = None) -> Right:
        """Return the right of `who` (None is anonymous) on an entry or on one attribute of it."""
        if who is None:
            return Right.NONE
        if who == self.administrator:
            return Right.WRITE
        if attribute == PASSWORD:
            return self._right_on_password(who, entry)
        if who == self.acts:
            return Right.WRITE if self._writable(entry) else Right.READ
        if who in {self.verifies, entry}:
            return Right.READ
        return Right.NONE

    def limited(self, who: Key | None) -> bool:
        """Tell whether the server's size limit applies to `who`."""
        if who == self.administrator:
            return False
        return not (self.unlimited and who in (self.acts, self.verifies))

    def _right_on_password(self, who: Key, entry: Key) -> Right:
        return Right.WRITE if who == self.acts and self._writable(entry) else Right.NONE

    def _writable(self, entry: Key) -> bool:
        return any(entry[-len(branch) :] == branch for branch in self.writable)
