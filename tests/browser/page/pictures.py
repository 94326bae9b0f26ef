"""Take pictures of the page in every view and state: `python -m tests.browser.page.pictures FOLDER [SCENE…]`.

`--size` and `--scheme` choose; without a scene, all are taken. They are for people to look at.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.page.kit import Api, Frontend, Loop, Podinfo, linkerd, running
from tests.browser.page.test_away import BufferingProxy
from tests.browser.page.viewer import Viewer

SIZES = {"phone": (390, 844), "small": (1280, 720), "full": (1920, 1080), "large": (3840, 2160)}
VIEWS = {"1": "all", "2": "grid", "3": "split", "4": "timeline", "5": "topology"}
IDENTITIES = {name: linkerd("west", name) for name in ("east", "west")}
SIX = ("west", "east", "north", "south", "alps", "bay")
TWO = "upstream=podinfo&upstream=podinfo-east"


@dataclass
class Photographer:
    """Opens the page in one size and scheme, and takes pictures of it."""

    browser: Any
    folder: Path
    size: str
    scheme: str

    @contextmanager
    def window(self, url: str) -> Iterator[Viewer]:
        """Show a page while the block runs."""
        width, height = SIZES[self.size]
        context = self.browser.new_context(viewport={"width": width, "height": height}, color_scheme=self.scheme)
        context.set_default_timeout(120_000)
        viewer = Viewer(context.new_page())
        viewer.page.goto(url)
        yield viewer
        context.close()

    def take(self, viewer: Viewer, name: str) -> None:
        """Take a picture; on a phone of the whole page."""
        viewer.page.wait_for_timeout(400)  # a chart is painted in the next frame
        file = self.folder / f"{name}-{self.size}-{self.scheme}.png"
        viewer.page.screenshot(path=file, full_page=self.size == "phone")


def views(photos: Photographer, loop: Loop) -> None:
    """Every view while a canary of 90:10 is followed, with one mark; both dialogs; stopped; hidden; lost."""
    upstream = Podinfo(loop, {"west": 9, "east": 1}, identities=IDENTITIES, attempts=1)
    api = Api(loop, {"podinfo": {"podinfo": 90, "podinfo-east": 10}})
    with (
        running({"podinfo": upstream, "podinfo-east": Podinfo(loop, {"east": 1})}, api) as frontend,
        photos.window(f"{frontend.url}/?rate=50") as viewer,
    ):
        viewer.answers(60)
        frontend.mark("Send 10 % to the new version", kind="step")
        viewer.answers(260)
        for key, view in VIEWS.items():
            viewer.press(key)
            photos.take(viewer, f"live-{view}")
        viewer.press("1")
        for key, name in (("?", "keys"), ("m", "mark")):
            viewer.press(key)
            photos.take(viewer, name)
            viewer.press("Escape")
            viewer.waits("() => !document.querySelector('dialog[open]')")
        viewer.press("Space")
        viewer.waits("() => document.body.dataset.state === 'stopped'")
        photos.take(viewer, "stopped")
        viewer.press("Space")
        viewer.waits("() => document.body.dataset.state === 'live'")
        frontend.kill()
        viewer.sees("#problem-again", "Next try in")
        photos.take(viewer, "lost")


def failures(photos: Photographer, loop: Loop) -> None:
    """Each kind of failure; a gap that is meant; a policy's refusals beside an upstream that is allowed."""
    kinds = {"status": 0.08, "broken": 0.06, "body": 0.05}
    upstream = Podinfo(loop, {"west": 1, "east": 1}, identities=IDENTITIES, failures=kinds)
    refusing = Podinfo(loop, {"east": 1}, failures={"refused": 1})
    with running({"podinfo": upstream, "podinfo-east": refusing}, Api(loop)) as frontend:
        with photos.window(f"{frontend.url}/?rate=20&upstream=podinfo") as viewer:
            viewer.answers(60)
            upstream.stop()
            frontend.mark("Kill podinfo in East", intended=True)
            viewer.answers(120)
            photos.take(viewer, "gap-open")
            upstream.start()
            frontend.mark("Start podinfo in East again", kind="fault")
            viewer.answers(200)
            for key, view in VIEWS.items():
                viewer.press(key)
                photos.take(viewer, f"failures-{view}")
        with photos.window(f"{frontend.url}/?rate=20&{TWO}") as viewer:
            viewer.answers(60)
            for key, view in VIEWS.items():
                viewer.press(key)
                photos.take(viewer, f"two-{view}")
        with photos.window(f"{frontend.url}/?rate=20&view=stage&{TWO}") as viewer:
            viewer.answers(40)
            photos.take(viewer, "stage")


def many(photos: Photographer, loop: Loop) -> None:
    """Six clusters, with a weight for each."""
    api = Api(loop, {"podinfo": {"podinfo": 50, **{f"podinfo-{name}": 10 for name in SIX[1:]}}})
    shares = {name: 5 if name == "west" else 1 for name in SIX}
    identities = {name: linkerd("west", name) for name in SIX}
    with (
        running({"podinfo": Podinfo(loop, shares, identities=identities)}, api) as frontend,
        photos.window(f"{frontend.url}/?rate=50") as viewer,
    ):
        viewer.answers(220)
        for key, view in VIEWS.items():
            viewer.press(key)
            photos.take(viewer, f"six-{view}")


def slow(photos: Photographer, loop: Loop) -> None:
    """Before the first answer; a frontend whose rate is used up; a proxy that holds events back."""
    upstream = Podinfo(loop, {"west": 1}, latency_ms=30_000)
    with running({"podinfo": upstream}, STREAM_BUDGET_PER_S="10") as frontend:
        with photos.window(f"{frontend.url}/?rate=10") as viewer:
            viewer.waits("() => document.body.dataset.state === 'live'")
            photos.take(viewer, "no-answer-yet")
        with photos.window(f"{frontend.url}/?rate=20") as viewer:
            viewer.sees("#problem-title", "accepts no further stream")
            photos.take(viewer, "no-stream-free")
        _proxied(photos, loop, frontend)


def _proxied(photos: Photographer, loop: Loop, frontend: Frontend) -> None:
    proxy = BufferingProxy(loop, frontend.port)
    proxy.start()
    with photos.window(f"{proxy.url}/?rate=10") as viewer:
        viewer.sees("#problem-title", "A proxy holds the events back")
        photos.take(viewer, "buffered")
    proxy.stop()


SCENES: dict[str, Callable[[Photographer, Loop], None]] = {
    "views": views,
    "failures": failures,
    "many": many,
    "slow": slow,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures that the command line asks for."""
    from playwright.sync_api import expect, sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tests.browser.page.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("scenes", nargs="*", metavar="scene", help=f"of {', '.join(SCENES)}")
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--scheme", choices=("light", "dark"), action="append")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=120_000)
    loop = Loop()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size in chosen.size or SIZES:
            for scheme in chosen.scheme or ("light", "dark"):
                for scene in chosen.scenes or SCENES:
                    SCENES[scene](Photographer(browser, chosen.folder, size, scheme), loop)
        browser.close()
    loop.close()


if __name__ == "__main__":
    main()
