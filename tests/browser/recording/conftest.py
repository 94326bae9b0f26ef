"""Chromium, a recording, and windows that fail a test after an error in their console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.stage.app import create_app
from lab.stage.recording.player import Player
from lab.stage.recording.reader import read
from lab.stage.recording.routes import routes
from lab.stage.recording.tape import Tape
from lab.stage.security import Door
from lab.stage.server import listening, serving
from tests.chromium import TIMEOUT_MS
from tests.unit.stage.recording.kit import presentation

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is in the extra `browser`")
_EXPECTED = (
    # Chromium's warning about a frame of the same origin: the page of a replay is the stage's own.
    "allow-scripts and allow-same-origin for its sandbox attribute",
    # A network of this machine appeared or went, as Docker's do: Chromium ends its requests, and the screens ask again.
    "ERR_NETWORK_CHANGED",
)


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """20 s of a presentation; the stream of podinfo breaks at 11 s and is back at 14 s."""
    return read(presentation(tmp_path_factory.mktemp("runs") / "run", upstreams=("podinfo", "podinfo-east")))


class Theatre:
    """A replay that is served, and can be stopped and started again at the same port."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._open = ExitStack()
        self._port = 0

    def start(self) -> None:
        self._open = ExitStack()
        listener = self._open.enter_context(listening(self._port))
        self._port = listener.getsockname()[1]
        self.door = Door(port=self._port)
        query = "view=stage&upstream=podinfo&upstream=podinfo-east"
        self.player = Player(tape=self._tape, page_url=f"{self.door.url}replay/page/?{query}")
        app = create_app(self.player, self.door, more=routes(self.player))
        self._open.enter_context(serving(app, listener, before_end=self.player.broker.close))
        self._open.callback(self.player.close)
        self.player.start(playing=False)

    def stop(self) -> None:
        self._open.close()


@pytest.fixture
def theatre(tape: Tape) -> Iterator[Theatre]:
    made = Theatre(tape)
    made.start()
    yield made
    made.stop()


@dataclass
class Window:
    """A window of the browser, and everything that went wrong in it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requested.append(request.url))

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not any(one in message.text for one in _EXPECTED):
            self.errors.append(message.text)

    # What a person sees

    @property
    def time(self) -> Any:
        return self.page.locator("#replay .time")

    @property
    def lab(self) -> Any:
        """The lab's page in its frame."""
        return self.page.frame_locator("#page iframe")

    def column(self, upstream: str) -> Any:
        """The part of the lab's page about an upstream."""
        return self.lab.get_by_label(f"Calls to {upstream}", exact=True)

    def console(self, name: str) -> Any:
        label = self.page.get_by_label(f"Console {name}", exact=True)
        return self.page.locator(".terminal", has=label).locator(".xterm-rows")

    def seek(self, at_s: float) -> None:
        """Move the slider, as a mouse does."""
        slider = self.page.get_by_label("Time in the recording")
        slider.evaluate("(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('change')); }", at_s)
        sync_api.expect(self.time).to_contain_text(f"0:{int(at_s):02} / 0:20")

    def sees(self, text: str) -> None:
        sync_api.expect(self.page.get_by_text(text, exact=True).first).to_be_visible()

    def state(self) -> Any:
        """The state as the screen gets it."""
        return self.page.evaluate("fetch('/api/state').then((answer) => answer.json())")


@pytest.fixture
def window(chromium: Any) -> Iterator[Callable[..., Window]]:
    """`window(url)`: a window of a browser of its own; its errors fail the test, except those that the test expects."""
    opened: list[Window] = []

    def open_window(url: str, **options: Any) -> Window:
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        context = chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        made = Window(context.new_page())
        opened.append(made)
        made.page.goto(url)
        return made

    yield open_window
    for one in opened:
        one.page.context.close()
    assert [error for one in opened for error in one.errors] == []


@pytest.fixture
def expect() -> Any:
    return sync_api.expect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
