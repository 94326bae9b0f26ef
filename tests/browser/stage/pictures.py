"""Take pictures of every state of both screens: `python -m tests.browser.stage.pictures FOLDER [STATE…]`.

`--size`, `--scheme` and `--stack` choose; without a state, all are taken. They are for people to look at;
the README's picture comes from `tests/e2e/test_stage.py`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.base.names import Json
from lab.stage.audience.audience import qr_svg
from tests.browser.stage.screens import Screen
from tests.browser.stage.test_consoles import panel
from tests.browser.stage.with_page import Whole, whole_stage

SIZES = {"phone": (390, 844), "small": (1280, 720), "full": (1920, 1080), "large": (3840, 2160)}
GO = ":is(.go, .control[data-command=go]):not([aria-disabled]):visible"
REPLAY = {"at_s": 83.0, "length_s": 912.0, "playing": False, "speed": 1, "run": "20261127-090000"}
PROBLEMS = ["page.jsonl: is missing", "events.jsonl: 3 damaged lines are left out"]
URL = "http://192.168.101.120:7466/Fw3Gq9_kJx0sY2bLr7VtNQ/"
AUDIENCE = {"url": URL, "qr_svg": qr_svg(URL), "phones": 184, "requests": 2317}
CLOCK = {"started": 1.0, "elapsed_s": 301.0, "rehearsed_s": 1710.0, "due_s": 321.0, "left_s": 1389.0}


@dataclass
class Photographer:
    """Brings the stage into a state, and takes its picture."""

    whole: Whole
    audience: Screen
    presenter: Screen
    folder: Path
    suffix: str
    wanted: Sequence[str]
    whole_page: bool

    def take(self, name: str, screen: Screen | None = None) -> None:
        """Take a picture of a screen if it is wanted."""
        if self.wanted and name not in self.wanted:
            return
        page = (screen or self.audience).page
        page.wait_for_timeout(700)  # the page in the frame and the consoles paint a little later
        page.screenshot(path=self.folder / f"{name}-{self.suffix}.png", full_page=self.whole_page)

    def both(self, name: str) -> None:
        """Take pictures of both screens."""
        self.take(name)
        self.take(f"presenter-{name}", self.presenter)

    def at(self, step: str) -> None:
        """Go to a step."""
        stage = self.whole.theatre.stage
        self.audience.shows("body:has(.go:not([aria-disabled]))")
        stage.go_to(step)
        self.audience.is_at(next(view.step.title for view in stage.presenter.all if view.id == step))
        self.audience.shows("body:has(.go:not([aria-disabled]))")

    def run(self, look: str = "green") -> None:
        """Run the step, and wait for a result."""
        self.audience.press("Enter")
        self.audience.shows(f"body:has(.status[data-look={look}])")
        self.audience.shows("body:has(.go:not([aria-disabled]))")


def east() -> Json:
    """Return East's panel."""
    (pod,) = panel()["pods"]
    gateway = {"name": "linkerd-gateway", "address": "172.30.0.3", "ready": True, "words": "", "change": None}
    service = {**panel()["services"][0], "name": "podinfo", "mirror_of": None}
    return panel(cluster="east", pods=[pod], services=[service], gateways=[gateway], links=[])


def west() -> Json:
    """Return West's panel."""
    (pod,) = panel()["pods"]
    frontend = {**pod, "name": "frontend-7b5f9c6d8-q4mzn", "app": "frontend"}
    mine = {**pod, "name": "podinfo-6c8d5b9f4d-b9w4r"}
    own = {**panel()["services"][0], "name": "podinfo", "mirror_of": None}
    route = {
        "kind": "HTTPRoute",
        "name": "podinfo-split-9898",
        "namespace": "test",
        "words": "podinfo 50, podinfo-east 50",
        "change": None,
    }
    return panel(pods=[frontend, mine], services=[own, *panel()["services"]], policies=[route])


def steps_and_checks(photos: Photographer) -> None:
    """Idle, green, running, red."""
    stage, audience = photos.whole.theatre.stage, photos.audience
    stage.panel(east())
    stage.panel(west())
    photos.both("idle")
    photos.at("request_routing/half")
    photos.whole.api.weights["podinfo"] = {"podinfo": 50, "podinfo-east": 50}
    photos.whole.upstreams["podinfo"].weights = {"west": 1, "east": 1}
    photos.run()
    photos.both("green")
    photos.at("request_routing/canary")
    stage.recorded.red.add("canary_is_counted")
    with stage.recorded.held():
        audience.press("Enter")
        audience.shows("body:has(.status[data-look=running])")
        photos.both("running")
    audience.shows("body:has(.status[data-look=red])")
    photos.both("red")


def faults_and_menus(photos: Photographer) -> None:
    """A fault that is active, and what the keys open."""
    stage, audience = photos.whole.theatre.stage, photos.audience
    stage.fault("kill-podinfo-east", undo=False)
    (old,) = east()["pods"]
    new = {**old, "name": "podinfo-6c8d5b9f4d-n3w0p", "ready": "0/2", "phase": "ContainerCreating", "change": "new"}
    about = {"kind": "Pod", "object": old["name"], "reason": "Killing", "message": "", "warning": True}
    gone = {**old, "change": "gone", "phase": "Terminating"}
    stage.panel({**east(), "pods": [gone, new], "events": [{"at": time.time(), **about}]})
    stage.panel({**west(), "links": [{"to": "east", "ok": False, "words": "gateway does not answer", "change": None}]})
    photos.both("faults-active")
    for name, key in (("faults", "i"), ("keys", "?")):
        audience.press(key)
        photos.take(name)
        audience.press("Escape")
        audience.hides("dialog")
    audience.click("#menu")
    photos.take("menu")
    audience.press("Escape")
    audience.hides("dialog")
    stage.fault("kill-podinfo-east", undo=True)


