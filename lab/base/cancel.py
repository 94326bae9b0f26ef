"""Cancel a run: the first Ctrl-C, SIGTERM or SIGHUP cancels it, a later one ends the process at once.

`on_signals` connects the signals. The first one raises KeyboardInterrupt in the main thread and cancels the token
that every wait, sleep and command of every thread checks; these raise Cancelled. Work that undoes what a
cancelled run changed runs inside `undoing`, which gives it a token and a time limit of its own.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CLEANUP_S = 0.8
"""Time for a cancelled build or probe to clean up; part of the 2 s in which a cancelled run ends."""
_HANDOVER_S = 0.2
_ONE_STOP_S = 0.3
"""Signals that follow the first one this soon belong to it: GNU `timeout` signals a process, then its group."""
_NUDGE, _NUDGE_S = signal.SIGURG, 0.02
"""A signal that is ignored by default; it wakes a main thread that did not notice the first one."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a service manager that stops the process, and a closed terminal."""


class Cancelled(KeyboardInterrupt):
    """A wait or a command was stopped, because the run was cancelled or the time for its undo is over."""


class Token:
    """Tells the threads of one run that it was cancelled. Once cancelled, it stays so."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._children: set[Token] = set()
        self._acts: dict[object, Callable[[], object]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled."""
        return self.event.is_set()

    def cancel(self) -> None:
        """Stop every wait and command that checks this token, or a child of it."""
        self.event.set()
        for act in list(self._acts.values()):
            act()
        for child in list(self._children):
            child.cancel()

    @contextmanager
    def calling(self, act: Callable[[], object]) -> Iterator[None]:
        """Call `act` when the run is cancelled inside the block, at once if it was before; for a read that blocks.

        `act` is called from the thread that cancels, perhaps twice, and must not raise.
        """
        key = object()
        self._acts[key] = act
        if self.cancelled:
            act()
        try:
            yield
        finally:
            del self._acts[key]

    @contextmanager
    def child(self) -> Iterator[Token]:
        """Return a token for a part of the run: it can be cancelled alone, and is cancelled with this one."""
        own = Token()
        self._children.add(own)
        if self.cancelled:
            own.cancel()
        try:
            yield own
        finally:
            self._children.discard(own)

    def check(self, what: str) -> None:
        """Raise Cancelled if the run was cancelled; `what` names the work that does not begin or continue."""
        if self.cancelled:
            raise Cancelled(f"{what}: cancelled")


_token: ContextVar[Token] = ContextVar("token", default=Token())  # noqa: B039 - one for the process, on purpose


def token() -> Token:
    """Return the token of the current run: the process's own, or the one of a surrounding `using` or `undoing`."""
    return _token.get()


@contextmanager
def using(own: Token) -> Iterator[Token]:
    """Make `own` the token of the work inside the block."""
    before = _token.set(own)
    try:
        yield own
    finally:
        _token.reset(before)


@contextmanager
def part() -> Iterator[Token]:
    """Give the work inside the block a token of its own, which can be cancelled alone."""
    with token().child() as own, using(own):
        yield own


@contextmanager
def undoing(within_s: float) -> Iterator[None]:
    """Let waits and commands of a cancelled run work inside the block for `within_s` seconds.

    Raises:
        Cancelled: by a wait or a command inside the block, when `within_s` seconds are over.
    """
    if not token().cancelled:
        yield
        return
    with using(Token()) as own:
        timer = threading.Timer(within_s, own.cancel)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def left_to(forward: Callable[[], object]) -> Iterator[None]:
    """Leave Ctrl-C to the child that has the terminal, in the block; for the main thread.

    A signal to end this process (SIGTERM, SIGHUP) calls `forward`, which ends the child.
    """
    # A handler in Python, not SIG_IGN: a child inherits an ignored signal.
    wakeup_before = signal.set_wakeup_fd(-1)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    before |= {number: signal.signal(number, lambda *_: forward()) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)


@contextmanager
def on_signals(at_once: Callable[[], object], *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Cancel the run on the first of `SIGNALS` inside the block, call `at_once` on a later one.

    For the main thread, where the first signal also raises KeyboardInterrupt.

    A thread of its own reads the signals from a pipe that the interpreter writes in C: the main thread may be blocked,
    and a handler that takes a lock in the main thread could wait for itself.

    Args:
        at_once: ends the process; called from that thread.
        clock: tells signals of one stop from a second stop, in seconds.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    process_token, main = token(), threading.get_ident()
    handled = threading.Event()

    def watch() -> None:
        first_s: float | None = None
        while numbers := os.read(reader, 64):
            if any(number in SIGNALS for number in numbers):
                now_s = clock()
                first_s = now_s if first_s is None else first_s
                process_token.cancel()
                if now_s - first_s > _ONE_STOP_S:
                    at_once()
            if first_s is not None and not handled.is_set():
                # A signal that arrives just before the main thread blocks does not wake it. Each nudge is read above.
                time.sleep(_NUDGE_S)
                signal.pthread_kill(main, _NUDGE)

    def interrupt(*_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)  # still written to the pipe, but raised only once
        handled.set()
        deadline = time.monotonic() + _HANDOVER_S
        # Cleanup must find the token cancelled. Not `event.wait`: this thread may hold the event's lock just now.
        while not process_token.cancelled and time.monotonic() < deadline:
            time.sleep(0.001)
        raise KeyboardInterrupt

    watching = threading.Thread(target=watch, name="signals", daemon=True)
    watching.start()
    before = {_NUDGE: signal.signal(_NUDGE, lambda *_: None)}
    before |= {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(writer)
        watching.join(timeout=1)
        os.close(reader)
