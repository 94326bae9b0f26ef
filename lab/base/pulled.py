"""What was pulled from registries and release servers: images, files and their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """The images and files that one or more steps pulled. Falsy if there are none.

    Args:
        images: their number.
        files: number of downloaded files and charts.
        blobs: compressed size in bytes by digest; an engine pulls a layer that two images share once.
        unknown: number of images whose size the registry did not tell.
    """

    images: int = 0
    files: int = 0
    blobs: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all, without images of unknown size; layers that the engine had before count, too."""
        return sum(self.blobs.values())

    def __bool__(self) -> bool:
        return self.images + self.files > 0

    @classmethod
    def total(cls, several: Iterable[Pulled | None]) -> Pulled:
        """Return the sum of what several steps pulled; None is nothing."""
        parts = [part for part in several if part is not None]
        return cls(
            images=sum(part.images for part in parts),
            files=sum(part.files for part in parts),
            blobs=dict(chain.from_iterable(part.blobs.items() for part in parts)),
            unknown=sum(part.unknown for part in parts),
        )
