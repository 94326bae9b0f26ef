from __future__ import annotations

import socket
import threading

import pytest

from lab.base import wait
from lab.base.wait import NotYet
from lab.measure.counting import Request
from lab.measure.load import Load, plain_get
from tests.unit.measure.local_server import LocalServer, Mode, free_port


def test_an_answer_of_2xx_names_the_host(server: LocalServer) -> None:
    assert plain_get(f"{server.base}/a?b=c")() == Request(at_s=0, latency_ms=0, answered_by=f"127.0.0.1:{server.port}")
    assert server.asked == ["/a?b=c"]


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        (Mode.CLOSE, "the connection was closed without an answer"),
        (Mode.SHORT, "the answer is incomplete"),
        (Mode.DRIP, "no whole answer within 0.2 s"),
        (Mode.HANG, "no answer in time"),
        (Mode.ERROR, "HTTP 500"),
        (Mode.REDIRECT, "HTTP 302"),
    ],
)
def test_everything_else_is_a_lost_request_with_its_reason(server: LocalServer, mode: Mode, error: str) -> None:
    server.mode = mode
    request = plain_get(server.base, timeout_s=0.2)()
    assert request.answered_by is None
    assert error in request.error


def test_a_name_without_an_address_is_a_lost_request() -> None:
    assert plain_get("http://nobody.invalid/")().error.startswith("the host name has no address (")


def test_an_answer_that_is_not_http_is_a_lost_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert plain_get(f"http://127.0.0.1:{listener.getsockname()[1]}")().error == "the answer is not HTTP"


def test_a_port_without_a_server_is_a_lost_request() -> None:
    assert "connection refused: nothing listens there" in plain_get(f"http://127.0.0.1:{free_port()}")().error


def test_requests_that_never_got_a_thread_do_not_delay_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would take its whole time limit, when the load has ended already."""
    monkeypatch.setattr("lab.measure.load.REQUEST_TIMEOUT_S", 0.05)
    release, sent = threading.Event(), []

    def hang() -> Request:
        sent.append(1)
        release.wait(30)
        return Request(at_s=0, latency_ms=0, answered_by=None, error="no answer")

    load = Load("dead", 1000, hang)
    load.start()
    wait.until("all threads have a request", lambda: len(sent) == 300 or NotYet(str(len(sent))), timeout_s=60)
    load.run(0.3)
    load.abandon()
    load.run(0.1)
    release.set()
    recording = load.stop()

    assert len(sent) == 300
    assert len(recording.lost) == len(recording.requests) > 400
    assert sum("not sent" in request.error for request in recording.lost) == len(recording.lost) - 300
