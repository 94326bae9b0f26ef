"""The page of a replay: the frames that its script gets, from which it makes the streams of all upstreams.

A frame is a server-sent event with the frontend's own name and data, and two fields more, which the script reads: the
`upstream`, and `at`, the Unix time when the event came. Beside the frontend's events there are `identity` and `split`
(what the page asks for beside its streams, each when it changes), `link` (the connection to the frontend) and `clock`
(the time of the replay).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from lab.base.names import Json
from lab.stage.recording.clock import Moment
from lab.stage.recording.tape import PageEvent, Tape

WINDOW_S = 660.0
"""Seconds before the moment that a page gets at once; its charts show no more."""
_KEPT = ("link", "identity", "split", "hello")
"""Events of which the last one before that time counts as well."""


def first(tape: Tape, at_s: float) -> Iterator[str]:
    """Yield the frames for a page that knows nothing yet, until a moment."""
    begin_s = at_s - WINDOW_S
    kept: dict[tuple[str, str], PageEvent] = {}
    for event in tape.page.between(-1.0, begin_s):
        if event.name in _KEPT:
            kept[event.upstream, event.name] = event
    for event in sorted(kept.values(), key=lambda event: event.at_s):
        yield frame(event)
    for event in tape.page.between(begin_s, at_s):
        yield frame(event)


def frame(event: PageEvent) -> str:
    """Return an event of the page's streams as a frame."""
    return f"at: {event.at:.3f}\nupstream: {event.upstream}\nevent: {event.name}\ndata: {event.text}\n\n"


def clock_frame(tape: Tape, moment: Moment) -> str:
    """Return the time of the replay as a frame."""
    return f"event: clock\ndata: {json.dumps(clock(tape, moment))}\n\n"


def clock(tape: Tape, moment: Moment) -> Json:
    """Return the time of the replay for the page: Unix time as it was, and how it continues."""
    at = round(unix_time(tape, moment.at_s), 3)
    return {"at": at, "playing": moment.playing, "speed": moment.speed, "jumps": moment.jumps}


def unix_time(tape: Tape, at_s: float) -> float:
    """Return the Unix time of a moment of the recording.

    The page's last event before it tells: the recording's own time stood still while the computer slept.
    """
    before = tape.page.last(at_s)
    return before.at + (at_s - before.at_s) if before else tape.manifest.began_at + at_s
