"""Find the lines of keys in the text of a TOML file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

Key = tuple[str, ...]


def lines_of(text: str) -> dict[Key, int]:
    """Map the keys of the text to their lines; only one-line keys and table headers are recognised.

    The keys of a table in an array contain its index, from 0: ("links", "0", "delay").
    """
    lines: dict[Key, int] = {}
    table: Key = ()
    in_array: Counter[Key] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[+)([^\]]+)\]+", line):
            table = _split(header[2])
            lines.setdefault(table, number)
            if header[1] == "[[":
                in_array[table] += 1
                table = (*table, str(in_array[table] - 1))
                lines[table] = number
        elif pair := re.match(r"""\s*([A-Za-z0-9_."'-]+)\s*=""", line):
            lines.setdefault((*table, *_split(pair[1])), number)
            for inner in re.findall(r"[{,]\s*([A-Za-z0-9_-]+)\s*=", line):
                lines.setdefault((*table, *_split(pair[1]), inner), number)
    return lines


def _split(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def line_of(key: Key, lines: Mapping[Key, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it; None if the text has neither."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
