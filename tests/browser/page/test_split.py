"""Configured and measured weights, and the scatter that chance gives."""

from __future__ import annotations

import re

from tests.browser.page.kit import Api, Loop, Podinfo, running


def test_measured_shares_are_compared_with_the_weights_of_the_mesh(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running({"podinfo": Podinfo(loop, {"west": 1, "east": 1})}, api) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=50")
        viewer.sees(".split .verdict", re.compile(r"The last 200 answers (fit|are at the edge of) the weights 50:50"))
        viewer.sees(".split .verdict", "chance alone gives ±7 points")
        viewer.sees(".gauges li", re.compile(r"east \d+ % · weight 50 % · expected 43 to 57 %"))


def test_weights_that_are_not_followed_are_noticed(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 90, "podinfo-east": 10}})
    with running({"podinfo": Podinfo(loop, {"west": 1, "east": 1})}, api) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=50")
        viewer.sees(".split .verdict", "do not fit the weights 90:10")


def test_a_change_of_the_weights_is_judged_by_answers_after_it(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1, "east": 1})
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running({"podinfo": upstream}, api) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=50")
        viewer.sees(".split .verdict", "the weights 50:50")
        upstream.weights = {"east": 1}
        api.weights = {"podinfo": {"podinfo": 0, "podinfo-east": 100}}
        viewer.sees(".split .verdict", re.compile(r"The last \d+ answers fit the weights 0:100"))


def test_without_weights_the_mesh_decides(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}, Api(loop)) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=20")
        viewer.sees(".split .verdict", "No weights are configured")


def test_an_api_that_does_not_answer_is_a_problem_with_words(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}}, down=True)
    with running({"podinfo": Podinfo(loop, {"west": 1})}, api) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=20")
        viewer.sees(".split .verdict", "The configured weights are unknown: the Kubernetes API answered 503")
        api.down = False
        viewer.sees(".split .verdict", "the weights 50:50")


def test_the_bars_show_the_measured_shares(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 3, "east": 1})}, Api(loop)) as frontend:
        viewer = view(f"{frontend.url}/?view=split&rate=50&theme=light")
        viewer.answers(250)
        areas = viewer.areas(".split")

    assert 0.65 < areas["west"] / (areas["west"] + areas["east"]) < 0.85


def test_many_pages_call_the_api_once_a_second_at_most(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running({"podinfo": Podinfo(loop, {"west": 1})}, api) as frontend:
        viewers = [view(f"{frontend.url}/?rate=5") for _ in range(3)]
        began = viewers[0].page.evaluate("performance.now()")
        before = api.calls
        for viewer in viewers:
            viewer.answers(30)
        seconds = (viewers[0].page.evaluate("performance.now()") - began) / 1000

    assert api.calls - before <= 3 * (seconds + 1), "three kinds, at most once a second, for all pages together"


def test_the_scatter_is_the_binomial_distributions(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(frontend.url)
        found = viewer.page.evaluate(
            """async () => {
              const { margin, expected, fit } = await import("/static/js/scatter.js");
              const cases = [[0.5, 0.5], [0.56, 0.5], [0.59, 0.5], [0.65, 0.5], [1, 1], [0.99, 1], [0, 0]];
              return { half: margin(0.5, 200), tenth: margin(0.1, 200), edge: expected(0.02, 20).low,
                       fits: cases.map(([measured, share]) => fit(measured, share, 200)) };
            }"""
        )

    assert round(100 * found["half"], 1) == 6.9  # 1.96 √(0.5 · 0.5 / 200)
    assert round(100 * found["tenth"], 1) == 4.2
    assert found["edge"] == 0
    assert found["fits"] == ["good", "good", "rare", "bad", "good", "bad", "good"]
