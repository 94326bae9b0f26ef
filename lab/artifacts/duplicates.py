"""Delete the engine's copies of images that a node image has inside: the nodes use only the ones inside.

Only images that the lab itself pulled are deleted: it can pull them again, by the digest in lab.lock, when a node image
has to be made anew. Images that this machine had before, and those that the lab built, stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.artifacts.catalog import ArtifactKind
from lab.artifacts.resolver import MIRROR, UPSTREAM
from lab.artifacts.store import ArtifactStore
from lab.base.errors import CommandError
from lab.base.step import UNCHANGED, Step, StepResult, StepStatus

STEP = "artifact/duplicates"


def step(store: ArtifactStore, made: Iterable[str], *, keep: Iterable[str], after: Iterable[str]) -> Step | None:
    """Return the step that deletes duplicates after a node image was made; None if none is made.

    Args:
        store: the store of the artifacts.
        made: the artifacts that the plan makes.
        keep: artifacts whose images are wanted in the engine.
        after: names of all steps that may need the images.
    """
    if not any(store.catalog[name].recipe == "bake" for name in made):
        return None
    kept = frozenset(keep)

    def run() -> StepResult:
        sizes = [size for _, size in remove(store, keep=kept)]
        detail = f"{len(sizes)} images, {sum(sizes) >> 20} MiB"
        return StepResult(status=StepStatus.CHANGED, detail=detail) if sizes else UNCHANGED

    return Step(
        name=STEP,
        title="delete the engine's copies of images inside the node image",
        run=run,
        after=tuple(after),
        estimate_s=2,
    )


def remove(store: ArtifactStore, *, keep: Iterable[str] = ()) -> Iterator[tuple[str, int]]:
    """Delete the duplicates; yield the reference of each, with its size in bytes."""
    kept = frozenset(keep)
    for artifact in store.catalog:
        if artifact.kind is not ArtifactKind.IMAGE or not any(store.entries_of(artifact.name)):
            continue  # never made here; its key would need a question to its registry
        entry = store.entry(artifact.name)
        if entry is None or entry.image is None or artifact.name in kept or entry.source not in {UPSTREAM, MIRROR}:
            continue
        image = store.docker.image(entry.image)
        if image is not None and store.is_inside(artifact.name) and _remove(store, entry.image, image.digests):
            yield entry.image, image.size_bytes


def _remove(store: ArtifactStore, reference: str, digests: Iterable[str]) -> bool:
    """Delete an image with its names, which is the tag and the digest by which it was pulled."""
    try:
        return sum(store.docker.remove_image(name) for name in (reference, *digests)) > 0
    except CommandError as error:
        if "conflict" not in error.stderr.lower():
            raise
        return False  # somebody's container uses it
