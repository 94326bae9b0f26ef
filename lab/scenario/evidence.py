"""What a check saw, kept with its result: a reader can judge the claim without running anything again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from lab.base.names import Json
from lab.base.redaction import redact, redact_json

INLINE_CHARS = 6000
"""Text up to this length stands in the report itself; of longer text the report holds both ends."""


class EvidenceKind(Enum):
    """Where a piece of evidence comes from."""

    ANSWERS = "answers"
    """Requests that were sent, and who answered them."""
    CAPTURE = "capture"
    """Bytes seen on the wire."""
    COMMAND = "command"
    """A command's output."""
    LOAD = "load"
    """A steady load: every request counted, as `lab.measure.recording.Recording.as_json` writes it."""
    LOG = "log"
    METRIC = "metric"
    OBJECT = "object"
    """A Kubernetes object, as the API server has it."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One thing that was seen.

    `text` is for people, `data` for programs, `file` (relative to the run's folder) has the whole text where the
    report holds only its ends.
    """

    kind: EvidenceKind
    title: str
    text: str = ""
    data: Json = None
    file: str | None = None


@dataclass
class EvidenceFolder:
    """Where a run's evidence goes. `folder` is the run's own; without one, nothing is written to disk."""

    folder: Path | None = None
    _written: int = 0

    def keep(self, evidence: Evidence) -> Evidence:
        """Return the evidence as the report holds it: without secrets, long text moved to a file."""
        clean = replace(evidence, text=redact(evidence.text), data=redact_json(evidence.data))
        if len(clean.text) <= INLINE_CHARS:
            return clean
        return replace(clean, text=_ends(clean.text), file=self._write(clean.text))

    def _write(self, text: str) -> str | None:
        if self.folder is None:
            return None
        self._written += 1
        name = f"evidence/{self._written:03d}.txt"
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return name


def _ends(text: str) -> str:
    half = INLINE_CHARS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"
