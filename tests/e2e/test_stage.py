"""The stage on real clusters, in a real browser: what an audience sees is what the clusters do."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from lab.base import wait
from lab.base.paths import Paths
from lab.base.wait import NotYet
from tests.browser.stage.axe import findings
from tests.browser.stage.screens import Screen, screens
from tests.chromium import TIMEOUT_MS, chromium
from tests.e2e.conftest import PORTS, RunningLab
from tests.e2e.reel import SIZE, Reel

__all__ = ["chromium"]

GO = ".go:not([aria-disabled])"
PAGE = ".page iframe"
STEP_S = 300
"""A step may wait for pods, and takes a sample of up to 2,000 requests, on a machine that also draws the browser."""
RATE_PER_S = 10
PHONES = 200


@dataclass(frozen=True, kw_only=True)
class LiveStage:
    """`lab stage` in a process of its own; `link` is the part of a theatre that a screen needs."""

    process: subprocess.Popen[str]
    url: str
    token: str
    phones: str
    """The audience's link."""

    def link(self, path: str = "") -> str:
        return f"{self.url}{path}#{self.token}"

    def end(self) -> str:
        """Press Ctrl-C, and return what the command printed at its end."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


@dataclass
class Client:
    """An independent client of West's ingress: requests at a fixed rate, each at its own time."""

    upstream: str
    lost: list[float] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._run))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in list(self._threads):
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / RATE_PER_S):
            thread = threading.Thread(target=self._ask, args=(time.monotonic(),))
            thread.start()
            self._threads.append(thread)

    def _ask(self, at: float) -> None:
        url = f"http://127.0.0.1:{PORTS['west']}/api/answers"
        try:
            totals = requests.get(url, params={"upstream": self.upstream, "count": 1}, timeout=30).json()["totals"]
        except (requests.RequestException, KeyError, ValueError):
            self.lost.append(at)
            return
        self.answered.update(totals["by_cluster"])
        if totals["failed"]:
            self.lost.append(at)


