"""The addresses of clusters for other clusters."""

from __future__ import annotations

from urllib.parse import urlsplit

from lab.clusters import kubeconfig
from lab.clusters.kind import network
from lab.kube import Kube

_HTTPS = 443


def api_server(kube: Kube) -> str:
    """Return the URL of a cluster's API server for other clusters.

    Raises:
        ClusterError: it is unknown.
    """
    cluster = kube.cluster
    if not cluster.existing:
        return network.server_of(kube)
    return cluster.server or kubeconfig.server(cluster.kubeconfig, cluster.context)


def end_of(server: str) -> tuple[str, int]:
    """Return the host and the port of a URL."""
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or _HTTPS
