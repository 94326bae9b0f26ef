"""Slow clients, and more connections than there are places, only take places from each other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lab.base import wait
from lab.stage.audience.gate import Gate
from tests.unit.stage.audience.kit import PATIENCE_S, Hall, hall


def connect(here: Hall) -> socket.socket:
    name, _, port = here.audience.host.rpartition(":")
    return socket.create_connection((name, int(port)), timeout=PATIENCE_S)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server has closed a connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def until(what: str, holds: Callable[[], bool]) -> None:
    wait.until(what, lambda: holds() or wait.NotYet("not yet"), timeout_s=PATIENCE_S, interval_s=0.01)


@contextmanager
def slow_hall() -> Iterator[Hall]:
    with hall(gate=Gate(life_s=0.2, grace_s=0.2)) as found:
        yield found


@pytest.mark.parametrize(
    "begin",
    [
        "",
        "G",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Slow: ",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\nGET {path} HTTP/1.1\r\n",
        "POST {path}tap HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nx",
        "POST {path}tap HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "a byte", "half a head", "half a second head", "half a body", "half a chunk"],
)
def test_a_request_that_never_ends_does_not_keep_its_connection(begin: str) -> None:
    with slow_hall() as here, connect(here) as connection:
        connection.sendall(begin.format(path=here.path, host=here.audience.host).encode())
        while not is_closed(connection):
            pass
        until("the place to be free", lambda: len(here.gate) == 0)


def test_a_tap_that_waits_is_answered_after_its_connections_time() -> None:
    with hall(gate=Gate(life_s=0.1, grace_s=60.0)) as here, here.phone() as phone:
        here.taps.held = threading.Event()
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(here.tap(phone).status_code))
        thread.start()
        assert here.taps.waiting.acquire(timeout=PATIENCE_S)
        (connection,) = [one for one in here.gate._open if not one.is_idle]
        until("the end of its time", lambda: not connection.cycle.keep_alive)
        here.taps.held.set()
        thread.join(PATIENCE_S)
        assert statuses == [200]


def test_a_tap_that_never_gets_an_answer_ends_too() -> None:
    with slow_hall() as here, connect(here) as connection:
        here.taps.held = threading.Event()
        request = f"POST {here.path}tap HTTP/1.1\r\nHost: {here.audience.host}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(request.encode())
        assert is_closed(connection)
        here.taps.held.set()  # the answer comes when nobody waits for it
        with here.phone() as phone:
            assert here.tap(phone).status_code == 200


def test_a_flood_of_connections_leaves_a_place_for_a_phone() -> None:
    with hall(gate=Gate(most=20, life_s=3600.0)) as here, ExitStack() as stack:
        flood = [stack.enter_context(connect(here)) for _ in range(100)]
        until("all to be accepted", lambda: len(here.gate) == 20)
        for _ in range(3):
            with here.phone() as phone:
                assert here.tap(phone).status_code == 200
        assert len(here.gate) <= 20
        assert all(is_closed(connection) for connection in flood[:80])


def test_requests_in_progress_are_not_ended_for_a_new_connection() -> None:
    with hall(gate=Gate(most=4)) as here, ExitStack() as stack:
        here.taps.held = threading.Event()
        request = f"POST {here.path}tap HTTP/1.1\r\nHost: {here.audience.host}\r\nContent-Length: 0\r\n\r\n"
        taps = [stack.enter_context(connect(here)) for _ in range(4)]
        for connection in taps:
            connection.sendall(request.encode())
            assert here.taps.waiting.acquire(timeout=PATIENCE_S)
        with connect(here) as further:
            assert is_closed(further), "there is no place"
        here.taps.held.set()
        for connection in taps:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_the_end_does_not_wait_for_phones() -> None:
    with ExitStack() as stack:
        here = stack.enter_context(hall())
        here.taps.held = threading.Event()
        connection = stack.enter_context(connect(here))
        request = f"POST {here.path}tap HTTP/1.1\r\nHost: {here.audience.host}\r\nAccept: application/json\r\n\r\n"
        connection.sendall(request.encode())
        assert here.taps.waiting.acquire(timeout=PATIENCE_S)
        here.audience.close()
        assert not [one for one in threading.enumerate() if one.name == "audience-server"]
        assert b"The presentation is over" in connection.recv(65536)
        here.taps.held.set()  # the answer comes when nobody waits for it


def test_after_the_end_the_port_is_free() -> None:
    with hall() as here:
        pass
    with pytest.raises(ConnectionRefusedError):
        connect(here)
