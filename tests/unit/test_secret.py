"""Secrets are references: read at the moment of use, never printed, compared in constant time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connectors.secret import MAX_SECRET_BYTES, Secret, SecretUnavailable

VALUE = "invented-value"


class Model(BaseModel):
    """A settings model with a secret, as every room has one."""

    password: Secret


def test_an_environment_variable_is_read_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The value of the moment counts, not the one at load time."""
    secret = Secret("env:INVENTED_PASSWORD")
    monkeypatch.setenv("INVENTED_PASSWORD", "old")
    assert secret.reveal() == "old"

    monkeypatch.setenv("INVENTED_PASSWORD", VALUE)

    assert secret.reveal() == VALUE


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_variable_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """An empty password is a mistake: many directories take it for an anonymous login."""
    if value is not None:
        monkeypatch.setenv("INVENTED_PASSWORD", value)

    with pytest.raises(SecretUnavailable, match="INVENTED_PASSWORD"):
        Secret("env:INVENTED_PASSWORD").reveal()


def test_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    """Editors end lines; spaces inside and around stay, they may belong to the secret."""
    path = tmp_path / "password"
    path.write_bytes(b" two words \r\n")

    assert Secret(f"file:{path}").reveal() == " two words "


def test_what_is_no_secret_file_is_unavailable(tmp_path: Path) -> None:
    """Missing, empty, a folder, or far too large: said with the reference, without content."""
    empty, large = tmp_path / "empty", tmp_path / "large"
    empty.write_bytes(b"\n")
    large.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))

    for path in (tmp_path / "missing", tmp_path, empty, large):
        with pytest.raises(SecretUnavailable) as raised:
            Secret(f"file:{path}").reveal()
        assert str(path) in str(raised.value)
        assert "xxx" not in str(raised.value)


def test_a_secret_file_that_is_no_text_is_unavailable(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a wrong file, and said as such."""
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SecretUnavailable):
        Secret(f"file:{path}").reveal()


def test_a_systemd_credential_lies_below_its_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """LoadCredential= of systemd is found by name, and by name only."""
    (tmp_path / "ldap-act").write_text(VALUE)
    secret = Secret("credential:ldap-act")
    with pytest.raises(SecretUnavailable):
        secret.reveal()

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert secret.reveal() == VALUE
    for name in ("../ldap-act", f"{tmp_path}/ldap-act"):
        with pytest.raises(SecretUnavailable):
            Secret(f"credential:{name}").reveal()


@given(text=st.text())
def test_a_literal_password_is_refused(text: str) -> None:
    """Whatever is not a reference is refused at load, and is not repeated in the message."""
    literal = f"hunter-{text}"

    with pytest.raises(ValueError, match="given by reference") as raised:
        Secret(literal)
    assert "hunter" not in str(raised.value)


@pytest.mark.parametrize("reference", ["env:", "file:", "credential:", "", ":", "vault:x"])
def test_half_a_reference_is_refused(reference: str) -> None:
    """Scheme and name are both needed."""
    with pytest.raises(ValueError, match="given by reference"):
        Secret(reference)


def test_no_way_of_printing_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, debug text, dumps and JSON of a model show the reference."""
    monkeypatch.setenv("INVENTED_PASSWORD", VALUE)
    model = Model.model_validate({"password": "env:INVENTED_PASSWORD"})
    assert model.password.reveal() == VALUE

    shown = [
        str(model.password),
        repr(model.password),
        repr(model),
        str(model.model_dump()),
        model.model_dump_json(),
    ]
    assert [text for text in shown if VALUE in text] == []
    assert model.model_dump_json() == '{"password":"env:INVENTED_PASSWORD"}'


def test_a_model_takes_a_secret_or_a_reference() -> None:
    """Settings files carry references, code may hand over a Secret; a literal is refused."""
    secret = Secret.held(lambda: VALUE, "sandbox")

    assert Model(password=secret).password is secret
    with pytest.raises(ValidationError):
        Model.model_validate({"password": "hunter2"})


@pytest.mark.parametrize("wrong", [7, None, b"env:X", ["env:X"]])
def test_a_number_for_a_password_is_a_settings_error(wrong: object) -> None:
    """`password: 1234` in a settings file is reported with its place, like any wrong value."""
    with pytest.raises(ValidationError):
        Model.model_validate({"password": wrong})


def test_a_held_secret_is_asked_each_time() -> None:
    """The sandbox's invented passwords stay where they were made."""
    values = iter(["first", "second"])
    secret = Secret.held(lambda: next(values), "sandbox")

    assert (secret.reveal(), secret.reveal()) == ("first", "second")
    assert repr(secret) == "Secret('held:sandbox')"


def test_matches_compares_the_value() -> None:
    """Equal is equal, also beyond ASCII; a prefix is not."""
    secret = Secret.held(lambda: "Paßwort", "sandbox")

    assert secret.matches("Paßwort")
    assert not secret.matches("Paßwor")
    assert not secret.matches("")
