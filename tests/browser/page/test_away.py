"""Times in which nothing arrives: the page says why, and comes back by itself."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from tests.browser.page.kit import Loop, Podinfo, Server, running

FAST = """
const later = window.setTimeout;
window.setTimeout = (act, ms, ...more) => later(act, ms >= 50000 ? 300 : ms, ...more);
"""
"""What waits for a minute waits for a moment."""


class BufferingProxy(Server):
    """Passes everything on, but keeps the stream of events until it ends: as some corporate proxies do."""

    def __init__(self, loop: Loop, target: int) -> None:
        super().__init__(loop)
        self.target = target
        self.buffers = True

    async def handle(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        head = await loop.sock_recv(connection, 65536)
        is_stream = head.startswith(b"GET /api/stream")
        with socket.create_connection(("127.0.0.1", self.target)) as target:
            target.setblocking(False)
            await loop.sock_sendall(target, head.replace(b"Connection: keep-alive", b"Connection: close"))
            while chunk := await loop.sock_recv(target, 65536):
                if not (is_stream and self.buffers):
                    await loop.sock_sendall(connection, chunk)


def test_a_frontend_that_dies_is_named_and_comes_back_by_itself(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(20)
        frontend.kill()
        viewer.sees(
            "#problem-title", re.compile("No connection to the frontend|The stream has ended|The frontend restarts")
        )
        viewer.sees("#problem-text", "lab status")
        viewer.sees("#problem-again", re.compile(r"Next try in \d+ s"))
        viewer.waits("() => document.querySelector('#state-text').textContent === 'reconnecting'")
        frontend.start()
        viewer.waits("() => document.body.dataset.state === 'live'")
        viewer.waits("() => document.querySelector('#problem').hidden")
        before, _ = viewer.counted()
        viewer.answers(before + 20)

    assert before >= 20, "what was counted before stays"


def test_the_viewer_need_not_wait(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(5)
        frontend.kill()
        viewer.sees("#problem-again", re.compile(r"Next try in ([4-9]|1\d) s"))
        frontend.start()
        viewer.page.click("#again")
        viewer.waits("() => document.body.dataset.state === 'live'")


def test_tries_become_ever_rarer(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(5)
        frontend.kill()
        began = len(viewer.requested)
        viewer.sees("#problem-again", re.compile(r"Next try in (9|1\d) s"))
        tried = [url for url in viewer.requested[began:] if "/api/stream" in url]
        others = [url for url in viewer.requested[began:] if "/api/" in url and url not in tried]

    assert len(tried) <= 8
    assert len(others) <= 4, "nothing else is asked of a frontend that is away"


def test_a_rolled_frontend_ends_its_streams_and_the_page_connects_again(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(10)
        frontend.stop()
        frontend.start()
        viewer.waits("() => document.body.dataset.state === 'live'")
        before, _ = viewer.counted()
        viewer.answers(before + 10)


def test_a_page_that_is_opened_too_early_says_so_and_starts_later(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20", before="window.blocked = true;")
        viewer.page.route("**/api/**", lambda route: route.abort())
        viewer.page.reload()
        viewer.sees("#problem-title", "The frontend does not answer")
        viewer.sees("#problem-text", "lab up")
        viewer.page.unroute("**/api/**")
        viewer.answers(5)
        viewer.waits("() => document.querySelector('#problem').hidden")


def test_a_proxy_that_buffers_events_is_named(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        proxy = BufferingProxy(loop, frontend.port)
        proxy.start()
        viewer = view(f"{proxy.url}/?rate=20")
        viewer.sees("#problem-title", "A proxy holds the events back")
        viewer.sees("#problem-text", "buffers server-sent events")
        proxy.buffers = False
        viewer.answers(10)
        viewer.waits("() => document.querySelector('#problem').hidden")
        viewer.page.context.close()
        proxy.stop()


def test_a_laptop_that_slept_connects_at_once(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20&view=timeline")
        viewer.answers(10)
        began = len(viewer.requested)
        with viewer.page.expect_request("**/api/stream?**"):  # the page is live until it looks at its clock
            viewer.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 90000; }")
        viewer.waits("() => document.body.dataset.state === 'live'")
        before, _ = viewer.counted()
        viewer.answers(before + 10)
        streams = [url for url in viewer.requested[began:] if "/api/stream" in url]

    assert len(streams) == 1, "the old connection is given up, and one new one is opened"


def test_a_page_that_nobody_sees_stops_after_a_while(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1})
    with running({"podinfo": upstream}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20", before=FAST)
        viewer.answers(10)
        _set_hidden(viewer, hidden=True)
        viewer.waits("() => document.body.dataset.state === 'hidden'")
        viewer.sees("#state-text", "paused while hidden")
        _set_hidden(viewer, hidden=False)
        viewer.waits("() => document.body.dataset.state === 'live'")


def _set_hidden(viewer, *, hidden: bool) -> None:
    viewer.page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_frontend_whose_rate_is_used_up_says_how_much_is_free(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}, STREAM_BUDGET_PER_S="10") as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.sees("#problem-title", "The frontend accepts no further stream")
        viewer.sees("#problem-text", "10 of 10 requests/s are free, not 20.")
        viewer.page.select_option("#rate", "5")
        viewer.waits("() => document.body.dataset.state === 'live'")
        viewer.waits("() => document.querySelector('#problem').hidden")


@pytest.mark.parametrize("status", [502, 503])
def test_an_ingress_without_a_frontend_is_named_by_its_own_words(view, loop: Loop, status: int):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(5)
        viewer.page.route("**/api/stream*", lambda route: route.fulfill(status=status, body="no healthy upstream"))
        viewer.page.select_option("#rate", "10")
        viewer.sees("#problem-text", f"HTTP {status}: no healthy upstream.")
        viewer.sees("#problem-text", "lab status")
