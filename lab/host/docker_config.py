"""Read the docker command's own configuration file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.host.machine import Machine


def read(machine: Machine) -> tuple[Path, Mapping[str, Any]]:
    """Return the file and its content; the content is empty if the file does not exist, or is damaged."""
    folder, home = machine.environ.get("DOCKER_CONFIG"), machine.environ.get("HOME")
    file = (Path(folder) if folder else Path(home or "/") / ".docker") / "config.json"
    try:
        found = json.loads(machine.read(file))
    except ValueError:
        found = {}
    return file, found if isinstance(found, Mapping) else {}
