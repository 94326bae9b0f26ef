"""One run of several scenarios: the context, the run's folder, the report at the end, however it ends."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lab.base.errors import LabError
from lab.base.redaction import redact
from lab.report import RunFolder
from lab.scenario.evidence import EvidenceFolder
from lab.scenario.model import Scenario, ScenarioStep
from lab.scenario.results import LabFacts, Report, ScenarioRun
from lab.scenario.runner import ScenarioInterrupted, ScenarioRunner

KeepState = Callable[[Path], object]
"""Writes logs and state of the lab into a folder."""


@dataclass(kw_only=True)
class Session:
    """Runs scenarios one after the other and writes their report.

    Args:
        runner: what runs one scenario.
        facts: on what it runs.
        run_folder: where the report goes.
        keep_state: writes down the state of the lab when a scenario went wrong.
    """

    runner: ScenarioRunner
    facts: LabFacts
    run_folder: RunFolder
    keep_state: KeepState = lambda _: None
    runs: list[ScenarioRun] = field(default_factory=list)
    interrupted: bool = False
    began: float = field(default_factory=time.monotonic)
    began_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        self.runner.steps.folder = EvidenceFolder(folder=self.run_folder.path)
        self.runner.collect = self._collect

    def run(self, scenarios: Sequence[Scenario]) -> Report:
        """Run scenarios and write the report; after Ctrl-C it has the scenarios that ran until then."""
        return self._all("run", ((scenario, None) for scenario in scenarios))

    def sabotage(self, scenarios: Sequence[Scenario]) -> Report:
        """Run each scenario once for each of its sabotages."""
        return self._all("sabotage", ((s, step) for s in scenarios for step in s.sabotaged_steps))

    def run_one(self, scenario: Scenario, sabotage: ScenarioStep | None = None) -> ScenarioRun:
        """Run one scenario, with one of its sabotages or none; `write` must be called at the end."""
        try:
            self.runs.append(self.runner.run(scenario, sabotage=sabotage))
        except ScenarioInterrupted as stopped:
            self.runs.append(stopped.run)
            self.interrupted = True
            raise
        return self.runs[-1]

    def write(self, mode: str) -> Report:
        """Write the report of the scenarios that ran; `mode` is "run" or "sabotage"."""
        report = Report(
            id=self.run_folder.id,
            mode=mode,
            started_at=self.began_at,
            duration_s=time.monotonic() - self.began,
            lab=replace(self.facts, machine=self.facts.machine or machine()),
            scenarios=tuple(self.runs),
        )
        self.run_folder.write(report)
        return report

    def _all(self, mode: str, work: Iterable[tuple[Scenario, ScenarioStep | None]]) -> Report:
        with suppress(ScenarioInterrupted):  # the report has the scenarios that ran; `interrupted` is set
            for scenario, step in work:
                self.run_one(scenario, step)
        return self.write(mode)

    def _collect(self, scenario: Scenario) -> tuple[str, ...]:
        folder = self.run_folder.path / "state" / scenario.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.keep_state(folder)
        except LabError as error:  # the lab is broken, that is why we are here
            (folder / "could-not-look.txt").write_text(f"{error}\n", encoding="utf-8")
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        for file in files:
            file.write_text(redact(file.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")
        return tuple(str(file.relative_to(self.run_folder.path)) for file in files)


def machine() -> str:
    """Return a description of the machine."""
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def runs_folder() -> Path:
    """Return where runs are kept: `runs/` in the working directory, or LAB_RUNS_DIR."""
    return Path(os.environ.get("LAB_RUNS_DIR") or "runs").resolve()
