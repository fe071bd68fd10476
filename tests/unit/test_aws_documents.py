"""Policy documents: the person is taken out in full, nobody else is, and what is left is valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.aws import documents
from connectors.aws.documents import Names
from connectors.faults import Malformed

BOB = Names.of("arn:aws:iam::111111111111:user/eng/bob", "AIDABOB", "bob")
BOBBY = Names.of("arn:aws:iam::111111111111:user/eng/bobby", "AIDABOBBY", "bobby")


def allowing(*principals: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": {"AWS": list(principals)}, "Action": "s3:*", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


@given(st.lists(st.sampled_from([BOB.arn, BOB.user_id, BOB.federated, BOBBY.arn, "*"]), min_size=1))
def test_taken_out_is_out_and_everybody_else_stays(principals: list[str]) -> None:
    """Whatever stands beside the person stays, in order; the person is admitted no more."""
    document = allowing(*principals)
    left = documents.without(document, BOB)
    assert not documents.admits(left, BOB)
    others = [one for one in principals if not BOB.is_principal(one)]
    found = [it for one in left["Statement"] for it in documents.principals(one)]
    assert found == others


@given(st.lists(st.sampled_from([BOB.arn, BOBBY.arn, "*"]), min_size=1))
def test_beside_admits_the_successor_exactly_where_the_person_was(principals: list[str]) -> None:
    """The successor joins where the person is, once, and nothing is taken away."""
    heir = Names.of("arn:aws:iam::111111111111:user/eve", "AIDAEVE", "eve")
    document = allowing(*principals)
    after = documents.beside(document, BOB, heir)
    assert documents.admits(after, heir) is documents.admits(document, BOB)
    assert documents.same(documents.beside(after, BOB, heir), after)
    assert set(principals) <= set(documents.principals(after["Statement"][0]))


def test_a_name_that_only_begins_alike_is_another() -> None:
    """The longer name is not the shorter, in principals and in conditions."""
    condition = {"StringEquals": {"aws:PrincipalArn": BOBBY.arn}}
    document = allowing(BOBBY.arn, Condition=condition)
    assert not documents.admits(document, BOB)
    assert not documents.mentions(document, BOB)


def test_conditions_that_name_the_person_are_for_people() -> None:
    """An id in a condition is seen, session ids included, and is not edited."""
    for value in (BOB.arn, "AIDABOB", "AIDABOB:session"):
        document = allowing("*", Condition={"StringLike": {"aws:userid": value}})
        assert documents.mentions(document, BOB)
        assert documents.same(documents.without(document, BOB), document)


def test_a_deny_of_the_person_is_no_access() -> None:
    """What is forbidden to the person stays: it gives nothing, and taking it away could."""
    document = allowing(BOB.arn, effect="Deny")
    assert not documents.admits(document, BOB)
    assert documents.same(documents.without(document, BOB), document)


def test_a_trust_that_is_left_with_nobody_lets_nobody_in() -> None:
    """IAM wants a statement: what stands there then denies everybody."""
    left = documents.without_in_trust(allowing(BOB.arn), BOB)
    assert left["Statement"] == [
        {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    ]


def test_other_principals_of_a_statement_survive() -> None:
    """A service beside the person keeps its trust."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": BOB.arn, "Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    left = documents.without_in_trust({"Statement": statement}, BOB)
    assert left["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}


@pytest.mark.parametrize("broken", ["", "[]", "<html>", "x" * 300_000, 7, {"Statement": 7}])
def test_what_is_no_policy_is_malformed(broken: object) -> None:
    """Nothing is concluded from a document that is none."""
    with pytest.raises(Malformed):
        documents.statements(documents.parsed(broken))


def test_percent_encoded_documents_are_read() -> None:
    """IAM percent-encodes documents (RFC 3986); botocore does not always undo it."""
    document = allowing(BOB.arn)
    text = "%7B" + json.dumps(document)[1:].replace('"', "%22").replace(" ", "%20")
    assert documents.same(text, document)
