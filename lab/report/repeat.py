"""Run a set of scenarios several times, and keep the statistics of the complete runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.measure.stats import wilson
from lab.report.folder import RepeatFolder
from lab.report.repetitions import RepeatReport, check_statistics, exit_code, repeated_run
from lab.report.session import Session
from lab.scenario.model import Scenario
from lab.scenario.results import LabFacts, Report


@dataclass(kw_only=True)
class Repeat:
    """Runs a set again and again; each run is a session with a report of its own.

    The summary is written after every run, so a run that is interrupted or killed leaves those before it.

    Args:
        times: number of runs.
        session: makes the session of the next run.
        facts: the lab on which they run.
        folder: the folder of the summary.
        started: called before each run with its number, from 1.
        ended: called after each run with its session and its report.
    """

    times: int
    session: Callable[[], Session]
    facts: LabFacts
    folder: RepeatFolder
    started: Callable[[int], object] = lambda _: None
    ended: Callable[[Session, Report], object] = lambda _session, _report: None
    reports: list[Report] = field(default_factory=list)
    interrupted: bool = False
    began: float = field(default_factory=time.monotonic)
    began_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def run(self, scenarios: Sequence[Scenario]) -> RepeatReport:
        """Run the set and return the summary; after Ctrl-C it has the runs that were complete until then."""
        try:
            for number in range(1, self.times + 1):
                self.started(number)
                session = self.session()
                report = session.run(scenarios)
                self.interrupted = session.interrupted
                if not self.interrupted:
                    self.reports.append(report)
                self.ended(session, report)
                if self.interrupted:
                    break
                self._write()
        except KeyboardInterrupt:  # between two scenarios or two runs: nothing is left to undo
            self.interrupted = True
        return self._write()

    def _write(self) -> RepeatReport:
        passed = sum(report.exit_code == 0 for report in self.reports)
        summary = RepeatReport(
            id=self.folder.id,
            started_at=self.began_at,
            duration_s=time.monotonic() - self.began,
            lab=self.reports[0].lab if self.reports else self.facts,
            repeat=self.times,
            interrupted=self.interrupted,
            passed=passed,
            rate_interval=wilson(passed, len(self.reports)),
            exit_code=exit_code(self.reports),
            runs=tuple(map(repeated_run, self.reports)),
            checks=check_statistics(self.reports),
        )
        self.folder.write(summary, self.reports)
        return summary
