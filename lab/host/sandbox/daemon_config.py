"""Read and write the Docker Engine's configuration file (daemon.json); keep a backup, write atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.base.errors import HostError
from lab.base.files import write_atomic

BACKUP_SUFFIX = ".before-eastwest-lab"


@dataclass(frozen=True)
class DaemonConfig:
    """A daemon.json; `file` may be missing."""

    file: Path

    @property
    def backup(self) -> Path:
        """The file as it was before the lab changed it for the first time."""
        return self.file.with_name(self.file.name + BACKUP_SUFFIX)

    def read(self) -> dict[str, Any]:
        """Return the settings; empty if the file is missing or empty.

        Raises:
            HostError: the file is not a JSON object, or its `runtimes` is not one.
        """
        return _parse(self.file)

    def read_backup(self) -> dict[str, Any]:
        """Return the settings as they were before the lab changed them."""
        return _parse(self.backup)

    def write(self, settings: Mapping[str, Any]) -> None:
        """Replace the file's settings atomically; keep a backup of the file before the first change.

        Raises:
            HostError: this user has no permission to write the file.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            mode = self.file.stat().st_mode & 0o777 if self.file.exists() else 0o644
            if self.file.exists() and not self.backup.exists():
                write_atomic(self.backup, self.file.read_text(encoding="utf-8"), mode=mode)
            write_atomic(self.file, json.dumps(settings, indent=2) + "\n", mode=mode)
        except OSError as error:
            raise HostError(f"cannot be written: {error.strerror}", where=str(self.file)) from error

    def remove(self) -> None:
        """Take the file and its copy away; nothing happens where they are not there."""
        self.file.unlink(missing_ok=True)
        self.backup.unlink(missing_ok=True)


def _parse(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"cannot be read: {error.strerror}", where=str(file)) from error
    try:
        settings = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise HostError(f"is not valid JSON: {error}", where=str(file), next=f"correct {file}") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("runtimes", {}), dict):
        raise HostError("is not a JSON object, which the engine expects", where=str(file), next=f"correct {file}")
    return settings
