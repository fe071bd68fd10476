"""What we send is what GitLab's own document says, and so is what the pretend GitLab answers."""

from connectors.conformance.rig import write
from connectors.contract import Credential, Stage, gather
from tests.support.gitlab_forge import forge, subject_of
from tests.support.vendor_contracts import CheckedAdapter, contract

OUTSIDE = ("/repository/branches/main",)
"""Paths of GitLab that the document on this machine does not have."""


def test_a_whole_case_speaks_as_the_document_says() -> None:
    """Doctor, find, survey, export, hand over, contain, revoke, undo, verify and delete."""
    adapters: list[CheckedAdapter] = []

    def checked() -> CheckedAdapter:
        adapters.append(CheckedAdapter(contract("gitlab.yaml"), OUTSIDE))
        return adapters[-1]

    with forge(checked, prepared=True) as rig:
        acting, verifying = rig.opened(Credential.ACT), rig.opened(Credential.VERIFY)
        assert all(line.holds for one in (acting, verifying) for line in one.probe())
        account = rig.account()
        successor = rig.account(subject_of(rig.forge.successor))
        held = gather(acting.survey(account)).items
        for export in acting.export(account, held):
            assert sum(len(chunk) for chunk in export.chunks)
        card = acting.card()
        for one in held:
            support = card.support(one.kind)
            assert support is not None
            if Stage.TRANSFER in support.stages and not one.duty:
                acting.transfer(account, [one], successor)
        write(acting.contain, card, account, held)
        write(acting.revoke, card, account, held)
        write(acting.restore, card, account, held)
        gather(verifying.activity(account, rig.now()))
        acting.destroy(account)
        acting.close()
        verifying.close()
    kinds = set().union(*(adapter.seen for adapter in adapters))
    assert len(kinds) > 70
    assert sum(adapter.checked for adapter in adapters) > len(kinds)
