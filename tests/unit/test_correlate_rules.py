"""Whose an account is: one verdict each, by numbers and ids first, then by rules in order."""

from __future__ import annotations

import pytest

from connectors.contract import Account, AccountKind, Identifier, IdentityKey, Subject
from reconcile.correlate import (
    Known,
    Match,
    Reason,
    Rule,
    Rules,
    Standing,
    Verdict,
    correlate,
    judge,
)
from reconcile.searching import grown, widened

LEAVER = Subject(
    "E-1042",
    person_id="P-7",
    employee_number="0001042",
    emails=("lea.ver@example.com",),
    upn="lver@corp.example.com",
    names=("Lea Ver",),
)
KNOWN = Known(LEAVER)
ADMINS = Rule(Match.PATTERN, 40, "adm-{login}", AccountKind.ADMIN)


def account(
    native_id: str = "id-1",
    *,
    system: str = "door",
    login: str = "somebody",
    kind: AccountKind = AccountKind.PERSON,
    confidence: int = 60,
    **identifiers: str,
) -> Account:
    """An account as a connector reports it; ``number="1"`` is one of its identifiers."""
    names = {"number": IdentityKey.EMPLOYEE_NUMBER, "person": IdentityKey.PERSON_ID}
    shown = (
        Identifier(names.get(name) or IdentityKey(name), value)
        for name, value in identifiers.items()
    )
    return Account(system, native_id, login, kind, "found", confidence, identifiers=tuple(shown))


def said(verdict: Verdict) -> tuple[str, str, str]:
    """Standing, rule and reason of a verdict."""
    return verdict.standing.value, verdict.account.matched_by, verdict.reason.value


@pytest.mark.parametrize(
    "number",
    [
        "0001042",
        " 0001042 ",
        "\uff10\uff10\uff10\uff11\uff10\uff14\uff12",
        "\u0660\u0660\u0660\u0661\u0660\u0664\u0662",
    ],
)
def test_the_hr_number_makes_sure_however_it_is_typed(number: str) -> None:
    """Full-width digits, digits of another script and blanks are the same number."""
    verdict = judge(account(number=number), KNOWN, Rules())
    assert said(verdict) == ("sure", "employee_number", "")
    assert verdict.account.confidence == 100
    assert verdict.account.identifiers[0].value == number  # acted upon and kept as it was read


@pytest.mark.parametrize("number", ["1042", "00001042", "0001043", "E-1042"])
def test_another_number_rejects_whatever_the_names_say(number: str) -> None:
    """A re-used login and address are the successor's; leading zeros are part of the number."""
    reused = account(login="lver", mail="lea.ver@example.com", number=number, confidence=100)
    assert said(judge(reused, KNOWN, Rules()))[0::2] == ("rejected", "anothers_number")


def test_another_person_id_rejects_too() -> None:
    """HR's own id of a person counts like the number."""
    reused = account(mail="lea.ver@example.com", person="P-8")
    assert said(judge(reused, KNOWN, Rules()))[0::2] == ("rejected", "anothers_number")
    assert said(judge(account(person="P-7"), KNOWN, Rules())) == ("sure", "person_id", "")


def test_a_person_id_is_compared_to_the_letter() -> None:
    """Some systems tell two persons apart by case alone; another spelling is asked about."""
    subject = Subject("E-1", person_id="0015x00000AbC")
    exact = judge(account(person="0015x00000AbC"), Known(subject), Rules())
    other = judge(account(person="0015X00000aBc"), Known(subject), Rules())
    assert said(exact) == ("sure", "person_id", "")
    assert said(other) == ("candidate", "found", "")


def test_two_numbers_on_one_account_are_nobodys_certainty() -> None:
    """Both people may use it: a person decides."""
    shared = Account("door", "s", "shared", identifiers=(
        Identifier(IdentityKey.EMPLOYEE_NUMBER, "0001042"),
        Identifier(IdentityKey.EMPLOYEE_NUMBER, "0001043"),
    ))  # fmt: skip
    assert said(judge(shared, KNOWN, Rules())) == (
        "candidate", "employee_number", "contradictory",
    )  # fmt: skip
    torn = account(number="0001042", person="P-8")
    assert said(judge(torn, KNOWN, Rules()))[0::2] == ("candidate", "contradictory")


