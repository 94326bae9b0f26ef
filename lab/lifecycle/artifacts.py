"""List, build and delete artifacts for `lab artifacts`; the command line formats the records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.artifacts import plan, upstream
from lab.artifacts.catalog import Artifact, default
from lab.artifacts.keys import LOCAL, PACKAGES
from lab.artifacts.recipe import ARTIFACT_LABEL
from lab.artifacts.store import TAG_PREFIX, ArtifactStore
from lab.base.errors import CommandError, LabError, UsageError
from lab.base.step import Step
from lab.host.doctor.needs import ArtifactNeeds

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.stacks.model import Stack


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One artifact as `lab artifacts list` shows it."""

    name: str
    title: str
    version: str
    kind: str
    there: bool
    state: str
    """`there`, or the reason why it is unusable."""
    source: str
    """The source that it came from, or would come from: `packages`, `upstream` or `local`."""
    key: str
    size_bytes: int
    """Size of its files; image layers are in the container engine and not counted."""
    seconds: float
    """Duration of its last build here, or an estimate."""
    wanted: bool
    """Whether `lab up` uses it directly, not only as a part of another artifact."""


def versions() -> dict[str, str]:
    """Return the titles of all that the lab installs, with versions."""
    return {a.title: a.version for a in default() if a.options.get("source") is None and a.recipe != "debian-rootfs"}


def listing(lab: Lab, wanted: Sequence[str], *, verify: bool = False) -> list[Listed]:
    """Return the state of every artifact.

    Args:
        lab: the lab.
        wanted: artifacts that `lab up` uses directly; all others are parts of these, or needed to build them.
        verify: read every file and check its digest.
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


def needs(lab: Lab, stack: Stack) -> ArtifactNeeds:
    """Return what `lab up` has to build or fetch for a stack; the doctor decides by it what this machine needs."""
    store = lab.artifacts
    missing = plan.missing(store, stack.artifacts(lab))
    build = {name: store.catalog[name].recipe or "" for name in missing if store.keys.source(name) == PACKAGES}
    return ArtifactNeeds(
        build=build,
        fetch=tuple(name for name in missing if name not in build),
        registries=registries(lab),
        node_image=_node_image(lab, stack),
    )


def _node_image(lab: Lab, stack: Stack) -> str | None:
    try:
        reference = lab.artifacts.image(lab.node_image or stack.node_image)
        return reference if lab.artifacts.docker.image(reference) is not None else None
    except LabError:
        return None


def registries(lab: Lab) -> tuple[str, ...]:
    """Return the registries that the lab would pull images from; none with the `packages` source."""
    spec = lab.spec.artifacts
    return () if spec.source == "packages" else upstream.registries(lab.artifacts.catalog, mirror=spec.mirror)


def steps(lab: Lab, names: Sequence[str]) -> list[Step]:
    """Return the steps that build or download the missing ones of some artifacts.

    Raises:
        UsageError: an artifact of that name does not exist.
    """
    if unknown := [name for name in names if name not in lab.artifacts.catalog]:
        known = ", ".join(artifact.name for artifact in lab.artifacts.catalog)
        raise UsageError(f"there is no artifact {', '.join(unknown)}", next=f"name one or more of: {known}")
    return plan.steps(lab.artifacts, names)


def clean(lab: Lab, *, everything: bool = False) -> Iterator[str]:
    """Delete artifacts that are no longer used; yield a line for each.

    Args:
        lab: the lab.
        everything: also delete those that this version uses, and Go's caches: the next build starts from scratch.
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
    # An image may have tags that somebody else gave it.
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
    """Make folders writable: Go makes its module folders read-only, and only root could delete them."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
