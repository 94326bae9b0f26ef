"""Connect to the API of a cluster; callers share a connection pool."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lab.base.names import Cluster
from lab.kube.client import Kube


@lru_cache(maxsize=64)
def _cached(cluster: Cluster, timeout_s: float, _written_ns: int) -> Kube:
    return Kube(cluster, timeout_s=timeout_s)


def connect(cluster: Cluster, *, timeout_s: float = 15) -> Kube:
    """Return the API of a cluster. Callers share a connection pool until the kubeconfig changes."""
    return _cached(cluster, timeout_s, _written_ns(cluster.kubeconfig))


def _written_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
