"""Start, stop, rate, upstreams, views, theme, marks: by mouse, by keyboard and by URL."""

from __future__ import annotations

import pytest

from tests.browser.page.kit import Frontend, Loop, Podinfo, running

VIEWS = ("all", "grid", "split", "timeline", "topology")


@pytest.fixture
def frontend(loop: Loop):
    upstreams = {"podinfo": Podinfo(loop, {"west": 1}), "podinfo-east": Podinfo(loop, {"east": 1})}
    with running(upstreams) as made:
        yield made


def test_stop_ends_the_requests_and_start_begins_them_again(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=20")
    viewer.answers(20)
    viewer.page.click("#run")
    viewer.sees("#state-text", "stopped")
    viewer.sees("#run", "Start")
    assert viewer.query["paused"] == ["1"]

    viewer.page.reload()
    viewer.sees("#state-text", "stopped")
    assert not any("/api/stream" in url for url in viewer.requested[-20:])
    viewer.press("Space")
    viewer.sees("#state-text", "live")
    viewer.answers(20)
    assert "paused" not in viewer.query


def test_the_rate_is_chosen_by_mouse_and_keyboard(view, frontend: Frontend):
    viewer = view(frontend.url)
    viewer.answers(1)
    viewer.page.select_option("#rate", "20")
    assert viewer.query["rate"] == ["20"]
    viewer.press("-")
    assert viewer.query["rate"] == ["10"]
    viewer.press("+")
    viewer.press("+")
    assert viewer.query["rate"] == ["50"]
    viewer.waits("() => document.querySelector('#rate').value === '50'")
    viewer.page.reload()
    viewer.waits("() => document.querySelector('#rate').value === '50'")


@pytest.mark.parametrize(("wanted", "rate"), [("0.5", 0.5), ("100", 100), ("1000", 5), ("many", 5)])
def test_the_rate_of_the_url_is_used_if_it_is_one(view, frontend: Frontend, wanted: str, rate: float):
    viewer = view(f"{frontend.url}/?rate={wanted}")
    viewer.waits("() => document.body.dataset.state === 'live'")
    streams = [url for url in viewer.requested if "/api/stream" in url]

    assert f"rate={rate:g}" in streams[0]


def test_upstreams_are_side_by_side(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=10")
    viewer.answers(5)
    viewer.page.check("#upstreams input[value='podinfo-east']")
    viewer.answers(5, column=1)
    assert viewer.query["upstream"] == ["podinfo", "podinfo-east"]
    assert [set(viewer.shares(column)) for column in (0, 1)] == [{"west"}, {"east"}]
    viewer.page.uncheck("#upstreams input[value='podinfo']")
    viewer.waits("() => document.querySelectorAll('.column').length === 1")
    assert viewer.query["upstream"] == ["podinfo-east"]
    assert viewer.page.locator("#upstreams input[value='podinfo-east']").is_disabled(), "one at least is called"
    viewer.press("u")
    viewer.sees(".column .name", "podinfo")
    assert viewer.query["upstream"] == ["podinfo"]


def test_an_upstream_has_one_stream_however_often_it_is_named(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=10&upstream=podinfo&upstream=podinfo&upstream=nobody&upstream=podinfo-east")
    viewer.answers(5, column=1)
    streams = [url for url in viewer.requested if "/api/stream" in url]

    assert len(streams) == 2
    assert viewer.page.locator(".column").count() == 2


def test_every_view_has_a_url_and_a_key(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=10&view=grid")
    viewer.waits("() => document.body.dataset.view === 'grid'")
    for number, name in enumerate(VIEWS, start=1):
        viewer.press(str(number))
        assert viewer.query["view"] == [name]
        viewer.waits("(name) => document.body.dataset.view === name", name)
    viewer.page.go_back()
    viewer.waits("() => document.body.dataset.view === 'timeline'")
    viewer.page.click("#views a[data-view='split']")
    assert viewer.query["view"] == ["split"]
    assert viewer.page.locator("#views a[aria-current]").text_content() == "Split"
    hrefs = viewer.page.locator("#views a").evaluate_all("(all) => all.map((link) => link.getAttribute('href'))")
    assert hrefs == [f"?rate=10&view={name}" for name in VIEWS]
    assert viewer.page.locator(".grid").first.is_hidden()
    assert viewer.page.locator(".split").first.is_visible()


def test_count_anew_begins_with_nothing(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=20")
    viewer.answers(60)
    viewer.press("r")
    viewer.waits("() => parseInt(document.querySelector('.timeline .verdict').textContent) < 60")
    viewer.answers(20)


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen(view, frontend: Frontend, system: str):
    viewer = view(frontend.url, color_scheme=system)
    other = {"light": "dark", "dark": "light"}[system]
    viewer.waits("(theme) => document.documentElement.dataset.theme === theme", system)
    viewer.press("t")
    viewer.waits("(theme) => document.documentElement.dataset.theme === theme", other)
    assert viewer.query["theme"] == [other]


def test_the_keys_are_shown_and_escape_closes_them(view, frontend: Frontend):
    viewer = view(frontend.url)
    viewer.answers(1)
    viewer.press("?")
    viewer.sees("#help-dialog dl", "stop or start")
    viewer.press("p")  # a key does nothing behind a dialog
    viewer.press("Escape")
    viewer.waits("() => !document.querySelector('#help-dialog').open")
    viewer.sees("#state-text", "live")
    viewer.page.click("#help")
    viewer.waits("() => document.querySelector('#help-dialog').open")


def test_a_person_sets_a_mark(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=20&view=timeline")
    viewer.answers(10)
    viewer.press("m")
    viewer.page.keyboard.type("Look: p99")
    viewer.page.check("#mark-intended")
    viewer.press("Enter")
    viewer.waits("() => !document.querySelector('#mark-dialog').open")
    viewer.sees(".timeline tbody tr td", "Look: p99 (intended)")
    (mark,) = frontend.get("/api/marks")["marks"]
    assert (mark["text"], mark["kind"], mark["intended"]) == ("Look: p99", "note", True)


def test_everything_is_reached_by_the_tab_key(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=5")
    viewer.answers(5)
    reached = []
    for _ in range(24):
        viewer.press("Tab")
        reached.append(
            viewer.page.evaluate(
                "document.activeElement.id || document.activeElement.dataset.view || document.activeElement.value"
            )
        )

    wanted = {"run", "rate", "podinfo-east", *VIEWS, "mark", "reset", "theme", "help"}
    assert wanted <= set(reached)
