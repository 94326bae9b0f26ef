"""The tunnel as it runs: agent, `pipe` in a process of its own, and the end on this machine. No cluster."""

from __future__ import annotations

import http.client
import json
import socket
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from lab.dev.laptop import loopback
from lab.dev.laptop.proxy import read_head
from lab.dev.laptop.tunnel import Tunnel
from tests.unit.dev.conftest import Stage, free_port, until

Serve = Callable[[str], int]


def ask(
    port: int, path: str = "/", *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def through_proxy(tunnel: Tunnel, url: str, *, password: str | None = None) -> tuple[int, bytes]:
    said = f"lab:{tunnel.proxy.password if password is None else password}"
    credentials = b64encode(said.encode()).decode()
    return ask(
        tunnel.proxy.port, url, headers={"Proxy-Authorization": f"Basic {credentials}", "Host": urlsplit(url).netloc}
    )


def test_many_requests_at_once_reach_the_process(stage: Stage, serve: Serve) -> None:
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        with ThreadPoolExecutor(20) as threads:
            got = list(threads.map(lambda n: ask(stage.port, f"/{n}"), range(60)))
    assert [body.decode().split()[:2] for _, body in got] == [["mine", f"/{n}"] for n in range(60)]


def test_a_process_on_ipv6_only_is_reached(stage: Stage, serve: Callable[..., int]) -> None:
    port = serve("mine", "::1")
    assert loopback.listens(port)
    with stage.tunnel(port) as tunnel:
        tunnel.wait_connected()
        status, body = ask(stage.port, "/x")
    assert (status, body.decode().split()[:2]) == (200, ["mine", "/x"])


def test_large_bodies_are_carried_whole_in_both_directions(stage: Stage, serve: Serve) -> None:
    sent = bytes(range(256)) * (4 << 12)
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        assert ask(stage.port, "/", body=sent) == (200, sent)
        assert len(ask(stage.port, "/large")[1]) == 8 << 20


def test_a_client_that_does_not_read_stops_nobody_else(stage: Stage, serve: Serve) -> None:
    with stage.tunnel(serve("mine")) as tunnel, socket.create_connection(("127.0.0.1", stage.port)) as lazy:
        tunnel.wait_connected()
        lazy.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        assert [ask(stage.port)[0] for _ in range(5)] == [200] * 5


def test_without_a_process_the_agent_is_not_ready_and_says_so(stage: Stage) -> None:
    assert ask(stage.health)[0] == 503
    status, body = ask(stage.port)
    assert (status, json.loads(body)) == (503, {"error": "lab dev: no process is connected"})


def test_a_process_that_does_not_listen_is_named(stage: Stage) -> None:
    nowhere = free_port()
    with stage.tunnel(nowhere) as tunnel:
        tunnel.wait_connected()
        until(lambda: ask(stage.health)[0] == 200)
        status, body = ask(stage.port)
    assert status == 503
    assert f"does not listen on port {nowhere}" in body.decode()


def test_a_cut_connection_is_made_again(stage: Stage, serve: Serve) -> None:
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        tunnel.cut()
        until(lambda: stage.said.count("the tunnel is connected") == 2)
        assert ask(stage.port)[0] == 200
    assert stage.said[1] == "the tunnel lost its connection, connecting again"


def test_at_the_end_nothing_is_left(stage: Stage, serve: Serve) -> None:
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        child, port = tunnel._child, tunnel.proxy.port
    assert child.poll() is not None
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    until(lambda: ask(stage.health)[0] == 503)


def test_the_process_reaches_the_clusters_names_through_the_proxy(stage: Stage, serve: Serve) -> None:
    users = serve("users")
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        status, body = through_proxy(tunnel, f"http://localhost:{users}/people?all=1")
    # The password stays on this machine.
    assert (status, body.decode()) == (200, f"users /people?all=1 localhost:{users} None")


def test_connect_gives_a_connection_of_bytes(stage: Stage, serve: Serve) -> None:
    users = serve("users")
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        connection = http.client.HTTPConnection("127.0.0.1", tunnel.proxy.port, timeout=20)
        credentials = b64encode(f"lab:{tunnel.proxy.password}".encode()).decode()
        connection.set_tunnel("localhost", users, headers={"Proxy-Authorization": f"Basic {credentials}"})
        connection.request("GET", "/x")
        assert connection.getresponse().read().startswith(b"users /x")
        connection.close()


def test_a_wrong_password_is_refused(stage: Stage, serve: Serve) -> None:
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        assert through_proxy(tunnel, "http://localhost/", password="guessed")[0] == 407
        assert ask(tunnel.proxy.port, "http://localhost/")[0] == 407


def test_what_the_cluster_cannot_reach_is_a_bad_gateway_with_its_reason(stage: Stage, serve: Serve) -> None:
    nowhere = free_port()
    with stage.tunnel(serve("mine")) as tunnel:
        tunnel.wait_connected()
        status, body = through_proxy(tunnel, f"http://127.0.0.1:{nowhere}/")
    assert status == 502
    assert f"127.0.0.1:{nowhere}" in json.loads(body)["error"]


def test_the_other_end_reaches_nothing_but_the_process(stage: Stage, serve: Serve) -> None:
    other, said = serve("other"), []

    class Refusing:
        async def reset(self, reason: str) -> None:
            said.append(reason)

    tunnel = stage.tunnel(serve("mine"))
    import asyncio

    tunnel._mux = object()  # type: ignore[assignment]
    asyncio.run(tunnel._accept(Refusing(), f"127.0.0.1:{other}"))  # type: ignore[arg-type]
    tunnel._loop.close()
    assert said == [f"this tunnel does not lead to 127.0.0.1:{other}"]


@pytest.mark.parametrize("head", ["GET / HTTP/1.1", "GET https://x/ HTTP/1.1", "CONNECT x HTTP/1.1", "nonsense"])
def test_what_is_no_request_to_a_proxy_is_refused(head: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part is wrong
        read_head(f"{head}\r\n\r\n".encode(), "")


def test_a_proxied_request_loses_what_is_for_the_proxy() -> None:
    head = read_head(
        b"GET http://users/a?b HTTP/1.1\r\nHost: users\r\nProxy-Connection: x\r\nConnection: keep-alive\r\n\r\n", ""
    )
    assert head.target == "users:80"
    assert head.forward == b"GET /a?b HTTP/1.1\r\nHost: users\r\nConnection: close\r\n\r\n"
