"""The sandbox as a whole: starts, can be steered from outside, and leaves nothing behind."""

import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import ldap3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ldap3 import MODIFY_REPLACE

from deprovisioner.sandbox.directory.server import Certificate
from deprovisioner.sandbox.fake_directory import DirectoryOptions
from deprovisioner.sandbox.running import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One running sandbox."""
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def _healthy(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.faults.clear()


def steer(
    sandbox: Sandbox, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Call the control endpoint."""
    request = urllib.request.Request(  # noqa: S310 - the URL is the sandbox's own
        sandbox.control_url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token or sandbox.secrets.control_token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def connect(sandbox: Sandbox, **options: Any) -> Any:
    """Bind as the acting account."""
    account = sandbox.company.act
    server = ldap3.Server(sandbox.directory_url, **options)
    return ldap3.Connection(server, account.name, account.password, auto_bind=True)


def test_a_client_that_asks_for_everything_works(sandbox: Sandbox) -> None:
    """ldap3 with get_info=ALL understands the root DSE and the schema, and searches by it."""
    client = connect(sandbox, get_info=ldap3.ALL)
    leaver = sandbox.company.demo_leaver()
    client.search("dc=example,dc=com", f"(uid={leaver.login})", attributes=["*", "+"])

    assert client.server.info.naming_contexts == ["dc=example,dc=com"]
    assert "1.2.840.113556.1.4.319" in {oid for oid, *_ in client.server.info.supported_controls}
    assert client.entries[0].uidNumber.value == leaver.uid_number
    assert client.entries[0].entryUUID.value
    assert client.extend.standard.who_am_i() == f"dn:{sandbox.company.act.name}"
    client.unbind()


def test_faults_are_set_from_outside(sandbox: Sandbox) -> None:
    """A posted fault is met by the next search, a second post without it heals."""
    client = connect(sandbox, get_info=ldap3.NONE)
    steer(sandbox, "POST", "/faults", {"directory": {"answer_code": 51}})
    client.search("dc=example,dc=com", "(uid=canary)")
    busy = client.result["result"]
    steer(sandbox, "POST", "/faults", {})
    client.search("dc=example,dc=com", "(uid=canary)")

    assert (busy, client.result["result"]) == (51, 0)
    client.unbind()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", {"directory": {"nonsense": 1}}, 422),
        ("POST", "/faults", {"gitlab": {}}, 422),
        ("POST", "/faults", ["x"], 400),
        ("PUT", "/employments/E-9999/termination", {"last_working_day": "2026-12-18"}, 404),
        ("PUT", "/employments/E-1042/termination", {}, 422),
        ("GET", "/nothing", None, 404),
    ],
)
def test_wrong_switches_are_refused(
    sandbox: Sandbox, method: str, path: str, body: Any, status: int
) -> None:
    """A mistake at the controls is an answer, not a silence."""
    assert steer(sandbox, method, path, body)[0] == status


def test_controls_need_their_own_token(sandbox: Sandbox) -> None:
    """The HR system's token does not steer."""
    token = sandbox.secrets.human_resources_token

    assert steer(sandbox, "GET", "/faults", token=token)[0] == 401


def test_terminations_are_steered_from_outside(sandbox: Sandbox) -> None:
    """Scheduled and called off over HTTP, seen in HR."""
    path = "/employments/E-1050/termination"
    _status, put = steer(sandbox, "PUT", path, {"last_working_day": "2026-12-18"})
    _status, deleted = steer(sandbox, "DELETE", path)

    assert put["dates"]["termination_date"] == "2026-12-18"
    assert deleted["status"] == "rescinded"


