"""The page of a replay: the frames that its streams get, from the moment when they connect.

A frame is a server-sent event as the frontend sends it, with a field more: `at`, the Unix time when it came. Browsers
ignore such a field (WHATWG HTML, 9.2.6); the script of the replay gives the page this time for that event.
Two further events are for that script: `document` (what the page asks for beside its stream: identities, weights) and
`clock` (the time of the replay).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.stage.recording.clock import Moment
from lab.stage.recording.tape import PageEvent, Tape

WINDOW_S = 660.0
"""Seconds before the moment that a page gets at once; its charts show no more."""
_DOCUMENTS = ("identity", "split")
_STREAM = ("hello", "answer", "mark", "timeline")


@dataclass
class PageTrack:
    """The page's events of one upstream."""

    tape: Tape
    upstream: str
    events: list[PageEvent] = field(init=False)
    _times: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.events = [event for event in self.tape.page.events if event.upstream == self.upstream]
        self._times = [event.at_s for event in self.events]

    def is_live(self, at_s: float) -> bool:
        """Return whether the frontend's stream was open at a time."""
        for event in reversed(self._until(at_s)):
            if event.name in _STREAM:
                return True
            if event.name == "link":
                return bool(json.loads(event.text).get("link") == "live")
        return False

    def problem(self, at_s: float) -> str:
        """Return why the stream was away at a time, in the words of that moment."""
        for event in reversed(self._until(at_s)):
            if event.name == "link":
                return str(json.loads(event.text).get("words", ""))
        return "the recording has no stream of this upstream yet"

    def first(self, at_s: float, *, filled: bool) -> Iterator[str]:
        """Yield the frames for a stream that connects: the greeting, and what a page knows already at this time.

        Args:
            at_s: the moment.
            filled: with the answers of the last minutes; False for a page that has them.
        """
        until = bisect_right(self._times, at_s)
        begin = bisect_right(self._times, at_s - WINDOW_S) if filled else until
        documents: dict[str, PageEvent] = {}
        hello: PageEvent | None = None
        for event in self.events[:begin]:
            if event.name in _DOCUMENTS:
                documents[event.name] = event
            elif event.name == "hello":
                hello = event
        for event in (*documents.values(), *([hello] if hello else [])):
            yield frame(event)
        for event in self.events[begin:until]:
            if event.name != "link":
                yield frame(event)

    def between(self, after_s: float, until_s: float) -> Iterator[PageEvent]:
        """Yield the events after a time, until another one."""
        yield from self.events[bisect_right(self._times, after_s) : bisect_right(self._times, until_s)]

    def _until(self, at_s: float) -> list[PageEvent]:
        return self.events[: bisect_right(self._times, at_s)]


def frame(event: PageEvent) -> str:
    """Return an event of the page's stream as a server-sent event."""
    if event.name in _DOCUMENTS:
        document = f'{{"kind":"{event.name}","document":{event.text}}}'
        return f"at: {event.at:.3f}\nevent: document\ndata: {document}\n\n"
    return f"at: {event.at:.3f}\nevent: {event.name}\ndata: {event.text}\n\n"


def clock_frame(tape: Tape, moment: Moment) -> str:
    """Return the time of the replay for the page's script: Unix time as it was, and how it continues."""
    clock = {"at": round(unix_time(tape, moment.at_s), 3), "playing": moment.playing, "speed": moment.speed}
    return f"event: clock\ndata: {json.dumps({**clock, 'jumps': moment.jumps})}\n\n"


def unix_time(tape: Tape, at_s: float) -> float:
    """Return the Unix time of a moment of the recording.

    The page's last event before it tells: the recording's own time stood still while the computer slept.
    """
    before = tape.page.last(at_s)
    return before.at + (at_s - before.at_s) if before else tape.manifest.began_at + at_s
