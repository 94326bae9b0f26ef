"""Take one file of another artifact, for programs that upstream publishes as separate downloads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.artifacts.recipe import BuildContext, BuildResult, link_or_copy, split


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Link the file `source` (`artifact/path`) as `as_file`."""

    revision: ClassVar[int] = 1
    source: str
    as_file: str

    def needs(self) -> Iterable[str]:
        """Return the artifact that has the file."""
        return (split(self.source)[0],)

    def inputs(self) -> Iterable[Path]:
        """Return nothing: the key of the other artifact covers the file."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Link the file."""
        link_or_copy(work.needs.file(*split(self.source)), work.into / self.as_file)
        return BuildResult()
