"""Show the events of `lab watch`: a picture on a terminal, a line a second, or a line of JSON for each answer."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live

from lab.base import cancel
from lab.base.keyboard import NoKeyboard, pressed
from lab.watch.feed import FeedEvent, FeedState
from lab.watch.panel import latencies
from lab.watch.picture import Picture
from lab.watch.tally import cluster_of, printable
from lab.watch.watching import Watching

_FRAME_S = 0.125
"""Time between two pictures: eight a second are smooth, and cost little."""
_LINE_S = 1.0
_NOTE_S = 4.0

Print = Callable[[str], bool]
"""Prints a line; returns whether anybody can read it."""


def picture(watching: Watching, console: Console, frontend: str, seconds: float | None) -> None:
    """Draw until `q`, or for `seconds`."""
    with pressed() as keys:
        shown = Picture(list(watching.tallies.values()), frontend, watching.rate_per_s, keys=keys.present)
        noted_s, drawn = 0.0, None
        with Live(shown, console=console, screen=True, auto_refresh=False) as live:
            for now_s, key in _ticks(keys, _FRAME_S, seconds):
                if key == "q":
                    return
                if key and (note := _act(key, watching)) is not None:
                    shown.note, noted_s = note, now_s
                if now_s - noted_s > _NOTE_S:
                    shown.note = ""
                changed = sum(1 for _ in watching.take())
                shown.rate_per_s = watching.rate_per_s
                state = (console.size, shown.note, key)
                if changed or state != drawn:
                    live.refresh()
                drawn = state


def _act(key: str, watching: Watching) -> str | None:
    """Do what a key says, and return a note about it; None for other keys."""
    match key:
        case "p":
            watching.pause()
            return ""
        case "+" | "=" | "-":
            if watching.change_rate(up=key != "-"):
                return ""
            return f"{watching.rate_per_s:g} requests/s is the {'lowest' if key == '-' else 'highest'} rate"
        case _:
            return None


def lines(watching: Watching, tell: Print, seconds: float | None) -> None:
    """Print a line a second for each upstream, and one for each mark and each change of the connection.

    Ends after `seconds`, or when nobody reads any more, as after `head`.
    """
    news = _News()
    counts = {name: Counter[str]() for name in watching.tallies}
    for _ in _ticks(NoKeyboard(), _LINE_S, seconds):
        for event in watching.take():
            if event.name == "answer":
                counts[event.upstream]["lost" if event.data["error"] else cluster_of(event.data)] += 1
            elif (words := news.of(event)) and not tell(f"{_clock()}  {event.upstream}  {words}"):
                return
        for name, count in counts.items():
            if count:
                by = [f"{cluster} {count[cluster]}" for cluster in sorted(watching.tallies[name].clusters)]
                rest = [f"lost {count['lost']}", *latencies(watching.tallies[name])]
                if not tell("  ".join([_clock(), name, *by, *rest])):
                    return
                count.clear()


def answers(watching: Watching, tell: Print, warn: Callable[[str], None], seconds: float | None) -> None:
    """Print each answer as one line of JSON; changes of the connection are warnings. Ends as `lines` does."""
    news = _News()
    for _ in _ticks(NoKeyboard(), _FRAME_S, seconds):
        for event in watching.take():
            if event.name == "answer":
                if not tell(json.dumps({"upstream": event.upstream, **event.data}, ensure_ascii=False)):
                    return
            elif event.name == "link" and (words := news.of(event)):
                warn(f"{event.upstream}: {words}")


@dataclass
class _News:
    """What is worth a line: marks, and changes of the connections."""

    _links: dict[str, FeedState] = field(default_factory=dict)

    def of(self, event: FeedEvent) -> str:
        """Return an event as text; empty if it is not news."""
        if event.name == "mark":
            return f"mark: {printable(str(event.data['text']))}"
        if event.name != "link":
            return ""
        before, link = self._links.get(event.upstream), event.data["link"]
        if link is FeedState.LOST and before is not FeedState.LOST:
            self._links[event.upstream] = link
            return f"lost the frontend: {printable(event.data['words'])}; reconnecting"
        if link is FeedState.LIVE:
            self._links[event.upstream] = link
            return "connected again" if before is FeedState.LOST else ""
        return ""


def _ticks(keys: NoKeyboard, every_s: float, seconds: float | None) -> Iterator[tuple[float, str]]:
    """Yield the time and the key pressed, every `every_s` seconds and after a key."""
    began, key = time.monotonic(), ""
    while True:
        now_s = time.monotonic() - began
        yield now_s, key
        left_s = every_s if seconds is None else min(every_s, seconds - now_s)
        if left_s <= 0:
            return
        key = keys.wait(left_s)
        cancel.token().check("lab watch")


def _clock() -> str:
    return time.strftime("%H:%M:%S")
