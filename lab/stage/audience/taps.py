"""Send the audience's requests: from a bounded queue, a few at the same time, each once.

West's frontend makes the request, as for its own page, and shows the answer to everybody who watches: `POST /api/taps`.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from lab.base.names import Json
from lab.base.wait import TransientError
from lab.measure.http import Connection

WORKERS, MOST_WAITING = 32, 100
TIMEOUT_S = 10.0
"""Longer than a frontend waits for an answer, retries included."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, kw_only=True)
class TapResult:
    """The result of a tap: the cluster that answered, its colour and the latency; or an error for the phone."""

    cluster: str = ""
    color: str = ""
    latency_ms: float | None = None
    error: str = ""

    @property
    def words(self) -> str:
        """The answer as text: "East answered in 12 ms"."""
        took_ms = self.latency_ms or 0.0
        return f"{self.cluster[:1].upper()}{self.cluster[1:]} answered in {took_ms:.{0 if took_ms >= 10 else 1}f} ms"

    def as_json(self) -> Json:
        """Return it as plain JSON."""
        return dict(vars(self))


class Taps:
    """Sends taps to a frontend.

    Args:
        base: the frontend's URL.
        upstream: the service that it calls.
        colors: the colour of each cluster.
    """

    def __init__(self, base: str, *, upstream: str, colors: Mapping[str, str]) -> None:
        self._base = base
        self._upstream = upstream
        self._colors = colors
        self._waiting: queue.Queue[Callable[[Connection], None] | None] = queue.Queue(maxsize=MOST_WAITING)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads that send."""
        for number in range(WORKERS):
            thread = threading.Thread(target=self._work, name=f"taps {number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Send nothing more; a request that waits for its answer ends by itself."""
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._waiting.put(None)

    def send(self, then: Callable[[TapResult], None]) -> bool:
        """Send one request, and call `then` with its result from another thread; False if too many wait."""
        try:
            self._waiting.put_nowait(lambda connection: then(self._result(connection)))
        except queue.Full:
            return False
        return True

    def _work(self) -> None:
        connection = Connection()
        while (work := self._waiting.get()) is not None:
            work(connection)
        connection.close()

    def _result(self, connection: Connection) -> TapResult:
        try:
            answer = self._answer(connection)
            if error := answer["error"]:
                return TapResult(error=f"No answer: {str(error['kind'])[:20]}")
            cluster, color = str(answer["cluster"])[:40], str(answer["color"])
            return TapResult(
                cluster=cluster,
                color=self._colors.get(cluster, color if _COLOR.fullmatch(color) else ""),
                latency_ms=round(float(answer["latency_ms"]), 1),
            )
        except TransientError:
            return TapResult(error="The lab does not answer. Try again in a moment.")
        except (KeyError, TypeError, ValueError, IndexError):
            return TapResult(error="The lab gave an answer that this page does not understand.")

    def _answer(self, connection: Connection) -> Json:
        body = {"upstream": self._upstream}
        status, document = connection.json("POST", f"{self._base}/api/taps", body=body, timeout_s=TIMEOUT_S)
        if status >= HTTPStatus.BAD_REQUEST:
            raise TransientError(f"HTTP {status}")
        return document["answer"]
