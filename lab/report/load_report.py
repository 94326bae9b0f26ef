"""The report of one `lab load`: its numbers, and the files load.json (the source) and load.html in the run's folder."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property

from lab.base.names import Json
from lab.base.redaction import redact, redact_json
from lab.measure.counting import recovery_s
from lab.measure.recording import Recording
from lab.measure.under_load import CommandRun
from lab.report import html
from lab.report.folder import LOAD, RunFolder
from lab.scenario.evidence import Evidence, EvidenceFolder, EvidenceKind

LOAD_SCHEMA = "eastwest.lab/load/v2"
"""Its version is increased with every change that a reader of load.json would notice.

Since v2, `retried` and the requests' `attempts` are null where no answer tells how often a request was sent; v1 has 0
and 1 there.
"""
LOAD_PAGE = "load.html"
_WHOLE = "the whole load"
_REASONS = 5
"""Number of different reasons of lost requests in the report, the most frequent ones first."""


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """A load, and the command that ran meanwhile, if there was one.

    `started_at` is UTC, ISO 8601. `interrupted`: Ctrl-C ended the load; then `under_way` requests had no result, and
    are not in the recording.
    """

    id: str
    started_at: str
    duration_s: float
    target: str
    machine: str
    recording: Recording
    command: CommandRun | None = None
    interrupted: bool = False
    under_way: int = 0

    @property
    def sent(self) -> int:
        """Number of requests."""
        return len(self.recording.requests) + self.under_way

    @property
    def lost(self) -> int:
        """Number of lost requests."""
        return len(self.recording.lost)

    @property
    def recovery_s(self) -> float | None:
        """Seconds from the start of the command until no request was lost any more: None if that did not happen."""
        if self.command is None:
            return None
        since_s = self.command.from_s
        return recovery_s([r for r in self.recording.requests if r.at_s >= since_s], since_s=since_s)

    @property
    def recovered(self) -> bool | None:
        """Whether no request was lost at the end; None if no command ran."""
        return None if self.command is None else self.recovery_s is not None

    @cached_property
    def document(self) -> Json:
        """The report as JSON, without keys and tokens."""
        recording = self.recording.as_json()
        if not self.recording.marks:
            recording["phases"][0]["name"] = _WHOLE
        answered = Counter(r.answered_by for r in self.recording.requests if r.answered_by is not None)
        reasons = Counter(request.error for request in self.recording.lost).most_common(_REASONS)
        command = self.command
        return redact_json(
            {
                "schema": LOAD_SCHEMA,
                "id": self.id,
                "started_at": self.started_at,
                "duration_s": round(self.duration_s, 3),
                "machine": self.machine,
                "target": self.target,
                "rate_per_s": self.recording.rate_per_s,
                "interrupted": self.interrupted,
                "sent": self.sent,
                "under_way": self.under_way,
                "lost": self.lost,
                "lost_because": [{"error": error, "requests": count} for error, count in reasons],
                "answered_by": dict(sorted(answered.items())),
                "recovered": self.recovered,
                "recovery_s": None if self.recovery_s is None else round(self.recovery_s, 3),
                "command": command
                and {
                    "text": shlex.join(command.argv),
                    "exit_code": command.exit_code,
                    "from_s": round(command.from_s, 3),
                    "to_s": round(command.to_s, 3),
                    "output": command.output,
                },
                "timeline": [asdict(slot) for slot in self.recording.slots()],
                "load": recording,
            }
        )

    @property
    def summary(self) -> str:
        """The result in one sentence."""
        by = ", ".join(f"{name} {count}" for name, count in self.document["answered_by"].items()) or "nobody"
        words = f"{self.sent} sent, answered by {by}, {self.lost} lost"
        if self.under_way:
            words = f"{words}, {self.under_way} without a result when the load was interrupted"
        if self.recovered is None:
            return words
        if self.recovery_s == 0:
            return f"{words}; none after the start of the command" if self.lost else words
        if self.recovery_s is None:
            return f"{words}; still lost requests when the load ended"
        return f"{words}; recovered {self.recovery_s:.1f} s after the start of the command"


def write(report: LoadReport, folder: RunFolder) -> None:
    """Write the report in its two forms; load.json last, so that where it is, the other is too.

    Of a long output of the command the report has the beginning and the end; the whole is in a file of its own.
    """
    document = dict(report.document)
    if report.command is not None:
        piece = Evidence(kind=EvidenceKind.COMMAND, title=document["command"]["text"], text=report.command.output)
        kept = EvidenceFolder(folder=folder.path).keep(piece)
        document["command"] = {**document["command"], "output": kept.text, "output_file": kept.file}
    (folder.path / LOAD_PAGE).write_text(html.render_load(document, summary=redact(report.summary)), encoding="utf-8")
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder.path / LOAD).write_text(text, encoding="utf-8")
