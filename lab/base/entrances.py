"""Remember the addresses of existing clusters' ingresses, which their platforms assign."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from lab.base.errors import LabError
from lab.base.files import write_atomic


class NoEntranceError(LabError):
    """An existing cluster's ingress has no address yet."""


_guard = threading.Lock()


def address(file: Path, cluster: str) -> str:
    """Return the address of a cluster's ingress, an IP address or a host name; empty if none was recorded."""
    return _read(file).get(cluster, "")


def record(file: Path, cluster: str, found: str) -> None:
    """Record the address of a cluster's ingress."""
    with _guard:
        known = _read(file)
        if known.get(cluster) != found:
            write_atomic(file, json.dumps({**known, cluster: found}))


def url(file: Path, cluster: str) -> str:
    """Return the URL of a cluster's ingress.

    Raises:
        NoEntranceError: no address was recorded.
    """
    found = address(file, cluster)
    if not found:
        raise NoEntranceError("its ingress has no address yet", where=cluster, next="lab up")
    return f"http://[{found}]" if ":" in found else f"http://{found}"


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or damaged: `lab up` writes it again
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
