"""A stage without a lab: what the server asks of it is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from lab.base import wait
from lab.base.names import Json
from lab.base.wait import NotYet
from lab.scenario.presenter import Wish
from lab.stage.app import create_app
from lab.stage.broker import Broker
from lab.stage.parts import Declined, Viewer
from lab.stage.security import Door
from lab.stage.server import listening, serving


class FakeConsole:
    """A console that shows what it is given."""

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        self.typed: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.full = False

    def attach(self, viewer: Viewer) -> bytes:
        if self.full:
            raise Declined("too many browsers show this console")
        self.viewers.append(viewer)
        viewer.sized(80, 24)
        return b"west$ "

    def detach(self, viewer: Viewer) -> None:
        if viewer in self.viewers:
            self.viewers.remove(viewer)

    def input(self, viewer: Viewer, keys: str) -> None:
        self.typed.append(keys)

    def resize(self, viewer: Viewer, cols: int, rows: int) -> None:
        self.sizes.append((cols, rows))
        viewer.sized(cols, rows)


@dataclass
class FakeStage:
    """Notes requests; declines all if `busy` has a reason."""

    broker: Broker = field(default_factory=Broker)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    busy: str = ""
    west: FakeConsole = field(default_factory=FakeConsole)

    def state(self) -> Json:
        return {"schema": "stage/state/v1", "turn": len(self.asked)}

    def panels(self) -> Sequence[Json]:
        return [{"cluster": "west", "pods": []}]

    def wish(self, wish: Wish, *, at: str | None, turn: int | None = None) -> None:
        self._ask("wish", wish, at, turn)

    def check_until_green(self, *, at: str | None) -> None:
        self._ask("check-until-green", at)

    def interrupt(self) -> None:
        self._ask("interrupt")

    def jump(self, to: str | int) -> None:
        self._ask("jump", to)

    def fault(self, name: str, *, undo: bool) -> None:
        if name != "kill-podinfo-east":
            raise KeyError(name)
        self._ask("fault", name, undo)

    def mark(self, text: str) -> None:
        self._ask("mark", text)

    def console(self, name: str) -> FakeConsole:
        return {"west": self.west}[name]

    def _ask(self, *what: Any) -> None:
        if self.busy:
            raise Declined(self.busy)
        self.asked.append(what)


@dataclass(kw_only=True)
class Served:
    """A stage behind a real server."""

    stage: Any
    door: Door
    admitted: list[bool]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.door.port}"

    @contextmanager
    def client(self, *, signed_in: bool = True) -> Iterator[httpx2.Client]:
        """Yield a client as the stage's own page is one."""
        url = f"http://{self.host}"
        with httpx2.Client(base_url=url, headers={"origin": url}, trust_env=False, verify=False, timeout=20) as client:
            if signed_in:
                assert client.post("/api/session", json={"token": self.door.token}).status_code == 204
            yield client


@contextmanager
def served(stage: Any, **options: Any) -> Iterator[Served]:
    """Serve a stage on a free port while the block runs."""
    admitted: list[bool] = []
    with listening(0) as listener:
        door = Door(port=listener.getsockname()[1])
        app = create_app(stage, door, admitted=lambda: admitted.append(True), **options)
        with serving(app, listener, before_end=stage.broker.close):
            yield Served(stage=stage, door=door, admitted=admitted)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    wait.until(what, lambda: holds() or NotYet("not yet"), timeout_s=60, interval_s=0.01)
