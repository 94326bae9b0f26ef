"""The Go toolchain, with the lab's own caches."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import environment, process
from lab.base.errors import ArtifactError
from lab.base.names import architecture

MINIMUM = (1, 26, 0)
"""The version that Kubernetes 1.37's go.mod requires."""
_DOWNLOAD_S = 600
_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")
_REQUIRED = re.compile(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", re.MULTILINE)


def version(text: str) -> tuple[int, int, int] | None:
    """Parse the output of `go version`; None if it does not name a release."""
    release = _VERSION.search(text)
    return None if release is None else (int(release[1]), int(release[2]), int(release[3] or 0))


def required(go_mod: str) -> tuple[int, int, int]:
    """Return the version of Go that the text of a go.mod requires, at least MINIMUM."""
    line = _REQUIRED.search(go_mod)
    return MINIMUM if line is None else max(MINIMUM, (int(line[1]), int(line[2]), int(line[3] or 0)))


def on_path(*, minimum: tuple[int, int, int] = MINIMUM, run: process.Run = process.run) -> Path | None:
    """Return the go program on PATH if it has the version `minimum` or a newer one, else None."""
    program = shutil.which("go")
    if program is None:
        return None
    # GOTOOLCHAIN=local: the installed version, not one that go would download.
    done = run([program, "version"], env={"GOTOOLCHAIN": "local"}, timeout_s=30, check=False)
    installed = version(done.stdout)
    return Path(program) if installed is not None and installed >= minimum else None


@dataclass(frozen=True, kw_only=True)
class Go:
    """A go command. `cache` and `modules` keep its compiled packages and downloads, also after an interruption."""

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
            CommandError: with the compiler's output.
        """
        link = " ".join(["-s", "-w", *(f"-X={name}={value}" for name, value in (variables or {}).items())])
        argv = [
            str(self.program),
            "build",
            "-v",
            f"-ldflags={link}",
            # The linker drops debug information anyway. Without it the compiler needs a sixth less time
            # (measured on net/http and its dependencies, with a cold cache).
            "-gcflags=all=-dwarf=false",
            *([f"-tags={','.join(tags)}"] if tags else []),
            f"-o={into}/",
            *packages,
        ]
        self.run(argv, cwd=folder, env=self._environment(), on_line=on_line)

    def download(self, module: str, version: str) -> tuple[Path, str]:
        """Download a module from the user's own GOPROXY; return its zip file and the hash of it that go.sum has.

        The caller compares the hash with a known one: Go's checksum database is not asked.

        Raises:
            ArtifactError: the module is unavailable.
        """
        argv = [str(self.program), "mod", "download", "-json", f"{module}@{version}"]
        # Programs that clean up must be able to delete the files, which Go otherwise makes read-only.
        more = {"GOFLAGS": "-modcacherw", "GOSUMDB": "off"}
        done = self.run(argv, cwd=self.modules, env={**self._environment(), **more}, timeout_s=_DOWNLOAD_S, check=False)
        try:
            answer = json.loads(done.stdout)
            return Path(answer["Zip"]), str(answer["Sum"])
        except (ValueError, KeyError) as error:
            reason = str(answer.get("Error", "")) if isinstance(error, KeyError) else ""
            raise ArtifactError(
                f"the Go module {module} {version} is unavailable: {reason or done.stderr.strip()}",
                next="check the network and `go env GOPROXY`, then run the command again",
            ) from error

    def _environment(self) -> Mapping[str, str]:
        built_for = environment.go_build(architecture())
        return {**built_for, "GOCACHE": str(self.cache), "GOMODCACHE": str(self.modules)}
