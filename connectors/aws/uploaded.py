"""What the person uploaded and can be uploaded again: SSH public keys and signing certificates.

AWS gives the same key another id when it is uploaded again, and an undo is believed when the
re-read shows the same holding, so a holding is named by a digest of what was uploaded; AWS's id of
the day is looked up right before each write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from connectors.aws.credentials import ACTIVE, INACTIVE, state_of
from connectors.aws.rows import Leaver, Look, Row, RowCard, RowReading, partly, stored, take, text
from connectors.aws.session import Object
from connectors.aws.settings import Feature, Settings
from connectors.contract import Effect, Holding, Kind, Stage, Support, kind
from connectors.faults import Missing

SSH_KEY: Final = kind("credential.ssh_key")
CERTIFICATE: Final = kind("credential.certificate")
_STAGES: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.REVOKE})
_PREFIX: Final = "iam:"


def named(body: str) -> str:
    """Name an upload by what it says: the type and key of a line, or the whole block."""
    words = body.split()
    said = " ".join(words[:2]) if words and words[0].startswith("ssh-") else "".join(words)
    return _PREFIX + hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Upload:
    id: str
    status: str
    body: str


class _Uploads:
    """One sort of upload. ``verbs`` are the suffixes of its operations' names."""

    def __init__(self, of: Kind, noun: str, member: str, names: tuple[str, str, str]) -> None:
        self.kind, self.noun, self.member = of, noun, member
        self.id, self.body, self.what = names

    def listed(self, leaver: Leaver) -> dict[str, _Upload]:
        """Read all, by name."""
        found = {}
        for one in leaver.iam_list(f"list_{self.noun}s", self.member):
            try:
                body = self._body(leaver, one)
            except Missing:
                continue  # deleted between the list and the look
            found[named(body)] = _Upload(text(one, self.id), text(one, "Status"), body)
        return found

    def _body(self, leaver: Leaver, one: Any) -> str:  # noqa: ANN401 - an answer
        if self.kind == CERTIFICATE:
            return text(one, self.body)
        answer = leaver.iam("get_ssh_public_key", SSHPublicKeyId=text(one, self.id), Encoding="SSH")
        return text(answer.get("SSHPublicKey", {}), self.body)

    def read(self, leaver: Leaver) -> RowReading:
        """Report all."""

        def read() -> Iterator[Holding]:
            for native_id, one in self.listed(leaver).items():
                yield leaver.holding(
                    self.kind,
                    native_id,
                    self.what,
                    state=state_of(one.status),
                    restore={"body": one.body, "status": one.status},
                )

        return partly(read, f"{self.what}s", "iam:List*, iam:GetSSHPublicKey")

    def contain(self, leaver: Leaver, holding: Holding) -> Effect:
        """Make it inactive."""

        def look() -> Look:
            one = self.listed(leaver).get(holding.native_id)
            status = one.status if one else "absent"
            reached = status in {INACTIVE, "absent"}
            return Look(reached, {"status": status}, lambda: self._switch(leaver, one, INACTIVE))

        return take(leaver, holding, look)

    def revoke(self, leaver: Leaver, holding: Holding) -> Effect:
        """Delete it."""

        def look() -> Look:
            one = self.listed(leaver).get(holding.native_id)
            status = one.status if one else "absent"
            return Look(one is None, {"status": status}, lambda: self._delete(leaver, one))

        return take(leaver, holding, look)

    def restore(self, leaver: Leaver, holding: Holding) -> Effect:
        """Upload it again where it is gone, and give it the status that it had."""
        body, wanted = stored(holding, "body"), stored(holding, "status")

        def write() -> Object:
            answer: Object = {}
            one = self.listed(leaver).get(holding.native_id)
            if one is None:
                answer = leaver.iam(f"upload_{self.noun}", **{self.body: body})
                one = self.listed(leaver).get(holding.native_id)
            if one is not None and one.status != wanted:
                answer = self._switch(leaver, one, wanted)
            return answer

        def look() -> Look:
            one = self.listed(leaver).get(holding.native_id)
            status = one.status if one else "absent"
            return Look(status == wanted, {"status": status}, write)

        return take(leaver, holding, look)

    def _switch(self, leaver: Leaver, one: _Upload | None, to: str) -> Object:
        if one is None:
            return {}
        return leaver.iam(f"update_{self.noun}", Status=to, **{self.id: one.id})

    def _delete(self, leaver: Leaver, one: _Upload | None) -> Object:
        return leaver.iam(f"delete_{self.noun}", **{self.id: one.id}) if one else {}

    def row(self, feature: Feature, *rights: str) -> Row:
        """Make the row."""

        def card(_settings: Settings) -> RowCard:
            return RowCard((Support(self.kind, _STAGES, rights=rights),))

        return Row(
            f"{self.what}s",
            frozenset({self.kind}),
            card,
            self.read,
            contain=self.contain,
            revoke=self.revoke,
            restore=self.restore,
            owns=lambda native_id: native_id.startswith(_PREFIX),
            absent=lambda settings: not settings.has(feature),
        )


SSH_ROW: Final = _Uploads(
    SSH_KEY,
    "ssh_public_key",
    "SSHPublicKeys",
    ("SSHPublicKeyId", "SSHPublicKeyBody", "ssh public key"),
).row(Feature.SSH_KEYS, "iam:UpdateSSHPublicKey", "iam:DeleteSSHPublicKey")
CERTIFICATES_ROW: Final = _Uploads(
    CERTIFICATE,
    "signing_certificate",
    "Certificates",
    ("CertificateId", "CertificateBody", "signing certificate"),
).row(Feature.SIGNING_CERTIFICATES, "iam:UpdateSigningCertificate", "iam:DeleteSigningCertificate")

__all__ = ["ACTIVE", "CERTIFICATES_ROW", "SSH_ROW", "named"]
