"""Run the client that scenarios use inside pods, with servers on this machine."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.base import pki
from scenarios.probes import Failure
from scenarios.refusals import ALERTS

CLIENT = Path(__file__).parents[3] / "scenarios" / "probe_client.py"
NAME = "spiffe://east.example/ns/test/sa/podinfo"
STRANGER = b"HTTP/1.1 404 Not Found\r\nServer: keryx\r\nContent-Length: 0\r\n\r\n"


def ask(url: str, stdin: bytes = b"", **more: Any) -> dict[str, Any]:
    request = {"url": url, "method": "GET", "timeout_s": 5, "headers": {}, **more}
    argv = [sys.executable, str(CLIENT), json.dumps(request)]
    done = subprocess.run(argv, input=stdin, capture_output=True, check=True, timeout=20)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection on 127.0.0.1; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def work() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    handle(connection)

        thread = threading.Thread(target=work)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def _read(connection: socket.socket) -> None:
    connection.recv(1000)


def test_a_response_has_its_headers_and_the_address_of_the_server() -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(STRANGER)

    with server(handle) as port:
        said = ask(f"http://127.0.0.1:{port}/")
    assert (said["status"], said["headers"]["server"], said["peer"]) == (404, "keryx", "127.0.0.1")
    assert said["failure"] == ""


def test_a_closed_port_a_closed_and_a_reset_connection_are_distinguished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}/")["failure"] == "connection refused"

    with server(_read) as port:
        said = ask(f"http://127.0.0.1:{port}/")
    assert (said["failure"], said["peer"]) == ("closed", "127.0.0.1")

    def reset(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(reset) as port:
        said = ask(f"http://127.0.0.1:{port}/")
    assert (said["failure"], said["peer"]) == ("reset", "127.0.0.1")


def test_a_silent_server_is_a_timeout() -> None:
    def silent(connection: socket.socket) -> None:
        _read(connection)
        _read(connection)  # until the client gives up

    with server(silent) as port:
        assert ask(f"http://127.0.0.1:{port}/", timeout_s=0.3)["failure"] == "timed out"


def _issued(folder: Path, identity: str) -> pki.Issued:
    issuer = pki.issuer(folder, lab_name="test", cluster="east", trust_domain="east.example")
    return pki.leaf(issuer, identity)


def _server_context(folder: Path) -> ssl.SSLContext:
    file = folder / "server.pem"
    issued = _issued(folder, NAME)
    file.write_bytes(issued.key + issued.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "anchor.crt"))
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _ask_over_tls(trusted: Path, signer: Path) -> dict[str, Any]:
    context = _server_context(trusted)

    def handle(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)
            secure.sendall(STRANGER)

    identity = _issued(signer, "spiffe://west.example/ns/test/sa/frontend")
    content = identity.key + identity.certificate
    with server(handle) as port:
        return ask(f"https://127.0.0.1:{port}/", content, server_name="podinfo", identity_bytes=len(content))


def test_a_trusted_certificate_gets_a_response_with_the_servers_certificate(tmp_path: Path) -> None:
    said = _ask_over_tls(tmp_path, tmp_path)
    assert said["status"] == 404
    assert pki.identities(base64.b64decode(said["certificate"])) == (NAME,)


def test_a_refused_certificate_names_the_server_that_refused_it(tmp_path: Path) -> None:
    said = _ask_over_tls(tmp_path / "trusted", tmp_path / "other")
    assert said["status"] == 0
    assert Failure(said["failure"]) in ALERTS, said  # a reset can overtake the alert
    assert pki.identities(base64.b64decode(said["certificate"])) == (NAME,)
