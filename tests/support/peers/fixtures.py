"""Pytest fixtures of the real servers, each started once per test run.

``slapd``, ``three_eight_nine`` and ``directory`` (both, one after the other) come freshly reset to
the population for every test; ``postgres`` hands out fresh databases by ``database()``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_socket import socket_allow_hosts

from tests.support.peers.authority import person_certificate
from tests.support.peers.postgres import Postgres
from tests.support.peers.samba_domain import SambaDomain
from tests.support.peers.slapd import Slapd
from tests.support.peers.three_eight_nine import ThreeEightNine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.directory import Directory


@pytest.fixture(scope="session")
def leaver_certificate() -> bytes:
    """A certificate of the leaver, as DER."""
    return person_certificate("lmeyer")


@pytest.fixture(scope="session")
def _slapd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _three_eight_nine_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ThreeEightNine]:
    server = ThreeEightNine(tmp_path_factory.mktemp("three_eight_nine"), f"peer{os.getpid()}")
    try:
        server.start()
        server.prepare()
        yield server
    finally:
        server.remove()


@pytest.fixture
def slapd(_slapd_server: Slapd, leaver_certificate: bytes) -> Slapd:
    """OpenLDAP with exactly the population."""
    _slapd_server.reset(leaver_certificate)
    return _slapd_server


@pytest.fixture
def three_eight_nine(
    _three_eight_nine_server: ThreeEightNine, leaver_certificate: bytes
) -> ThreeEightNine:
    """389-ds with exactly the population."""
    _three_eight_nine_server.reset(leaver_certificate)
    return _three_eight_nine_server


@pytest.fixture(params=["openldap", "389ds"])
def directory(request: pytest.FixtureRequest) -> Directory:
    """Each directory server in turn, freshly reset."""
    name = {"openldap": "slapd", "389ds": "three_eight_nine"}[request.param]
    peer: Directory = request.getfixturevalue(name)
    return peer


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL as an operator runs it (fsync on); tests ask it for fresh databases."""
    # Not below pytest's own folder: the user postgres cannot pass through it (mode 0700).
    with tempfile.TemporaryDirectory(prefix="deprovisioner-postgres-") as name:
        server = Postgres(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def _samba_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaDomain]:
    domain = SambaDomain(tmp_path_factory.mktemp("samba"))
    try:
        domain.start()
        yield domain
    finally:
        domain.stop()


@pytest.fixture
def samba_domain(request: pytest.FixtureRequest) -> SambaDomain:
    """One Active Directory domain on two Samba controllers; every test takes its own leaver."""
    # Samba's ports are fixed, so its controllers have addresses of their own (until teardown).
    socket_allow_hosts(["127.0.0.0/8", "::1"], allow_unix_socket=True)
    domain: SambaDomain = request.getfixturevalue("_samba_servers")
    return domain
