"""Deploy the sample's shared services (apps/shared) to East."""

from __future__ import annotations

from pathlib import Path

from lab.base.names import NAMESPACE, SCENARIO_LABEL, Cluster
from lab.base.paths import APPS
from lab.dev.parts import OWNER
from lab.kube import connect, manifests
from lab.kube.objects import HAS_READINESS, Obj, digest, in_namespace, ref
from lab.lab import Lab
from lab.mesh.protocols import Mesh

EXPORTED = "users"
BIG = "large-stuff"
NAMES = ("backend", EXPORTED, BIG)
_APP = APPS / "shared"


def objects(lab: Lab, cluster: str) -> list[Obj]:
    """Return the objects of the three services."""
    code: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shared-code", "labels": {SCENARIO_LABEL: OWNER}},
        "data": {"shared.py": Path(_APP / "shared.py").read_text(encoding="utf-8")},
    }
    rendered = [
        obj
        for name in NAMES
        for obj in manifests.render(
            _APP / "manifests" / "shared.yaml",
            name=name,
            image=lab.image("frontend", cluster),
            cluster=cluster,
            digest=digest([code])[:16],
        )
    ]
    return [in_namespace(obj, NAMESPACE) for obj in (code, *rendered)]


def start(lab: Lab, mesh: Mesh, cluster: Cluster) -> None:
    """Deploy the services to a cluster; in East, also export `users`."""
    kube, wanted = connect(cluster), objects(lab, cluster.name)
    lab.made_by_scenario(kube, OWNER).apply_all(wanted)
    kube.wait_ready([ref(o) for o in wanted if o["kind"] in HAS_READINESS], timeout_s=120, what="the shared services")
    if cluster == lab.east:
        mesh.export(EXPORTED, cluster.name)


def stop(lab: Lab, mesh: Mesh, cluster: Cluster) -> None:
    """Delete the services and the export."""
    if cluster == lab.east:
        mesh.unexport(EXPORTED, cluster.name)
    own = lab.made_by_scenario(connect(cluster), OWNER)
    for obj in reversed(objects(lab, cluster.name)):
        own.delete(ref(obj))
