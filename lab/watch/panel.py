"""Draw one upstream in a rectangle: a grid of its requests, shares, latencies, losses, identities and marks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from lab.base.names import Json
from lab.watch import looks
from lab.watch.feed import FeedState
from lab.watch.looks import Looks
from lab.watch.tally import Cell, Share, Tally, printable

_AIRY = 18
"""Lines from which there are empty lines between the parts."""
_CELL = 2
"""Columns of a request."""
_GRID = 3
"""Lines that the grid keeps, before parts of less importance are drawn."""
_BAR = 8
"""Columns that a bar needs to say something."""
_MARKS = 3
_BAD = "bold red"
_STYLES = {
    FeedState.LIVE: "bold green",
    FeedState.CONNECTING: "bold yellow",
    FeedState.LOST: _BAD,
    FeedState.PAUSED: "bold yellow",
}


@dataclass(frozen=True, kw_only=True)
class Symbols:
    """The symbols of a picture. `UNICODE` and `ASCII` are for terminals with and without Unicode."""

    full: str = "█"
    rest: str = "─"
    arrow: str = "→"
    lock: str = "🔒 "
    live: str = "● "
    other: str = "○ "
    cut: str = "…"


UNICODE = Symbols()
ASCII = Symbols(full="#", rest="-", arrow="->", lock="", live="* ", other="o ", cut="")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One upstream."""

    tally: Tally
    looks: Looks
    width: int
    height: int
    symbols: Symbols = UNICODE

    def lines(self) -> list[Text]:
        """Return exactly `height` lines of at most `width` columns; with few lines, the parts that matter most."""
        gap = [Text()] if self.height >= _AIRY else []
        above = [self._title(), *gap]
        room = self.height - len(above) - len(gap)
        below: list[Text] = []
        for part in (self._shares(), self._numbers(), self._losses(), self._identity(), self._marks()):
            if len(below) + len(part) <= room - min(_GRID, room // 2):
                below += part
        lines = [*above, *self._grid(room - len(below)), *gap, *below]
        return [cut(line, self.width, self.symbols) for line in lines[: self.height]]

    def _title(self) -> Text:
        link = self.tally.link
        words = "reconnecting" if link is FeedState.LOST else link.value
        symbol = self.symbols.live if link is FeedState.LIVE else self.symbols.other
        state = Text(symbol + words, _STYLES[link])
        return ends(Text(self.tally.upstream, "bold underline"), state, self.width)

    def _grid(self, rows: int) -> list[Text]:
        """Return the last requests, row by row as one reads; when the grid is full, its first row leaves."""
        across = max(1, self.width // _CELL)
        kept, sent = self.tally.cells, self.tally.sent
        # Whole rows leave, counted from the first request of all: so each request keeps its column.
        first = max(0, -(-(sent - across * max(0, rows)) // across) * across)
        shown = list(kept)[max(0, first - (sent - len(kept))) :]
        lines = [shown[at : at + across] for at in range(0, len(shown), across)][: max(0, rows)]
        drawn = [self._cells(line, 1 - (number + 1) / len(lines)) for number, line in enumerate(lines)]
        return drawn + [Text()] * (rows - len(drawn))

    def _cells(self, cells: Sequence[Cell], age: float) -> Text:
        line = Text()
        for cell in cells:
            if cell.failure:  # without a filled background, so that it differs from the colour of every cluster
                line.append(looks.failure(cell.failure).ljust(_CELL), _BAD)
            else:
                style = self._style(cell.cluster, age)
                line.append(self.looks.letter(cell.cluster).ljust(_CELL), style)
        return line

    def _style(self, cluster: str, age: float = 0.0) -> str:
        colour = looks.faded(self.looks.colour(cluster, self.tally.clusters.get(cluster)), age)
        return f"{looks.text_on(colour)} on {colour}"

    def _shares(self) -> list[Text]:
        longest = max((len(share.cluster) for share in self.tally.shares), default=0)
        return [self._share(share, min(longest, self.width // 3)) for share in self.tally.shares]

    def _share(self, share: Share, longest: int) -> Text:
        letter = (self.looks.letter(share.cluster).ljust(_CELL), self._style(share.cluster))
        line = Text.assemble(letter, (f" {share.cluster[:longest].ljust(longest)} ", "bold"))
        numbers = f" {share.percent:3.0f} %"
        if (weight := self.tally.weights.get(share.cluster)) is not None:
            numbers += f", weight {weight:.3g} %"
        across = self.width - cell_len(line.plain) - len(numbers)
        if across >= _BAR:
            full = round(across * share.percent / 100)
            line.append(self.symbols.full * full, self.looks.colour(share.cluster))
            line.append(self.symbols.rest * (across - full), "dim")
        return line.append(numbers, "bold")

    def _numbers(self) -> list[Text]:
        tally = self.tally
        lost = (f"lost {tally.lost}", _BAD if tally.lost else "")
        return [Text.assemble(f"sent {tally.sent}  ", lost, "  ", "  ".join(latencies(tally)))]

    def _losses(self) -> list[Text]:
        """Return the failover, why the connection is lost, the symbols of the lost requests, and the last gap."""
        lines = [Text(f"failover: {printable(self.tally.failover)}")] if self.tally.failover else []
        if self.tally.link is FeedState.LOST:
            lines.append(Text(printable(self.tally.words), _BAD))
        if kinds := self.tally.lost_now:
            each = (f"{looks.failure(kind)} {kind} {count}" for kind, count in sorted(kinds.items()))
            lines.append(Text(f"lost of the last {len(self.tally.window)}:  ").append("   ".join(each), _BAD))
        if gap := self.tally.gap:
            over = "not recovered" if gap["recovery_s"] is None else f"recovered after {gap['recovery_s']:.1f} s"
            meant = f" (intended: {printable(str(gap['phase']))})" if gap["intended"] else ""
            lines.append(Text(f"last gap: {gap['lost']} lost, {over}{meant}"))
        return lines

    def _identity(self) -> list[Text]:
        found = self.tally.identity
        if found is None:
            return []
        if not found.get("mtls"):
            return [
                Text(f"mTLS is not proven: {printable(found.get('problem') or 'no proxy names the caller')}", "dim")
            ]
        proof = (f"{self.symbols.lock}mTLS ", "bold green")
        whole, short = (Text.assemble(proof, self._ends(found, name)) for name in (_id, _name))
        return [whole if whole.cell_len <= self.width else short]

    def _ends(self, found: Json, name: Callable[[Json], str]) -> str:
        """Return both ends; Linkerd names only the caller."""
        server = name(found["server"]) if found.get("server") else self.tally.upstream
        gateway = f" (through {name(found['gateway'])})" if found.get("gateway") else ""
        return printable(f"{name(found['client'])} {self.symbols.arrow} {server}{gateway}")

    def _marks(self) -> list[Text]:
        lines = []
        for mark in sorted(self.tally.marks, key=lambda mark: mark.at)[-_MARKS:]:
            when = time.strftime("%H:%M:%S", time.localtime(mark.at))
            intended = " (intended)" if mark.kind == "fault" and mark.intended else ""
            lines.append(Text.assemble((f"{when} ", "dim"), (printable(mark.text), "bold"), intended))
        return lines


def latencies(tally: Tally) -> list[str]:
    """Return the median and the 99th percentile as text."""
    return [f"p{percent} {_ms(tally.latency_ms(percent))}" for percent in (50, 99)]


def ends(left: Text, right: Text, width: int) -> Text:
    """Return a line with a text at each end; the right one only if both have room."""
    blank = width - left.cell_len - right.cell_len
    return Text.assemble(left, " " * blank, right) if blank > 0 else left


def cut(line: Text, width: int, symbols: Symbols) -> Text:
    """Return the line with at most `width` columns."""
    if line.cell_len > width:
        line.truncate(max(0, width - len(symbols.cut)))
        line.append(symbols.cut)
    return line


def _ms(value: float | None) -> str:
    return "- ms" if value is None else f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def _id(peer: Json) -> str:
    return str(peer["id"])


def _name(peer: Json) -> str:
    """Return the account and the trust domain of an identity; all of it if its form is unknown."""
    account, domain = peer.get("service_account"), peer.get("trust_domain")
    return f"{account}@{domain}" if account and domain else str(peer["id"])
