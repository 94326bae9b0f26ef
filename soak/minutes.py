"""The run: each minute a fault, its undo, and a quiet time in which no request may be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lab.base import cancel, wait
from lab.base.errors import LabError, WaitTimeout
from lab.measure import counting
from lab.measure.counting import Request
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad
from soak.faults import Fault
from soak.growth import Sample

EVERY_S = 60.0
"""From the beginning of a fault to that of the next one, or longer until the quiet time is over."""
QUIET_S, HOLDS_S, SETTLED_S = 15.0, 10.0, 5.0
"""A quiet time without faults, the time that a fault stays, and the time without a loss after which it is over."""
_USUAL_S = 1.0
"""While a request is under way for longer, a fault is not over: whether that one is lost shows up to 12 s later."""
_OVER_S, _UNDO_S = 90.0, 120.0


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One fault: times are seconds since the load began. `problem` says what went wrong with the fault itself.

    It is in place from `from_s` to `undone_s`, and its effects are over at `over_s`, None if they were not in time.
    """

    fault: str
    title: str
    from_s: float
    undone_s: float
    over_s: float | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a fault cost: `gap_s` is the longest time in which requests were lost, None if that did not end."""

    sent: int
    lost: int
    gap_s: float | None
    p99_ms: float | None
    first_error: str = ""


@dataclass(kw_only=True)
class Run:
    """A run, also an unfinished or interrupted one. `unmeasured` says why samples are missing."""

    minutes: list[Minute] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    recordings: Sequence[Recording] = ()

    def cost(self, minute: Minute) -> Cost:
        """Return what a fault cost, of all loads together."""
        parts = [[r for r in recording.requests if _in(r, minute)] for recording in self.recordings]
        found = [request for part in parts for request in part]
        lost = [request for request in found if request.answered_by is None]
        gaps = [gap.recovery_s for part in parts for gap in counting.gaps(part, ())]
        return Cost(
            sent=len(found),
            lost=len(lost),
            gap_s=None if None in gaps else max((gap or 0.0 for gap in gaps), default=0.0),
            p99_ms=counting.percentile([r.latency_ms for r in found if r.answered_by is not None], 99),
            first_error=lost[0].error if lost else "",
        )

    @property
    def lost_outside(self) -> list[Request]:
        """The requests that were lost while nothing was broken."""
        lost = (request for recording in self.recordings for request in recording.lost)
        return [request for request in lost if not any(_in(request, minute) for minute in self.minutes)]


def run(
    whole: Run,
    faults: Sequence[Fault],
    loads: UnderLoad,
    *,
    sample: Callable[[float], Sequence[Sample]],
    tell: Callable[[str], None],
) -> None:
    """Run the faults in turn under load; Ctrl-C undoes the fault that is in place, and raises.

    Args:
        whole: takes the results, also those of an interrupted run.
        faults: the faults, one for each minute.
        loads: the loads, not yet started.
        sample: measures the clusters, given the seconds since the load began.
        tell: takes a line for each fault.
    """

    def measure() -> None:
        with _noting(whole.unmeasured):
            whole.samples += sample(loads.now_s)

    try:
        with loads:
            loads.rest(QUIET_S)
            for number, fault in enumerate(faults, start=1):
                measure()
                loads.rest(max(0.0, QUIET_S + (number - 1) * EVERY_S - loads.now_s))
                _minute(whole, fault, loads)
                tell(f"{number} of {len(faults)}: {_words(whole.minutes[-1])}")
                loads.rest(QUIET_S)
            measure()
    finally:
        whole.recordings = loads.recordings


def _minute(whole: Run, fault: Fault, loads: UnderLoad) -> None:
    """Do a fault and undo it. If that is interrupted, the effects of the fault have no end in the results."""
    from_s, problems = loads.now_s, list[str]()
    minute = Minute(fault=fault.id, title=fault.title, from_s=from_s, undone_s=from_s, over_s=None)
    whole.minutes.append(minute)
    loads.mark(fault.title)
    try:
        with _noting(problems):
            fault.do()
            loads.rest(HOLDS_S)
    finally:
        with cancel.undoing(_UNDO_S), _noting(problems):
            fault.undo()
    undone_s = loads.now_s
    over_s = _over(loads)
    loads.mark("quiet")
    whole.minutes[-1] = replace(minute, undone_s=undone_s, over_s=over_s, problem="; ".join(problems))


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Note an error of the block instead of raising it: the run continues."""
    try:
        yield
    except LabError as error:
        problems.append(str(error))


def _over(loads: UnderLoad) -> float | None:
    """Wait until no request was lost for a while; None if that takes too long."""

    def quiet() -> bool | wait.NotYet:
        since_s = loads.now_s - SETTLED_S
        ends = [r.at_s + r.latency_ms / 1000 for recording in loads.recordings for r in recording.lost]
        if late := sum(end >= since_s for end in ends):
            return wait.NotYet(f"{late} requests lost in the last {SETTLED_S:g} s")
        waiting = sum(load.under_way for load in loads.loads)
        usual = sum(load.rate_per_s for load in loads.loads) * _USUAL_S
        return waiting <= usual or wait.NotYet(f"{waiting} requests have no answer yet")

    loads.rest(SETTLED_S)
    try:
        wait.until("the end of the losses", quiet, timeout_s=_OVER_S, interval_s=1.0)
    except WaitTimeout:
        return None
    return loads.now_s


def _in(request: Request, minute: Minute) -> bool:
    """Return whether a request was under way while a fault was in place or had effects."""
    ends = request.at_s + request.latency_ms / 1000
    return ends >= minute.from_s and (minute.over_s is None or request.at_s <= minute.over_s)


def _words(minute: Minute) -> str:
    took = "its losses did not end" if minute.over_s is None else f"over after {minute.over_s - minute.from_s:.0f} s"
    problem = minute.problem.partition("\n")[0]
    return ", ".join([minute.title, took, *([problem] if problem else [])])
