"""The initializer's page without downloads: an empty store, whose artifacts arrive only if a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import httpx2

from lab.base.errors import LabError
from lab.base.paths import Paths
from lab.initialize.choices import Choices
from lab.initialize.render import artifacts
from lab.initialize.sources import StoreSources
from lab.stage.initializer.previews import Previews
from lab.stage.initializer.run import on_page
from lab.stage.security import Door

SMALL = "mesh=none&ingress=none&observability=prometheus&apps=podinfo"
"""Choices whose YAML needs no artifact."""


@dataclass
class Arrivals:
    """What is obtained: each artifact fails with `error`, or is not there before `may_end`."""

    error: LabError | None = None
    asked: list[str] = field(default_factory=list)
    may_end: Event = field(default_factory=Event)

    def missing(self, choices: Choices, _: StoreSources) -> list[str]:
        return list(artifacts(choices))

    def obtain(self, name: str, _: StoreSources) -> None:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        self.may_end.wait(60)


def sources(folder: Path) -> StoreSources:
    return StoreSources(Paths(cache=folder / "cache", state=folder / "state"))


def previews(folder: Path, arrivals: Arrivals | None = None) -> Previews:
    coming = arrivals or Arrivals()
    return Previews(sources=sources(folder), missing=coming.missing, obtain=coming.obtain)


@dataclass(kw_only=True)
class ServedPage:
    """The page behind a real server."""

    door: Door
    client: httpx2.Client

    @property
    def url(self) -> str:
        return self.door.url.rstrip("/")


@contextmanager
def served(shown: Previews, *, query: str = "", signed_in: bool = True) -> Iterator[ServedPage]:
    """Serve the page on a free port while the block runs; yields it with a client as its own script is one."""
    with on_page(shown, port=0, query=query) as screen:
        url = screen.door.url.rstrip("/")
        with httpx2.Client(base_url=url, headers={"origin": url}, trust_env=False, verify=False, timeout=60) as client:
            if signed_in:
                assert client.post("/api/session", json={"token": screen.door.token}).status_code == 204
            yield ServedPage(door=screen.door, client=client)
