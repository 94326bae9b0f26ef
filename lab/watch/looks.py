"""A letter and a colour for each cluster, and a symbol for each kind of failure; readable without colours, too."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field

from lab.base import colours

FAILURES = {"connect": "x", "timeout": "~", "broken": "/", "status": "!", "body": "?", "refused": "o"}
"""The symbol of each of the frontend's kinds of failure; never a capital letter, which clusters have."""
OTHER_FAILURE = "#"
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_OLD = 0.55
"""How far the colour of the oldest cell is mixed with grey."""
_GREY = (128, 128, 128)


@dataclass
class Looks:
    """Letters and colours, each given to one cluster only and kept once given."""

    _letters: dict[str, str] = field(default_factory=dict)
    _colours: dict[str, str] = field(default_factory=dict)

    def letter(self, cluster: str) -> str:
        """Return the cluster's letter: the first of its name that is free, else any free one."""
        if cluster not in self._letters:
            taken = set(self._letters.values())
            wanted = (*(c for c in cluster.upper() if c.isascii() and c.isalnum()), *string.ascii_uppercase)
            self._letters[cluster] = next((letter for letter in wanted if letter not in taken), "+")
        return self._letters[cluster]

    def colour(self, cluster: str, offered: str | None = None) -> str:
        """Return the cluster's colour: the one that its podinfo offers, unless another cluster has it."""
        others = {colour for name, colour in self._colours.items() if name != cluster}
        if offered and _HEX.fullmatch(offered) and offered.lower() not in others:
            self._colours[cluster] = offered.lower()
        if cluster not in self._colours:
            self._colours[cluster] = next((one for one in colours.CLUSTERS if one not in others), colours.CLUSTERS[0])
        return self._colours[cluster]


def failure(kind: str) -> str:
    """Return the symbol of a kind of failure."""
    return FAILURES.get(kind, OTHER_FAILURE)


def faded(colour: str, age: float) -> str:
    """Return a colour at an age from 0 (new) to 1 (oldest): mixed with grey, which is readable on any background."""
    part = _OLD * min(1.0, max(0.0, age))
    mixed = (round(c * (1 - part) + grey * part) for c, grey in zip(_rgb(colour), _GREY, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def text_on(colour: str) -> str:
    """Return black or white, the one with the higher contrast on the colour (WCAG 2.2, relative luminance)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#ffffff"


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _channels(colour: str) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in _rgb(colour))
