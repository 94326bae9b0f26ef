"""A short animation of a running presentation, for the README."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

SIZE = {"width": 1600, "height": 900}
_SHOWN = (1200, 675)
_FRAME_MS = 400
_LAST_MS = 3000
_MOST_FRAMES = 90


class Reel:
    """Takes frames while something happens; without a folder it takes none.

    Args:
        folder: where the file goes.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._frames: list[bytes] = []

    @property
    def runs(self) -> bool:
        """Whether pictures are wanted."""
        return self._folder is not None

    def frame(self, page: Any) -> None:
        """Take a frame."""
        if self._folder is not None and len(self._frames) < _MOST_FRAMES:
            self._frames.append(page.screenshot())

    def write(self, name: str) -> None:
        """Write the frames as an animation, NAME.webp, without those in which nothing changed."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        from PIL import Image

        images = [
            Image.open(io.BytesIO(one)).convert("RGB").resize(_SHOWN, Image.Resampling.LANCZOS) for one in self._frames
        ]
        kept = [
            one
            for one, before in zip(images, [None, *images], strict=False)
            if before is None or one.tobytes() != before.tobytes()
        ]
        times = [*[_FRAME_MS] * (len(kept) - 1), _LAST_MS]
        kept[0].save(
            self._folder / f"{name}.webp", save_all=True, append_images=kept[1:], duration=times, loop=0, quality=60
        )
