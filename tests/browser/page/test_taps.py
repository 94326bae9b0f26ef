"""Requests from phones: the grid shows each with a dot, and no number counts them."""

from __future__ import annotations

import re

import requests

from tests.browser.page.kit import Frontend, Loop, Podinfo, running

TAPS = 12
_DARK = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    count += data[at + 3] > 200 && data[at] + data[at + 1] + data[at + 2] < 150;
  }
  return count;
}"""


def tap(frontend: Frontend, upstream: str) -> None:
    response = requests.post(f"{frontend.url}/api/taps", json={"upstream": upstream}, timeout=30)
    assert response.status_code == 200
    assert response.json()["answer"]["error"] is None


def test_a_tap_has_a_dot_on_the_grid_and_is_in_no_number(view, loop: Loop):
    upstream, other = Podinfo(loop, {"east": 1}), Podinfo(loop, {"east": 1})
    with running({"podinfo": upstream, "other": other}) as frontend:
        viewer = view(f"{frontend.url}/?view=grid&rate=1&theme=light")
        viewer.answers(2)
        canvas = viewer.page.locator(".grid canvas").element_handle()
        before = viewer.page.evaluate(_DARK, canvas)
        tap(frontend, "other")  # this page does not show that upstream
        for _ in range(TAPS):
            tap(frontend, "podinfo")
        viewer.sees(".grid .legend", f"from a phone{TAPS}")
        viewer.sees(".grid .alternative", f"From phones, beside them: east {TAPS}.")
        after = viewer.page.evaluate(_DARK, canvas)
        counted, _ = viewer.counted()
        (share,) = viewer.shares().values()
        served = upstream.served["east"]

    assert after - before > 200
    assert counted <= served - TAPS
    assert share <= served - TAPS
    assert other.served["east"] == 1


def test_a_tap_below_the_pointer_is_named_and_a_failed_one_has_its_shape(view, loop: Loop):
    upstream = Podinfo(loop, {"east": 1})
    with running({"podinfo": upstream}) as frontend:
        viewer = view(f"{frontend.url}/?view=grid&rate=1")
        viewer.answers(1)
        for _ in range(TAPS):
            tap(frontend, "podinfo")
        viewer.sees(".grid .legend", f"from a phone{TAPS}")
        box = viewer.page.locator(".grid canvas").bounding_box()
        viewer.page.mouse.move(box["x"] + box["width"] * 0.04, box["y"] + box["height"] * 0.5)
        viewer.sees(".grid .tip", re.compile(r"^from a phone at .* · east · podinfo-6c5b9f7d84-ea4kq"))
        upstream.failures = {"refused": 1}
        failed = requests.post(f"{frontend.url}/api/taps", json={"upstream": "podinfo"}, timeout=30).json()["answer"]
        viewer.sees(".grid .legend", "refused by policy")
        viewer.sees(".grid .alternative", f"From phones, beside them: east {TAPS}, no answer 1.")

    assert failed["error"]["refused"]