@pytest.fixture(scope="module")
def stage(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStage]:
    """The stage with all scenarios, at its first step; afterwards nothing of it is left in the clusters."""
    home = tmp_path_factory.mktemp("home")
    (home / ".bashrc").write_text("PS1='$ '\n")
    plain = {"HOME": str(home), "SHELL": "/bin/bash", "LAB_CACHE_DIR": str(Paths.of(lab.name).cache)}
    process = replace(lab, env={**lab.env, **plain}).start(
        "stage", "--fresh", "--no-browser", "--audience", "127.0.0.1:0"
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C ends it"):
            break
    found = re.search(r"stage: +(\S+)#(token=\S+).*audience: +(\S+)", "".join(lines), re.DOTALL)
    assert found is not None, "".join(lines)
    yield (live := LiveStage(process=process, url=found[1], token=found[2], phones=found[3]))
    if process.poll() is None:
        live.end()
    lab.run("reset")


@pytest.fixture
def screen(chromium: Any, stage: LiveStage) -> Iterator[Callable[..., Screen]]:
    """`screen("presenter")` opens a screen in a browser of its own; none reaches beyond this machine."""

    def open_screen(path: str = "", **options: Any) -> Screen:
        context = chromium.new_context(**{"viewport": SIZE, "bypass_csp": True, **options})
        context.set_default_timeout(TIMEOUT_MS)
        made = Screen(context.new_page(), stage)
        made.loses = True  # an ingress that gets a new route ends the page's streams; the page connects again
        opened.append(made)
        made.open(path)
        return made

    with screens() as opened:
        yield open_screen


def state(one: Screen) -> Any:
    return one.page.evaluate("async () => (await fetch('/api/state')).json()")


def post(one: Screen, path: str, body: dict[str, str]) -> None:
    """Ask the stage for something, and wait until it is done."""
    turn = state(one)["turn"]
    status = one.page.evaluate(
        "async ([path, body]) => (await fetch(path, {method: 'POST',"
        " headers: {'content-type': 'application/json'}, body: JSON.stringify(body)})).status",
        [path, body],
    )
    assert status == 202, (path, body)
    done(one, turn)


def done(one: Screen, turn: int, reel: Reel | None = None) -> None:
    """Wait until what began after a turn has ended."""
    deadline = time.monotonic() + STEP_S
    while (now := state(one))["turn"] <= turn or now["running"]:
        assert time.monotonic() < deadline, now["running"]
        if reel is not None:
            reel.frame(one.page)
        one.page.wait_for_timeout(400)


def press(one: Screen, reel: Reel | None = None) -> None:
    """Press the one key, and wait until what it began has ended; no check may be red."""
    turn = state(one)["turn"]
    one.shows(GO)
    one.press("Enter")
    for _ in range(5):
        one.page.wait_for_timeout(1000)
        if state(one)["turn"] > turn:
            break
        one.press("Enter")  # the browser still showed what was before: such a press does nothing
    done(one, turn, reel)
    now = state(one)
    red = [step["results"] for step in now["steps"] if step["checks"] == "red" or step["state"] == "failed"]
    assert not red, red


def go_to(one: Screen, step: str) -> None:
    """Jump to a step."""
    post(one, "/api/jump", {"to": step})
    one.is_at(next(found["title"] for found in state(one)["steps"] if found["id"] == step))


def test_an_act_is_presented_with_one_key(screen: Callable[..., Screen], request: pytest.FixtureRequest) -> None:
    reel = Reel(request.config.getoption("--pictures"))
    audience = screen()
    go_to(audience, "request_routing/half")
    reel.frame(audience.page)
    press(audience, reel)
    audience.sees(".card .result", re.compile(r"\d+ requests"))
    frame = audience.page.frame_locator(PAGE)
    for name in ("east", "west"):
        frame.locator(f".column .shares li:has-text('{name}')").first.wait_for()
    for _ in range(20 if reel.runs else 0):  # the grid fills
        audience.page.wait_for_timeout(1000)
        reel.frame(audience.page)
    reel.write("stage")
    assert findings(audience.page) == []
    steps = [step["id"] for step in state(audience)["steps"] if step["scenario"] == "request_routing"]
    for step in steps[1:]:
        press(audience)
        assert state(audience)["current"] == step
        press(audience)
    press(audience)
    audience.is_at("Request routing")
    audience.sees(".narration", "Weights decide for each request")


def test_the_presenters_window_presents_and_the_audience_sees_the_same(screen: Callable[..., Screen]) -> None:
    presenter, audience = screen("presenter"), screen()
    go_to(presenter, "cross_cluster_access/ask")
    title = presenter.page.locator("h1.title").text_content() or ""
    turn = state(presenter)["turn"]
    presenter.click(".control[data-command=go]:not([aria-disabled])")
    done(presenter, turn)
    for one in (presenter, audience):
        one.is_at(title)
    presenter.shows("#results .result[data-outcome=passed]")
    audience.shows(".status[data-look=green]")


def test_a_browser_that_is_killed_in_a_step_changes_nothing(screen: Callable[..., Screen]) -> None:
    first = screen()
    go_to(first, "request_routing/half")
    turn = state(first)["turn"]
    first.press("Enter")
    first.page.wait_for_function("async () => (await (await fetch('/api/state')).json()).running")
    first.page.context.close()
    second = screen()
    second.is_at("Half and half")
    done(second, turn)
    second.shows(".status[data-look=green]")
    second.page.reload()
    second.is_at("Half and half")
    second.shows(".status[data-look=green]")


def test_a_gateways_death_is_seen_with_the_losses_that_another_client_counts(screen: Callable[..., Screen]) -> None:
    audience = screen()
    go_to(audience, "request_routing/half")
    with audience.page.context.new_page() as page:  # the page itself, at the client's rate
        page.goto(f"http://localhost:{PORTS['west']}/?view=timeline&upstream=podinfo-east&rate={RATE_PER_S}")
        verdict = page.locator(".timeline .verdict")
        page.wait_for_function("() => parseInt(document.querySelector('.timeline .verdict')?.textContent) > 40")
        with Client("podinfo-east") as client:
            post(audience, "/api/faults/kill-gateway-east", {"action": "inject"})
            page.wait_for_function(
                "() => !/ 0 without an answer/.test(document.querySelector('.timeline .verdict').textContent)",
                timeout=STEP_S * 1000,
            )
            post(audience, "/api/faults/kill-gateway-east", {"action": "undo"})
            page.wait_for_function(
                "() => /recovered after/.test(document.querySelector('.timeline .verdict').textContent)",
                timeout=STEP_S * 1000,
            )
        seen = re.match(r"(\d+) requests, (\d+) without an answer", verdict.text_content() or "")
        assert seen is not None
        phases = page.locator(".timeline tbody tr td:first-child").all_text_contents()
    assert any("gateway" in phase and "intended" in phase for phase in phases)
    lost, theirs = int(seen[2]), len(client.lost)
    assert lost > 0
    # Two clients of one rate lose the same time; each edge of the gap is up to 2 s wide.
    assert abs(lost - theirs) <= max(2 * RATE_PER_S, 0.2 * max(lost, theirs)), (lost, theirs)


def test_a_lock_has_the_identities_of_both_ends(lab: RunningLab, screen: Callable[..., Screen]) -> None:
    audience = screen()
    with audience.page.context.new_page() as page:
        page.goto(f"http://localhost:{PORTS['west']}/?view=topology&upstream=podinfo-east&rate=10")
        page.wait_for_function("() => document.querySelector('#topology .lock')", timeout=STEP_S * 1000)
        edges = " ".join(page.locator("#edges li").all_text_contents())
    assert lab.identity("west", "frontend") in edges
    server = lab.identity("east", "podinfo") if lab.stack == "istio" else "linkerd-gateway.linkerd-multicluster"
    assert server in edges


def tap(link: str) -> Any:
    """Be a phone: open the link, tap until the limits let it through, and return the answer."""
    with requests.Session() as phone:
        assert phone.get(link, timeout=30).ok

        def once() -> Any:
            answer = phone.post(f"{link}tap", headers={"accept": "application/json"}, timeout=30)
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return answer.json()
            assert answer.headers["retry-after"] == "1"
            return NotYet(answer.json()["error"])

        return wait.until("a phone's answer", once, timeout_s=STEP_S, interval_s=1)


def test_each_tap_of_200_phones_is_one_request_through_the_mesh(
    lab: RunningLab, stage: LiveStage, screen: Callable[..., Screen]
) -> None:
    audience = screen()
    go_to(audience, "request_routing/half")
    press(audience)
    with ThreadPoolExecutor(PHONES) as hall:
        answers = list(hall.map(tap, [stage.phones] * PHONES))
    assert not [answer["error"] for answer in answers if answer["error"]]
    by_cluster = Counter(answer["cluster"] for answer in answers)
    assert {"east", "west"} == set(by_cluster), by_cluster
    counted = state(audience)["audience"]
    assert (counted["phones"], counted["requests"]) == (PHONES, PHONES)
    alternative = audience.page.frame_locator(PAGE).locator(".grid .alternative").first
    wait.until(
        "the taps in the grid",
        lambda: "From phones" in (alternative.text_content() or "") or NotYet(alternative.text_content() or ""),
        timeout_s=STEP_S,
    )


def test_what_was_presented_is_recorded_and_plays_without_clusters(
    lab: RunningLab, stage: LiveStage, chromium: Any, tmp_path: Path
) -> None:
    printed = stage.end()
    found = re.search(r"lab stage --replay (\S+)", printed)
    assert found is not None, printed
    assert stage.process.returncode == 0
    file = tmp_path / "talk.html"
    lab.run("stage", "--replay", found[1], "--export", str(file))
    page = chromium.new_page()
    page.context.set_offline(True)
    page.goto(file.as_uri())
    page.locator("h1.title").first.wait_for(timeout=TIMEOUT_MS)
    assert "replay" in (page.locator("body").text_content() or "").lower()
    page.close()


def test_a_rehearsal_plays_a_scenario_and_keeps_its_times(lab: RunningLab, stage: LiveStage) -> None:
    assert stage.process.poll() is not None, "one stage at a time"
    lab.run("stage", "service_discovery", "--auto", "--no-browser", "--no-recording")
    kept = json.loads((lab.folder / "state" / lab.name / "rehearsal.json").read_text())["stacks"][lab.stack]
    steps = [step for step in kept if step.startswith("service_discovery/")]
    assert len(steps) >= 3
    assert all(kept[step] > 0 for step in steps)
    lab.wait_healthy()
