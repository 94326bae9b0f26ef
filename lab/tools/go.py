"""The Go toolchain, with caches of the lab's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import environment, process
from lab.base.names import architecture

MINIMUM = (1, 26, 0)
"""What Kubernetes 1.37's go.mod asks for."""
_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")


def version(said: str) -> tuple[int, int, int] | None:
    """Read what `go version` prints; None where it names no release."""
    found = _VERSION.search(said)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def on_path(*, run: process.Run = process.run) -> Path | None:
    """Return PATH's go when it is new enough, else None."""
    program = shutil.which("go")
    if program is None:
        return None
    # GOTOOLCHAIN=local: what is there, not what go would download.
    said = run([program, "version"], env={"GOTOOLCHAIN": "local"}, timeout_s=30, check=False)
    found = version(said.stdout)
    return Path(program) if found is not None and found >= MINIMUM else None


@dataclass(frozen=True, kw_only=True)
class Go:
    """A go command. What it has compiled and downloaded stays in `cache` and `modules`, also when it is interrupted."""

    program: Path
    cache: Path
    modules: Path
    run: process.Run = field(default=process.run, repr=False)

    def build(
        self,
        folder: Path,
        *,
        packages: Sequence[str],
        into: Path,
        variables: Mapping[str, str] | None = None,
        tags: Sequence[str] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Build programs, static and without debug information.

        Args:
            folder: of the module, whose go.mod and go.sum must be complete.
            packages: to build.
            into: folder for the programs.
            variables: string variables for the linker to set.
            tags: build tags.
            on_line: called with each package that was compiled, as `go build -v` names it.

        Raises:
            CommandError: with what the compiler said.
        """
        link = " ".join(["-s", "-w", *(f"-X={name}={value}" for name, value in (variables or {}).items())])
        argv = [
            str(self.program),
            "build",
            "-v",
            f"-ldflags={link}",
            # The linker would drop the debug information: not to write it saves
            # a sixth of the compiler's time (measured on net/http and all below it, cold).
            "-gcflags=all=-dwarf=false",
            *([f"-tags={','.join(tags)}"] if tags else []),
            f"-o={into}/",
            *packages,
        ]
        self.run(argv, cwd=folder, env=self._environment(), on_line=on_line)

    def download(self, folder: Path, *, module: str) -> str:
        """Download a module that a go.mod names, check it by go.sum, and return go's JSON about it."""
        argv = [str(self.program), "mod", "download", "-json", module]
        return self.run(argv, cwd=folder, env=self._environment(), timeout_s=1800).stdout

    def _environment(self) -> Mapping[str, str]:
        built_for = environment.go_build(architecture())
        return {**built_for, "GOCACHE": str(self.cache), "GOMODCACHE": str(self.modules)}
