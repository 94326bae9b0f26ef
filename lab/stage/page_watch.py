"""Watch whether the page answers, so that the screens can say what to do instead of showing a broken frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from lab.measure import http

_AGAIN_S = 3.0
_TIMEOUT_S = 2.0


class PageWatch:
    """Asks the page in a thread of its own.

    Args:
        url: the page's URL, without parameters.
        status: returns the status of a URL, or None without an answer.
        again_s: seconds between two requests.
    """

    def __init__(self, url: str, *, status: Callable[..., int | None] = http.status, again_s: float = _AGAIN_S) -> None:
        self._url = url
        self._status = status
        self._again_s = again_s
        self._over = threading.Event()
        self.problem: str | None = None
        """Why the page cannot be shown; None if it answers, and before the first answer."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin; `changed` is called from another thread when `problem` changes."""
        thread = threading.Thread(target=copy_context().run, args=(self._run, changed), name="page-watch", daemon=True)
        thread.start()

    def close(self) -> None:
        """End; a request that runs ends by itself."""
        self._over.set()

    def _run(self, changed: Callable[[], None]) -> None:
        while not self._over.is_set():
            status = self._status(self._url, timeout_s=_TIMEOUT_S)
            problem = None
            if status is None:
                problem = f"West's page does not answer at {self._url}"
            elif status >= 400:
                problem = f"West's page answers with an error ({status}) at {self._url}"
            if problem != self.problem and not self._over.is_set():
                self.problem = problem
                changed()
            self._over.wait(self._again_s)