def test_the_witness_keeps_writes_but_no_passwords(sandbox: Sandbox) -> None:
    """Who wrote what with which result can be read from outside; a password cannot."""
    client = connect(sandbox, get_info=ldap3.NONE)
    name = sandbox.company.name_of(sandbox.company.people[99])
    changes = {
        "userPassword": [(MODIFY_REPLACE, ["very secret"])],
        "title": [(MODIFY_REPLACE, ["Gardener"])],
    }
    client.modify(name, changes)
    client.delete("uid=nobody,ou=people,dc=example,dc=com")
    _status, told = steer(sandbox, "GET", "/writes")

    last, absent = told["writes"][-2:]
    assert (last["who"], last["name"], last["result"]) == (sandbox.company.act.name, name, 0)
    assert [change["values"] for change in last["changes"]] == [["(withheld)"], ["Gardener"]]
    assert (absent["operation"], absent["result"]) == ("delete", 32)
    client.unbind()


def test_connections_can_be_cut(sandbox: Sandbox) -> None:
    """After the switch an open client finds its line dead."""
    client = connect(sandbox, get_info=ldap3.NONE)
    steer(sandbox, "POST", "/connections/drop", {})

    with pytest.raises(ldap3.core.exceptions.LDAPException):  # type: ignore[attr-defined]
        client.search("dc=example,dc=com", "(uid=canary)")


def test_everything_listens_on_loopback_only(sandbox: Sandbox) -> None:
    """No port of the sandbox is open to another machine."""
    for url in (sandbox.directory_url, sandbox.human_resources_url, sandbox.control_url):
        assert ip_address(urlsplit(url).hostname or "").is_loopback


def test_stopping_leaves_nothing() -> None:
    """Ports are closed and threads are gone, and it can be started again."""
    before = set(threading.enumerate())
    sandbox = Sandbox()
    for _round in range(2):
        with sandbox:
            client = connect(sandbox, get_info=ldap3.NONE)
            ports = [
                urlsplit(url).port or 0
                for url in (sandbox.directory_url, sandbox.human_resources_url)
            ]
        client.socket.close()
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)
    assert set(threading.enumerate()) <= before


def test_ten_clients_at_once(sandbox: Sandbox) -> None:
    """Concurrent writes to one group all arrive."""
    group = "cn=vpn-users,ou=groups,dc=example,dc=com"
    people = sandbox.company.people[200:210]
    problems: list[int] = []

    def join(index: int) -> None:
        client = connect(sandbox, get_info=ldap3.NONE)
        member = sandbox.company.name_of(people[index])
        client.modify(group, {"uniqueMember": [(ldap3.MODIFY_ADD, [member])]})
        problems.append(client.result["result"])
        client.unbind()

    threads = [threading.Thread(target=join, args=(index,)) for index in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    client = connect(sandbox, get_info=ldap3.NONE)
    client.search(group, "(objectClass=*)", "BASE", attributes=["uniqueMember"])
    members = client.response[0]["raw_attributes"]["uniqueMember"]
    client.unbind()
    assert problems == [0] * 10
    assert {sandbox.company.name_of(person).encode() for person in people} <= set(members)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for the loopback address."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Certificate(str(files[0]), str(files[1]))


@pytest.mark.parametrize("implicit", [True, False])
def test_tls(certificate: Certificate, *, implicit: bool) -> None:
    """LDAPS and StartTLS work with a certificate that the client trusts."""
    options = DirectoryOptions(certificate=certificate, implicit_tls=implicit)
    with Sandbox(options=options) as sandbox:
        context = ssl.create_default_context(cafile=certificate.certificate_file)
        port = urlsplit(sandbox.directory_url).port or 0
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            if not implicit:
                plain.sendall(bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037")
                assert plain.recv(100)[-6:] == bytes.fromhex("010004000400")
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                account = sandbox.company.act
                secured.sendall(_bind(account.name, account.password))
                assert secured.recv(100)[-7:] == bytes.fromhex("0a010004000400")


def _bind(name: str, password: str) -> bytes:
    credentials = b"\x80" + bytes([len(password)]) + password.encode()
    body = b"\x02\x01\x03\x04" + bytes([len(name)]) + name.encode() + credentials
    operation = b"\x60" + bytes([len(body)]) + body
    return b"\x30" + bytes([len(operation) + 3]) + b"\x02\x01\x02" + operation
