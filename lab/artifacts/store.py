"""The artifact store: find the files and images of artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.artifacts import entry as entries
from lab.artifacts import loaded, upstream
from lab.artifacts.catalog import Artifact, ArtifactKind, Catalog, default
from lab.artifacts.entry import Entry
from lab.artifacts.from_source import builders
from lab.artifacts.keys import UPSTREAM, Keys
from lab.artifacts.loaded import FromBundle, LoadedBundle, SourceDecision
from lab.artifacts.local import LocalStore
from lab.artifacts.published import Published
from lab.artifacts.recipe import KEY_LABEL
from lab.artifacts.resolver import NotFound, Resolver, Source, absent
from lab.base.errors import ArtifactError, HostError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec, LabSpec
from lab.tools.docker import Docker

TAG_PREFIX = "eastwest-lab"
"""Repository of every image that the lab makes: `eastwest-lab/<artifact>:<content key>`."""


class ArtifactStore:
    """Finds artifacts by name. It never builds or downloads; computing keys can ask registries.

    Args:
        paths: the lab's folders.
        spec: the configured source.
        catalog: all artifacts; the lab's own catalogue by default.
        docker: the engine that holds the images.
        bundle: a bundle whose sources are used, without asking any registry; by default the one that was loaded.
    """

    def __init__(
        self,
        *,
        paths: Paths,
        spec: ArtifactsSpec | None = None,
        catalog: Catalog | None = None,
        docker: Docker | None = None,
        bundle: LoadedBundle | None = None,
    ) -> None:
        self.paths = paths
        self.root = paths.artifacts
        self.spec = spec or ArtifactsSpec()
        self.catalog = catalog or default()
        self.docker = docker or Docker()
        self.recipes = {artifact.name: builders.of(artifact) for artifact in self.catalog if artifact.recipe}
        folder = Path(self.spec.local).expanduser() if self.spec.local else paths.local
        mirror = self.spec.mirror
        self.bundle = bundle or loaded.read(self.root)
        here: Source = LocalStore(docker=self.docker, mirror=mirror, folder=folder)
        asks = bundle is None and (self.spec.source != "packages" or mirror is not None)
        there = Published(catalog=self.catalog, mirror=mirror, asks=asks)
        if self.bundle is not None:
            here = FromBundle(decision=self.bundle.decision, here=here, there=there)
        self.taker = Resolver(here=here, there=there, before=self._taken_before)
        self._keys: Keys | None = None

    @classmethod
    def of(cls, spec: LabSpec, paths: Paths) -> ArtifactStore:
        """Return the store of a lab."""
        return cls(paths=paths, spec=spec.artifacts, catalog=default().with_images(spec.versions))

    @property
    def keys(self) -> Keys:
        """The content keys for the source that this machine uses."""
        if self._keys is None:
            if self.bundle is not None and self.spec.source == "auto":
                take = self.bundle.decision.upstream
            else:
                is_up = self.paths.kubeconfig.exists()
                take = upstream.chosen(self.spec, self.catalog, memory=self.root / "source", is_up=is_up)
            self._keys = Keys(self.catalog, self.recipes, upstream=take, taker=self.taker)
        return self._keys

    def with_sources(self, decision: SourceDecision) -> ArtifactStore:
        """Return this store as it would be after a bundle with this decision was loaded."""
        bundle = loaded.assumed(decision)
        return ArtifactStore(paths=self.paths, spec=self.spec, catalog=self.catalog, docker=self.docker, bundle=bundle)

    # For users of artifacts

    def binary(self, name: str) -> Path:
        """Return the path of a program.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        return self.file(name, f"bin/{name}")

    def file(self, name: str, rel: str) -> Path:
        """Return the path of one of an artifact's files.

        Raises:
            ArtifactError: it is missing or damaged.
        """
        entry = self._entry_or_raise(name)
        if rel not in entry.files:
            raise ArtifactError(f"{name} has no file {rel!r}; it has: {', '.join(entry.files)}")
        return entry.path / rel

    def below(self, name: str, rel: str) -> Iterator[tuple[Path, str]]:
        """Yield every file of an artifact below its folder `rel`, with its path from there; errors as `file`."""
        entry = self._entry_or_raise(name)
        for path in entry.files:
            if path.startswith(rel):
                yield entry.path / path, path.removeprefix(rel)

    def image(self, name: str) -> str:
        """Return the reference of an image in the engine and in the nodes' containerd.

        An image that is inside an existing node image counts as available.

        Raises:
            ArtifactError: it is missing.
        """
        reference = self.reference(name)
        if self.entry(name) is None and not self._is_baked(reference):
            raise self._absent(name)
        return reference

    # For builders

    def reference(self, name: str) -> str:
        """Return the reference of an artifact's image; upstream's reference if the lab never builds it."""
        artifact = self.catalog[name]
        if artifact.kind is not ArtifactKind.IMAGE:
            raise ArtifactError(f"{name} is not an image")
        if artifact.taken is not None and artifact.taken.image is not None:
            return artifact.taken.image
        return f"{TAG_PREFIX}/{name}:{self.keys[name]}"

    def folder(self, name: str) -> Path:
        """Return the folder of an artifact's entry, which may not exist yet."""
        return self.root / "entries" / name / self.keys[name]

    def entry(self, name: str) -> Entry | None:
        """Return an artifact's entry without checking its files; None if there is none."""
        return entries.read(self.folder(name))

    def problem(self, name: str, *, thorough: bool = False) -> str | None:
        """Return why an artifact is unusable; None if it is usable.

        Args:
            name: the artifact.
            thorough: compare digests, which reads every byte, instead of names and sizes only.
        """
        entry = self.entry(name)
        if entry is None:
            return "it is missing"
        if damage := entry.damage(thorough=thorough):
            return f"it is damaged: {damage}"
        if entry.image is not None:
            try:
                image = self.docker.image(entry.image)
            except HostError as error:  # an engine that is not installed yet has no images
                return error.what
            if image is None:
                return "the engine does not have its image any more"
            # A lab with another cache folder may have built it again: the same key means the same content.
            if image.id != entry.image_id and image.labels.get(KEY_LABEL) != entry.key:
                return "the engine has another image under its name"
        return None

    def unobtainable(self, names: Iterable[str]) -> ArtifactError | None:
        """Return the error that names the unavailable artifacts among these and their parts, or None."""
        needed: dict[str, None] = {}
        left = [*names][::-1]
        while left:
            if (name := left.pop()) not in needed:
                needed[name] = None
                left += reversed(self.keys.needs(name))
        taken = [self.catalog[name] for name in needed if self.keys.is_taken(name)]
        missing = [(artifact, found) for artifact in taken if isinstance(found := self.taker.find(artifact), NotFound)]
        return absent(missing) if missing else None

    def all_entries(self) -> Iterator[Entry]:
        """Yield every entry, whatever its key."""
        for folder in sorted((self.root / "entries").glob("*")):
            yield from self.entries_of(folder.name)

    def entries_of(self, name: str) -> Iterator[Entry]:
        """Yield an artifact's entries, whatever their keys."""
        for folder in sorted((self.root / "entries" / name).glob("*")):
            if (found := entries.read(folder)) is not None:
                yield found

    def estimate_s(self, artifact: Artifact) -> float:
        """Return the expected build time: that of the last real build here, else the catalogue's estimate."""
        built = [e for e in self.entries_of(artifact.name) if e.duration_s >= 1]
        return max(built, key=lambda e: e.built_at).duration_s if built else artifact.estimate_s

    def _entry_or_raise(self, name: str) -> Entry:
        found = self.entry(name)
        if found is None:
            raise self._absent(name)
        if damage := found.damage(thorough=False):
            raise ArtifactError(f"{name} is damaged: {damage}", next=f"lab artifacts build {name}")
        return found

    def _taken_before(self, artifact: Artifact) -> Iterator[Entry]:
        """Yield an artifact's earlier entries: undamaged files, images inside a node image, upstream's builds."""
        nodes = [n for a in self.catalog if a.recipe == "bake" for n in self.entries_of(a.name)]
        for found in self.entries_of(artifact.name):
            if found.source == UPSTREAM:
                yield found
            elif found.image is None:
                if found.damage(thorough=False) is None:
                    yield found
            elif any(found.image in node.baked and self._has_image(node) for node in nodes):
                yield found

    def _has_image(self, entry: Entry) -> bool:
        try:
            return entry.image is not None and self.docker.image(entry.image) is not None
        except HostError:
            return False

    def _is_baked(self, reference: str) -> bool:
        nodes = (self.entry(a.name) for a in self.catalog if a.recipe == "bake")
        return any(node is not None and reference in node.baked for node in nodes)

    def _absent(self, name: str) -> ArtifactError:
        artifact = self.catalog[name]
        if self.keys.is_taken(name) and isinstance(found := self.taker.find(artifact), NotFound):
            return absent([(artifact, found)])
        return ArtifactError(
            f"{name} {artifact.version} is not built on this machine", next=f"lab artifacts build {name}"
        )