def terminals(photos: Photographer) -> None:
    """Many checks, a second terminal, a person who types, the end of a scenario."""
    audience = photos.audience
    photos.at("isolation/locked")
    photos.run()
    photos.both("nine-checks")
    photos.at("dev_loop/header")
    photos.run()
    photos.take("two-terminals")
    audience.click("#console-west .terminal")
    photos.take("typing")
    audience.click("#console-west .back")
    photos.at("request_routing/traffic_split")
    photos.run()
    audience.press("Enter")
    audience.shows("body:has(.card[data-kind=over])")
    photos.both("closing")


def the_end(photos: Photographer) -> None:
    """What is shown after the last step."""
    stage, audience = photos.whole.theatre.stage, photos.audience
    photos.at(stage.presenter.all[-1].id)
    photos.run()
    audience.press("Enter")
    audience.shows("body:has(.card[data-kind=over])")
    audience.shows("body:has(.go:not([aria-disabled]))")
    audience.press("Enter")
    audience.is_at("The end")
    photos.both("end")
    stage.go_to("request_routing/half")
    audience.is_at("Half and half")


def hall(photos: Photographer) -> None:
    """The QR code, a black screen, the clock; a console that a person uses while a step waits, a lost cluster."""
    stage, audience, presenter = photos.whole.theatre.stage, photos.audience, photos.presenter
    audience.press("q")
    audience.shows(".said")
    photos.take("no-audience")
    stage.extra = {"audience": AUDIENCE, "clock": CLOCK}
    stage.publish_state()
    presenter.sees(".pace", "ahead by")
    audience.press("q")
    photos.both("code")
    audience.press("Escape")
    audience.press("b")
    photos.both("black")
    audience.press("b")
    audience.hides("dialog")
    stage.extra = {"clock": {**CLOCK, "elapsed_s": 500.0}}
    stage.publish_state()
    presenter.sees(".pace", "behind by")
    photos.take("presenter-late", presenter)
    stage.extra = {}
    photos.at("request_routing/half")
    audience.click("#console-west .terminal")
    audience.page.keyboard.type("sleep 1000\n")
    audience.click("#console-west .back")
    audience.press("Enter")
    audience.sees(".log", "is busy")
    photos.both("console-busy")
    audience.press("x")
    audience.click("#console-west .terminal")
    audience.press("Control+c")
    audience.click("#console-west .back")
    audience.shows("body:has(.go:not([aria-disabled]))")
    lost = {"reachable": False, "problem": "the API server at 127.0.0.1:41873 does not answer"}
    stage.panel({**east(), **lost})
    audience.sees("#console-east .state", "does not answer")
    photos.both("lost-cluster")
    stage.panel(east())


def replay_and_problems(photos: Photographer) -> None:
    """A replay, and what is shown when something does not answer."""
    stage, audience = photos.whole.theatre.stage, photos.audience
    stage.extra = {"mode": "replay", "replay": REPLAY}
    stage.publish_state()
    photos.both("replay")
    stage.extra = {"mode": "replay", "replay": {**REPLAY, "problems": PROBLEMS}}
    stage.publish_state()
    photos.audience.shows(".lacking")
    photos.both("replay-with-problems")
    for name, key in (("replay-keys", "?"), ("replay-menu", "")):
        if key:
            audience.press(key)
        else:
            audience.click("#menu")
        photos.take(name)
        audience.press("Escape")
        audience.hides("dialog")
    stage.extra = {}
    photos.whole.frontend.stop()
    audience.shows("body:has(.missing:not([hidden]))")
    photos.take("no-page")
    photos.whole.theatre.close()
    audience.shows("body:has(.banner:not([hidden]))")
    photos.both("lost")
    photos.whole.theatre.open()
    audience.shows("body:has(.stop:not([hidden]))")
    photos.take("started-again")


def pictures(browser: Any, folder: Path, *, size: str, scheme: str, stack: str, wanted: Sequence[str]) -> None:
    """Take the pictures of one size and scheme."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    with tempfile.TemporaryDirectory() as work, whole_stage(Path(work), stack=stack) as whole:
        screens = [Screen(context.new_page(), whole.theatre) for _ in range(2)]
        for screen, path in zip(screens, ("", "presenter"), strict=True):
            screen.open(path)
            screen.is_at("West does not know East")
        audience, presenter = screens
        suffix = f"{size}-{scheme}"
        audience.page.bring_to_front()
        photos = Photographer(whole, audience, presenter, folder, suffix, wanted, whole_page=size == "phone")
        for part in (steps_and_checks, faults_and_menus, terminals, the_end, hall, replay_and_problems):
            part(photos)
        context.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures that the command line asks for."""
    from playwright.sync_api import expect, sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tests.browser.stage.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*")
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--scheme", choices=("light", "dark"), action="append")
    parser.add_argument("--stack", choices=("linkerd", "istio"), default="linkerd")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    find: Callable[[str], str | None] = shutil.which
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        for size in chosen.size or SIZES:
            for scheme in chosen.scheme or ("light", "dark"):
                pictures(browser, chosen.folder, size=size, scheme=scheme, stack=chosen.stack, wanted=chosen.states)
        browser.close()


if __name__ == "__main__":
    main()
