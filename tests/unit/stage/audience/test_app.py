"""The audience's server: one page, one action, and nothing else, for anybody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx2
import pytest
import segno

from lab.stage.audience.app import COOKIE
from lab.stage.audience.taps import TapResult
from tests.unit.stage.audience.kit import EAST, PATIENCE_S, Hall, hall
from tests.unit.stage.kit import FakeStage, served


@pytest.fixture
def here() -> Iterator[Hall]:
    with hall() as found:
        yield found


def test_a_tap_is_one_request_and_says_who_answered(here: Hall) -> None:
    with here.phone() as phone:
        answer = here.tap(phone)
    assert answer.status_code == 200
    assert answer.json() == {**EAST.as_json(), "text": "East answered in 12 ms"}
    assert here.taps.sent == 1


def test_a_tap_that_failed_says_so(here: Hall) -> None:
    here.taps.result = TapResult(error="No answer: timeout")
    with here.phone() as phone:
        assert here.tap(phone).json()["text"] == "No answer: timeout"


def test_the_page_works_without_its_script(here: Hall) -> None:
    """A form posts, and the page comes back with the answer."""
    here.taps.result = TapResult(cluster="<b>east", latency_ms=1)
    with here.phone() as phone:
        answer = here.tap(phone, headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'aria-live="polite">&lt;b&gt;east answered in 1.0 ms</p>' in answer.text
    assert f'action="{here.path}tap"' in answer.text


def test_the_page_and_its_files_are_small_and_load_nothing_else(here: Hall) -> None:
    with here.client() as client:
        page = client.get(here.path)
        files = [client.get(f"{here.path}{name}") for name in ("page.css", "page.js")]
    assert [one.status_code for one in (page, *files)] == [200, 200, 200]
    assert sum(len(one.content) for one in (page, *files)) < 8 << 10
    assert "http" not in page.text.replace("http-equiv", "")
    for one in (page, *files):
        policy = one.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert one.headers["referrer-policy"] == "same-origin"
        assert one.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"


def test_the_link_without_its_last_slash_works(here: Hall) -> None:
    with here.client() as client:
        assert client.get(here.path.rstrip("/")).status_code == 200


def test_a_phone_gets_one_cookie_that_scripts_and_other_sites_cannot_use(here: Hall) -> None:
    with here.client() as client:
        first = client.get(here.path).headers["set-cookie"]
        assert "set-cookie" not in client.get(here.path).headers
    assert first.startswith(f"{COOKIE}=")
    assert f"HttpOnly; Path={here.path}; SameSite=strict" in first


PATHS = (
    *("/", "/healthz", "/static/", "/api/state", "/api/events", "/presenter", "/favicon.ico", "//", "/../etc/passwd"),
    *("{path}api/state", "{path}page.html", "{path}tap/", "{path}../", "{path}%2e%2e/x", "{path}page.css/x"),
)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
@pytest.mark.parametrize("path", PATHS)
def test_there_is_no_other_endpoint(here: Hall, method: str, path: str) -> None:
    target = path.format(path=here.path)
    answer = raw(here, f"{method} {target} HTTP/1.1\r\nHost: {here.audience.host}\r\nContent-Length: 0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 404"), answer
    assert here.taps.sent == 0


def raw(here: Hall, request: str) -> str:
    """Send bytes as no browser does, and return what comes back."""
    name, _, port = here.audience.host.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()


def test_get_does_not_tap_and_post_does_not_open_the_page(here: Hall) -> None:
    with here.phone() as phone:
        assert phone.get(f"{here.path}tap").status_code == 404
        assert phone.post(here.path).status_code == 404
        assert phone.post(f"{here.path}page.js").status_code == 404
    assert here.taps.sent == 0


@pytest.mark.parametrize("change", [str.swapcase, lambda token: token[:-1], lambda token: f"{token}A", lambda _: "é"])
def test_a_wrong_token_gives_nothing(here: Hall, change: object) -> None:
    assert callable(change)
    token = here.path.strip("/")
    with here.phone() as phone:
        for path in (f"/{change(token)}/", f"/{change(token)}/page.js"):
            assert phone.get(path).status_code == 404
        assert phone.post(f"/{change(token)}/tap").status_code == 404
    assert here.taps.sent == 0
    assert len(token) >= 22


def test_each_start_has_another_token(here: Hall) -> None:
    with hall() as other:
        assert other.path != here.path
        with other.client() as client:
            assert client.get(here.path).status_code == 404


def test_the_stage_and_the_audience_do_not_accept_each_others_tokens(here: Hall, tmp_path: Path) -> None:
    with served(FakeStage(), static=tmp_path) as stage:
        token = here.path.strip("/")
        with stage.client(signed_in=False) as browser:
            for path in (here.path, f"{here.path}tap"):
                assert browser.get(path).status_code == 404
                assert browser.post(path).status_code in {404, 405}
            assert browser.get("/api/state", headers={"cookie": f"{stage.door.cookie}={token}"}).status_code == 401
            phone_cookie = httpx2.get(here.audience.url, trust_env=False).headers["set-cookie"].partition(";")[0]
            assert browser.get("/api/state", headers={"cookie": phone_cookie}).status_code == 401
        with here.client() as phone:
            assert phone.get(f"/{stage.door.token}/").status_code == 404
            assert phone.post(f"/{stage.door.token}/tap").status_code == 404
    assert here.taps.sent == 0


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost:{port}", "127.0.0.1", "{host}.", "", "{host}@evil.example"]
)
def test_another_name_for_this_address_gets_nothing(here: Hall, name: str) -> None:
    host = name.format(host=here.audience.host, port=here.audience.host.rpartition(":")[2])
    with here.client() as client:
        assert client.get(here.path, headers={"host": host}).status_code == 421
        assert here.tap(client, headers={"host": host}).status_code == 421
    assert here.taps.sent == 0


def test_two_names_or_none_get_nothing(here: Hall) -> None:
    host = here.audience.host
    both = raw(here, f"GET {here.path} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n")
    assert both.startswith("HTTP/1.1 4")
    assert raw(here, f"GET {here.path} HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 421")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_origin_cannot_tap(here: Hall, headers: dict[str, str]) -> None:
    with here.phone() as phone:
        assert here.tap(phone, headers=headers).status_code == 403
    assert here.taps.sent == 0


def test_an_old_browser_that_names_no_origin_can_tap(here: Hall) -> None:
    answer = raw(here, f"POST {here.path}tap HTTP/1.1\r\nHost: {here.audience.host}\r\nContent-Length: 0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200")


def test_a_body_is_not_read(here: Hall) -> None:
    with here.phone() as phone:
        assert here.tap(phone, content=b"x" * 1000).status_code == 200
    head = f"POST {here.path}tap HTTP/1.1\r\nHost: {here.audience.host}\r\nContent-Length: 999999999\r\n\r\n"
    assert raw(here, head).startswith("HTTP/1.1 200")


@pytest.mark.parametrize("request_line", ["GET /" + "a" * 20000 + " HTTP/1.1", "rubbish", "GET * HTTP/1.1", "\0\0"])
def test_requests_that_no_browser_sends_are_refused(here: Hall, request_line: str) -> None:
    answer = raw(here, f"{request_line}\r\nHost: {here.audience.host}\r\n\r\n")
    assert answer.startswith("HTTP/1.1 4")
    with here.phone() as phone:
        assert here.tap(phone).status_code == 200


def test_a_websocket_is_refused(here: Hall) -> None:
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    upgrade = "\r\n".join([f"GET {here.path} HTTP/1.1", f"Host: {here.audience.host}", *lines, "\r\n"])
    assert "101" not in raw(here, upgrade).splitlines()[0]


def test_a_phone_that_taps_too_fast_is_told_so(here: Hall) -> None:
    with here.phone() as phone:
        answers = [here.tap(phone) for _ in range(8)]
    assert [one.status_code for one in answers] == [200] * 5 + [429] * 3
    assert answers[-1].json()["text"] == "Not so fast: one tap, then another."
    assert answers[-1].headers["retry-after"] == "1"
    assert here.taps.sent == 5


def test_more_taps_than_the_queue_takes_are_refused(here: Hall) -> None:
    here.taps.most = 1
    with here.phone() as phone:
        assert here.tap(phone).status_code == 200
        full = here.tap(phone)
    assert full.status_code == 429
    assert full.json()["text"] == "Many people are tapping. Try again in a moment."


def test_two_hundred_phones_get_what_the_limits_give(here: Hall) -> None:
    """The clock stands still: the count does not depend on the machine's speed."""
    statuses: list[int] = []
    guard = threading.Lock()

    def phone_taps(number: int) -> None:
        with here.phone() as phone:
            for _ in range(3):
                status = here.tap(phone).status_code
                with guard:
                    statuses.append(status)

    def everybody() -> None:
        threads = [threading.Thread(target=phone_taps, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    everybody()
    assert (statuses.count(200), statuses.count(429), len(statuses)) == (50, 550, 600)
    assert here.taps.sent == 50
    data = here.audience.as_json()
    assert (data["requests"], data["phones"]) == (50, 200)


def test_one_address_cannot_have_any_number_of_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stage.audience.limits._NEW_BURST", 20.0)
    statuses = []
    with hall() as here, here.client() as client:
        for _ in range(25):
            client.cookies.clear()
            statuses.append(client.get(here.path).status_code)
    assert (statuses.count(200), statuses.count(429)) == (20, 5)


def test_news_come_at_most_once_a_second(here: Hall) -> None:
    with here.phone() as phone:
        here.tap(phone)
        assert here.news.acquire(timeout=PATIENCE_S)
        for _ in range(3):
            here.tap(phone)
        assert not here.news.acquire(blocking=False), "the clock stands still"


def test_the_code_is_the_link(here: Hall) -> None:
    data = here.audience.as_json()
    assert data["url"] == here.audience.url == f"http://{here.audience.host}{here.path}"
    image = ET.fromstring(data["qr_svg"])
    matrix = segno.make(data["url"], error="m", micro=False).matrix
    assert image.attrib["viewBox"] == f"0 0 {len(matrix) + 8} {len(matrix) + 8}"
    assert "script" not in data["qr_svg"]


def test_nothing_of_the_token_is_logged(
    here: Hall, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(0), here.phone() as phone:
        here.tap(phone)
        raw(here, f"rubbish {here.path}\r\n\r\n")
    token = here.path.strip("/")
    records = [record for record in caplog.records if not record.name.startswith("http")]  # the test's own client
    assert not [record for record in records if token in record.getMessage()]
    assert token not in "".join(capfd.readouterr())
