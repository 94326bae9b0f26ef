"""Count the answers of one upstream: the last ones, the share of each cluster, latencies, lost requests, marks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.base.names import Json
from lab.measure.counting import percentile
from lab.watch.feed import FeedEvent, FeedState

WINDOW = 100
"""Number of requests that shares and latencies are computed from, as on the frontend's page."""
KEPT = 4000
"""Number of requests that are kept for the grid: more than the cells of any terminal."""
_MARKS = 50
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Share:
    """A cluster's part of the last requests; `percent` of all of them, lost ones included."""

    cluster: str
    count: int
    percent: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One request: the cluster that answered, or the kind of failure."""

    cluster: str = ""
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A change of the lab, as a step, a command or a person has noted it. `at` is Unix time."""

    at: float
    text: str
    kind: str
    intended: bool


@dataclass
class Tally:
    """What is known of one upstream."""

    upstream: str
    link: FeedState = FeedState.CONNECTING
    words: str = "connecting"
    frontend: Mapping[str, str] = field(default_factory=dict)
    cells: deque[Cell] = field(default_factory=lambda: deque(maxlen=KEPT))
    window: deque[Json] = field(default_factory=lambda: deque(maxlen=WINDOW))
    clusters: dict[str, str | None] = field(default_factory=dict)
    """Every cluster that ever answered, also one that answers no more, with the colour of its podinfo."""
    marks: deque[Mark] = field(default_factory=lambda: deque(maxlen=_MARKS))
    sent: int = 0
    lost: int = 0
    breaks: int = 0
    """How often the connection to the frontend was lost."""
    identity: Json = None
    weights: Mapping[str, float] = field(default_factory=dict)
    """The configured part of each cluster, in percent; empty without a split, or if the frontend does not tell it."""
    failover: str = ""
    """The configured failover, as text."""
    gap: Json = None
    """The last time in which requests were lost, as the frontend counted it."""

    def take(self, event: FeedEvent) -> None:
        """Count one event."""
        match event.name:
            case "link":
                self.breaks += event.data["link"] is FeedState.LOST and self.link is not FeedState.LOST
                self.link, self.words = event.data["link"], event.data["words"]
            case "hello":
                self.frontend, self.gap = event.data.get("frontend", {}), None
                for mark in event.data.get("marks", ()):
                    self._mark(mark)
            case "answer":
                self._answer(event.data)
            case "mark":
                self._mark(event.data)
            case "identity":
                self.identity = event.data.get("identity", event.data)
            case "split":
                self._split(event.data)
            case "timeline":
                self.gap = max(event.data["gaps"], key=lambda gap: gap["number"], default=self.gap)
            case _:  # of a newer frontend
                pass

    @property
    def shares(self) -> list[Share]:
        """The part of every cluster that ever answered, by name, also at 0 %."""
        counts = Counter(cluster_of(answer) for answer in self.window if not answer["error"])
        return [
            Share(cluster=name, count=counts[name], percent=100 * counts[name] / (len(self.window) or 1))
            for name in sorted(self.clusters)
        ]

    @property
    def lost_now(self) -> Counter[str]:
        """The kinds of failure among the last requests."""
        return Counter(kind_of(answer["error"]) for answer in self.window if answer["error"])

    def latency_ms(self, percent: int) -> float | None:
        """Return a percentile of the latencies of the last answered requests; None without an answer."""
        return percentile([answer["latency_ms"] for answer in self.window if not answer["error"]], percent)

    def _split(self, split: Json) -> None:
        whole = split if split.get("state") == "split" else {}
        self.weights = {str(one["cluster"]): 100 * one["share"] for one in whole.get("weights", ()) if one["cluster"]}
        failover = split.get("failover") or {}
        self.failover = f"{failover.get('primary')}, then {failover.get('backup')}" if failover else ""

    def _answer(self, answer: Json) -> None:
        self.window.append(answer)
        self.sent += 1
        if answer["error"]:
            self.lost += 1
            self.cells.append(Cell(failure=kind_of(answer["error"])))
            return
        cluster = cluster_of(answer)
        self.clusters[cluster] = answer.get("color") or self.clusters.get(cluster)
        self.cells.append(Cell(cluster=cluster))

    def _mark(self, mark: Json) -> None:
        found = Mark(
            at=float(mark.get("at", 0)),
            text=str(mark["text"]),
            kind=str(mark.get("kind", "note")),
            intended=bool(mark.get("intended", False)),
        )
        if found not in self.marks:  # a new `hello` repeats the recent ones
            self.marks.append(found)


def kind_of(error: Json) -> str:
    """Return the kind of a failure; a policy of the mesh refuses, whatever form that has."""
    return "refused" if error.get("refused") else str(error["kind"])


def cluster_of(answer: Json) -> str:
    """Return the cluster that gave an answer."""
    return printable(str(answer["cluster"] or UNKNOWN))


def printable(text: str) -> str:
    """Return a text of the frontend without characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
