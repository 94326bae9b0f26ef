"""A kubectl, a helm and the like for the scripts of a profile: they note their words and standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
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


def _heed_interrupts() -> None:
    """Let Ctrl-C reach the child, also if these tests run in the background, where shells ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A folder with programs, and the log of their calls."""

    bin: Path
    log: Path
    sh: str = "sh"

    def run(self, script: Path, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script with a shell; only these programs and the system's own are on PATH."""
        return self._run(str(script), *words, cwd=cwd, env=env)

    def typed(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run what a person types, in the root folder."""
        return self._run("-c", line, cwd=Path("/"), env=env)

    def _run(self, *words: str, cwd: Path | None, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.sh, *words],
            env={"PATH": f"{self.bin}:{os.defpath}", "HOME": str(self.bin), **env},
            cwd=cwd,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
            preexec_fn=_heed_interrupts,
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
