"""Evidence of a check: the requests, packets, logs or objects that its result is based on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from lab.base.names import Json
from lab.base.redaction import redact, redact_json

INLINE_CHARS = 6000
"""Maximum length of a text in the report; of a longer text the report has the beginning and the end."""


class EvidenceKind(Enum):
    """The source of a piece of evidence."""

    ANSWERS = "answers"
    """Requests and the clusters that answered them."""
    CAPTURE = "capture"
    """Packets on the network between clusters."""
    COMMAND = "command"
    """The output of a command."""
    LOAD = "load"
    """A steady load with a count of all requests, as `lab.measure.recording.Recording.as_json` writes it."""
    LOG = "log"
    METRIC = "metric"
    OBJECT = "object"
    """A Kubernetes object, read from the API server."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One piece of evidence.

    `text` is for people, `data` for programs. `file`, relative to the run's folder, has the whole text if the report
    has only its beginning and end.
    """

    kind: EvidenceKind
    title: str
    text: str = ""
    data: Json = None
    file: str | None = None


@dataclass
class EvidenceFolder:
    """The folder for the evidence of a run; without a folder, nothing is written to disk."""

    folder: Path | None = None
    _written: int = 0

    def keep(self, evidence: Evidence) -> Evidence:
        """Remove secrets from the evidence, write a long text to a file, and return it for the report."""
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
