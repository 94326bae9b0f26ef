"""Run a plan: a step starts when the steps that it needs have succeeded; independent steps run in parallel."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from lab.base import cancel, events
from lab.base.cancel import Cancelled
from lab.base.concurrency import FIRST_COMPLETED, Future, Threads, wait
from lab.base.errors import LabError, StepsFailed
from lab.base.events import Sink, StepEnded, StepProgress, StepStarted
from lab.base.paths import DISK_ERRORS, denied, unusable
from lab.base.pulled import Pulled
from lab.base.step import Pool, Step, StepResult, StepStatus

_END_S = 1.0
"""How long cancelled steps may take to stop: a command that ignores SIGTERM is killed after 0.5 s."""
_STOPPED = StepResult(status=StepStatus.NOT_RUN, detail="stopped in the middle")


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The result of a plan: one result for each step, in the order in which they ended, and the whole duration."""

    results: Mapping[str, StepResult]
    duration_s: float

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the steps that changed something."""
        return tuple(name for name, result in self.results.items() if result.status is StepStatus.CHANGED)

    @property
    def pulled(self) -> Pulled:
        """What all steps pulled from registries and release servers."""
        return Pulled.total(result.pulled for result in self.results.values())


class Interrupted(Exception):
    """Ctrl-C during a run; `report` has the steps that are done and those that are left.

    Not a KeyboardInterrupt: Typer would end those without a message.
    """

    def __init__(self, report: RunReport) -> None:
        super().__init__()
        self.report = report


def check(steps: Sequence[Step]) -> TopologicalSorter[str]:
    """Check that the steps form a graph without cycles, and return the sorter of their names.

    Raises:
        ValueError: two steps have the same name, a step needs an unknown step, or steps need each other.
    """
    names = [step.name for step in steps]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"steps of the same name: {', '.join(sorted(twice))}")
    for step in steps:
        if missing := set(step.after) - set(names):
            raise ValueError(f"{step.name} needs {', '.join(sorted(missing))}, which is not in the plan")
    order = TopologicalSorter({step.name: step.after for step in steps})
    try:
        order.prepare()
    except CycleError as error:
        raise ValueError(f"steps need each other in a circle: {', '.join(error.args[1][1:])}") from error
    return order


def run(steps: Sequence[Step], *, sink: Sink, build_jobs: int | None = None) -> RunReport:
    """Run the steps of a plan.

    After a step has failed, running steps continue, but no new step starts.

    Args:
        steps: the graph; of the steps that can start, the runner prefers the first.
        sink: called with each event, one at a time.
        build_jobs: maximum of build steps in parallel; by default the number of cores.

    Raises:
        StepsFailed: steps failed; the error has the error of each.
        Interrupted: the run was cancelled. Steps had time to stop; a thread that still hangs is abandoned.
    """
    order = check(steps)
    limits = {Pool.WAIT: 32, Pool.BUILD: build_jobs or os.cpu_count() or 1}
    return _Run(steps=tuple(steps), order=order, sink=sink, limits=limits).to_end()


@dataclass
class _Run:
    steps: tuple[Step, ...]
    order: TopologicalSorter[str]
    sink: Sink
    limits: Mapping[Pool, int]
    ready: frozenset[str] = frozenset()
    """Steps that can start: all that they need has succeeded."""
    results: dict[str, StepResult] = field(default_factory=dict)
    running: dict[Future[StepResult], Step] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)
    began: float = field(default_factory=time.monotonic)
    token: cancel.Token = field(default_factory=cancel.token)

    def to_end(self) -> RunReport:
        try:
            with Threads(max_workers=sum(self.limits.values()), thread_name_prefix="step") as threads:
                self._loop(threads)
                self.token.check("the plan")
        except KeyboardInterrupt:
            self.token.cancel()
            wait(self.running, timeout=_END_S)
            self._collect([future for future in self.running if future.done()])
            raise Interrupted(self._report()) from None
        failures = {name: result.error for name, result in self.results.items() if result.error is not None}
        if failures:
            raise StepsFailed({name: _as_lab_error(error) for name, error in failures.items()})
        return self._report()

    def _loop(self, threads: Threads) -> None:
        while True:
            for step in self._startable():
                self.running[threads.submit(self._one, step)] = step
            if not self.running:
                return
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            self._collect(done)

    def _startable(self) -> list[Step]:
        if self.token.cancelled or any(result.status is StepStatus.ERRORED for result in self.results.values()):
            return []
        self.ready = self.ready.union(self.order.get_ready())
        chosen: list[Step] = []
        for step in self.steps:
            in_pool = sum(other.pool is step.pool for other in (*self.running.values(), *chosen))
            if step.name in self.ready and in_pool < self.limits[step.pool]:
                chosen.append(step)
        self.ready = self.ready.difference(step.name for step in chosen)
        return chosen

    def _collect(self, done: Iterable[Future[StepResult]]) -> None:
        for future in done:
            step = self.running.pop(future)
            self.results[step.name] = future.result()
            self.order.done(step.name)

    def _one(self, step: Step) -> StepResult:
        began = time.monotonic()
        self._emit(StepStarted(step=step, at_s=began - self.began))

        def progress(text: str, fraction: float | None) -> None:
            self._emit(StepProgress(step=step, at_s=time.monotonic() - self.began, text=text, fraction=fraction))

        try:
            with events.reporting(progress):
                result = step.run()
        except Cancelled:
            result = _STOPPED
        except Exception as error:  # whatever it is becomes the step's result and ends the plan
            failed = StepResult(status=StepStatus.ERRORED, detail=str(error), error=error)
            result = _STOPPED if self.token.cancelled else failed
        result = replace(result, began_s=began - self.began, duration_s=time.monotonic() - began)
        self._emit(StepEnded(step=step, at_s=time.monotonic() - self.began, result=result))
        return result

    def _emit(self, event: events.Event) -> None:
        with self.guard:
            self.sink(event)

    def _report(self) -> RunReport:
        not_run = StepResult(status=StepStatus.NOT_RUN)
        running = {step.name for step in self.running.values()}
        left = {s.name: _STOPPED if s.name in running else not_run for s in self.steps if s.name not in self.results}
        everything = {**self.results, **left}
        return RunReport(results=everything, duration_s=time.monotonic() - self.began)


def _as_lab_error(error: BaseException) -> LabError:
    if isinstance(error, LabError):
        return error
    if isinstance(error, PermissionError):
        return denied(error)
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return unusable(error)
    wrapped = LabError(
        f"{type(error).__name__}: {error}", next="this is a defect of the lab; `lab logs` has the details"
    )
    wrapped.__cause__ = error
    return wrapped
