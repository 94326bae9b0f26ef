"""The page's colours, as people with each kind of colour vision see them."""

import itertools
import math
import re
from pathlib import Path

import frontend
import pytest

from lab import config
from lab.base.colours import CLUSTERS

STATIC = Path(frontend.__file__).parent / "static"
# Machado, Oliveira, Fernandes: "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15
# (2009), severity 1, on linear RGB.
VISION = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def colours(name: str) -> list[str]:
    text = (STATIC / "js" / "colours.js").read_text()
    (line,) = re.findall(rf"^export const {name} = (.*);$", text, re.MULTILINE)
    return re.findall(r"#[0-9a-f]{6}", line)


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def seen(colour: str, vision: str) -> tuple[float, float, float]:
    """The colour in OKLab times 100."""
    rgb = [sum(a * b for a, b in zip(row, linear(colour), strict=True)) for row in VISION[vision]]
    r, g, b = (min(1.0, max(0.0, part)) for part in rgb)
    cone = [
        (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3),
        (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3),
        (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3),
    ]
    rows = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    light, a, b = (100 * sum(x * y for x, y in zip(row, cone, strict=True)) for row in rows)
    return light, a, b


def distance(one: str, other: str, vision: str) -> float:
    return math.dist(seen(one, vision), seen(other, vision))


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_six_clusters_have_okabes_and_itos_colours():
    assert tuple(colours("CLUSTERS")) == CLUSTERS
    assert len(set(CLUSTERS)) == 6


@pytest.mark.parametrize("vision", VISION)
def test_clusters_differ_from_each_other_and_more_from_failures(vision: str):
    clusters, (failure,) = colours("CLUSTERS"), colours("FAILURE")

    assert min(distance(a, b, vision) for a, b in itertools.combinations(clusters, 2)) > 7
    assert min(distance(one, failure, vision) for one in clusters) > 10
    east, west = clusters[:2]
    assert distance(east, west, vision) > 25, "the two of the talk are far apart"


def test_the_old_orange_of_west_was_as_close_to_the_failures_as_this_test_forbids():
    assert max(distance("#c2410c", "#b3261e", vision) for vision in VISION) < 10


def test_the_labs_defaults_are_these_colours():
    spec = config.parse('[clusters.north]\n[clusters.south]\n[clusters."alps"]\n[clusters.bay]\n')
    defaults = [cluster.podinfo.color for cluster in spec.clusters.values()]

    assert tuple(defaults) == CLUSTERS


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_own_text_is_readable(theme: str):
    text = (STATIC / "css" / "base.css").read_text()
    blocks = dict(zip(["light", "dark"], re.findall(r":root[^{]*\{(.*?)\}", text, re.DOTALL), strict=True))
    values = {**variables(blocks["light"]), **variables(blocks[theme])}

    for ground in ("card", "back"):
        for name in ("ink", "soft", "bad-text", "refused", "good"):
            assert contrast(values[name], values[ground]) >= 4.5, f"{name} on {ground}"
    assert contrast(values["bad"], values["card"]) >= 3, "shapes: WCAG 1.4.11"


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
