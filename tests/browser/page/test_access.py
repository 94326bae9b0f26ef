"""Everybody can use the page: axe-core, three sizes, light and dark; nothing is loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.page.kit import Api, Loop, Podinfo, istio, running

AXE = pytest.importorskip("axe_playwright_python", reason="axe-core is in the extra `browser`")
SIZES = ((390, 844), (1280, 800), (3840, 2160))
VIEWS = ("all", "grid", "split", "timeline", "topology", "stage")
IDENTITIES = {name: istio("west", name) for name in ("east", "west")}


@pytest.fixture(scope="module")
def frontend(loop: Loop):
    """A frontend with everything that can be seen: both clusters, weights, locks, failures, refusals, marks."""
    upstreams = {
        "podinfo": Podinfo(loop, {"west": 1, "east": 1}, identities=IDENTITIES, failures={"status": 0.1}),
        "podinfo-east": Podinfo(loop, {"east": 1}, failures={"refused": 1}),
    }
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running(upstreams, api) as made:
        yield made


def findings(viewer) -> list[str]:
    viewer.page.evaluate((Path(AXE.__file__).parent / "axe.min.js").read_text())
    found = viewer.page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_axe_has_no_serious_finding_in_any_view(view, frontend, theme: str, width: int, height: int):
    viewer = view(
        f"{frontend.url}/?rate=10&theme={theme}&upstream=podinfo&upstream=podinfo-east", width=width, height=height
    )
    viewer.answers(20)
    frontend.mark("a mark", intended=True)
    found = {}
    for name in VIEWS:
        viewer.page.evaluate("(name) => { document.body.dataset.view = name; }", name)
        found[name] = findings(viewer)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_has_no_serious_finding_in_dialogs_and_problems(view, frontend, theme: str):
    viewer = view(f"{frontend.url}/?rate=5&theme={theme}")
    viewer.answers(5)
    for key in ("?", "m"):
        viewer.press(key)
        viewer.waits("() => document.querySelector('dialog[open]')")
        assert findings(viewer) == []
        viewer.press("Escape")
        viewer.waits("() => !document.querySelector('dialog[open]') && document.activeElement === document.body")
    viewer.page.route("**/api/stream*", lambda route: route.abort())
    viewer.press("r")
    viewer.sees("#problem-title", "No connection")
    assert findings(viewer) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_window(view, frontend, width: int, height: int):
    viewer = view(f"{frontend.url}/?rate=10", width=width, height=height)
    viewer.answers(10)
    wider = {}
    for name in VIEWS:
        viewer.page.evaluate("(name) => { document.body.dataset.view = name; }", name)
        wider[name] = viewer.page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")

    assert wider == dict.fromkeys(VIEWS, 0)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_view_shows_its_parts_and_no_others(view, frontend, width: int, height: int):
    viewer = view(f"{frontend.url}/?rate=10&upstream=podinfo&upstream=podinfo-east", width=width, height=height)
    viewer.answers(5)
    parts = ("grid", "split", "timeline", "topology", "requests")
    shown = {"all": parts, **{part: (part,) for part in parts[:4]}, "stage": ("grid", "timeline", "topology")}
    for name, expected in shown.items():
        viewer.page.evaluate("(name) => { document.body.dataset.view = name; }", name)
        assert tuple(part for part in parts if viewer.page.locator(f".{part}").first.is_visible()) == expected, name


@pytest.mark.parametrize("name", ["all", "grid", "stage"])
def test_upstreams_side_by_side_have_their_parts_at_the_same_height(view, frontend, name: str):
    two = "upstream=podinfo&upstream=podinfo-east"
    viewer = view(f"{frontend.url}/?rate=10&view={name}&{two}", width=1280, height=720)
    viewer.waits("() => document.querySelectorAll('.column:first-child .shares li').length === 3")
    viewer.waits("() => document.querySelector('.column:last-child .grid .legend li')")
    tops = viewer.page.locator(".column").evaluate_all(
        "(all) => all.map((one) => [...one.children].map((part) => Math.round(part.getBoundingClientRect().top)))"
    )

    assert tops[0] == tops[1]
    assert max(tops[0]) > 0


def test_the_tracks_of_all_clusters_are_equally_long(view, frontend):
    viewer = view(f"{frontend.url}/?rate=50&view=split")
    viewer.waits("() => document.querySelectorAll('.gauges .track').length === 2")
    widths = viewer.page.locator(".gauges .track").evaluate_all("(all) => all.map((one) => one.offsetWidth)")

    assert widths[0] == widths[1] > 100


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_text_is_large_enough_for_its_screen(view, frontend, width: int, height: int):
    viewer = view(f"{frontend.url}/?rate=10", width=width, height=height)
    viewer.answers(10)
    sizes = viewer.page.locator(".shares .percent").evaluate_all(
        "(all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    small = viewer.page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *')].filter((one) => one.childNodes.length && one.offsetParent"
        " && one.textContent.trim()).map((one) => parseFloat(getComputedStyle(one).fontSize)))"
    )

    assert min(sizes) >= max(22, height / 45)
    assert small >= max(9.5, height / 110)


def test_every_chart_has_a_text_alternative(view, frontend):
    viewer = view(f"{frontend.url}/?rate=20")
    viewer.answers(40)
    viewer.sees(".grid .alternative", "requests: ")
    viewer.sees(".split .verdict", "the weights 50:50")
    viewer.sees(".timeline .verdict", "requests, ")
    viewer.sees("#edges", "mTLS proven")
    hidden = viewer.page.locator("canvas").evaluate_all("(all) => all.every((one) => one.ariaHidden === 'true')")
    names = viewer.page.locator("figure").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")

    assert hidden
    assert names == ["Grid of requests: podinfo", "Split over time: podinfo", "Timeline: podinfo"]


def test_a_quiet_run_logs_nothing_and_asks_nobody_else(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1}, identities=IDENTITIES)}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(100)
        for key in ("2", "3", "4", "5", "1", "t", "t"):
            viewer.press(key)
        viewer.answers(140)
        logged, hosts = list(viewer.logged), viewer.hosts

    assert logged == []
    assert hosts == {"127.0.0.1"}


def test_only_the_stage_shows_the_page_in_a_frame(view, loop: Loop):
    from http.server import BaseHTTPRequestHandler

    from tests.local_http import served

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<!doctype html><title>x</title><iframe src="{address}"></iframe>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    with served(Host) as stage, served(Host) as other:
        port = stage.rpartition(":")[2]
        with running({"podinfo": Podinfo(loop, {"west": 1})}, STAGE_PORT=port) as frontend:
            address = f"{frontend.url}/?view=stage&rate=20"
            viewer = view(f"http://localhost:{port}/")
            frame = viewer.page.frame_locator("iframe")
            frame.locator("#state-text", has_text="live").wait_for()
            stranger = view(f"http://{other}/")
            stranger.page.wait_for_load_state()
            refused = [text for text in stranger.logged if "frame-ancestors" in text]
            stranger.logged.clear()

    assert refused


@pytest.mark.parametrize(("width", "height"), [(960, 930), (960, 560), (1920, 1900), (640, 480)])
def test_the_stages_frame_shows_its_parts_without_scrolling(view, frontend, width: int, height: int):
    viewer = view(f"{frontend.url}/?rate=10&view=stage", width=width, height=height)
    viewer.answers(10)
    inner, scroll = viewer.page.evaluate("[innerHeight, document.documentElement.scrollHeight]")
    heights = viewer.page.locator(".grid canvas, .timeline canvas").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().height)"
    )

    assert scroll <= inner
    assert min(heights) > 60
    assert viewer.page.locator("#run").is_visible()
    assert viewer.page.locator("#upstreams").is_hidden()
