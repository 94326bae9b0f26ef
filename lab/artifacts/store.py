"""The artifact store: find the files and images of artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.artifacts import entry as entries
from lab.artifacts.catalog import Artifact, ArtifactKind, Catalog, default
from lab.artifacts.decisions import NOWHERE, Decisions, Memory, cannot_build
from lab.artifacts.entry import Entry
from lab.artifacts.from_source import builders
from lab.artifacts.keys import Keys
from lab.artifacts.local import LocalStore
from lab.artifacts.pins import FILE_NAME, Pins
from lab.artifacts.published import Published
from lab.artifacts.recipe import KEY_LABEL
from lab.artifacts.resolver import LOCAL, MIRROR, UPSTREAM, Resolver, absent, upstream_of
from lab.base.errors import ArtifactError, HostError
from lab.base.paths import Paths, expanded
from lab.config import ArtifactsSpec, LabSpec
from lab.tools.docker import Docker

TAG_PREFIX = "eastwest-lab"
"""Repository of every image that the lab makes: `eastwest-lab/<artifact>:<content key>`."""


class ArtifactStore:
    """Finds artifacts by name. It never builds or downloads; the first use of an artifact's key can ask registries.

    Args:
        paths: the lab's folders.
        spec: the configured source.
        catalog: all artifacts; the lab's own catalogue by default.
        docker: the engine that holds the images.
        lock: the lab's lab.lock; by default one in the cache, for a lab without a lab.toml.
        asks: whether it may ask registries; without, it finds only what this machine has.
    """

    def __init__(
        self,
        *,
        paths: Paths,
        spec: ArtifactsSpec | None = None,
        catalog: Catalog | None = None,
        docker: Docker | None = None,
        lock: Path | None = None,
        asks: bool = True,
    ) -> None:
        self.paths = paths
        self.root = paths.artifacts
        self.spec = spec or ArtifactsSpec()
        self.catalog = catalog or default()
        self.docker = docker or Docker()
        self.pins = Pins(file=lock or self.root / FILE_NAME, guard=self.root / "locks" / f"{FILE_NAME}.lock")
        self.recipes = {artifact.name: builders.of(artifact) for artifact in self.catalog if artifact.recipe}
        folder = expanded(self.spec.local) if self.spec.local else paths.local
        mirror = self.spec.mirror
        here = LocalStore(docker=self.docker, mirror=mirror, folder=folder)
        asks_upstream = asks and (self.spec.source != "packages" or mirror is not None)
        there = Published(catalog=self.catalog, pins=self.pins, mirror=mirror, asks=asks_upstream)
        self.resolver = Resolver(here=here, there=there, before=self._taken_before, pins=self.pins)
        memory = Memory(
            file=self.root / "decisions" / f"{paths.state.name}.json",
            is_up=paths.kubeconfig.exists(),
            read_only=not asks,
        )
        self.decisions = Decisions(
            catalog=self.catalog,
            setting=self.spec.source,
            resolver=self.resolver,
            memory=memory,
            cannot_build=cannot_build,
        )
        self.keys = Keys(self.catalog, self.recipes, decisions=self.decisions, pins=self.pins)

    @classmethod
    def of(cls, spec: LabSpec, paths: Paths) -> ArtifactStore:
        """Return the store of a lab."""
        lock = spec.file.with_name(FILE_NAME) if spec.file else None
        return cls(paths=paths, spec=spec.artifacts, catalog=default().with_images(spec.versions), lock=lock)

    def offline(self) -> ArtifactStore:
        """Return a store of the same artifacts that asks no registry: it finds what this machine has."""
        return ArtifactStore(
            paths=self.paths,
            spec=self.spec,
            catalog=self.catalog,
            docker=self.docker,
            lock=self.pins.file,
            asks=False,
        )

    def is_from_bundle(self, names: Iterable[str]) -> bool:
        """Return whether a loaded bundle decided where all of these and their parts come from."""
        left, known = list(names), set[str]()
        while left:
            name = left.pop()
            if not self.decisions.is_from_bundle(name):
                return False
            known.add(name)
            left += [need for need in self.keys.needs(name) if need not in known]
        return True

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

    def pulled_as(self, name: str) -> str:
        """Return the reference by which an existing cluster pulls an image: upstream's, or one in the lab's registry.

        The tag in the registry names the image's content, so that a node never uses an older one of that name.

        Raises:
            ArtifactError: upstream does not have it, and lab.toml names no registry, or this machine has no such image.
        """
        if self.source(name) in {UPSTREAM, MIRROR}:
            return self.reference(name)
        if self.spec.registry is None:
            raise ArtifactError(
                f"upstream does not have the image {name}, so existing clusters pull it from a registry of yours",
                next='set registry = "HOST/PREFIX" under [artifacts] in lab.toml',
            )
        if self.keys.is_built(name):
            tag = self.keys[name]
        else:
            entry = self._entry_or_raise(name)
            content = (entry.image_id or "").removeprefix("sha256:")[:12]
            tag = f"{self.reference(name).rpartition(':')[2]}-{content}"
        return f"{self.spec.registry}/{name}:{tag}"

    def is_pushed(self, name: str) -> bool:
        """Return whether existing clusters pull an image from the lab's own registry, and not from upstream's."""
        return self.source(name) not in {UPSTREAM, MIRROR}

    # For builders

    def reference(self, name: str) -> str:
        """Return the reference of an artifact's image: upstream's own, or the lab's for an image that it built."""
        artifact = self.catalog[name]
        if artifact.kind is not ArtifactKind.IMAGE:
            raise ArtifactError(f"{name} is not an image")
        if self.keys.is_built(name):
            return f"{TAG_PREFIX}/{name}:{self.keys[name]}"
        return upstream_of(artifact).reference or ""

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
            # An image's digest is in its key: one with another digest than lab.lock's has another entry.
            others = (self._mismatch(other) for other in self.entries_of(name))
            return next(filter(None, others), "it is missing")
        if damage := entry.damage(thorough=thorough):
            return f"it is damaged: {damage}"
        return self._mismatch(entry) or (self._image_problem(entry, entry.image) if entry.image is not None else None)

    def _image_problem(self, entry: Entry, reference: str) -> str | None:
        try:
            image = self.docker.image(reference)
        except HostError as error:  # an engine that is not installed yet has no images
            return error.what
        if image is None:
            return "the engine does not have its image any more"
        # A lab with another cache folder may have built it again: the same key means the same content.
        if image.id != entry.image_id and image.labels.get(KEY_LABEL) != entry.key:
            return "the engine has another image under its name"
        return None

    def is_inside(self, name: str) -> bool:
        """Return whether an artifact's image is inside a node image that the engine has."""
        reference = self.reference(name)
        return any(reference in node.baked and self._has_image(node) for node in self._nodes())

    def is_built(self, name: str) -> bool:
        """Return whether the lab builds an artifact, instead of using upstream's build."""
        return self.keys.is_built(name)

    def source(self, name: str) -> str:
        """Return where an artifact came from, or would come from: a source of `resolver`, or `nowhere`."""
        entry = self.entry(name)
        return entry.source if entry is not None else self.decisions[name].source

    def unobtainable(self, names: Iterable[str]) -> ArtifactError | None:
        """Return the error that names the unavailable artifacts among these and their parts, or None."""
        needed = [name for name in self.keys.closure(names) if self.decisions[name].source == NOWHERE]
        missing = [(self.catalog[name], why) for name in needed if (why := self.decisions[name].why)]
        return absent(missing) if missing else None

    def taken_before(self, name: str) -> Entry | None:
        """Return an undamaged entry, whatever its key, with the same files that the artifact's decision found."""
        match = self.decisions[name].match
        same = [
            entry
            for entry in self.entries_of(name)
            if match is not None and entry.image is None and entry.notes.get("identity") == match.identity
        ]
        return next((entry for entry in same if entry.damage(thorough=True) is None), None)

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

    def _mismatch(self, entry: Entry) -> str | None:
        """Return why lab.lock or the catalogue does not allow an entry of upstream's build; None if they do."""
        artifact = self.catalog[entry.name]
        if entry.source not in {UPSTREAM, MIRROR} or self.keys.is_built(entry.name):
            return None
        if entry.version != artifact.version_from(upstream=True):
            return None
        pin, identity = self.pins.pin(artifact), entry.notes.get("identity")
        if pin is None or pin.digest == identity:
            return None
        return f"it has the digest {identity}, not {pin.digest} as {pin.by} says"

    def _taken_before(self, artifact: Artifact) -> Iterator[Entry]:
        """Yield the earlier entries of upstream's builds: undamaged files, images inside a node image, upstream's."""
        nodes = [n for a in self.catalog if a.recipe == "bake" for n in self.entries_of(a.name)]
        for found in self.entries_of(artifact.name):
            if found.source in {UPSTREAM, MIRROR}:
                yield found
            elif found.source != LOCAL:
                continue
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
        return any(reference in node.baked for node in self._nodes())

    def _nodes(self) -> Iterator[Entry]:
        """Yield the entries of this version's node images with images inside."""
        nodes = (self.entry(artifact.name) for artifact in self.catalog if artifact.recipe == "bake")
        return (node for node in nodes if node is not None)

    def _absent(self, name: str) -> ArtifactError:
        artifact, decision = self.catalog[name], self.decisions[name]
        if decision.source == NOWHERE and decision.why is not None:
            return absent([(artifact, decision.why)])
        built = self.keys.is_built(name)
        done, version = "built on" if built else "pulled to", artifact.version_from(upstream=not built)
        return ArtifactError(f"{name} {version} is not {done} this machine", next=f"lab artifacts build {name}")
