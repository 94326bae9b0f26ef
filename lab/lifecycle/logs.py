"""Read logs of workloads, and export logs and objects of clusters without keys and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.base.errors import CommandError, UsageError
from lab.base.redaction import redact
from lab.clusters import provider
from lab.components.inventory import NAMESPACE as OWN_NAMESPACE
from lab.kube import Kube, KubeError, connect
from lab.kube.manifests import dump
from lab.kube.objects import NAME_LABELS, Obj, labels_of
from lab.lab import Lab
from lab.lifecycle import objects


def of_workload(lab: Lab, clusters: Iterable[str], workload: str, lines: int) -> Iterator[str]:
    """Yield the last log lines of a workload's containers, each with its cluster, pod and container.

    Raises:
        UsageError: a workload of that name does not exist in any cluster.
    """
    known: set[str] = set()
    exists = False
    for name in clusters:
        kube = connect(lab.clusters[name])
        for pod in kube.find("v1", "Pod"):
            names = {labels_of(pod).get(label, "") for label in NAME_LABELS} - {""}
            known |= names
            if workload in names:
                exists = True
                yield from _lines(kube, pod, lines)
    if not exists:
        choice = f"name one of: {', '.join(sorted(known))}" if known else "lab status"
        raise UsageError(f"unknown workload {workload!r}", next=choice)


def _lines(kube: Kube, pod: Obj, lines: int) -> Iterator[str]:
    metadata = pod["metadata"]
    for container in _containers(pod):
        prefix = f"{kube.cluster.name} {metadata['name']} {container}"
        try:
            text = kube.logs(metadata["name"], namespace=metadata["namespace"], container=container, lines=lines)
        except KubeError as error:
            text = f"({error.what})"
        yield from (f"{prefix}: {line}" for line in text.splitlines())


def _containers(pod: Obj) -> list[str]:
    spec = pod["spec"]
    # A sidecar of the mesh is an init container that keeps running (KEP-753).
    sidecars = [c["name"] for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return [*(c["name"] for c in spec["containers"]), *sidecars]


def collect(lab: Lab, clusters: Iterable[str], folder: Path, *, lines: int = 5000) -> Path:
    """Write logs and objects of clusters into a new folder, with a subfolder for each cluster, and return it.

    Keys and tokens are left out; the folder has mode 0700. For a cluster or container that does not answer, the error
    is written instead.

    Raises:
        UsageError: the folder exists.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists", next="name a folder that does not exist")
    folder.mkdir(parents=True, mode=0o700)
    shell, kinds = provider().shell, objects.kinds_of(lab)
    for name in clusters:
        subfolder = folder / name
        subfolder.mkdir()
        try:
            _write(subfolder / "node.log", shell.logs(lab.clusters[name]))
            kube = connect(lab.clusters[name])
            objects.write(kube, kinds, subfolder)
            for pod in kube.find("v1", "Pod"):
                file = subfolder / f"{pod['metadata']['namespace']}-{pod['metadata']['name']}.log"
                _write(file, "\n".join(_lines(kube, pod, lines)))
            inventories = kube.find("v1", "ConfigMap", namespace=OWN_NAMESPACE)
            _write(subfolder / "inventories.yaml", dump(inventories))
        except (KubeError, CommandError) as error:
            _write(subfolder / "trouble.txt", str(error))
    own = sorted(lab.paths.logs.glob("*.log")) if lab.paths.logs.exists() else []
    for log in own[-5:]:
        _write(folder / log.name, log.read_text(encoding="utf-8"))
    return folder


def _write(file: Path, text: str) -> None:
    file.write_text(f"{redact(text).rstrip()}\n", encoding="utf-8")
