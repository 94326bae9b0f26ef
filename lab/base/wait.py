"""Wait with a time limit, and report the last observation after a timeout. No other module waits."""

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
    """A probe failed to observe: the wait continues, and the message is the observation."""


def rest(why: str, seconds: float) -> None:
    """Wait for something that cannot be observed, such as another program's timeout.

    Raises:
        Cancelled: the run was cancelled meanwhile.
    """
    events.progress(why)
    pause(seconds)
    cancel.token().check(why)


def pause(seconds: float) -> None:
    """Sleep, but not longer than until the run is cancelled."""
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
    """Call `probe` until it returns something other than `NotYet`, and return that.

    Args:
        what: the subject of the wait, for "waiting for …": "west's API server".
        probe: called at least once; any exception but TransientError ends the wait at once.
        timeout_s: seconds after which the wait times out.
        interval_s: seconds between two calls.
        successes: how many results in a row must be other than `NotYet`; more than 1 for a state that may flap.
        next: the next command for the error.
        sleep: pauses between calls (tests pass their own).
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

    def observe() -> T | NotYet:
        nonlocal last, in_a_row
        try:
            result = probe()
        except TransientError as error:
            result = NotYet(str(error))
        in_a_row = 0 if isinstance(result, NotYet) else in_a_row + 1
        if 0 < in_a_row < successes:
            result = NotYet(f"{in_a_row} of {successes} successes in a row")
        if isinstance(result, NotYet) and result.seen != last:
            last = result.seen
            events.progress(f"{what}: {last.partition(chr(10))[0]}")
        return result

    def over(_: tenacity.RetryCallState) -> bool:
        return token.cancelled or clock() >= deadline

    events.progress(what)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda result: isinstance(result, NotYet)),
        wait=tenacity.wait_fixed(interval_s),
        before=lambda _: token.check(f"{what} (last seen: {last})"),
        stop=over,
        sleep=sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else NotYet(last),
    )
    result: T | NotYet = retrying(observe)
    if isinstance(result, NotYet):
        token.check(f"{what} (last seen: {last})")
        raise WaitTimeout(what, after_s=timeout_s, last=last, next=next)
    return result
