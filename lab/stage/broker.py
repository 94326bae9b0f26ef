"""Pass events to browsers and other listeners, in order. A publisher never waits for a reader.

A reader that does not keep up is dropped: a browser connects again and gets the whole state.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.base.names import Json

MOST_READERS = 32
MOST_WAITING = 512
"""Events that may wait for one reader."""
MOST_WAITING_BYTES = 8 << 20


class TooManyReadersError(Exception):
    """All places for readers are taken."""


@dataclass(frozen=True, kw_only=True)
class StageEvent:
    """One event. `number` counts from 1; `text` is `data` as JSON, on one line."""

    number: int
    name: str
    data: Json
    text: str

    @property
    def frame(self) -> bytes:
        """The event as a server-sent event."""
        return f"id: {self.number}\nevent: {self.name}\ndata: {self.text}\n\n".encode()


def _event(number: int, name: str, data: Json) -> StageEvent:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return StageEvent(number=number, name=name, data=data, text=text)


class Reader:
    """One browser's queue of frames. `wake` is called from any thread when frames wait, or when it has ended."""

    def __init__(self, broker: Broker, wake: Callable[[], None]) -> None:
        self._broker = broker
        self._wake = wake
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._guard = threading.Lock()
        self.ended = False
        """The reader was too slow, or the broker was closed: nothing more comes."""

    def begin(self, frames: list[bytes]) -> None:
        """Put the first frames before those that came meanwhile."""
        with self._guard:
            self._frames.extendleft(reversed(frames))
            self._bytes += sum(map(len, frames))
        self._wake()

    def put(self, frame: bytes) -> None:
        """Add a frame, or end if too much waits."""
        with self._guard:
            if self.ended:
                return
            self._frames.append(frame)
            self._bytes += len(frame)
            full = len(self._frames) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES
        if full:
            self.end()
        self._wake()

    def take(self) -> list[bytes]:
        """Return the frames that wait."""
        with self._guard:
            frames = list(self._frames)
            self._frames.clear()
            self._bytes = 0
        return frames

    def end(self) -> None:
        """End, and forget what waits."""
        with self._guard:
            self.ended = True
            self._frames.clear()
            self._bytes = 0
        self._wake()

    def close(self) -> None:
        """Give the place to another reader."""
        self._broker.remove(self)


class Broker:
    """Passes each event to all readers and listeners."""

    def __init__(self, *, most: int = MOST_READERS) -> None:
        self._most = most
        self._number = 0
        self._readers: list[Reader] = []
        self._listeners: list[Callable[[StageEvent], None]] = []
        self._guard = threading.RLock()
        self._closed = False

    def publish(self, name: str, data: Json) -> None:
        """Pass an event on; call it from any thread."""
        event = _event(0, name, data)
        with self._guard:  # the order of the numbers is the order of every queue
            self._number += 1
            event = replace(event, number=self._number)
            frame = event.frame
            for reader in self._readers:
                reader.put(frame)
            for listener in self._listeners:
                listener(event)

    def read(self, wake: Callable[[], None], *, first: Callable[[], list[tuple[str, Json]]]) -> Reader:
        """Add a reader, whose first frames are those of `first`.

        Raises:
            TooManyReadersError: all places are taken, or the broker was closed.
        """
        with self._guard:
            if self._closed or len(self._readers) >= self._most:
                raise TooManyReadersError
            number = self._number
            reader = Reader(self, wake)
            self._readers.append(reader)
        # Without the lock: `first` takes locks of threads that publish. What they publish now comes after it.
        reader.begin([_event(number, name, data).frame for name, data in first()])
        return reader

    def listen(self, listener: Callable[[StageEvent], None]) -> Callable[[], None]:
        """Call `listener` with each event, in the thread that publishes it; return a function that ends this."""
        with self._guard:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def remove(self, reader: Reader) -> None:
        """Remove a reader."""
        with self._guard:
            if reader in self._readers:
                self._readers.remove(reader)

    def close(self) -> None:
        """End all readers, and accept no more."""
        with self._guard:
            self._closed = True
            for reader in self._readers:
                reader.end()
