"""Build programs from Go modules; go.mod and go.sum in the recipe's folder pin them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from lab.artifacts import folders
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events
from lab.tools import go

TOOLCHAIN = "go"
"""The artifact to use if PATH has no new enough Go. It is in no key, because it does not change the result."""


@cache
def minimum(folder: str) -> tuple[int, int, int]:
    """Return the version of Go that the go.mod of a recipe's folder requires."""
    return go.required((folders.find(folder) / "go.mod").read_text(encoding="utf-8"))


def program(work: BuildContext, *, minimum: tuple[int, int, int] = go.MINIMUM) -> Path:
    """Return the go program: the one on PATH if it is new enough, else the one in the store."""
    return go.on_path(minimum=minimum, run=work.run) or work.needs.file(TOOLCHAIN, "bin/go")


def toolchain(work: BuildContext, folder: str) -> go.Go:
    """Return the Go toolchain for a recipe's folder."""
    found = program(work, minimum=minimum(folder))
    return go.Go(program=found, cache=work.go_cache, modules=work.go_modules, run=work.run)


@dataclass(frozen=True, kw_only=True)
class GoBuild:
    """Build the programs of one go.mod in one `go build`, which compiles their shared packages once.

    Args:
        folder: the folder with go.mod, go.sum and, if needed, its own main package.
        packages: the packages to build; `tool` means the tools in go.mod.
        variables: string variables that the linker sets (`-X`).
        tags: build tags.
        names: new names of programs, by the package's name.
    """

    revision: ClassVar[int] = 1
    folder: str
    packages: tuple[str, ...] = ("tool",)
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def needs(self) -> Iterable[str]:
        """Return nothing: modules come from the module proxy, and go.sum verifies them."""
        return ()

    def inputs(self) -> Iterable[Path]:
        """Return the module's folder."""
        return (folders.find(self.folder),)

    def build(self, work: BuildContext) -> BuildResult:
        """Build the programs into `bin/`."""
        compiled = 0
        say = events.reporter()

        def count(line: str) -> None:
            nonlocal compiled
            if line and not line.startswith(("go: ", "#")):
                compiled += 1
                say(f"compiled {line} ({compiled})")
            elif line.startswith("go: downloading"):
                say(line.removeprefix("go: "))

        programs = work.into / "bin"
        programs.mkdir()
        events.progress("reading modules")
        toolchain(work, self.folder).build(
            folders.find(self.folder),
            packages=self.packages,
            into=programs,
            variables=self.variables,
            tags=self.tags,
            on_line=count,
        )
        for built, wanted in self.names.items():
            (programs / built).rename(programs / wanted)
        return BuildResult()
