"""Upstream's YAML for the initializer, from the artifact store; and the lab's own components, for upstream's images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab import config
from lab.artifacts.from_source.builders.module import CRDS, OBJECTS
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.components.rendering import Rendering
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh.issuers import anchor_command, issuer_command
from lab.stacks import STACKS
from lab.stacks.linkerd import control_plane, emissary, multicluster, viz

NAME = "eastwest"
CLUSTERS = ("east", "west")
"""The clusters of every rendering; a single cluster is East, so that West can be added later."""


class _PublicImages(ArtifactStore):
    """The store, with the images' public names: clusters that are not the lab's have no images that the lab built."""

    def image(self, name: str) -> str:
        """Return upstream's reference; for an image that only the lab builds, its name with the version."""
        artifact = self.catalog[name]
        if artifact.upstream is None or artifact.upstream.image is None:
            return f"eastwest-lab/{name}:{artifact.version}"
        return artifact.upstream.image

    def is_built(self, name: str) -> bool:
        """Return False: the images are upstream's builds."""
        del name
        return False


class LabSources:
    """Implements `model.Sources` with a lab's store and specification. It downloads nothing: `missing` says what lacks.

    Args:
        lab: the lab; renderings are cached in its state folder.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.store: ArtifactStore = lab.artifacts

    @cache  # noqa: B019 - as long as these sources
    def crds(self, artifact: str) -> str:
        """Return the CRDs of a manifests artifact as YAML; empty if it has none."""
        return self._read(artifact, CRDS)

    @cache  # noqa: B019
    def objects(self, artifact: str) -> Sequence[Obj]:
        """Return its other objects."""
        return manifests.parse(self._read(artifact, OBJECTS), source=artifact)

    @cache  # noqa: B019
    def component(self, stack: str, name: str, cluster: str) -> Rendering:
        """Return a component of one of the lab's stacks, as `lab render` writes it."""
        with self._rendering() as lab:
            with_viz = replace(lab, spec=lab.spec.model_copy(update={"viz": True}))
            component = STACKS[stack].components(with_viz if name == "linkerd-viz" else lab)[name].component
            return component.rendering(lab, lab.clusters[cluster])

    @contextmanager
    def _rendering(self) -> Iterator[Lab]:
        """Yield the lab for the time of one rendering."""
        yield self.lab

    @cache  # noqa: B019
    def links(self, stack: str, cluster: str) -> Sequence[Rendering]:
        """Return what a cluster has of the links between the clusters."""
        lab = self.lab
        parts = [
            part
            for source in lab.clusters
            for target in lab.clusters
            if source != target
            for part in STACKS[stack].link_components(lab, source, target)
        ]
        return [part.component.rendering(lab, lab.clusters[cluster]) for part in parts if part.cluster == cluster]

    def image(self, artifact: str) -> str:
        """Return upstream's reference of an image of the catalogue, or the lab's for one that only the lab builds."""
        return self.store.image(artifact)

    @property
    def anchor_command(self) -> str:
        """The command that creates a trust anchor in the working directory: anchor.crt and anchor.key."""
        return anchor_command(self.lab)

    @property
    def public_images(self) -> Sequence[str]:
        """Upstream's references of all images of the catalogue."""
        return [one.upstream.image for one in self.store.catalog if one.upstream and one.upstream.image]

    def unavailable(self, artifact: str) -> ArtifactError | None:
        """Return why no source has an artifact that this machine does not have; None if it is or can be here."""
        return None if self.store.problem(artifact) is None else self.store.unobtainable([artifact])

    def values(self, chart: str, cluster: str) -> Mapping[str, Any]:
        """Return the settings with which the lab renders a chart of upstream's."""
        domain = self.lab.spec.clusters[cluster].trust_domain
        match chart:
            case "linkerd":
                controller, proxy = self.image("linkerd-controller"), self.image("linkerd-proxy")
                values = control_plane.control_plane_values(domain, controller=controller, proxy=proxy)
                # The chart has these variables already, and the API server refuses one that is there twice; the lab
                # removes the chart's.
                return {**values, "proxy": {k: v for k, v in values["proxy"].items() if k != "additionalEnv"}}
            case "multicluster":
                return multicluster.extension_values(self.lab, cluster)
            case "linkerd-viz":
                return viz.chart_values(domain, {name: self.image(name) for name in viz.IMAGES})
            case "emissary-chart":
                repository, _, tag = self.image("emissary").rpartition(":")
                return emissary.chart_values(repository, tag)
            case _:
                raise ValueError(f"the lab renders no chart {chart}")

    def issuer_command(self, cluster: str) -> str:
        """Return the command that creates a cluster's issuer beside the trust anchor: issuer-NAME.crt and .key."""
        return issuer_command(self.lab, self.lab.clusters[cluster])

    def missing(self, artifacts: Iterable[str]) -> list[str]:
        """Return those of the artifacts that the store does not have."""
        return [name for name in artifacts if self.store.problem(name) is not None]

    def _read(self, artifact: str, name: str) -> str:
        entry = self.store.entry(artifact)
        if entry is None:
            raise ArtifactError(f"{artifact} is not on this machine", next=f"lab artifacts build {artifact}")
        return (entry.path / name).read_text(encoding="utf-8") if name in entry.files else ""


@dataclass(frozen=True, kw_only=True)
class _ThrowawayKeys(Paths):
    """Folders of which the one for keys is somewhere else."""

    keys: Path

    @property
    def pki(self) -> Path:
        """The trust anchor and the issuers that it signed."""
        return self.keys


class StoreSources(LabSources):
    """The sources of a folder for any cluster: a lab with the default lab.toml, and upstream's images.

    Upstream's programs render with a trust anchor and issuers only. No folder has anything of these, and they are
    deleted after each rendering: create-secrets.sh creates others.

    Args:
        paths: the folders of this machine; renderings are cached in `paths.initializer`, without private keys.
    """

    def __init__(self, paths: Paths) -> None:
        paths = replace(paths, state=paths.initializer)
        spec = config.parse(f'name = "{NAME}"\n', source="the initializer's lab")
        super().__init__(Lab(spec=spec, paths=paths, artifacts=_PublicImages(paths=paths), keeps_keys=False))

    @contextmanager
    def _rendering(self) -> Iterator[Lab]:
        with TemporaryDirectory(prefix="lab-initialize-keys-") as keys:
            paths = self.lab.paths
            elsewhere = _ThrowawayKeys(cache=paths.cache, state=paths.state, local=paths.local, keys=Path(keys))
            yield replace(self.lab, paths=elsewhere)
