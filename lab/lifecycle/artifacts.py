"""What `lab artifacts` does: list, build, clean. Plain records and lines; the command line decides how they look."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.artifacts import plan, upstream
from lab.artifacts.catalog import Artifact, default
from lab.artifacts.keys import LOCAL
from lab.artifacts.recipe import ARTIFACT_LABEL
from lab.artifacts.store import TAG_PREFIX, ArtifactStore
from lab.base.errors import CommandError, UsageError
from lab.base.step import Step

if TYPE_CHECKING:
    from lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One artifact as `lab artifacts list` shows it."""

    name: str
    title: str
    version: str
    kind: str
    there: bool
    state: str
    """`there`, or why it can't be used."""
    source: str
    """Where it came from, or would come from: `packages`, `upstream` or `local`."""
    key: str
    size_bytes: int
    """Of its files; an image's layers are in the engine and not counted."""
    seconds: float
    """How long its last build took here, or how long one takes."""
    wanted: bool
    """Whether `lab up` asks for it by name, not only for what it is part of."""


def versions() -> dict[str, str]:
    """Return what the lab installs, as text, with its version."""
    return {a.title: a.version for a in default() if a.options.get("source") is None and a.recipe != "debian-rootfs"}


def listing(lab: Lab, wanted: Sequence[str], *, verify: bool = False) -> list[Listed]:
    """Look at every artifact.

    Args:
        lab: whose artifacts.
        wanted: what `lab up` asks for; everything else is inside these, or only needed to make them.
        verify: read every byte of every file.
    """
    store = lab.artifacts
    return [_listed(store, artifact, wanted=artifact.name in wanted, verify=verify) for artifact in store.catalog]


def _listed(store: ArtifactStore, artifact: Artifact, *, wanted: bool, verify: bool) -> Listed:
    problem = store.problem(artifact.name, thorough=verify)
    entry = store.entry(artifact.name)
    return Listed(
        name=artifact.name,
        title=artifact.title,
        version=artifact.version_from(upstream=store.keys.from_upstream(artifact.name)),
        kind=artifact.kind.value,
        there=problem is None,
        state=problem or "there",
        source=entry.source if entry is not None else store.keys.source(artifact.name),
        key=store.keys[artifact.name],
        size_bytes=entry.size_bytes if entry is not None else 0,
        seconds=store.estimate_s(artifact),
        wanted=wanted,
    )


def ready(lab: Lab, wanted: Sequence[str]) -> bool:
    """Say whether all that `lab up` needs is there, so that nothing has to be built or fetched."""
    return not plan.missing(lab.artifacts, wanted)


def registries(lab: Lab) -> tuple[str, ...]:
    """Return the registry hosts that the lab would pull images from; none with the `packages` source."""
    spec = lab.spec.artifacts
    return () if spec.source == "packages" else upstream.registries(lab.artifacts.catalog, mirror=spec.mirror)


def steps(lab: Lab, names: Sequence[str]) -> list[Step]:
    """Return the steps that make what is missing of some artifacts.

    Raises:
        UsageError: there is no artifact of such a name.
    """
    if unknown := [name for name in names if name not in lab.artifacts.catalog]:
        known = ", ".join(artifact.name for artifact in lab.artifacts.catalog)
        raise UsageError(f"there is no artifact {', '.join(unknown)}", next=f"take some of: {known}")
    return plan.steps(lab.artifacts, names)


def clean(lab: Lab, *, everything: bool = False) -> Iterator[str]:
    """Delete what no longer has a use, and say so line by line.

    Args:
        lab: whose artifacts.
        everything: also what this version of the lab uses, and Go's caches: the next build begins from nothing.
    """
    store = lab.artifacts
    current = set() if everything else {store.folder(artifact.name) for artifact in store.catalog}
    yield from _clean_images(store, everything=everything)
    for entry in list(store.all_entries()):
        if entry.path not in current:
            shutil.rmtree(entry.path)
            yield f"deleted {entry.name} {entry.version} ({entry.key}), {entry.size_bytes >> 20} MiB"
    if everything:
        for folder in (store.root, store.paths.go):
            if folder.exists():
                make_writable(folder)
                shutil.rmtree(folder)
                yield f"deleted {folder}"


def _clean_images(store: ArtifactStore, *, everything: bool) -> Iterator[str]:
    kept = set() if everything else {store.reference(a.name) for a in store.catalog if a.kind.value == "image"}
    built = {tag for image in store.docker.images({ARTIFACT_LABEL: None}) for tag in image.tags}
    # Names that the lab did not give an image itself are somebody else's.
    built = {tag for tag in built if tag.startswith(f"{TAG_PREFIX}/")}
    fetched = {e.image for e in store.all_entries() if e.image is not None and e.source != LOCAL}
    gone = (built | fetched) - kept
    by_digest = {d for tag in fetched & gone if (image := store.docker.image(tag)) for d in image.digests}
    for tag in sorted(gone | by_digest):
        try:
            if store.docker.remove_image(tag):
                yield f"deleted the image {tag}"
        except CommandError as error:
            if "conflict" not in error.stderr.lower():
                raise
            yield f"kept the image {tag}: a container uses it (`lab down` removes the lab's)"


def make_writable(folder: Path) -> None:
    """Undo Go's read-only module folders, which nobody but root could delete otherwise."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
