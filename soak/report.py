"""The report of a soak: what each fault cost, losses outside of faults, growth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab.base.names import Json
from soak import growth
from soak.minutes import Cost, Minute, Run


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run, and how it was called; the same call repeats it."""

    run: Run
    stack: str
    seed: int
    minutes: int
    rate_per_s: float

    @property
    def problems(self) -> list[str]:
        """Return why the run is not as it must be; empty if it is."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if lost := self.run.lost_outside:
            yield f"{len(lost)} requests lost while nothing was broken; the first after {lost[0].at_s:.0f} s: " + (
                lost[0].error
            )
        if len(self.run.minutes) < self.minutes:
            yield f"{len(self.run.minutes)} of {self.minutes} faults were done"
        for minute in self.run.minutes:
            if minute.problem:
                yield f"after {minute.from_s:.0f} s, {minute.title}: {minute.problem}"
            if minute.over_s is None:
                yield f"after {minute.from_s:.0f} s, {minute.title}: its losses did not end"
        for recording in self.run.recordings:
            if not recording.requests:
                yield f"{recording.name}: no request was sent"
        yield from (f"not measured: {why}" for why in dict.fromkeys(self.run.unmeasured))
        for one in growth.judge(self.run.samples):
            if one.grows:
                yield f"{one.cluster}'s {one.name} grew from {one.early:.0f} to {one.late:.0f} {one.unit}".rstrip()

    def show(self, console: Console) -> None:
        """Print the tables and the problems."""
        console.print(self._costs())
        if self.run.samples:
            console.print(_growth(growth.judge(self.run.samples)))
        sent = sum(len(recording.requests) for recording in self.run.recordings)
        lost = sum(len(recording.lost) for recording in self.run.recordings)
        console.print(
            f"{sent} requests in {len(self.run.minutes)} minutes, {lost} lost, {len(self.run.lost_outside)} of them "
            f"while nothing was broken; {self.stack}, seed {self.seed}"
        )
        for problem in self.problems:
            console.print(f"✗ {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
        if not self.problems:
            judged = any(one.grows is not None for one in growth.judge(self.run.samples))
            grown = "nothing grew" if judged else "too short to tell whether something grows"
            console.print(f"✓ nothing lost outside of faults, every fault was undone, {grown}", style="green")

    def write(self, folder: Path) -> Path:
        """Write everything but the single requests as JSON, and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"soak-{time.strftime('%Y%m%d-%H%M%S')}.json"
        file.write_text(json.dumps(self._document(), indent=2) + "\n", encoding="utf-8")
        return file

    def _document(self) -> Json:
        return {
            "schema": "eastwest-lab/soak/v1",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "stack": self.stack,
            "seed": self.seed,
            "minutes": self.minutes,
            "rate_per_s": self.rate_per_s,
            "faults": [{**asdict(one), **asdict(self.run.cost(one))} for one in self.run.minutes],
            "lost_outside": [asdict(request) for request in self.run.lost_outside],
            "growth": [asdict(one) for one in growth.judge(self.run.samples)],
            "samples": [asdict(one) for one in self.run.samples],
            "problems": self.problems,
        }

    def _costs(self) -> Table:
        """Return a table with a row for each kind of fault; the worst of its minutes counts."""
        table = Table(title="What the faults cost")
        for column in ("fault", "times", "lost of sent", "longest gap", "p99"):
            table.add_column(column, justify="left" if column == "fault" else "right")
        costs = [(minute, self.run.cost(minute)) for minute in self.run.minutes]
        for fault in dict.fromkeys(minute.fault for minute in self.run.minutes):
            own = [(minute, cost) for minute, cost in costs if minute.fault == fault]
            table.add_row(*_row(own))
        return table


def _row(own: Sequence[tuple[Minute, Cost]]) -> Iterator[str]:
    costs = [cost for _, cost in own]
    gaps = [cost.gap_s for cost in costs]
    yield own[0][0].title
    yield str(len(own))
    yield f"{sum(cost.lost for cost in costs)} of {sum(cost.sent for cost in costs)}"
    yield "did not end" if None in gaps else f"{max(gap or 0.0 for gap in gaps):.1f} s"
    yield f"{max(cost.p99_ms or 0.0 for cost in costs):.0f} ms"


def _growth(found: Sequence[growth.Growth]) -> Table:
    table = Table(title="Early and late in the run")
    for column in ("cluster", "figure", "early", "late", "grows"):
        table.add_column(column, justify="right" if column in {"early", "late"} else "left")
    for one in found:
        grows = {None: "run too short to tell", True: "YES", False: "no"}[one.grows]
        table.add_row(one.cluster, f"{one.name} {one.unit}".strip(), f"{one.early:.0f}", f"{one.late:.0f}", grows)
    return table
