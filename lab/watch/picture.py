"""Draw the whole picture: upstreams side by side on a wide terminal, else one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions
from rich.text import Text

from lab.watch.looks import Looks
from lab.watch.panel import ASCII, UNICODE, Panel, Symbols, cut, ends
from lab.watch.tally import Tally

_GAP = 3
"""Columns between two upstreams."""
_NARROWEST = 36
"""Columns that an upstream needs to stand beside another one."""
_KEYS = "q quit   p pause   + - rate"


@dataclass
class Picture:
    """The whole picture; a renderable of rich that fills the terminal.

    Args:
        tallies: the upstreams, from left to right.
        frontend: name of the frontend's cluster.
        rate_per_s: requests per second to each upstream.
        keys: whether there is a keyboard.
        note: a line in place of the keys; empty for none.
        looks: letters and colours of the clusters.
    """

    tallies: Sequence[Tally]
    frontend: str
    rate_per_s: float
    keys: bool = True
    note: str = ""
    looks: Looks = field(default_factory=Looks)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        symbols = ASCII if options.ascii_only else UNICODE
        height = options.height or console.height
        yield Text("\n").join(self.lines(options.max_width, height, symbols))

    def lines(self, width: int, height: int, symbols: Symbols = UNICODE) -> list[Text]:
        """Return exactly `height` lines of at most `width` columns."""
        head, foot = self._head(width), self._foot()
        room = max(0, height - len(head) - len(foot))
        across = max(1, min(len(self.tallies), (width + _GAP) // (_NARROWEST + _GAP)))
        rows = [self.tallies[at : at + across] for at in range(0, len(self.tallies), across)]
        body = [
            line
            for number, row in enumerate(rows)
            for line in self._row(row, width, across, _part(room, number, len(rows)), symbols)
        ]
        return [cut(line, width, symbols) for line in [*head, *body, *foot]][:height]

    def _head(self, width: int) -> list[Text]:
        left = Text.assemble(("Who answers? ", "bold"), f" {self.frontend}'s frontend asks")
        return [ends(left, Text(f"{self.rate_per_s:g} requests/s"), width)]

    def _foot(self) -> list[Text]:
        if self.note:
            return [Text(self.note, "bold yellow")]
        return [Text(_KEYS, "reverse")] if self.keys else []

    def _row(self, row: Sequence[Tally], width: int, across: int, height: int, symbols: Symbols) -> list[Text]:
        each = (width - _GAP * (across - 1)) // across
        panels = (
            Panel(tally=tally, looks=self.looks, width=each, height=height, symbols=symbols).lines() for tally in row
        )
        return [_side_by_side(parts, each) for parts in zip(*panels, strict=True)]


def _part(whole: int, number: int, count: int) -> int:
    """Return the size of one of `count` parts that together are `whole`."""
    return whole * (number + 1) // count - whole * number // count


def _side_by_side(parts: Sequence[Text], each: int) -> Text:
    line = Text()
    for number, part in enumerate(parts):
        line.append(" " * (number * (each + _GAP) - line.cell_len)).append_text(part)
    return line
