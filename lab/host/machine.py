"""The machine: files, commands, user and platform. Tests pass a folder for `/`, a fake `run` and another user."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import process

# Folders of administrators' programs; an ordinary user's PATH may not have them.
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def _uid() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 1


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Files below `root`, commands through `run`, the environment, the user and the platform."""

    root: Path = Path("/")
    run: process.Run = field(default=process.run, repr=False)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    uid: int = field(default_factory=_uid)
    system: str = field(default_factory=platform.system)
    architecture: str = field(default_factory=platform.machine)

    def path(self, absolute: str | Path) -> Path:
        """Return the real path of an absolute path on the machine."""
        return self.root / str(absolute).lstrip("/")

    def read(self, absolute: str | Path) -> str:
        """Return a file's text; empty if it does not exist or cannot be read."""
        try:
            return self.path(absolute).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def which(self, program: str) -> str | None:
        """Return the path of a program, also from the administrator's folders."""
        folders = f"{self.environ.get('PATH', os.defpath)}:{_ADMIN_PATH}".split(":")
        program_path = shutil.which(program, path=":".join(str(self.path(folder)) for folder in folders if folder))
        return program_path and f"/{Path(program_path).relative_to(self.root)}"

    @property
    def is_root(self) -> bool:
        """Whether this user is root."""
        return self.uid == 0

    @property
    def is_debian(self) -> bool:
        """Whether this is Debian, Ubuntu or a derivative (os-release(5), ID and ID_LIKE)."""
        ids = re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)"?$', self.read("/etc/os-release"), re.MULTILINE)
        return not {"debian", "ubuntu"}.isdisjoint(" ".join(ids).split())

    @property
    def is_wsl(self) -> bool:
        """Whether this is a distribution in Windows' subsystem for Linux."""
        return self.system == "Linux" and "microsoft" in self.read("/proc/sys/kernel/osrelease").lower()

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs as init (sd_booted(3))."""
        return self.path("/run/systemd/system").is_dir()

    def pid(self, pid_file: str, program: str) -> int | None:
        """Return the process id in a pid file, if that process runs this program."""
        text = self.read(pid_file).strip()
        if text.isdigit() and self.read(f"/proc/{text}/comm").strip() == program[:15]:
            return int(text)
        return None

    def arguments(self, pid: int) -> list[str]:
        """Return the command line of a process."""
        return [word for word in self.read(f"/proc/{pid}/cmdline").split("\0") if word]

    def as_root(self, command: str) -> str:
        """Return the command with `sudo` if this user is not root."""
        return command if self.is_root else f"sudo {command}"
