"""Load a bundle: check it, then put its artifacts into the store and its images into the engine.

Each artifact is complete or missing afterwards, so loading again after an interruption continues.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lab import __version__
from lab.artifacts import entry as entries
from lab.artifacts.bundle import images as archives
from lab.artifacts.bundle import manifest as manifests
from lab.artifacts.bundle import space
from lab.artifacts.bundle.manifest import BundledArtifact, BundledImages, BundlePlatform
from lab.artifacts.bundle.members import BundleReader
from lab.artifacts.catalog import Artifact, ArtifactKind
from lab.artifacts.entry import Entry, FileRecord
from lab.artifacts.make import locked, workspace
from lab.artifacts.store import TAG_PREFIX, ArtifactStore
from lab.base import environment, events
from lab.base.errors import ArtifactError, LabError
from lab.host.machine import Machine
from lab.host.origin import origin_of
from lab.host.products import Site

_ENGINE_COPIES = 2
"""An engine unpacks the archive before it stores the layers."""


@dataclass(frozen=True, kw_only=True)
class LoadedReport:
    """The result of loading a bundle; `lab` is the version that saved it."""

    file: str
    lab: str
    platform: str
    loaded: tuple[str, ...]
    """Artifacts that were put into the store."""
    present: tuple[str, ...]
    """Artifacts that the store had already, undamaged."""
    other: tuple[str, ...]
    """Artifacts of another version of the lab, which were left out."""
    stacks: tuple[str, ...]
    """Stacks for which `lab up` needs nothing else."""
    incomplete: tuple[str, ...]
    """Stacks for which an artifact was left out."""


def load(store: ArtifactStore, file: Path) -> LoadedReport:
    """Load a bundle; asks no network. Artifacts that the store has already are skipped.

    Args:
        store: the store to load into.
        file: the bundle.

    Raises:
        UsageError: the file does not exist.
        ArtifactError: the bundle is damaged, for another platform, would replace images that this lab does not use, or
            none of its artifacts fits this lab.
        HostError: a disk has too little space, or no engine answers.
        LabError: the lab is up, and has its artifacts from elsewhere.
    """
    with BundleReader(file) as bundle:
        return _Load(store, bundle).run()


class _Load:
    def __init__(self, store: ArtifactStore, bundle: BundleReader) -> None:
        self._bundle = bundle
        self._manifest = bundle.manifest
        self._lab = store
        self._store = store.offline()
        self._where = str(bundle.file)

    def run(self) -> LoadedReport:
        self._check_platform()
        self._assume()
        fitting = self._fitting()
        self._check_not_in_use(fitting)
        todo = [a for a in fitting if self._store.problem(a.name, thorough=True) is not None]
        images = [artifact for artifact in todo if artifact.image is not None]
        if images:
            self._check_replaces_nothing(fitting)
        self._check_space(todo, with_images=bool(images))
        for number, artifact in enumerate(todo, start=1):
            if artifact.image is None:
                events.progress(f"{artifact.name} ({number} of {len(todo)})")
                self._publish(artifact)
        if images and self._manifest.images is not None:
            self._load_images(images, self._manifest.images)
        names = {artifact.name for artifact in fitting}
        ready = [stack for stack, needed in self._manifest.stacks.items() if names.issuperset(needed)]
        decided = self._store.keys.closure(name for stack in ready for name in self._manifest.stacks[stack])
        self._lab.decisions.keep_from_bundle(decided, self._store.decisions)
        loaded = {artifact.name for artifact in todo}
        return LoadedReport(
            file=self._where,
            lab=self._manifest.lab,
            platform=str(self._manifest.platform),
            loaded=tuple(a.name for a in fitting if a.name in loaded),
            present=tuple(a.name for a in fitting if a.name not in loaded),
            other=tuple(a.name for a in self._manifest.artifacts if a.name not in names),
            stacks=tuple(ready),
            incomplete=tuple(stack for stack in self._manifest.stacks if stack not in ready),
        )

    # Checks; nothing is changed yet

    def _check_platform(self) -> None:
        here = BundlePlatform.here(self._store.docker)
        if self._manifest.platform != here:
            raise ArtifactError(
                f"the bundle is for {self._manifest.platform}; this machine is {here}",
                where=self._where,
                next="lab bundle save, on a machine like this one that has the artifacts",
            )

    def _assume(self) -> None:
        """Use the bundle's decisions, as if they were this machine's own."""
        catalog, pins = self._store.catalog, self._store.pins
        given = {}
        for name, bundled in self._manifest.decisions.items():
            decision = bundled.decision()
            if name not in catalog:
                continue
            artifact = catalog[name]
            if bundled.version != artifact.version_from(upstream=decision.match is not None):
                continue  # of another version of the lab
            pin = pins.pin(artifact) if decision.match and artifact.upstream else None
            if pin is not None and decision.match and decision.match.identity not in {"", pin.digest}:
                raise ArtifactError(
                    f"the bundle has {artifact.title} with the digest {decision.match.identity}, "
                    f"not {pin.digest} as {pin.by} says",
                    where=self._where,
                    next="save the bundle again with the same lab.lock; or, if you trust the bundle, delete that line",
                )
            given[name] = decision
        self._store.decisions.assume(given)

    def _fitting(self) -> list[BundledArtifact]:
        """Return the artifacts whose content key is the same in this version of the lab."""
        fitting = [a for a in self._manifest.artifacts if a.name in self._store.catalog and self._fits(a)]
        if fitting:
            return fitting
        source = self._store.spec.source
        fix = f"install lab {self._manifest.lab}, or save the bundle again with lab {__version__}"
        if source != "auto":
            fix = f'omit source = "{source}" under [artifacts] in lab.toml: the bundle has another source; or {fix}'
        count = len(self._manifest.artifacts)
        raise ArtifactError(
            f"the bundle does not fit: lab {self._manifest.lab} saved it, this is lab {__version__}, "
            f"and none of its {count} artifacts has the same content key",
            where=self._where,
            next=fix,
        )

    def _fits(self, bundled: BundledArtifact) -> bool:
        if self._store.keys[bundled.name] != bundled.key:
            return False
        is_image = self._store.catalog[bundled.name].kind is ArtifactKind.IMAGE
        reference = self._store.reference(bundled.name) if is_image else None
        if bundled.image != reference:
            raise ArtifactError(
                f"the manifest is refused: the image of {bundled.name} is {reference}, not {bundled.image}",
                where=self._where,
                next="do not use this file: `lab bundle save` does not write it",
            )
        return True

    def _check_not_in_use(self, fitting: Iterable[BundledArtifact]) -> None:
        """Refuse to change the sources of a lab that is up: its nodes have the artifacts of before."""
        if not self._store.paths.kubeconfig.exists():
            return
        before = self._lab.offline().keys
        if any(before[artifact.name] != artifact.key for artifact in fitting):
            raise LabError(
                "the lab is up, and the bundle would change the sources of its artifacts",
                where=self._where,
                next=f"lab down, then lab bundle load {shlex.quote(self._where)}",
            )

    def _check_replaces_nothing(self, fitting: Iterable[BundledArtifact]) -> None:
        """Refuse to replace images that this lab does not use: the archive also has those that are left out."""
        used = {artifact.image for artifact in fitting}
        others = [name for _, name in self._manifest.references() if name not in used]
        foreign = [name for name in others if not name.startswith(f"{TAG_PREFIX}/")]
        if replaced := [name for name in foreign if self._store.docker.image(name) is not None]:
            raise ArtifactError(
                f"the bundle would replace images of the engine that lab {__version__} does not use: "
                f"{', '.join(replaced)}",
                where=self._where,
                next=f"save the bundle again with lab {__version__}; or, if you do not need these images: "
                f"docker rmi {shlex.join(replaced)}",
            )

    def _check_space(self, todo: Iterable[BundledArtifact], *, with_images: bool) -> None:
        needs = {self._store.root: sum(artifact.size_bytes for artifact in todo)}
        docker, images = self._store.docker, self._manifest.images
        if with_images and images is not None:
            engine = docker.info()
            if origin_of(docker, Machine(), engine).site is Site.HERE:  # else its disk is not one of this machine
                needs[engine.root_dir] = images.size * _ENGINE_COPIES
        space.check(needs)

    # Changes

    def _publish(self, bundled: BundledArtifact, *, image_id: str | None = None) -> None:
        """Unpack an artifact's files, and publish its entry atomically."""
        name, artifact = bundled.name, self._store.catalog[bundled.name]
        with locked(self._store, name), environment.usual_umask(), workspace(self._store, name) as folder:
            into = folder / "entry"
            into.mkdir()
            for file in bundled.files:
                target = into / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                content = self._bundle.content(bundled.member(file), size=file.size, sha256=file.sha256)
                with closing(content), target.open("xb") as stream:
                    stream.writelines(content)
                target.chmod(0o755 if _is_program(artifact, file.path) else 0o644)
            entry = Entry(
                path=self._store.folder(name),
                name=name,
                key=bundled.key,
                version=bundled.version,
                source=bundled.source,
                built_at=bundled.built_at,
                duration_s=bundled.duration_s,
                files={file.path: FileRecord(sha256=file.sha256, size=file.size) for file in bundled.files},
                image=bundled.image,
                image_id=image_id,
                baked=tuple(bundled.baked),
                notes=bundled.notes,
            )
            entries.publish(entry, into)

    def _load_images(self, todo: Iterable[BundledArtifact], archive: BundledImages) -> None:
        """Load the archive of images, and publish the entries of those that fit."""
        todo = list(todo)
        if not all(self._has(artifact) for artifact in todo):  # an interrupted load may have got this far
            references = {reference: artifact for artifact, reference in self._manifest.references()}
            self._check_archive(archive, references)
            fitting = {artifact.image for artifact in todo}
            docker = self._store.docker
            foreign = [r for r in references if r not in fitting and docker.image(r) is None]
            docker.load_stream(self._counted("loading images", self._bundle.stored(manifests.IMAGES)))
            for reference in foreign:  # one archive has the images of all stacks, since they share layers
                docker.remove_image(reference)
        for artifact in todo:
            image = self._store.docker.image(artifact.image or "")
            if image is None:
                raise ArtifactError(
                    f"the engine loaded the bundle's images, but does not have {artifact.image}",
                    where=self._where,
                    next="run the command again; if it fails again: lab doctor",
                )
            self._publish(artifact, image_id=image.id)

    def _has(self, artifact: BundledArtifact) -> bool:
        """Return whether the engine has the same image: an id is a digest of the image's content."""
        image = self._store.docker.image(artifact.image or "")
        return image is not None and image.id == artifact.image_id

    def _check_archive(self, archive: BundledImages, references: Iterable[str]) -> None:
        content = self._bundle.content(manifests.IMAGES, size=archive.size, sha256=archive.sha256)
        try:
            with closing(content):
                archives.check(self._counted("checking images", content, archive.size), list(references))
        except archives.WrongArchiveError as error:
            raise ArtifactError(
                f"the bundle is refused: {manifests.IMAGES}: {error}",
                where=self._where,
                next="do not use this file: `lab bundle save` does not write it",
            ) from error

    def _counted(self, what: str, chunks: Iterable[bytes], total: int | None = None) -> Iterator[bytes]:
        total = total or self._bundle.stored_size(manifests.IMAGES)
        done = 0
        for chunk in chunks:
            done += len(chunk)
            events.progress(f"{what}: {done >> 20} of {space.mib(total)}", done / max(total, 1))
            yield chunk


def _is_program(artifact: Artifact, rel: str) -> bool:
    """Say whether the catalogue's artifact has a program under this path."""
    folders = tuple(artifact.options.get("programs", ("bin/",)))
    return artifact.kind is ArtifactKind.BINARIES and rel.startswith(folders)
