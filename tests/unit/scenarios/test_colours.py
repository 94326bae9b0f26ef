"""Clusters' colours in a report's chart stay apart for colour-blind readers, from each other and from lost requests."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

from lab.base import colours
from lab.report import charts

CSS = Path(charts.__file__).with_name("report.css").read_text(encoding="utf-8")
SCHEMES = CSS.count("--east:")
LEAST = 16.0
"""Distance in CIE L*a*b*; below about 10, neighbouring areas look the same. The least of these colours is 17."""
# Linear RGB as it is seen; Machado, Oliveira and Fernandes 2009, severity 1.0.
EYES = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)


CLUSTERS = ("east", "west", "c0", "c1", "c2", "c3")


@pytest.mark.parametrize("scheme", range(SCHEMES))
def test_a_cluster_has_one_colour_everywhere(scheme: int) -> None:
    found = tuple(f"#{re.findall(rf'--{name}: #([0-9a-f]{{6}});', CSS)[scheme]}" for name in CLUSTERS)
    assert found == colours.CLUSTERS


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab_of(colour: str, eyes: str) -> tuple[float, float, float]:
    channels = [channel / 255 for channel in bytes.fromhex(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    visible = [min(1.0, max(0.0, c)) for c in times(EYES[eyes], linear)]
    ratios = [value / white for value, white in zip(times(TO_XYZ, visible), WHITE, strict=True)]
    x, y, z = (r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("scheme", range(SCHEMES))
def test_colours_are_distinguishable(scheme: int, eyes: str) -> None:
    names = (*CLUSTERS, "lost")
    colours = {name: re.findall(rf"--{name}: #([0-9a-f]{{6}});", CSS)[scheme] for name in names}
    close = {
        (a, b): round(distance)
        for a, b in itertools.combinations(names, 2)
        if (distance := math.dist(lab_of(colours[a], eyes), lab_of(colours[b], eyes))) < LEAST
    }
    assert close == {}


def test_there_is_a_light_and_a_dark_scheme() -> None:
    assert SCHEMES == 2
