"""Charts as SVG inside the page: who answered when, how fast, and the topology."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lab.measure.counting import percentile
from lab.report.svg import tag
from lab.scenario.model import Topology

WIDTH, BARS, DOTS, LEFT, RIGHT, TOP, GAP = 1000, 190, 120, 56, 14, 58, 26
LOST = "lost"
_MIN_BAR_S = 0.25
_OWN_CLASS = {"east": "east", "west": "west", LOST: "lost"}
_FURTHER = 4
"""Colours for further clusters in report.css, c0 to c3."""


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Seconds of a load to pixels."""

    end_s: float

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / self.end_s


def timeline(recording: Mapping[str, Any]) -> Markup:
    """Draw which cluster answered a load's requests over time, with the marked events, and the latencies below.

    Args:
        recording: as `lab.measure.recording.Recording.as_json` writes it.
    """
    rows = [dict(zip(recording["columns"], row, strict=True)) for row in recording["requests"]]
    marks = recording["marks"]
    end_s = max([r["at_s"] for r in rows] + [m["at_s"] for m in marks] + [1.0])
    scale = _Scale(end_s=end_s)
    width_s = max(_MIN_BAR_S, _nice(end_s / 120))
    names = sorted({r["answered_by"] for r in rows if r["answered_by"]})
    height = TOP + BARS + GAP + DOTS + 26
    return tag(
        "svg",
        tag("title", f"{recording['name']}: who answered, second by second"),
        _legend(names),
        _bars(rows, names, scale, width_s),
        _latencies(rows, scale, width_s),
        _marks(marks, scale),
        _seconds(scale),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        class_="timeline",
    )


def _legend(names: Sequence[str]) -> list[Markup]:
    shown: list[Markup] = []
    x = float(LEFT)
    for name in [*names, LOST]:
        shown.append(tag("rect", x=x, y=4, width=12, height=12, rx=2, class_=f"fill {_class(name, names)}"))
        shown.append(tag("text", name, x=x + 17, y=15, class_="legend"))
        x += 36 + 8.5 * len(name)
    return shown


def _class(name: str, names: Sequence[str]) -> str:
    """Return the class of a cluster's colour; the two of the talk have their own, each further one another."""
    others = [other for other in names if other not in _OWN_CLASS]
    return _OWN_CLASS.get(name) or f"c{others.index(name) % _FURTHER}"


def _bars(rows: Sequence[Mapping[str, Any]], names: Sequence[str], scale: _Scale, width_s: float) -> list[Markup]:
    counts: dict[int, dict[str, int]] = {}
    for row in rows:
        slot = counts.setdefault(int(row["at_s"] // width_s), {})
        name = row["answered_by"] or LOST
        slot[name] = slot.get(name, 0) + 1
    most = max((sum(slot.values()) for slot in counts.values()), default=1)
    top = _nice(most / width_s) * width_s if most else 1
    top = max(top, most)
    shown: list[Markup] = []
    for index, slot in sorted(counts.items()):
        base = float(TOP + BARS)
        x = scale.x(index * width_s)
        wide = max(1.0, scale.x(min((index + 1) * width_s, scale.end_s)) - x - 0.6)
        for name in [*names, LOST]:
            if not (count := slot.get(name, 0)):
                continue
            high = BARS * count / top
            base -= high
            hint = tag("title", f"{index * width_s:.2f} s: {name} {count}")
            shown.append(tag("rect", hint, x=x, y=base, width=wide, height=high, class_=f"fill {_class(name, names)}"))
    shown.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=TOP + BARS, y2=TOP + BARS, class_="axis"))
    for share in (0.5, 1.0):
        y = TOP + BARS * (1 - share)
        shown.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        shown.append(tag("text", f"{top * share / width_s:.0f}/s", x=LEFT - 6, y=y + 4, class_="tick end"))
    return shown


