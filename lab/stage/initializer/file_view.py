"""One file of the folder, with the lines that the last choice changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from lab.base.names import Json

SAME, NEW, GONE = "same", "new", "gone"
MOST_LINES = 2000
"""Lines that are shown, unless a person wants the whole file."""
_MOST_COMPARED = 5000
"""Lines between the first and the last difference; more are shown as replaced, since comparing takes too long."""
Chunk = tuple[str, Sequence[str]]


def view(text: str, before: str | None, *, whole: bool = False) -> Json:
    """Return a file in chunks of lines that are the same, new or gone.

    Args:
        text: the file; empty if it is gone.
        before: the file before the last choice; None if that is not known.
        whole: show all lines, not only the first ones.
    """
    new = text.splitlines()
    chunks = list(compared([] if before is None else before.splitlines(), new)) if before is not None else [(SAME, new)]
    total = sum(len(lines) for _, lines in chunks)
    shown: list[Json] = []
    left = total if whole else MOST_LINES
    for mark, lines in chunks:
        part = lines[:left]
        left -= len(part)
        if part:
            shown.append({"mark": mark, "text": "\n".join(part)})
    return {"chunks": shown, "lines": total, "hidden": 0 if whole else max(0, total - MOST_LINES)}


def compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Chunk]:
    """Yield the lines of both, as chunks."""
    first = _same(old, new)
    last = _same(old[first:][::-1], new[first:][::-1])
    yield from _chunk(SAME, new[:first])
    middle_old, middle_new = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(middle_old), len(middle_new)) > _MOST_COMPARED:
        yield from _chunk(GONE, middle_old)
        yield from _chunk(NEW, middle_new)
    else:
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, middle_old, middle_new).get_opcodes():
            if tag == "equal":
                yield SAME, middle_new[j1:j2]
            else:
                yield from _chunk(GONE, middle_old[i1:i2])
                yield from _chunk(NEW, middle_new[j1:j2])
    yield from _chunk(SAME, new[len(new) - last :])


def _same(old: Sequence[str], new: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _chunk(mark: str, lines: Sequence[str]) -> Iterator[Chunk]:
    if lines:
        yield mark, lines
