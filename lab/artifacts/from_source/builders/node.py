"""Build the node image, from which kind creates Kubernetes nodes (kind's "node image" contract)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.artifacts import archive, folders
from lab.artifacts.archive import ImageSpec
from lab.artifacts.from_source.builders.containerd import Importer
from lab.artifacts.from_source.builders.image import dockerfile_steps, made_image
from lab.artifacts.recipe import BuildContext, BuildResult, link_or_copy, usual_modes
from lab.base import events

_FOLDER = "node"
_ON_NODE = ("kubelet", "kubeadm", "kubectl")
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_CNI = ("host-local", "loopback", "portmap", "ptp")
_PROVISIONER = "docker.io/eastwest-lab/local-path-provisioner:node"
_HELPER = "docker.io/eastwest-lab/local-path-helper:node"


@dataclass(frozen=True, kw_only=True)
class NodeBase:
    """Build a node image with the control plane's images inside.

    Args:
        etcd: kubeadm's reference of etcd's image in this version (`kubeadm config images list`).
        coredns: kubeadm's reference of CoreDNS's image.
        pause: kubeadm's reference of the pause image, which containerd uses as well.
    """

    revision: ClassVar[int] = 1
    etcd: str
    coredns: str
    pause: str

    def needs(self) -> Iterable[str]:
        """Return the artifacts in the node image."""
        return (
            "node-rootfs",
            "iptables-rootfs",
            "shell-rootfs",
            "kubernetes",
            "cni",
            "etcd",
            "coredns",
            "pause",
            "local-path-provisioner",
        )

    def inputs(self) -> Iterable[Path]:
        """Return the node's own files."""
        return (folders.find(_FOLDER),)

    def build(self, work: BuildContext) -> BuildResult:
        """Build the node's file system, then import the control plane's images into its containerd."""
        context = work.scratch / "context"
        self._fill(work, context)
        machine = f"{work.reference}-machine"
        work.docker.build(context, tags=[machine], labels=work.labels, on_line=dockerfile_steps())
        try:
            events.progress("packing the control plane's images")
            images = work.scratch / "control-plane.tar"
            tags = archive.write(images, self._images(work))
            with Importer(work, base=machine) as importer:
                importer.load(images, tags=tags)
                importer.commit(work.reference)
        finally:
            work.docker.remove_image(machine)
        return made_image(work)

    def _fill(self, work: BuildContext, context: Path) -> None:
        shutil.copytree(folders.find(_FOLDER), context)
        link_or_copy(work.needs.file("node-rootfs", "rootfs.tar"), context / "rootfs.tar")
        for name in _ON_NODE:
            link_or_copy(work.needs.file("kubernetes", f"bin/{name}"), context / "bin" / name)
        for name in _CNI:
            link_or_copy(work.needs.file("cni", f"bin/{name}"), context / "cni" / name)
        values = {"@PAUSE_IMAGE@": self.pause, "@HELPER_IMAGE@": _HELPER, "@PROVISIONER_IMAGE@": _PROVISIONER}
        for rel in ("etc/containerd/config.toml", "kind/manifests/default-storage.yaml"):
            file = context / "files" / rel
            text = file.read_text(encoding="utf-8")
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            file.write_text(text, encoding="utf-8")
        (context / "files/kind/version").write_text(f"v{work.artifact.version}", encoding="utf-8")
        usual_modes(context)

    def _images(self, work: BuildContext) -> Iterator[ImageSpec]:
        iptables = work.needs.file("iptables-rootfs", "rootfs.tar")
        shell = work.needs.file("shell-rootfs", "rootfs.tar")

        def program(artifact: str, name: str) -> Path:
            binary = work.needs.file(artifact, f"bin/{name}")
            return archive.layer_of({f"usr/local/bin/{name}": binary}, work.scratch / f"{name}.tar")

        def one(tag: str, artifact: str, name: str, *below: Path) -> ImageSpec:
            path = f"/usr/local/bin/{name}"
            return ImageSpec(tags=(tag,), layers=(*below, program(artifact, name)), entrypoint=(path,))

        for name in _CONTROL_PLANE:
            yield one(self._kubernetes(work, name), "kubernetes", name)
        yield one(self._kubernetes(work, "kube-proxy"), "kubernetes", "kube-proxy", iptables)
        yield one(self.etcd, "etcd", "etcd")
        yield one(self.coredns, "coredns", "coredns")
        yield one(self.pause, "pause", "pause")
        yield one(_PROVISIONER, "local-path-provisioner", "local-path-provisioner")
        yield ImageSpec(tags=(_HELPER,), layers=(shell,))

    def _kubernetes(self, work: BuildContext, name: str) -> str:
        # kubeadm's references; the node image has the images, so the nodes never pull from this registry.
        registry = self.pause.rpartition("/")[0]
        return f"{registry}/{name}:v{work.artifact.version}"