def _latencies(rows: Sequence[Mapping[str, Any]], scale: _Scale, width_s: float) -> list[Markup]:
    slots: dict[int, list[float]] = {}
    for row in rows:
        if row["answered_by"]:
            slots.setdefault(int(row["at_s"] // width_s), []).append(row["latency_ms"])
    zero = TOP + BARS + GAP + DOTS
    highest = max((max(values) for values in slots.values()), default=10.0)
    decades = max(1, math.ceil(math.log10(max(highest, 10.0))))

    def y(latency_ms: float) -> float:
        return zero - DOTS * max(0.0, math.log10(max(latency_ms, 1.0))) / decades

    shown: list[Markup] = []
    for decade in range(decades + 1):
        at = y(10.0**decade)
        shown.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        words = f"{10**decade} ms" if decade < 3 else f"{10 ** (decade - 3)} s"
        shown.append(tag("text", words, x=LEFT - 6, y=at + 4, class_="tick end"))
    for percent, class_ in ((99, "p99"), (50, "p50")):
        for index, values in sorted(slots.items()):
            value = percentile(values, percent)
            if value is not None:
                hint = tag("title", f"{index * width_s:.2f} s: p{percent} {value:.1f} ms")
                cx = scale.x((index + 0.5) * width_s)
                shown.append(tag("circle", hint, cx=cx, cy=y(value), r=2.4, class_=f"fill {class_}"))
    shown.append(tag("text", "p50", x=WIDTH - RIGHT - 62, y=TOP + BARS + GAP - 6, class_="legend p50"))
    shown.append(tag("text", "p99", x=WIDTH - RIGHT - 28, y=TOP + BARS + GAP - 6, class_="legend p99"))
    return shown


def _marks(marks: Sequence[Mapping[str, Any]], scale: _Scale) -> list[Markup]:
    shown: list[Markup] = []
    for number, mark in enumerate(marks):
        x, y = scale.x(mark["at_s"]), 32 + 12 * (number % 3)
        right = x > WIDTH * 0.72
        shown.append(tag("line", x1=x, x2=x, y1=y + 3, y2=TOP + BARS + GAP + DOTS, class_="mark"))
        words = f"{mark['text']}, {mark['at_s']:.1f} s"
        at = x - 4 if right else x + 4
        shown.append(tag("text", words, x=at, y=y, class_="marked end" if right else "marked"))
    return shown


def _seconds(scale: _Scale) -> list[Markup]:
    every = _nice(scale.end_s / 12)
    y = TOP + BARS + GAP + DOTS + 18
    return [
        tag("text", f"{n * every:g} s", x=scale.x(n * every), y=y, class_="tick middle")
        for n in range(int(scale.end_s / every) + 1)
    ]


def _nice(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 … (or 0.1, 0.2, 0.5) at or above `value`."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def topology(picture: Topology) -> Markup:
    """Return the clusters as boxes, their services in them, and the paths between them."""
    box, gap, row = 360, 150, 64
    rows = max(len(node.services) for node in picture.nodes)
    height = 84 + rows * row
    width = len(picture.nodes) * box + (len(picture.nodes) - 1) * gap + 8
    where: dict[str, tuple[float, float, float]] = {}
    shown: list[Markup] = []
    for index, node in enumerate(picture.nodes):
        left = 4 + index * (box + gap)
        shown.append(tag("rect", x=left, y=4, width=box, height=height - 8, rx=10, class_=f"cluster {node.cluster}"))
        shown.append(tag("text", node.role, x=left + 18, y=34, class_="role"))
        shown.append(tag("text", node.cluster, x=left + box - 18, y=34, class_="tick end"))
        for place, service in enumerate(node.services):
            y = 56 + place * row
            where[f"{node.cluster}/{service}"] = (left + 18, left + box - 18, y + 19)
            shown.append(tag("rect", x=left + 18, y=y, width=box - 36, height=38, rx=6, class_="service"))
            shown.append(tag("text", service, x=left + 34, y=y + 25, class_="name"))
    for arrow in picture.arrows:
        shown.extend(_arrow(where[arrow.source], where[arrow.target], arrow.label, allowed=arrow.allowed))
    head = tag(
        "marker",
        tag("path", d="M0 0 L8 4 L0 8 z", class_="head"),
        id_="head",
        markerWidth=9,
        markerHeight=9,
        refX=7,
        refY=4,
        orient="auto",
    )
    return tag(
        "svg",
        tag("defs", head),
        shown,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_="topology",
        style=f"max-width:{width}px",
    )


def _arrow(
    source: tuple[float, float, float], target: tuple[float, float, float], label: str, *, allowed: bool
) -> list[Markup]:
    class_ = "arrow" if allowed else "arrow refused"
    if source[0] == target[0]:  # within one cluster: down the left side, clear of the names
        x = source[1] - 26
        return [tag("line", x1=x, y1=source[2] + 19, x2=x, y2=target[2] - 20, class_=class_, marker_end="url(#head)")]
    forward = source[0] < target[0]
    x1, x2 = (source[1], target[0]) if forward else (source[0], target[1])
    y1, y2 = source[2], target[2]
    line = tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, marker_end="url(#head)")
    return [line, tag("text", label, x=(x1 + x2) / 2, y=(y1 + y2) / 2 - 8, class_="tick middle")]
