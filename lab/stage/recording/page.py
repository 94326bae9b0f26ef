"""Record the page: its own reader of a frontend's streams, at a low rate, and what the page asks for beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.base.names import Json
from lab.watch import facts
from lab.watch.facts import DocumentPoller
from lab.watch.feed import Feed, FeedEvent

RATE_PER_S = 4.0
"""Requests per second to each upstream: enough for a replay, little beside the page's own."""
_FACTS_S = 2.0
"""A change of the weights shows in the replay this soon."""

Take = Callable[[str, str, Json], None]
"""Takes the upstream, the name of an event, and its data, from any thread."""


@dataclass(kw_only=True)
class PageReader:
    """Reads the streams of some upstreams of a frontend, from `start` until `close`.

    Beside the frontend's events it tells `identity` and `split` (documents, each only when it changes) and `link` (the
    state of the connection).
    """

    base: str
    upstreams: Sequence[str]
    take: Take
    rate_per_s: float = RATE_PER_S
    _feeds: list[Feed] = field(default_factory=list)
    _facts: DocumentPoller | None = None
    _known: dict[tuple[str, str], Json] = field(default_factory=dict)

    def start(self) -> None:
        """Connect. A frontend that does not answer yet is tried again and again."""
        for name in self.upstreams:
            feed = Feed(base=self.base, upstream=name, rate_per_s=self.rate_per_s, deliver=self._deliver)
            self._feeds.append(feed)
            feed.start()
        self._facts = DocumentPoller(base=self.base, upstreams=self.upstreams, deliver=self._deliver, every_s=_FACTS_S)
        self._facts.start()

    def close(self) -> None:
        """End the streams."""
        for feed in self._feeds:
            feed.close()
        if self._facts is not None:
            self._facts.close()

    def _deliver(self, event: FeedEvent) -> None:
        data = event.data
        match event.name:
            case "link":
                data = {"link": data["link"].value, "words": data["words"]}
            case "identity" | "split":
                data = _what_is_shown(event.name, data)
                if self._known.get((event.upstream, event.name)) == data:
                    return
                self._known[event.upstream, event.name] = data
            case _:
                pass
        self.take(event.upstream, event.name, data)


def _what_is_shown(name: str, document: Json) -> Json:
    """Return a document without what differs in each answer, and without the headers of the request."""
    left_out = {"headers", "sent_at", "latency_ms", "frontend", "upstream"}
    return {"schema": f"frontend/{name}/v1", **{key: one for key, one in document.items() if key not in left_out}}


@dataclass(frozen=True, kw_only=True)
class PageFacts:
    """What a frontend is and what it calls; `ingress`: a proxy before it puts its name on answers."""

    frontend: Json
    upstreams: tuple[Json, ...]
    ingress: bool


def page_facts(base: str) -> PageFacts:
    """Ask a frontend what it is.

    Raises:
        OSError, http.client.HTTPException, ValueError, TypeError: no complete answer.
    """
    _, body, headers = facts.get(base, "/api/info")
    info = json.loads(body)
    is_envoy = "envoy" in headers.get("server", "").lower()
    ingress = is_envoy or "x-envoy-upstream-service-time" in headers
    if not isinstance(info, dict) or not isinstance(info.get("cluster"), str):
        raise ValueError("the answer does not name a cluster")  # noqa: TRY004 - the answer is at fault
    return PageFacts(frontend=info, upstreams=tuple(facts.upstreams(base)), ingress=ingress)
