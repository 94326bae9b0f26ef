"""Build images that have one static program and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.artifacts.from_source.builders.image import build_image
from lab.artifacts.recipe import BuildContext, BuildResult, link_or_copy, split


@dataclass(frozen=True, kw_only=True)
class ProgramImage:
    """Build an image from scratch with one program of another artifact as its entry point.

    The image has no users, no temporary folder and no root certificates: what a program writes to is a volume of its
    pod, and it can verify servers inside the cluster only.

    Args:
        program: the program (`artifact/path`).
        path: where upstream's image has it, as some manifests name it as their command.
        user: the user and group as numbers, not root.
    """

    revision: ClassVar[int] = 1
    program: str
    path: str
    user: str

    def needs(self) -> Iterable[str]:
        """Return the artifact that has the program."""
        return (split(self.program)[0],)

    def inputs(self) -> Iterable[Path]:
        """Return nothing: the options say everything."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Write the Dockerfile and build the image."""
        context = work.scratch / "context"
        link_or_copy(work.needs.file(*split(self.program)), context / "program")
        lines = ("FROM scratch", f"COPY program {self.path}", f"USER {self.user}", f'ENTRYPOINT ["{self.path}"]', "")
        (context / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
        return build_image(work, context, arguments={})
