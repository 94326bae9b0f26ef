"""The conductor: one thread that does what presenters request, one request after the other.

Two browsers cannot start two steps: a request is accepted only while nothing runs, under one lock.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field

from lab.base import cancel
from lab.base.errors import LabError
from lab.base.names import Json
from lab.base.redaction import redact
from lab.stage.parts import Declined

_log = logging.getLogger(__name__)
_END_S = 0.8
"""How long the work may take to end; part of the 2 s in which the stage ends."""


@dataclass(kw_only=True)
class Work:
    """What runs now: the request, its step, and what it waits for. `since` is Unix time."""

    wish: str
    step: str | None = None
    since: float = field(default_factory=time.time)
    waiting: str = ""
    interrupted: bool = False

    def as_json(self) -> Json:
        """Return it as plain JSON."""
        return dict(vars(self))


class Conductor:
    """Does one thing at a time.

    Args:
        changed: called when work begins and ends.
        note: takes a sentence for the presenter.
    """

    def __init__(self, *, changed: Callable[[], None], note: Callable[[str], None]) -> None:
        self._changed = changed
        self._note = note
        self._guard = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Work, Callable[[], object]] | None] = queue.SimpleQueue()
        self._token: cancel.Token | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self.work: Work | None = None
        """What runs now."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="conductor", daemon=True)
        self._thread.start()

    def begin(self, work: Work, do: Callable[[], object], *, check: Callable[[], None] = lambda: None) -> None:
        """Begin something, and return at once.

        Args:
            work: what it is.
            do: does it, in the conductor's thread.
            check: raises Declined if it is not possible; nothing else begins meanwhile.

        Raises:
            Declined: something runs, or the stage ends, or what `check` says.
        """
        with self._guard:
            if self._closed:
                raise Declined("the stage ends", next="start it again: lab stage")
            if self.work is not None:
                raise Declined("a step runs", next="wait for its end, or interrupt it")
            check()
            self.work = work
        self._changed()
        self._queue.put((work, do))

    def interrupt(self) -> None:
        """Stop what runs.

        Raises:
            Declined: nothing runs.
        """
        with self._guard:
            if self.work is None:
                raise Declined("nothing runs", next="run the step")
            self.work.interrupted = True
            if self._token is not None:
                self._token.cancel()

    def close(self) -> None:
        """Stop what runs, and end the thread; return after a second at most."""
        with self._guard:
            self._closed = True
            if self._token is not None:
                self._token.cancel()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, do = item
            try:
                with cancel.part() as token:
                    with self._guard:
                        self._token = token
                        if work.interrupted or self._closed:  # before it began
                            token.cancel()
                    token.check(work.wish)
                    do()
            except KeyboardInterrupt:
                if not self._closed:
                    self._note("Interrupted: undo it, or run it again")
            except LabError as error:
                self._note(redact(str(error)))
            except Exception as error:  # the screens must not freeze
                _log.exception("%s failed", work.wish)
                self._note(redact(f"the stage has a defect: {type(error).__name__}: {error}"))
            finally:
                with self._guard:
                    self._token, self.work = None, None
            self._changed()
