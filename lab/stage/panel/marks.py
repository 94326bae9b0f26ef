"""Mark rows as new, changed or gone for a few seconds. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.base.names import Json

Row = Mapping[str, Json]

KEPT_S = 5.0
"""Seconds for which a mark stays, and a row that is gone."""
NEW, CHANGED, GONE = "new", "changed", "gone"


@dataclass
class _Mark:
    change: str
    until_s: float
    row: Row


@dataclass
class Marks:
    """The marks of one list of a panel."""

    _rows: Mapping[str, Row] = field(default_factory=dict)
    _marks: dict[str, _Mark] = field(default_factory=dict)

    def update(self, rows: Mapping[str, Row], now_s: float, *, quiet: bool = False, most: int = 200) -> list[Json]:
        """Take the current rows and return what to show: each row with its `change`, in the order of the keys.

        Args:
            rows: the rows by key.
            now_s: monotonic time.
            quiet: set no new marks; for the first list.
            most: the longest list.
        """
        if not quiet:
            self._compare(rows, now_s)
        self._rows = dict(rows)
        self._marks = {key: mark for key, mark in self._marks.items() if mark.until_s > now_s}
        gone = {key: mark.row for key, mark in self._marks.items() if mark.change == GONE and key not in rows}
        shown = sorted({**gone, **rows}.items())[:most]
        return [{**row, "change": mark.change if (mark := self._marks.get(key)) else None} for key, row in shown]

    def due_s(self) -> float | None:
        """Return when the next mark ends, in monotonic time."""
        return min((mark.until_s for mark in self._marks.values()), default=None)

    def _compare(self, rows: Mapping[str, Row], now_s: float) -> None:
        until_s = now_s + KEPT_S
        for key, row in rows.items():
            before = self._rows.get(key)
            if before is None:
                self._marks[key] = _Mark(NEW, until_s, row)
            elif before != row and not self._is_new(key):
                self._marks[key] = _Mark(CHANGED, until_s, row)
        for key in self._rows.keys() - rows.keys():
            self._marks[key] = _Mark(GONE, until_s, self._rows[key])

    def _is_new(self, key: str) -> bool:
        """Return whether a row is marked as new: a new pod changes several times until it is ready."""
        mark = self._marks.get(key)
        return mark is not None and mark.change == NEW
