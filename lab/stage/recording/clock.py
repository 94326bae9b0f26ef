"""The clock of a replay: plays, pauses, jumps, at a chosen speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SPEEDS = (0.25, 16.0)
"""The lowest and the highest speed."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The state of the clock at one moment. `jumps` counts the jumps, so that a reader notices each."""

    at_s: float
    playing: bool
    speed: float
    jumps: int


@dataclass(kw_only=True)
class PlayClock:
    """A clock from 0 to `length_s`, which stops at its end. For any thread."""

    length_s: float
    now: Callable[[], float] = time.monotonic
    _at_s: float = 0.0
    _since: float = 0.0
    _playing: bool = False
    _speed: float = 1.0
    _jumps: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def moment(self) -> Moment:
        """The time now."""
        with self._guard:
            self._settle()
            return Moment(at_s=self._at_s, playing=self._playing, speed=self._speed, jumps=self._jumps)

    def play(self) -> None:
        """Run; from the beginning if the end was reached."""
        with self._guard:
            self._settle()
            if self._at_s >= self.length_s:
                self._at_s = 0.0
                self._jumps += 1
            self._playing = True

    def pause(self) -> None:
        """Stand still."""
        with self._guard:
            self._settle()
            self._playing = False

    def seek(self, at_s: float) -> None:
        """Jump to a time, within the recording."""
        with self._guard:
            self._settle()
            self._at_s = min(max(0.0, at_s), self.length_s)
            self._jumps += 1

    def change_speed(self, speed: float) -> None:
        """Run this many times as fast as it was, within SPEEDS."""
        with self._guard:
            self._settle()
            self._speed = min(max(SPEEDS[0], speed), SPEEDS[1])

    def _settle(self) -> None:
        """Move to the time of now."""
        now = self.now()
        if self._playing:
            self._at_s += (now - self._since) * self._speed
            if self._at_s >= self.length_s:
                self._at_s, self._playing = self.length_s, False
        self._since = now
