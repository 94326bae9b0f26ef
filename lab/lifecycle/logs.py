"""What the clusters' workloads say, for a look and for a report. Secrets are never collected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.base.errors import CommandError, LabError
from lab.components.inventory import NAMESPACE as OWN_NAMESPACE
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import Obj, labels_of
from lab.lab import Lab
from lab.tools.docker import Docker

_NAME_LABELS = ("app.kubernetes.io/name", "app", "gateway.networking.k8s.io/gateway-name", "k8s-app", "component")
_KINDS = (
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Event"),
    ("apps/v1", "Deployment"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
)


def of_workload(lab: Lab, clusters: Iterable[str], workload: str, lines: int) -> Iterator[str]:
    """Yield the last lines that a workload's containers printed, each with where it comes from.

    Raises:
        LabError: no cluster has a workload of that name.
    """
    seen: set[str] = set()
    found = False
    for name in clusters:
        kube = connect(lab.clusters[name])
        for pod in kube.find("v1", "Pod"):
            names = {labels_of(pod).get(label, "") for label in _NAME_LABELS} - {""}
            seen |= names
            if workload in names:
                found = True
                yield from _lines(kube, pod, lines)
    if not found:
        raise LabError(f"there is no workload {workload!r}", next=f"one of: {', '.join(sorted(seen))}")


def _lines(kube: Kube, pod: Obj, lines: int) -> Iterator[str]:
    metadata = pod["metadata"]
    for container in _containers(pod):
        where = f"{kube.cluster.name} {metadata['name']} {container}"
        try:
            text = kube.logs(metadata["name"], namespace=metadata["namespace"], container=container, lines=lines)
        except KubeError as error:
            text = f"({error.what})"
        yield from (f"{where}: {line}" for line in text.splitlines())


def _containers(pod: Obj) -> list[str]:
    spec = pod["spec"]
    # A sidecar of the mesh is an init container that keeps running (KEP-753).
    sidecars = [c["name"] for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return [*(c["name"] for c in spec["containers"]), *sidecars]


def collect(lab: Lab, clusters: Iterable[str], folder: Path, *, lines: int = 5000) -> Path:
    """Write what clusters say and what is in them into a new folder, a folder for each, and return it.

    A cluster or container that does not answer leaves a note instead of an end.

    Raises:
        LabError: the folder is there already.
    """
    if folder.exists():
        raise LabError(f"{folder} is there already", next="name a new folder")
    docker = Docker()
    for name in clusters:
        place = folder / name
        place.mkdir(parents=True)
        try:
            (place / "node.log").write_text(docker.logs(lab.clusters[name].node), encoding="utf-8")
            _collect(connect(lab.clusters[name]), place, lines)
        except (KubeError, CommandError) as error:
            (place / "trouble.txt").write_text(f"{error}\n", encoding="utf-8")
    own = sorted(lab.paths.logs.glob("*.log")) if lab.paths.logs.exists() else []
    for log in own[-5:]:
        (folder / log.name).write_text(log.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def _collect(kube: Kube, place: Path, lines: int) -> None:
    for version, kind in _KINDS:
        found = kube.find(version, kind)
        (place / f"{kind.lower()}s.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        if kind == "Pod":
            for pod in found:
                file = place / f"{pod['metadata']['namespace']}-{pod['metadata']['name']}.log"
                file.write_text("\n".join(_lines(kube, pod, lines)) + "\n", encoding="utf-8")
    inventories = kube.find("v1", "ConfigMap", namespace=OWN_NAMESPACE)
    (place / "inventories.json").write_text(json.dumps(inventories, indent=1), encoding="utf-8")
