"""Nothing but the stage's own page, in a browser with the token, learns or changes anything."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lab.base import wait
from lab.base.wait import NotYet
from lab.stage import json_requests, security
from lab.stage.security import Door, security_headers
from tests.unit.stage.kit import FakeStage, Served, served

POSTS = {
    "/api/wish": {"wish": "go", "at": "demo/one"},
    "/api/check-until-green": {"at": "demo/one"},
    "/api/interrupt": {},
    "/api/jump": {"to": 1},
    "/api/faults/kill-podinfo-east": {"action": "inject"},
    "/api/mark": {"text": "hello"},
}
GETS = ("/api/state", "/api/events")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(FakeStage(), static=tmp_path_factory.mktemp("static")) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_changes(here: Served) -> Iterator[None]:
    here.stage.asked.clear()
    yield
    assert here.stage.asked == []
    assert here.stage.west.typed == []
    console = here.stage.west
    wait.until("no viewer", lambda: not console.viewers or NotYet("one"), timeout_s=60, interval_s=0.01)


def cookies(client: httpx2.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1:{port}", "http://localhost:{port}", ""],
)
def test_a_page_of_another_origin_changes_nothing(here: Served, path: str, origin: str) -> None:
    """Also with the cookie: browsers send it from other ports of the same host."""
    with here.client() as client:
        headers = {"origin": origin.format(port=here.door.port)}
        answer = client.post(path, json=POSTS[path], headers=headers)
    assert (answer.status_code, answer.json()["error"]["what"]) == (403, "this page is not the stage's")


@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_site_changes_nothing(here: Served, path: str) -> None:
    with here.client() as client:
        text = client.post(path, content=b'{"wish": "go"}', headers={"content-type": "text/plain"})
        cross = client.post(path, json=POSTS[path], headers={"sec-fetch-site": "same-site"})
    assert (text.status_code, cross.status_code) == (415, 403)


@pytest.mark.parametrize("path", GETS)
def test_a_page_of_another_origin_reads_nothing(here: Served, path: str) -> None:
    with here.client() as client:
        for headers in ({"origin": "http://127.0.0.1:8080"}, {"sec-fetch-site": "same-site"}):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", [*POSTS, *GETS, "/", "/presenter", "/healthz", "/static/x.js", "/api/session"])
@pytest.mark.parametrize("host", ["rebound.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}", ""])
def test_a_name_that_resolves_to_this_machine_is_refused(here: Served, path: str, host: str) -> None:
    host = host.format(port=here.door.port)
    with here.client() as client:
        method = "POST" if path in POSTS or path == "/api/session" else "GET"
        answer = client.request(method, path, headers={"host": host, "origin": f"http://{host}"}, json={})
    assert answer.status_code == 421


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("cookie", ["", "{name}=", "{name}=wrong", "other={right}", '{name}="', "{name}=é"])
def test_without_the_cookie_nothing_is_told_or_changed(here: Served, path: str, cookie: str) -> None:
    with here.client() as signed_in:
        right = signed_in.cookies[here.door.cookie]
    text = cookie.format(name=here.door.cookie, right=right)
    with here.client(signed_in=False) as client:
        headers = {"cookie": text.encode()} if text else {}
        for answer in (client.post(path, json=POSTS[path], headers=headers), client.get(GETS[0], headers=headers)):
            assert answer.status_code == 401
            assert answer.json()["error"]["next"] == "open the URL that `lab stage` printed"


def shaken(here: Served, path: str = "/ws/console/west", *, origin: str | None = "", **headers: str) -> int:
    """Return the status of a WebSocket's handshake; by default with the stage's own origin."""
    given = f"http://{here.host}" if origin == "" else origin
    try:
        with connect(f"ws://{here.host}{path}", additional_headers=headers, origin=given, proxy=None):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_a_console_needs_the_cookie_the_origin_and_the_host(here: Served) -> None:
    with here.client() as client:
        cookie = cookies(client)
    assert shaken(here) == 401
    for origin in ("http://127.0.0.1:8080", "null", None):
        assert shaken(here, origin=origin, Cookie=cookie) == 403
    assert shaken(here, "/ws/console/nowhere", Cookie=cookie) == 404
    assert shaken(here, Cookie=cookie) == 101


def test_a_console_under_another_name_is_refused(here: Served) -> None:
    with here.client() as client:
        cookie = cookies(client)
    with socket.create_connection(("127.0.0.1", here.door.port), timeout=20) as raw:
        lines = [
            "GET /ws/console/west HTTP/1.1",
            f"Host: rebound.example:{here.door.port}",
            f"Origin: http://rebound.example:{here.door.port}",
            f"Cookie: {cookie}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 421")


def test_two_hosts_in_one_request_are_refused(here: Served) -> None:
    with socket.create_connection(("127.0.0.1", here.door.port), timeout=20) as raw:
        raw.sendall(f"GET /api/state HTTP/1.1\r\nHost: {here.host}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw.recv(100).split()[1] in {b"400", b"421"}


def test_a_body_that_is_too_large_is_not_read(here: Served) -> None:
    with here.client() as client:
        for content in (b"x" * (65 << 10), iter([b"x" * (40 << 10)] * 2)):
            answer = client.post("/api/wish", content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(here: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_requests, "BODY_S", 0.05)
    with here.client() as client:
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    lines = [
        "POST /api/wish HTTP/1.1",
        f"Host: {here.host}",
        f"Origin: http://{here.host}",
        f"Cookie: {cookies}",
        "Content-Type: application/json",
        "Content-Length: 60000",
    ]
    with socket.create_connection(("127.0.0.1", here.door.port), timeout=20) as raw:
        raw.sendall("\r\n".join([*lines, "", "{"]).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"go"', b"{", b"\xff", b"[" * 60_000, b'{"wish": "dance", "at": null}', b'{"wish": 1}']
)
def test_a_body_of_another_form_is_refused(here: Served, body: bytes) -> None:
    with here.client() as client:
        answer = client.post("/api/wish", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["next"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/wish", {"wish": "go"}),
        ("/api/wish", {"wish": "go", "at": ""}),
        ("/api/wish", {"wish": "go", "at": "demo/one", "turn": "1"}),
        ("/api/jump", {"to": True}),
        ("/api/jump", {"to": None}),
        ("/api/mark", {"text": "x" * 121}),
        ("/api/mark", {"text": " "}),
        ("/api/mark", {"text": "a\x1b[31m"}),
        ("/api/faults/kill-podinfo-east", {"action": "explode"}),
    ],
)
def test_a_value_of_another_form_is_refused(here: Served, path: str, body: Any) -> None:
    with here.client() as client:
        assert client.post(path, json=body).status_code == 400


def test_a_fault_that_does_not_exist_is_not_found(here: Served) -> None:
    with here.client() as client:
        assert client.post("/api/faults/nope", json={"action": "inject"}).status_code == 404


def test_the_cookie_is_for_this_server_and_not_for_scripts(here: Served) -> None:
    with here.client(signed_in=False) as client:
        answer = client.post("/api/session", json={"token": here.door.token})
        (cookie,) = answer.headers.get_list("set-cookie")
        assert here.admitted
        assert here.door.token not in str(answer.headers) + answer.text
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        assert client.get("/api/state").status_code == 200


def test_the_cookie_does_not_reach_the_pages_server() -> None:
    """Browsers send a cookie to every port of its host: the page is shown under another name."""
    from lab.stage.state import StageFacts
    from tests.unit.scenarios.kit import lab_of

    facts = StageFacts.of(lab_of(), stack="istio", stack_title="", mode="live")
    assert facts.page_url.startswith("http://localhost:8080/")
    assert Door(port=1).url.startswith("http://127.0.0.1:")


def test_the_stage_under_its_other_name_redirects_to_the_one_with_the_cookie(here: Served) -> None:
    with httpx2.Client(trust_env=False) as plain:
        answer = plain.get(f"http://{here.host}/presenter", headers={"host": f"localhost:{here.door.port}"})
    assert (answer.status_code, answer.headers["location"]) == (307, f"http://{here.host}/presenter")


@pytest.mark.parametrize("path", ["/", "/presenter", "/healthz", "/static/x.js", "/api/state", "/api/session", "/nope"])
def test_every_answer_has_the_security_headers(here: Served, path: str) -> None:
    with here.client() as client:
        answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"ws://127.0.0.1:{here.door.port}" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == ("no-store" if path.startswith("/api") else "no-cache")
    assert "server" not in answer.headers


def test_the_page_of_an_existing_cluster_may_be_framed_and_no_other() -> None:
    def frames(**options: str) -> str:
        return security_headers(7465, **options)["content-security-policy"].partition("frame-src ")[2].partition(";")[0]

    assert frames() == "http://127.0.0.1:* http://localhost:*"
    assert frames(frame="http://203.0.113.9") == "http://127.0.0.1:* http://localhost:* http://203.0.113.9"


def test_no_file_outside_of_the_folder_is_served(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "index.html").write_text("<p>stage")
    (tmp_path / "secret").write_text("secret")
    with served(FakeStage(), static=tmp_path / "static") as found, found.client() as client:
        assert client.get("/").text == "<p>stage"
        assert client.get("/static/index.html").status_code == 200
        for path in ("/static/../secret", "/static/%2e%2e/secret", "/static/..%2fsecret"):
            assert client.get(path).status_code == 404
        assert client.get("/presenter").json()["error"]["what"] == "presenter.html is missing"


def test_a_wrong_token_is_refused_later_each_time_and_does_not_delay_the_right_one(
    here: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def tries() -> list[bool]:
        door = Door(port=1)
        return [await door.admit(token) for token in ("a", "b", "é" * 9, "\ud800", "d", "e", "f", "g", door.token)]

    assert asyncio.run(tries()) == [False] * 8 + [True]
    assert slept[:3] == [0.25, 0.5, 1.0]
    assert max(slept) == slept[-1] == 8.0


def test_a_wrong_token_gets_no_cookie(here: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "_FIRST_DELAY_S", 0.0)
    with here.client(signed_in=False) as client:
        for token in ("", "wrong", here.door.token[:-1], here.door.token + "x"):
            answer = client.post("/api/session", json={"token": token})
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_flood_of_connections_changes_nothing_and_the_stage_still_answers(here: Served) -> None:
    with here.client() as client:
        idle = [socket.create_connection(("127.0.0.1", here.door.port), timeout=20) for _ in range(300)]
        try:
            statuses = set()

            def flood() -> None:
                with httpx2.Client(trust_env=False) as other:
                    for _ in range(20):
                        headers = {"origin": "http://evil.example"}
                        statuses.add(other.post(f"http://{here.host}/api/wish", json={}, headers=headers).status_code)

            threads = [threading.Thread(target=flood) for _ in range(8)]
            for thread in threads:
                thread.start()
            assert client.get("/api/state").status_code == 200
            for thread in threads:
                thread.join()
            assert statuses == {403}
        finally:
            for one in idle:
                one.close()


def test_a_defect_tells_nothing_and_has_the_security_headers(
    here: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> Any:
        raise AttributeError("a secret detail")

    monkeypatch.setattr(FakeStage, "state", broken)
    with here.client() as client:
        answer = client.get("/api/state")
    assert (answer.status_code, answer.json()["error"]["what"]) == (500, "the stage has a defect")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "a secret detail" in caplog.text  # the log names it


def test_the_token_is_in_no_text_of_the_door(here: Served) -> None:
    assert here.door.token not in repr(here.door)
    assert len(here.door.token) >= 43
    assert here.door.start_url == f"http://{here.host}/#token={here.door.token}"
