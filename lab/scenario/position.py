"""The position of a presentation, on disk: the current step, which steps ran, and what they measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.files import write_atomic
from lab.base.names import Json


@dataclass
class Position:
    """Where a presentation is.

    `begun` are the steps that have to be undone, `done` those of them that ran to their end, `statuses` is what views
    show of each step, and `memo` are the measurements of the steps (`Context.memo`).
    """

    file: Path | None = None
    at: str | None = None
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    statuses: dict[str, Json] = field(default_factory=dict)
    memo: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Position:
        """Read a position; the beginning if the file does not exist or cannot be read."""
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            begun, done = list(known["begun"]), list(known["done"])
            statuses, memo = dict(known.get("statuses", {})), dict(known["memo"])
            return cls(file=file, at=known["at"], begun=begun, done=done, statuses=statuses, memo=memo)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file=file)

    def write(self) -> None:
        """Save the position."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            known = {name: value for name, value in vars(self).items() if name != "file"}
            write_atomic(self.file, json.dumps(known, indent=1))

    def forget(self) -> None:
        """Go back to the beginning."""
        self.at, self.begun, self.done = None, [], []
        self.statuses.clear()
        self.memo.clear()
        if self.file is not None:
            self.file.unlink(missing_ok=True)