@pytest.mark.parametrize("number", ["000l042", "OOO1042", "0001\u200b042"])
def test_a_number_that_only_looks_alike_is_asked_about(number: str) -> None:
    """A typing mistake is not another person, and not the same number either."""
    verdict = judge(account(number=number), KNOWN, Rules())
    assert said(verdict) == ("candidate", "employee_number", "look_alike")


def test_rules_are_tried_in_their_order() -> None:
    """The first that fits names the rule and the confidence."""
    found = account(login="lver", mail="Lea.Ver@Example.com", name="Lea  Ver")
    mail_first = judge(found, KNOWN, Rules())
    names_first = judge(found, KNOWN, Rules((Rule(Match.NAME, 33), Rule(Match.MAIL, 60))))
    assert (said(mail_first), mail_first.account.confidence) == (("candidate", "mail", ""), 60)
    assert (said(names_first), names_first.account.confidence) == (("candidate", "name", ""), 33)


def test_a_rule_may_be_for_some_systems_only() -> None:
    """Elsewhere it does not fit, and the next one is tried."""
    rules = Rules((Rule(Match.LOGIN, 80, systems=("vpn",)), Rule(Match.LOGIN, 20)))
    assert judge(account(login="LVER"), KNOWN, rules).account.confidence == 20
    assert judge(account(login="lver", system="vpn"), KNOWN, rules).account.confidence == 80


def test_a_sure_claim_without_proof_is_a_candidate() -> None:
    """A connector that shows identities and says 100 without a number or id is not believed."""
    found = judge(account(login="lver", mail="lea.ver@example.com", confidence=100), KNOWN, Rules())
    other = judge(account(login="other", mail="else@example.com", confidence=100), KNOWN, Rules())
    assert said(found) == ("candidate", "mail", "unproven")
    assert said(other) == ("candidate", "found", "unproven")
    assert other.account.confidence == 99


def test_a_connector_that_shows_no_identity_is_believed() -> None:
    """The contract's older half: 100 is sure, less is asked about."""
    assert said(judge(account(confidence=100), KNOWN, Rules())) == ("sure", "found", "")
    assert said(judge(account(confidence=70), KNOWN, Rules())) == ("candidate", "found", "")


def test_an_administrators_login_is_made_from_the_persons_own() -> None:
    """``adm-lver`` is a candidate of kind admin, also when the login was only just found."""
    own = account("own", login="lver77", number="0001042")
    admin = account("adm", login="ADM-lver77")
    other = account("no", login="adm-jdoe")
    verdicts = {
        v.account.native_id: v for v in correlate([admin, other, own], KNOWN, Rules((ADMINS,)))
    }
    assert said(verdicts["own"]) == ("sure", "employee_number", "")
    assert said(verdicts["adm"]) == ("candidate", "pattern adm-{login}", "")
    assert verdicts["adm"].account.kind is AccountKind.ADMIN
    assert said(verdicts["no"])[1] == "found"


def test_a_sure_account_gets_its_kind_from_the_rules() -> None:
    """An administrator's account that carries the HR number is theirs, and an administrator's."""
    rules = Rules((ADMINS,), services=("svc-*",))
    by_rule = judge(account(login="adm-lver", number="0001042"), KNOWN, rules)
    by_list = judge(account(login="SVC-Backup", number="0001042"), KNOWN, rules)
    by_system = judge(account(kind=AccountKind.SERVICE, number="0001042"), KNOWN, rules)
    kinds = [v.account.kind for v in (by_rule, by_list, by_system)]
    assert kinds == [AccountKind.ADMIN, AccountKind.SERVICE, AccountKind.SERVICE]
    assert {v.standing for v in (by_rule, by_list, by_system)} == {Standing.SURE}


