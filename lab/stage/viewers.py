"""The browsers that show one console, live or of a recording."""

from __future__ import annotations

from lab.stage.parts import Declined, Viewer

SHOWN_BEFORE = 128 << 10
"""What a browser gets of what was shown before: bytes of a live console, letters of a recording."""
MOST_VIEWERS = 16
CLEAR = "\x1bc"
"""Resets a terminal, so that a browser that connects again shows nothing twice."""


class Viewers:
    """The viewers of one console, the oldest one first. It has no lock: its console calls it with its own lock held."""

    def __init__(self) -> None:
        self._all: list[Viewer] = []

    def __contains__(self, viewer: Viewer) -> bool:
        return any(one is viewer for one in self._all)

    @property
    def first(self) -> Viewer | None:
        """The oldest viewer; None if there is none."""
        return self._all[0] if self._all else None

    def add(self, viewer: Viewer, size: tuple[int, int]) -> None:
        """Add a viewer, and tell it the console's size, in columns and rows.

        Raises:
            Declined: there are too many.
        """
        if len(self._all) >= MOST_VIEWERS:
            raise Declined("too many browsers show this console", next="close one of them")
        self._all.append(viewer)
        viewer.sized(*size)

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self._all = [one for one in self._all if one is not viewer]

    def show(self, data: bytes) -> None:
        """Show more bytes of the console."""
        for viewer in self._all:
            viewer.receive(data)

    def resize(self, size: tuple[int, int]) -> None:
        """Tell all a new size of the console."""
        for viewer in self._all:
            viewer.sized(*size)

    def end(self) -> None:
        """End and remove all."""
        ended, self._all = self._all, []
        for viewer in ended:
            viewer.ended()
