"""The only place that waits: bounded, with a reason, and with the last observation when it gives up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from lab.base import cancel, events
from lab.base.errors import WaitTimeout

T = TypeVar("T")


@dataclass(frozen=True)
class NotYet:
    """The result of a probe while the wait has to continue; `seen` is the observation."""

    seen: str


class TransientError(Exception):
    """Raised by a probe that failed to observe: the wait continues, and the message is the observation."""


def rest(why: str, seconds: float) -> None:
    """Wait for something that cannot be observed, such as another program's timeout.

    Raises:
        Cancelled: the run was cancelled meanwhile.
    """
    events.progress(why)
    pause(seconds)
    cancel.token().check(why)


def pause(seconds: float) -> None:
    """Let time pass until the run is cancelled."""
    tenacity.sleep_using_event(cancel.token().event)(seconds)


def until(
    what: str,
    probe: Callable[[], T | NotYet],
    *,
    timeout_s: float,
    interval_s: float = 0.5,
    successes: int = 1,
    next: str | None = None,  # noqa: A002
    sleep: Callable[[float], None] = pause,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Ask `probe` until it returns something other than `NotYet`, and return that.

    Args:
        what: what is waited for, as it is shown: "east: nodes Ready".
        probe: asked at least once; any exception but TransientError ends the wait at once.
        timeout_s: seconds after which the wait gives up.
        interval_s: seconds between two questions.
        successes: how many answers in a row must be other than `NotYet`; more than 1 for what comes and goes.
        next: the next command for the error.
        sleep: how to pass the time (tests pass their own).
        clock: seconds that never go back (tests pass their own).

    Raises:
        WaitTimeout: with the last observation.
        Cancelled: the run was cancelled before or meanwhile.
    """
    token = cancel.token()
    token.check(what)
    last = "nothing yet"
    in_a_row = 0
    deadline = clock() + timeout_s

    def ask() -> T | NotYet:
        nonlocal last, in_a_row
        try:
            seen = probe()
        except TransientError as error:
            seen = NotYet(str(error))
        in_a_row = 0 if isinstance(seen, NotYet) else in_a_row + 1
        if 0 < in_a_row < successes:
            seen = NotYet(f"{in_a_row} of {successes} successes in a row")
        if isinstance(seen, NotYet) and seen.seen != last:
            last = seen.seen
            events.progress(f"{what}: {last.partition(chr(10))[0]}")
        return seen

    def over(_: tenacity.RetryCallState) -> bool:
        return token.cancelled or clock() >= deadline

    events.progress(what)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda seen: isinstance(seen, NotYet)),
        wait=tenacity.wait_fixed(interval_s),
        before=lambda _: token.check(f"{what} (last seen: {last})"),
        stop=over,
        sleep=sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else NotYet(last),
    )
    answer: T | NotYet = retrying(ask)
    if isinstance(answer, NotYet):
        token.check(f"{what} (last seen: {last})")
        raise WaitTimeout(what, after_s=timeout_s, last=last, next=next)
    return answer
