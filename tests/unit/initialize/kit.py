"""A kubectl, a helm and the like for the scripts of a profile: they note their words and standard input."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """\
#!/bin/sh
# NAME
{{ echo "argv: NAME $*"; case "$*" in *--filename=-*) sed 's/^/stdin: /' ;; esac; }} >> "{log}"
case "$*" in
{answers}
*--ignore-not-found*) exit 0 ;;
*" get secret "* | *" get configmap "*) exit {absent} ;;
esac
exit 0
"""


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A folder with programs, and the log of their calls."""

    bin: Path
    log: Path
    sh: str = "sh"

    def run(self, script: Path, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script with a shell; only these programs and the system's own are on PATH."""
        environment = {"PATH": f"{self.bin}:{os.defpath}", "HOME": str(self.bin), **env}
        command = [self.sh, str(script), *words]
        return subprocess.run(
            command, env=environment, cwd=cwd, text=True, capture_output=True, check=False, timeout=60
        )

    def typed(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run what a person types, in the root folder."""
        environment = {"PATH": f"{self.bin}:{os.defpath}", "HOME": str(self.bin), **env}
        command = [self.sh, "-c", line]
        return subprocess.run(
            command, env=environment, cwd="/", text=True, capture_output=True, check=False, timeout=60
        )

    @property
    def calls(self) -> list[str]:
        """The lines of the log."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def shell(folder: Path, *, exists: bool = False, answers: str = "", sh: str = "sh") -> Shell:
    """Return programs for which the Secrets of the clusters exist, or do not."""
    made = Shell(bin=folder / "bin", log=folder / "log", sh=sh)
    made.bin.mkdir(parents=True)
    for name in ("kubectl", "istioctl", "linkerd"):
        program = made.bin / name
        text = _PROGRAM.format(log=made.log, absent=0 if exists else 1, answers=answers).replace("NAME", name)
        program.write_text(text)
        program.chmod(0o755)
    return made
