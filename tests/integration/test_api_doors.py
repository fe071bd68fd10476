"""The two doors and the life of the daemon process: sockets, TLS, signals, a service manager."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from config import Settings, load
from config.settings import Http
from deprovisioner.api.patience import PatientProtocol
from deprovisioner.api.serving import Doors, DoorTaken
from deprovisioner.wiring import open_house
from reconcile.evidence.keys import SigningKey
from reconcile.principals import Role
from tests.support.house_rig import MEDIA_TYPE, ORIGIN, event, running_doors
from tests.support.peers.authority import Authority
from tests.support.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
SERVE = (
    "import sys; from pathlib import Path; import config; from deprovisioner.daemon import serve; "
    "sys.exit(serve(config.load(Path(sys.argv[1]))))"
)


def over_socket(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://daemon")


def test_the_socket_is_ours_only_and_serves_the_same(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, the same application behind it as behind TCP."""
    with running_doors(tmp_path) as visitor:
        path = visitor.house.settings.socket_path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        token = visitor.house.desk.issue_token("pat", Role.AUDITOR)
        with over_socket(path) as client:
            answer = client.get("/v1/systems", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            assert client.get("/v1/systems").status_code == 401
    assert not path.exists()


def test_without_a_host_there_is_only_the_socket(tmp_path: Path) -> None:
    """TCP can be switched off."""
    with running_doors(tmp_path, http=Http(host="")) as visitor:
        assert visitor.port == 0
        with over_socket(visitor.house.settings.socket_path) as client:
            assert client.get("/healthz").status_code == 200


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    """A killed daemon cannot keep the next one from starting."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running_doors(tmp_path, http=Http(port=0, socket=path)), over_socket(path) as client:
        assert client.get("/healthz").status_code == 200


def test_a_socket_in_use_is_not_taken_away(tmp_path: Path) -> None:
    """Two daemons on one socket: the second refuses, the first goes on."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        taken = running_doors(tmp_path / "second", http=Http(port=0, socket=path))
        with pytest.raises(DoorTaken, match="another daemon"), taken:
            pass
        assert path.exists()


def test_a_file_in_the_place_of_the_socket_is_not_deleted(tmp_path: Path) -> None:
    """A wrong path in the settings must not cost somebody a file."""
    path = tmp_path / "s.sock"
    path.write_text("precious", encoding="utf-8")
    refused = running_doors(tmp_path / "data", http=Http(port=0, socket=path))
    with pytest.raises(DoorTaken, match="no socket"), refused:
        pass
    assert path.read_text(encoding="utf-8") == "precious"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """The operator sees which port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = running_doors(tmp_path, http=Http(port=port))
        with pytest.raises(DoorTaken, match=str(port)), refused:
            pass


def test_settings_made_in_code_cannot_open_an_unencrypted_door(tmp_path: Path) -> None:
    """The check of the settings file is repeated where the door opens."""
    outside = Http.model_construct(host="0.0.0.0", port=0, certificate=None, key=None)  # noqa: S104 - refused
    with pytest.raises(DoorTaken, match="without TLS"):
        Doors(FastAPI(), outside, tmp_path / "s.sock").open()
    assert not (tmp_path / "s.sock").exists()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_client_that_sends_no_request_is_hung_up_on(
    tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle connections would keep everybody else out; one that asks in time is served."""
    monkeypatch.setattr(PatientProtocol, "seconds", 0.3)
    with running_doors(tmp_path) as visitor:
        with socket.create_connection(("127.0.0.1", visitor.port), timeout=10) as idle:
            idle.sendall(sent)
            assert idle.recv(4096) == b""
        client = visitor.as_(None)
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz").status_code == 200


def test_tls_is_served(tmp_path: Path) -> None:
    """With a certificate the TCP door speaks TLS and nothing else."""
    certificate, key = Authority(tmp_path).issue("localhost")
    http = Http(host="127.0.0.1", port=0, certificate=certificate, key=key)
    with running_doors(tmp_path / "data", http=http) as visitor:
        trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        with httpx.Client(verify=trust) as client:
            answer = client.get(f"https://localhost:{visitor.port}/healthz")
            assert answer.json() == {"status": "alive"}
        with httpx.Client() as clear, pytest.raises(httpx.HTTPError):
            clear.get(f"http://127.0.0.1:{visitor.port}/healthz")


def test_a_key_that_is_none_is_refused_at_start(tmp_path: Path) -> None:
    """Not at the first request."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no key", encoding="utf-8")
    refused = running_doors(tmp_path, http=Http(port=0, certificate=wrong, key=wrong))
    with pytest.raises(DoorTaken, match="cannot be used"), refused:
        pass


class Process:
    """A daemon as its own process, watched like systemd would, and an operator's token for it."""

    def __init__(self, folder: Path, manager: socket.socket, token: str) -> None:
        self.folder = folder
        self.manager = manager
        self.token = token
        with (folder / "log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(folder / "c.yaml")],
                cwd=ROOT,
                env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
                stderr=log,
            )

    def said(self) -> str:
        """The next word to the service manager; fails with the log when the process is gone."""

        def word() -> str:
            try:
                return self.manager.recv(64).decode()
            except TimeoutError:
                assert self.process.poll() is None, self.logged()
                return ""

        return wait_until(word, 60, forgive=())

    @property
    def socket(self) -> Path:
        """Its Unix socket."""
        return self.folder / "data" / "deprovisioner.sock"

    def client(self) -> httpx.Client:
        """An operator beside it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://daemon", headers=headers)

    def logged(self) -> str:
        """Everything it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8")


def write_settings(folder: Path, latency: str = "0") -> Settings:
    """A settings file with its secrets beside it."""
    signing = SigningKey.generate(ORIGIN, secrets.token_bytes).encode()
    sealing = base64.b64encode(secrets.token_bytes(32)).decode()
    (folder / "signing").write_text(signing, encoding="utf-8")
    (folder / "sealing").write_text(sealing, encoding="utf-8")
    path = folder / "c.yaml"
    path.write_text(
        f"""\
data_directory: data
http: {{port: 0}}
systems: {{door: {{type: memory, settings: {{path: world.db, latency: {latency}}}}}}}
evidence:
  origin: {ORIGIN}
  signing_key: file:{folder}/signing
  sealing_key: file:{folder}/sealing
log: {{level: debug}}
""",
        encoding="utf-8",
    )
    path.chmod(0o600)
    return load(path)


@contextmanager
def daemon_process(folder: Path, settings: Settings | None = None) -> Iterator[Process]:
    """Start `serve` with a settings file, and be its service manager."""
    with open_house(settings or write_settings(folder), at_rest=True) as house:
        token = house.desk.issue_token("pat", Role.OPERATOR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        (folder / "notify").unlink(missing_ok=True)
        manager.bind(str(folder / "notify"))
        manager.settimeout(0.5)
        daemon = Process(folder, manager, token)
        try:
            yield daemon
        finally:
            daemon.process.kill()
            daemon.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """Ready is said when the doors answer, stopping at once, and the end is clean."""
    with daemon_process(tmp_path) as daemon:
        assert daemon.said() == "READY=1"
        with daemon.client() as client:
            assert client.get("/readyz").json() == {"status": "ready"}
        daemon.process.send_signal(number)
        assert daemon.said() == "STOPPING=1"
        assert daemon.process.wait(timeout=30) == 0
        assert not daemon.socket.exists()
        events = daemon.logged()
        assert '"daemon.ready"' in events
        assert '"daemon.acts"' not in events  # it only watches
        assert '"daemon.stopped"' in events
        assert "Traceback" not in events


def test_a_kill_leaves_nothing_that_hinders_the_next_start(tmp_path: Path) -> None:
    """SIGKILL, then a start over the same folder: stale socket, lock and lease are no obstacle."""
    settings = write_settings(tmp_path)
    with daemon_process(tmp_path, settings) as daemon:
        assert daemon.said() == "READY=1"
        daemon.process.kill()
        daemon.process.wait()
        assert daemon.socket.exists()
    with daemon_process(tmp_path, settings) as again:
        assert again.said() == "READY=1"
        with again.client() as client:
            assert client.get("/readyz").json() == {"status": "ready"}


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """An operator who insists is obeyed while an operation still runs; it runs again later."""
    settings = write_settings(tmp_path, latency="60s")
    with daemon_process(tmp_path, settings) as daemon:
        assert daemon.said() == "READY=1"
        with daemon.client() as client:
            posted = client.post(
                "/v1/terminations", content=event(), headers={"Content-Type": MEDIA_TYPE}
            )
            case = f"/v1/cases/{posted.json()['case_id']}"

            def running() -> bool:
                operations = client.get(case).json()["operations"]
                return any(o["started_at"] and not o["finished_at"] for o in operations)

            wait_until(running, 20)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.said() == "STOPPING=1"
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=15) == 128 + signal.SIGTERM


def test_the_log_of_a_termination_names_nobody(tmp_path: Path) -> None:
    """Law 10 over a whole start, delivery, refusal, survey and stop, at the level of debugging."""
    with daemon_process(tmp_path) as daemon:
        assert daemon.said() == "READY=1"
        with daemon.client() as client:

            def post(**person: str) -> httpx.Response:
                raw = event(subject_changes={"work_email": "robin@example.com", **person})
                headers = {"Content-Type": MEDIA_TYPE}
                return client.post("/v1/terminations", content=raw, headers=headers)

            case = f"/v1/cases/{post(display_name='Robin Example').json()['case_id']}"
            assert post(worker_type="robin").status_code == 422
            wait_until(lambda: client.get(case).json()["surveys"], 20)
            client.get("/v1/cases", params={"employment_id": "robin"})
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=30) == 0
        written = daemon.logged()
        assert '"intake.taken"' in written
        assert '"operation.ran"' in written
        assert "robin" not in written.lower()
        assert daemon.token not in written


def test_an_idle_daemon_is_small(tmp_path: Path) -> None:
    """Resident memory of the idle process: at most 150 MB (docs/operations)."""
    with daemon_process(tmp_path) as daemon:
        assert daemon.said() == "READY=1"
        status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        assert resident <= 150, f"{resident:.0f} MB"
