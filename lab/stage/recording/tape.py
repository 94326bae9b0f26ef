"""A recording in memory: its events, the page's events and the consoles, each in the order of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lab.base.names import Json
from lab.stage.recording.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event of the stage: a state or a panel as a whole, everything else as it was published."""

    at_s: float
    name: str
    data: Json


@dataclass(frozen=True, kw_only=True)
class PageEvent:
    """One event of the page's stream. `at` is Unix time, `text` its data as JSON on one line."""

    at_s: float
    at: float
    upstream: str
    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ConsoleEvent:
    """Output (`o`), a new size (`r`) or a marker (`m`) of a console."""

    at_s: float
    kind: str
    data: str


T = TypeVar("T", Happening, PageEvent, ConsoleEvent)


@dataclass
class Timeline(Generic[T]):
    """Events in the order of time."""

    events: Sequence[T]
    _times: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._times = [event.at_s for event in self.events]

    @property
    def end_s(self) -> float:
        """The time of the last event; 0 without events."""
        return self._times[-1] if self._times else 0.0

    def between(self, after_s: float, until_s: float) -> Sequence[T]:
        """Return the events after a time, until another one."""
        return self.events[bisect_right(self._times, after_s) : bisect_right(self._times, until_s)]

    def last(self, until_s: float) -> T | None:
        """Return the last event until a time; None if there was none."""
        at = bisect_right(self._times, until_s)
        return self.events[at - 1] if at else None


@dataclass(frozen=True, kw_only=True)
class ConsoleTape:
    """One console, with its first size."""

    name: str
    size: tuple[int, int]
    timeline: Timeline[ConsoleEvent]


@dataclass(frozen=True, kw_only=True)
class Tape:
    """A recording. `problems` say what is missing from it, for people."""

    manifest: Manifest
    events: Timeline[Happening]
    page: Timeline[PageEvent]
    consoles: Mapping[str, ConsoleTape]
    problems: Sequence[str]
    length_s: float