def test_what_the_person_owns_is_a_service_candidate() -> None:
    """An owner attribute names the person by address, login, number or the id of their account."""
    own = Account("door", "native-1", "lver", display="uid=lver,dc=example,dc=com")
    known = Known(LEAVER, (own,))
    for owner in ("lea.ver@example.com", "LVER", "0001042", "native-1", own.display):
        verdict = judge(account(login="build-bot", owner=owner), known, Rules())
        assert said(verdict) == ("candidate", "owner", ""), owner
        assert verdict.account.kind is AccountKind.SERVICE
    stranger = judge(account(login="build-bot", owner="jdoe@example.com"), known, Rules())
    assert said(stranger)[1] == "found"


def test_an_id_learned_elsewhere_makes_sure() -> None:
    """Entra's onPremisesImmutableId is the objectGUID that Active Directory told."""
    shown = (Identifier(IdentityKey.IMMUTABLE_ID, "q83vEjRWeE+QEjRWeJASNA=="),)
    local = Account("ad", "guid", "lver", identifiers=shown)
    cloud = Account("entra", "oid", "lver@x", confidence=50, identifiers=shown)
    lower = Account("entra", "oid", "lver@x", confidence=50, identifiers=(
        Identifier(IdentityKey.IMMUTABLE_ID, "Q83VEJRWEE+QEJRWEJASNA=="),
    ))  # fmt: skip
    known = Known(LEAVER, (local,))
    assert said(judge(cloud, known, Rules())) == ("sure", "immutable_id", "")
    assert judge(lower, known, Rules()).standing is Standing.CANDIDATE  # base64 knows case
    assert judge(replace_system(local, "entra"), Known(LEAVER), Rules()).standing is (
        Standing.CANDIDATE
    )


def replace_system(one: Account, system: str) -> Account:
    """The same account in another system, matched weakly."""
    return Account(system, one.native_id, one.login, confidence=50, identifiers=one.identifiers)


def test_an_id_against_a_number_is_asked_about() -> None:
    """One attribute is stale, and nobody but a person knows which."""
    shown = Identifier(IdentityKey.IMMUTABLE_ID, "guid-1")
    local = Account("ad", "guid", "lver", identifiers=(shown,))
    cloud = Account("entra", "oid", "lver", identifiers=(
        shown, Identifier(IdentityKey.EMPLOYEE_NUMBER, "0009999"),
    ))  # fmt: skip
    assert said(judge(cloud, Known(LEAVER, (local,)), Rules()))[0::2] == (
        "candidate", "contradictory",
    )  # fmt: skip


def test_what_a_person_signed_off_is_remembered_and_not_against_a_number() -> None:
    """Approved for this person: sure. Approved, and another's number by now: asked again."""
    known = Known(LEAVER, approved=frozenset({"id-1"}))
    assert said(judge(account(login="x"), known, Rules())) == ("sure", "signed off", "")
    against = judge(account(login="x", number="0009999"), known, Rules())
    assert said(against)[0::2] == ("candidate", "contradictory")


def test_what_was_signed_off_as_anothers_is_theirs() -> None:
    """An address that went to the successor does not bring their account; a number asks."""
    known = Known(LEAVER, others=frozenset({"id-1"}))
    by_mail = judge(account(mail="lea.ver@example.com"), known, Rules())
    by_number = judge(account(number="0001042"), known, Rules())
    assert said(by_mail)[0::2] == ("rejected", "anothers_account")
    assert said(by_number)[0::2] == ("candidate", "anothers_account")


@pytest.mark.parametrize(
    "login",
    ["lv\u0435r", "\u217cver", "Iver", "1ver", "l\u0475er", "lv\u00e9r", "lver\u200d", "lvver"],
)
def test_look_alikes_of_a_login_are_named_as_such(login: str) -> None:
    """Homoglyphs, accents and invisible characters are nobody's match, and worth a question."""
    verdict = judge(account(login=login), KNOWN, Rules((Rule(Match.LOGIN, 50),)))
    expected = {"\u217cver": "", "lvver": ""}.get(login, "look_alike")
    assert verdict.reason.value == expected
    assert verdict.standing is Standing.CANDIDATE


