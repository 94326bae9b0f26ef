"""Send marks to the page: the timeline of West's frontend shows when steps, commands and faults began.

`lab run`, `lab walk` and `lab stage` do.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from lab.base.names import Json
from lab.base.redaction import redact
from lab.base.wait import TransientError
from lab.measure.http import Connection

_log = logging.getLogger(__name__)
MOST_LETTERS = 120
_MOST_WAITING = 64
_TIMEOUT_S = 2.0
KINDS = ("step", "command", "fault", "note")


@contextmanager
def marking(url: str) -> Iterator[PageMarks]:
    """Send marks to a frontend in the block.

    Args:
        url: the frontend's URL, such as http://127.0.0.1:8080.
    """
    marks = PageMarks(url)
    marks.start()
    try:
        yield marks
    finally:
        marks.close()


class PageMarks:
    """Sends marks in a thread of its own. A page that does not answer loses them; nobody waits for it.

    Args:
        url: the frontend's URL, such as http://127.0.0.1:8080.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/marks"
        self._queue: queue.Queue[Json] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self.lost = 0
        """Marks that the page did not take."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="page-marks", daemon=True)
        self._thread.start()

    def send(self, text: str, kind: str, *, intended: bool) -> None:
        """Send a mark soon.

        Args:
            text: what happened; cut after 120 letters.
            kind: one of KINDS.
            intended: whether failures after it are wanted, so that nobody takes them for a defect.
        """
        try:
            self._queue.put_nowait({"text": redact(text)[:MOST_LETTERS], "kind": kind, "intended": intended})
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """End the thread when it has sent its current mark; wait for nothing."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self._queue.get_nowait()
            self._queue.put_nowait(None)

    def _run(self) -> None:
        connection = Connection()
        try:
            while (mark := self._queue.get()) is not None:
                self._send(connection, mark)
        finally:
            connection.close()

    def _send(self, connection: Connection, mark: Json) -> None:
        try:
            status, _ = connection.json("POST", self._url, body=mark, timeout_s=_TIMEOUT_S)
        except TransientError as error:
            self.lost += 1
            _log.debug("the page did not take a mark: %s", error)
        else:
            self.lost += status >= 400
