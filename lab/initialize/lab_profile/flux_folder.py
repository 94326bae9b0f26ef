"""Put the extras as a folder into the registry that Flux reads from: the same objects that `lab up` applies.

It has the stages of the folder that `lab initialize` writes. What the lab's own components install is not in it: Flux
does not undo what scenarios change.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base import process
from lab.base.names import Cluster
from lab.components import inventory
from lab.components.base import ManifestComponent
from lab.initialize.archive import add_files
from lab.initialize.lab_profile.components import PREFIX, Extra, name_of
from lab.initialize.model import ApplyStage
from lab.initialize.objects import config_map
from lab.initialize.options.delivery import FLUX, PUSH, REGISTRY, REGISTRY_PORT, REPOSITORY
from lab.initialize.tree import kustomization
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import Obj, labelled
from lab.lab import Lab

_FILE = "objects.yaml"
_PUSH_S = 60


@dataclass(frozen=True, kw_only=True)
class FluxFolder(ManifestComponent):
    """The folder, and a ConfigMap with its digest, by which a second `lab up` knows that it is there.

    Args:
        parts: the extras.
        run: runs kubectl.
    """

    parts: tuple[Extra, ...]
    run: process.Run = process.run
    name: str = f"{PREFIX}flux-folder"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the ConfigMap."""
        digest = hashlib.sha256(_tar(self._files(lab, cluster)).encode()).hexdigest()
        return [config_map("eastwest-folder", FLUX, {"sha256": digest})]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Push the folder, and let Flux apply it.

        Raises:
            CommandError: the registry refused it.
        """
        place = (f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}", f"--namespace={FLUX}")
        argv: list[str | Path] = [lab.artifacts.binary("kubectl"), *place, *PUSH]
        self.run(argv, input=_tar(self._files(lab, cluster)), timeout_s=_PUSH_S)
        _resume(lab, connect(cluster))

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the registry still has it: it keeps nothing when its pod is replaced."""
        del lab
        place = f"/api/v1/namespaces/{FLUX}/services/{REGISTRY}:{REGISTRY_PORT}/proxy/v2"
        try:
            return "latest" in json.loads(connect(cluster).read(f"{place}/{REPOSITORY}/tags/list"))["tags"]
        except (KubeError, ValueError, KeyError, TypeError):
            return False

    def _files(self, lab: Lab, cluster: Cluster) -> dict[str, str]:
        by_stage: dict[ApplyStage, list[Obj]] = {stage: [] for stage in ApplyStage}
        for part in self.parts:
            labels = lab.owner(part.name).labels
            by_stage[part.stage] += [labelled(obj, labels) for obj in part.objects(lab, cluster)]
        files: dict[str, str] = {}
        for stage, objects in by_stage.items():
            # Flux refuses a stage without any object.
            wanted = objects or [config_map(f"eastwest-{stage.value}", FLUX, {"stage": "has no objects"})]
            folder = f"clusters/{cluster.name}/{stage.value}"
            files[f"{folder}/kustomization.yaml"] = kustomization([_FILE])
            # JSON is YAML, and ASCII: it is the same text in every encoding.
            files[f"{folder}/{_FILE}"] = "---\n".join(f"{json.dumps(obj, sort_keys=True)}\n" for obj in wanted)
        return files


def _tar(files: Mapping[str, str]) -> str:
    """Return a tar archive of ASCII files; the same files give the same archive. crane compresses it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        add_files(archive, dict(sorted(files.items())))
    return stream.getvalue().decode("ascii")


def _resume(lab: Lab, kube: Kube) -> None:
    """Let Flux reconcile again: the removal of another profile's extras suspends it."""
    name = name_of(ApplyStage.WIRING, "flux")
    known = inventory.read(kube, name)
    for of in known.generations if known else ():
        obj = kube.get(of)
        if obj is not None and obj.get("spec", {}).get("suspend"):
            inventory.owned_with(lab, kube, name, known).patch(of, {"spec": {"suspend": None}})