def test_below_the_threshold_is_recorded_and_not_asked() -> None:
    """``ask_from`` keeps mere namesakes out of the queue, but nothing that contradicts a number."""
    rules = Rules(ask_from=40)
    assert said(judge(account(name="Lea Ver"), KNOWN, rules)) == (
        "rejected", "name", "below_threshold",
    )  # fmt: skip
    alike = judge(account(number="000l042"), KNOWN, rules)
    assert (alike.standing, alike.reason) == (Standing.CANDIDATE, Reason.LOOK_ALIKE)
    claimed = judge(account(name="Lea Ver", confidence=100), KNOWN, rules)
    assert (claimed.standing, claimed.reason) == (Standing.CANDIDATE, Reason.UNPROVEN)
    shadow = judge(account(login="lv\u0435r"), KNOWN, rules)
    assert (shadow.standing, shadow.reason) == (Standing.CANDIDATE, Reason.LOOK_ALIKE)


def test_without_a_number_from_hr_nothing_is_anothers() -> None:
    """What HR does not know cannot be compared: it is asked about."""
    known = Known(Subject("E-1", emails=("lea.ver@example.com",)))
    verdict = judge(account(mail="lea.ver@example.com", number="77"), known, Rules())
    assert said(verdict) == ("candidate", "mail", "")


def test_the_search_grows_with_what_is_known() -> None:
    """Logins, addresses and ids of other systems, and what patterns make of them."""
    told = Account("ad", "guid", "lver77", identifiers=(
        Identifier(IdentityKey.MAIL, "l.ver@example.com"),
        Identifier(IdentityKey.IMMUTABLE_ID, "guid-1"),
    ))  # fmt: skip
    rules = Rules((ADMINS, Rule(Match.PATTERN, 30, "t{employee_number}"),
                   Rule(Match.PATTERN, 30, "x-{login}", systems=("vpn",))))  # fmt: skip
    before = widened(KNOWN, rules, "door")
    after = widened(Known(LEAVER, (told,)), rules, "door")
    assert before.logins == ("lver", "adm-lver", "t0001042")
    assert after.logins == ("lver", "lver77", "adm-lver", "adm-lver77", "t0001042")
    assert after.emails == ("lea.ver@example.com", "l.ver@example.com")
    assert [each.value for each in after.identifiers] == ["guid-1"]
    assert grown(before, after)
    assert not grown(after, before)
    assert widened(Known(LEAVER, (told,)), rules, "ad").identifiers == ()  # its own id


def test_an_administrators_login_makes_no_further_ones() -> None:
    """``adm-adm-lver`` is nobody, and an administrator's address is not the person's."""
    admin = Account("ad", "a", "adm-lver", AccountKind.ADMIN, identifiers=(
        Identifier(IdentityKey.MAIL, "admins@example.com"),
    ))  # fmt: skip
    wider = widened(Known(LEAVER, (admin,)), Rules((ADMINS,)), "door")
    assert wider.logins == ("lver", "adm-lver")
    assert wider.emails == ("lea.ver@example.com",)


def test_a_login_that_is_an_address_is_read_as_both() -> None:
    """Entra's login is the UPN: before the @ it is the login, and whole it is an address."""
    cloud = Account("entra", "oid", "adm-lver@corp.example.com", confidence=30)
    mailed = Account("saas", "1", "Lea.Ver@example.com", confidence=30)
    own = Account("entra", "own", "lver77@corp.example.com")
    assert said(judge(cloud, KNOWN, Rules((ADMINS,)))) == ("candidate", "pattern adm-{login}", "")
    assert said(judge(mailed, KNOWN, Rules())) == ("candidate", "mail", "")
    assert widened(Known(LEAVER, (own,)), Rules(), "door").logins == ("lver", "lver77")
