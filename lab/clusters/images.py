"""Images brought from the engine into a node that runs, where the node image does not hold them already."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.model import Cluster
from lab.tools.docker import Docker

_CTR = ("ctr", "--namespace=k8s.io", "images")


def load(cluster: Cluster, reference: str, *, docker: Docker | None = None) -> bool:
    """Import an image into a cluster's node; False where it is there already.

    Raises:
        HostError: the engine has no such image.
        CommandError: the node's containerd does not take it.
    """
    docker = docker or Docker()
    if reference in docker.execute(cluster.node, [*_CTR, "list", "--quiet"]).stdout.split():
        return False
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.tar"
        docker.save([reference], file)
        there = f"/var/tmp/{file.name}"  # noqa: S108 - a path inside of the node
        docker.copy_into(cluster.node, file, there)
    try:
        docker.execute(cluster.node, [*_CTR, "import", "--all-platforms", "--digests", there], timeout_s=120)
    finally:
        docker.execute(cluster.node, ["rm", "--force", there], check=False)
    return True
