"""Watch upstreams of one frontend: their streams and facts, as one queue of events and one tally for each."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from lab.measure.stream_load import STREAM_MAX_PER_S
from lab.watch.facts import DocumentPoller
from lab.watch.feed import Feed, FeedEvent, FeedState
from lab.watch.tally import Tally

RATES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Requests per second that the keys + and - choose from."""


@dataclass
class Watching:
    """The upstreams being watched; a context manager that ends their streams.

    Args:
        base: URL of the frontend.
        upstreams: the frontend's names of the services.
        rate_per_s: requests per second to each of them.
        facts: also ask for identities and the split.
    """

    base: str
    upstreams: Sequence[str]
    rate_per_s: float
    facts: bool = True
    paused: bool = False
    tallies: dict[str, Tally] = field(init=False)
    _feeds: list[Feed] = field(default_factory=list, init=False)
    _events: queue.SimpleQueue[tuple[Feed | None, FeedEvent]] = field(default_factory=queue.SimpleQueue, init=False)
    _facts: DocumentPoller = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = {name: Tally(name) for name in self.upstreams}
        self._facts = DocumentPoller(
            base=self.base, upstreams=self.upstreams, deliver=lambda event: self._events.put((None, event))
        )

    def __enter__(self) -> Self:
        self._open()
        if self.facts:
            self._facts.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._facts.close()
        self._close()

    def pause(self) -> None:
        """Stop sending requests, or begin again."""
        self.paused = self._facts.paused = not self.paused
        if self.paused:
            self._close()
            for tally in self.tallies.values():
                tally.link, tally.words = FeedState.PAUSED, "paused"
        else:
            self._open()

    def change_rate(self, *, up: bool) -> bool:
        """Take the next higher or lower rate; return whether there is one."""
        most = STREAM_MAX_PER_S / len(self.upstreams)
        other = [rate for rate in RATES if (self.rate_per_s < rate <= most if up else rate < self.rate_per_s)]
        if not other:
            return False
        self.rate_per_s = min(other) if up else max(other)
        if not self.paused:
            self._close()
            self._open()
        return True

    def take(self) -> Iterator[FeedEvent]:
        """Count the events that have arrived, and yield each of them; waits for nothing."""
        while True:
            try:
                feed, event = self._events.get_nowait()
            except queue.Empty:
                return
            if feed is not None and feed not in self._feeds:
                continue  # of a stream that was closed: a pause, or another rate
            self.tallies[event.upstream].take(event)
            yield event

    def _open(self) -> None:
        for name in self.upstreams:
            feed = Feed(base=self.base, upstream=name, rate_per_s=self.rate_per_s, deliver=lambda _: None)
            feed.deliver = lambda event, feed=feed: self._events.put((feed, event))  # type: ignore[misc]
            self._feeds.append(feed)
            feed.start()

    def _close(self) -> None:
        for feed in self._feeds:
            feed.close()
        self._feeds = []
