"""Downloads from a server that is busy, slow, cut off, or a login page: a whole file or a clear error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lab.artifacts import web
from lab.artifacts.web import WebError
from lab.base import cancel
from tests.unit.artifacts.site import PORTAL, Site, Trouble, serving

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        found.pages["/file"], found.types["/file"] = CONTENT, "application/octet-stream"
        yield found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file"


def fetch(site: Site, target: Path) -> bytes:
    web.download(f"http://{site.host}/file", target)
    return target.read_bytes()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(site: Site, target: Path, rests: list[float], status: int) -> None:
    site.troubles["/file"] = Trouble(times=2, status=status)
    assert fetch(site, target) == CONTENT
    assert rests == [1.0, 3.0]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed(site: Site, target: Path, rests: list[float], status: int) -> None:
    site.troubles["/file"] = Trouble(status=status, headers={"Retry-After": "7"})
    assert fetch(site, target) == CONTENT
    assert rests == [7.0]


def test_retry_after_as_a_date_is_obeyed(site: Site, target: Path, rests: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    site.troubles["/file"] = Trouble(status=429, headers={"Retry-After": soon})
    assert fetch(site, target) == CONTENT
    assert len(rests) == 1
    assert 1 < rests[0] <= 20


def test_a_server_that_asks_for_an_hour_is_an_error_with_the_hour(site: Site, target: Path, rests: list[float]) -> None:
    site.troubles["/file"] = Trouble(times=9, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(WebError, match=r"HTTP 429, too many requests; it asks to wait 3600 s"):
        fetch(site, target)
    assert rests == []
    assert not target.exists()


def test_a_server_that_stays_busy_is_an_error_with_its_status(site: Site, target: Path) -> None:
    site.troubles["/file"] = Trouble(times=99, status=503)
    with pytest.raises(WebError, match=r"/file: HTTP 503, service unavailable, 4 times"):
        fetch(site, target)
    assert len(site.asked) == 4


def test_a_cut_download_continues_where_it_ended(site: Site, target: Path) -> None:
    site.troubles["/file"] = Trouble(cut_after=300_000)
    assert fetch(site, target) == CONTENT
    (resumed,) = site.ranges
    assert resumed == "bytes=262144-"  # the last whole chunk


def test_a_server_that_cannot_resume_sends_all_again(site: Site, target: Path) -> None:
    site.resumes = False
    site.troubles["/file"] = Trouble(cut_after=300_000)
    assert fetch(site, target) == CONTENT
    assert len(site.asked) == 2


def test_a_file_that_changed_meanwhile_is_not_joined_with_the_old_one(site: Site, target: Path) -> None:
    site.troubles["/file"] = Trouble(cut_after=300_000, headers={"ETag": '"of the old file"'})
    assert fetch(site, target) == CONTENT
    assert site.ranges == []


def test_a_connection_that_is_cut_each_time_is_an_error_with_what_arrived(site: Site, target: Path) -> None:
    site.troubles["/file"] = Trouble(times=99, cut_after=100_000)
    with pytest.raises(WebError, match=r"/file: the connection was cut after 65536 bytes .*, 4 times"):
        fetch(site, target)


def test_a_server_that_stops_sending_is_given_up(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", (5, 0.7))
    site.troubles["/file"] = Trouble(times=99, cut_after=100_000, stall=True)
    with pytest.raises(WebError, match=r"/file: the connection was cut after 65536 bytes .*timed out.*, 4 times"):
        fetch(site, target)


def test_a_server_that_is_too_slow_is_given_up(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_DOWNLOAD_S", -1.0)
    with pytest.raises(WebError, match=r"/file is too slow: \d+ bytes in"):
        fetch(site, target)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_the_login_page_of_a_network_is_not_the_file(site: Site, target: Path, kind: str) -> None:
    site.troubles["/file"] = Trouble(times=99, body=PORTAL, headers={"Content-Type": kind})
    with pytest.raises(WebError, match="answers with a web page instead of the file, as the login page of a network"):
        fetch(site, target)


def test_a_missing_file_is_absent_and_a_refusal_is_not(site: Site) -> None:
    for path, status, absent in (("/other", 404, True), ("/file", 403, False)):
        if status == 403:
            site.troubles[path] = Trouble(status=403)
        with pytest.raises(WebError, match=f"HTTP {status}") as raised:
            web.exists(f"http://{site.host}{path}")
        assert raised.value.absent is absent


def test_a_silent_server_is_an_error_at_once(unused_tcp_port: int, rests: list[float]) -> None:
    with pytest.raises(WebError, match=r"does not answer .*refused"):
        web.get(f"http://127.0.0.1:{unused_tcp_port}/file")
    assert rests == []


def test_ctrl_c_ends_a_download(site: Site, target: Path, token: cancel.Token) -> None:
    token.cancel()
    with pytest.raises(cancel.Cancelled):
        fetch(site, target)
