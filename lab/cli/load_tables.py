"""Print the result of `lab load`: a timeline, the phases, the sum; or JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.base.names import Json
from lab.cli.output import print_json
from lab.measure.counting import Slot
from lab.measure.recording import Recording
from lab.report.load_report import LoadReport

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LOST = "lost"
_WIDTHS_S = (0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300)
_COLUMNS = 60
_FEWEST = 4
"""Requests for each slot of the timeline: with fewer, its height says nothing."""
_ROWS = ("columns", "requests")


def load(console: Console, report: LoadReport, files: Mapping[str, str], *, as_json: bool) -> None:
    """Print a report, and the files that have it; as JSON without the single requests, which load.json has."""
    document = report.document
    if as_json:
        short = {key: value for key, value in document["load"].items() if key not in _ROWS}
        print_json(console, {**document, "load": short, "files": files})
        return
    lasted = f"{report.duration_s:.1f} s" + (", then interrupted" if report.interrupted else "")
    _line(console, f"\n{document['target']}: {document['rate_per_s']:g} requests/s for {lasted}")
    if report.recording.requests:
        console.print(timeline(report.recording), soft_wrap=True)
        console.print(_phases(document["load"]["phases"]))
    _line(console, report.summary, "bold red" if report.lost else "bold green")
    for reason in document["lost_because"]:
        _line(console, f"  {reason['requests']} lost: {reason['error']}", "red")
    for path in files.values():
        _line(console, path)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)


def timeline(recording: Recording) -> Text:
    """Return a line for each cluster that answered and one for lost requests, with the marks below them."""
    end_s = max([*(r.at_s for r in recording.requests), *(m.at_s for m in recording.marks)])
    width_s = next(
        (width for width in _WIDTHS_S if end_s < width * _COLUMNS and width * recording.rate_per_s >= _FEWEST),
        math.ceil(end_s / _COLUMNS),
    )
    found = recording.slots(width_s=width_s)
    names = sorted({name for slot in found for name in slot.answered_by})
    label = max(len(name) for name in (*names, _LOST))
    most = max(slot.sent for slot in found)
    text = Text()
    for name in (*names, _LOST):
        blocks = "".join(_block(_count(slot, name), most) for slot in found)
        text.append(f"{name:>{label}} │{blocks}│\n", "red" if name == _LOST else "")
    marks = [" "] * len(found)
    notes = []
    for number, mark in enumerate(recording.marks, start=1):
        marks[math.floor(mark.at_s / width_s)] = str(number % 10)
        notes.append(f"{number} {mark.text}, from {mark.at_s:.1f} s")
    if notes:
        text.append(f"{'':>{label}}  {''.join(marks)}\n{'':>{label}}  {'; '.join(notes)}\n", "bold")
    text.append(f"{'':>{label}}  one column: {width_s:g} s; a full block: {most} requests\n", "dim")
    return text


def _count(slot: Slot, name: str) -> int:
    return slot.lost if name == _LOST else slot.answered_by.get(name, 0)


def _block(count: int, most: int) -> str:
    return _BLOCKS[math.ceil(count * (len(_BLOCKS) - 1) / most)] if count else _BLOCKS[0]


def _phases(phases: Sequence[Json]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in ("phase", "seconds", "sent", "answered by", "lost", "recovered after", "p50", "p99"):
        table.add_column(column, overflow="fold")
    for phase in phases:
        recovered = "never" if phase["rto_s"] is None else f"{phase['rto_s']:.1f} s" if phase["lost"] else ""
        by = ", ".join(f"{name} {count}" for name, count in phase["answered_by"].items())
        times = (f"{phase[key]:.1f} ms" if phase[key] is not None else "" for key in ("p50_ms", "p99_ms"))
        cells = (phase["name"], f"{phase['from_s']:.1f} to {phase['to_s']:.1f}", str(phase["sent"]), by)
        table.add_row(*cells, str(phase["lost"]), recovered, *times, style="red" if phase["lost"] else "")
    return table
