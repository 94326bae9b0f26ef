"""What is seen of answers: who answered, in which proportion, and what failed."""

from __future__ import annotations

import pytest

from tests.browser.page.kit import Loop, Podinfo, running


@pytest.mark.parametrize(("west", "low", "high"), [(50, 0.38, 0.62), (90, 0.82, 0.97)])
def test_a_proportion_is_seen_before_a_number_is_read(view, loop: Loop, west: int, low: float, high: float):
    with running({"podinfo": Podinfo(loop, {"west": west, "east": 100 - west})}) as frontend:
        viewer = view(f"{frontend.url}/?view=grid&rate=50&theme=light")
        viewer.answers(200)
        areas, shares = viewer.areas(), viewer.shares()

    assert low < areas["west"] / (areas["west"] + areas["east"]) < high
    assert low < shares["west"] / (shares["west"] + shares["east"]) < high
    assert areas["failed"] < areas["east"] / 50


def test_colour_and_letter_are_the_clusters_and_the_text_says_the_same(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1, "east": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(20)
        badges = viewer.page.locator(".shares .badge").evaluate_all(
            "(all) => all.map((badge) => [badge.textContent, getComputedStyle(badge).backgroundColor])"
        )
        viewer.sees(".grid .alternative", "The last ")
        words = viewer.page.locator(".grid .alternative").text_content()

    assert badges == [["E", "rgb(0, 114, 178)"], ["W", "rgb(230, 159, 0)"]]
    assert "east " in words
    assert "west " in words


def test_six_clusters_have_six_colours_and_letters(view, loop: Loop):
    six = ("west", "east", "eu", "north", "south", "sw")
    with running({"podinfo": Podinfo(loop, dict.fromkeys(six, 1))}) as frontend:
        viewer = view(f"{frontend.url}/?rate=50")
        viewer.waits("() => document.querySelectorAll('.shares li').length === 6")
        badges = viewer.page.locator(".shares .badge").evaluate_all(
            "(all) => all.map((badge) => [badge.textContent, getComputedStyle(badge).backgroundColor])"
        )

    letters, colours = zip(*badges, strict=True)
    assert len(set(letters)) == len(set(colours)) == 6
    assert all(1 <= len(letter) <= 2 for letter in letters)


def test_a_cluster_whose_colour_is_like_a_failure_gets_another(view, loop: Loop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.browser.page.kit.COLORS", {"east": "#0072b2", "west": "#c2410c"})
    with running({"podinfo": Podinfo(loop, {"west": 1, "east": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.answers(20)
        colours = viewer.page.locator(".shares .badge").evaluate_all(
            "(all) => all.map((badge) => getComputedStyle(badge).backgroundColor)"
        )

    assert colours[0] == "rgb(0, 114, 178)"
    assert colours[1] != "rgb(194, 65, 12)"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("timeout", "timed out"),
        ("broken", "cut off"),
        ("status", "error status"),
        ("body", "not podinfo's answer"),
        ("refused", "refused by policy"),
    ],
)
def test_each_kind_of_failure_has_its_shape_and_words(view, loop: Loop, kind: str, words: str):
    limit_s = "0.3" if kind == "timeout" else "60"
    with running({"podinfo": Podinfo(loop, {"west": 1}, failures={kind: 1})}, REQUEST_TIMEOUT_S=limit_s) as frontend:
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.sees(".legend li span", words)
        viewer.answers(5)
        shown = viewer.shares()
        sent, lost = viewer.counted()

    assert set(shown) == {"refused" if kind == "refused" else "no answer"}
    assert sent == lost


def test_an_upstream_that_is_down_is_no_connection(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1})
    with running({"podinfo": upstream}) as frontend:
        upstream.stop()
        viewer = view(f"{frontend.url}/?rate=20")
        viewer.sees(".legend li span", "no connection")
        viewer.sees(".sentence", "Connection refused")


def test_shares_are_whole_percents_that_add_up_to_100(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(frontend.url)
        counts = [[101, 99], [1, 1, 1], [200], [199, 1], [0, 0], [333, 333, 334]]
        words = viewer.page.evaluate(
            "async (counts) => counts.map((await import('/static/js/scene.js')).percents)",
            counts,
        )

    assert words == [
        ["51 %", "49 %"],
        ["34 %", "33 %", "33 %"],
        ["100 %"],
        ["> 99 %", "< 1 %"],
        ["0 %", "0 %"],
        ["33 %", "33 %", "34 %"],
    ]


def test_the_request_below_the_pointer_is_named(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?view=grid&rate=20")
        viewer.answers(60)
        box = viewer.page.locator(".grid canvas").bounding_box()
        viewer.page.mouse.move(box["x"] + box["width"] * 0.08, box["y"] + box["height"] * 0.8)
        viewer.sees(".grid .tip", "west · podinfo-6c5b9f7d84-we4kq")
