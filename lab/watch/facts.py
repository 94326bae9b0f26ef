"""Poll a frontend for what its stream does not have: identities, and the configured split."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import urlencode, urlsplit

from lab.base.names import Json
from lab.measure import trouble
from lab.watch.feed import Deliver, FeedEvent, problem_words

EVERY_S = 4.0
"""As often as the frontend's own page asks."""
KINDS = ("identity", "split")
_TIMEOUT_S = 5.0
_MOST = 1 << 20


@dataclass(kw_only=True)
class DocumentPoller:
    """Asks for the identities and the split of each upstream, one after the other, and delivers the documents.

    An answer of 404 means that this frontend has no such document; it is not asked for again. Any other failure is
    delivered as `{"problem": words}`.
    """

    base: str
    upstreams: Sequence[str]
    deliver: Deliver
    every_s: float = EVERY_S
    paused: bool = False
    _closed: threading.Event = field(default_factory=threading.Event)
    _absent: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Ask now, and then every `every_s` seconds."""
        threading.Thread(target=self._work, name="facts", daemon=True).start()

    def close(self) -> None:
        """Stop; a request under way may still be delivered."""
        self._closed.set()

    def _work(self) -> None:
        while not self._closed.is_set():
            for upstream in self.upstreams:
                for kind in KINDS:
                    if not (self.paused or kind in self._absent or self._closed.is_set()):
                        self._ask(kind, upstream)
            self._closed.wait(self.every_s)

    def _ask(self, kind: str, upstream: str) -> None:
        try:
            status, body, _ = get(self.base, f"/api/{kind}?{urlencode({'upstream': upstream})}")
            if status == http.client.NOT_FOUND:
                self._absent.add(kind)
                return
            document = json.loads(body) if status == http.client.OK else {"problem": problem_words(status, body)}
        except (OSError, http.client.HTTPException, ValueError) as error:
            document = {"problem": trouble.words(error)}
        self.deliver(FeedEvent(upstream=upstream, name=kind, data=document))


def get(base: str, path: str) -> tuple[int, bytes, Message]:
    """GET a path of a frontend; return the status, the body, up to 1 MiB of it, and the headers.

    Raises:
        OSError, http.client.HTTPException: no complete answer.
    """
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(_MOST), response.headers
    finally:
        connection.close()


def upstreams(base: str) -> list[Json]:
    """Return the frontend's upstreams as it lists them, the default one with `default` true.

    Raises:
        OSError, http.client.HTTPException, ValueError: no complete answer, or not a list of upstreams.
    """
    status, body, _ = get(base, "/api/upstreams")
    if status != http.client.OK:
        raise ValueError(problem_words(status, body))
    document = json.loads(body)
    if not isinstance(document, dict) or not isinstance(document.get("upstreams"), list):
        raise ValueError("the answer is not a list of upstreams")  # noqa: TRY004 - the answer is at fault
    return [one for one in document["upstreams"] if isinstance(one, dict) and isinstance(one.get("name"), str)]
