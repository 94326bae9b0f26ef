"""List, build and delete artifacts for `lab artifacts`; the command line formats the records."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.artifacts import duplicates, plan, published
from lab.artifacts.catalog import Artifact
from lab.artifacts.recipe import ARTIFACT_LABEL
from lab.artifacts.resolver import LOCAL, PULLED_BYTES, WORDS
from lab.artifacts.store import TAG_PREFIX, ArtifactStore
from lab.base.errors import CommandError, LabError, UnavailableError, UsageError
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
    """`there`, "inside the node image", or the reason why it is unusable."""
    source: str
    """Where it came from, or would come from: upstream, mirror, this machine, built here, unavailable."""
    digest: str
    """The digest of upstream's build; empty for one that was built here, and before it is pulled."""
    trust: str
    """Why the digest is trusted: the catalogue, lab.lock, a checksum file, or its first use."""
    key: str
    size_bytes: int
    """Size of its files; image layers are in the container engine and not counted."""
    pulled_bytes: int
    """Compressed size of what was pulled for it; 0 for a build, and where it is unknown."""
    seconds: float
    """Duration of its last build here, or an estimate."""
    wanted: bool
    """Whether `lab up` uses it directly, not only as a part of another artifact."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Version and source of one artifact."""

    title: str
    version: str
    source: str
    """Where it came from: upstream, mirror, this machine, built here; empty if this machine does not have it."""


def installable(lab: Lab) -> list[Installed]:
    """Return the versions of all that the lab can install, and where this machine's came from. Asks no registry.

    What only profiles use is left out as long as this machine does not have it.
    """
    store = lab.artifacts.offline()
    known = [artifact for artifact in store.catalog if _is_shown(store, artifact)]
    store.keys.closure(artifact.name for artifact in known)  # looks for all at once
    shown = [a for a in known if a.options.get("source") is None or a.upstream is not None]
    return [_installed(store, artifact) for artifact in shown if artifact.recipe != "debian-rootfs"]


def used(lab: Lab, names: Sequence[str]) -> list[Installed]:
    """Return the versions and sources of a lab's artifacts that this machine has. Asks no registry."""
    store = lab.artifacts.offline()
    store.keys.closure(names)  # looks for all at once
    return [one for name in dict.fromkeys(names) if (one := _installed(store, store.catalog[name])).source]


def _installed(store: ArtifactStore, artifact: Artifact) -> Installed:
    entry = store.entry(artifact.name)
    version = entry.version if entry else artifact.version_from(upstream=not store.is_built(artifact.name))
    return Installed(title=artifact.title, version=version, source=WORDS[entry.source] if entry else "")


def listing(lab: Lab, wanted: Sequence[str], *, verify: bool = False) -> list[Listed]:
    """Return the state of every artifact; of those that only profiles use, of the ones that are here or wanted.

    Args:
        lab: the lab.
        wanted: artifacts that `lab up` uses directly; all others are parts of these, or needed to build them.
        verify: read every file and check its digest, and compare upstream's builds with lab.lock.
    """
    store = lab.artifacts
    needed = set(store.keys.closure(wanted))
    # For artifacts that this lab does not use, the lab asks no registry: the list shows what this machine has.
    offline = store.offline()
    return [
        _listed(
            store if artifact.name in needed else offline,
            artifact,
            wanted=artifact.name in wanted,
            needed=artifact.name in needed,
            verify=verify,
        )
        for artifact in store.catalog
        if artifact.name in needed or _is_shown(store, artifact)
    ]


def _is_shown(store: ArtifactStore, artifact: Artifact) -> bool:
    """Return whether lists show an artifact that the lab does not need: what only profiles use, if it is here."""
    return not artifact.profile or any(store.entries_of(artifact.name))


def _listed(store: ArtifactStore, artifact: Artifact, *, wanted: bool, needed: bool, verify: bool) -> Listed:
    entry = store.entry(artifact.name)
    problem = store.problem(artifact.name, thorough=verify) if entry or needed else "not used by this lab"
    inside = problem is not None and entry is not None and entry.image is not None and store.is_inside(artifact.name)
    source = store.source(artifact.name)
    return Listed(
        name=artifact.name,
        title=artifact.title,
        version=artifact.version_from(upstream=not store.is_built(artifact.name)),
        kind=artifact.kind.value,
        there=problem is None or inside,
        state="inside the node image" if inside else problem or "there",
        source=WORDS.get(source, "unavailable") if entry or needed else "",
        digest=entry.notes.get("identity", "") if entry else "",
        trust=entry.notes.get("trusted by", "") if entry else "",
        key=store.keys[artifact.name],
        size_bytes=entry.size_bytes if entry is not None else 0,
        pulled_bytes=int(entry.notes.get(PULLED_BYTES, 0)) if entry is not None else 0,
        seconds=store.estimate_s(artifact),
        wanted=wanted,
    )


def needs(lab: Lab, stack: Stack) -> ArtifactNeeds:
    """Return what `lab up` has to build or fetch for a stack; the doctor decides by it what this machine needs."""
    return needs_of(lab, stack.artifacts(lab), node_image=_node_image(lab, stack))


def needs_of(lab: Lab, names: Sequence[str], *, node_image: str | None = None) -> ArtifactNeeds:
    """Return what is to be built or fetched for some artifacts; `node_image`: the engine's, if it is known."""
    store = lab.artifacts
    missing = plan.missing(store, names)
    build = {name: store.catalog[name].recipe or "" for name in missing if store.is_built(name)}
    fetch = tuple(name for name in missing if name not in build)
    hosts = published.registries((store.catalog[name] for name in fetch), mirror=lab.spec.artifacts.mirror)
    return ArtifactNeeds(build=build, fetch=fetch, registries=hosts, node_image=node_image)


def _node_image(lab: Lab, stack: Stack) -> str | None:
    try:
        reference = lab.artifacts.image(lab.node_image or stack.node_image)
        return reference if lab.artifacts.docker.image(reference) is not None else None
    except LabError:
        return None


@dataclass(frozen=True, kw_only=True)
class ArtifactPlan:
    """How to obtain some artifacts: steps for those that are missing here, an error for those that no source has."""

    names: tuple[str, ...]
    """The missing artifacts that can be built or downloaded, with their missing parts."""
    steps: list[Step]
    unavailable: UnavailableError | None


def plan_of(lab: Lab, names: Sequence[str]) -> ArtifactPlan:
    """Return how to obtain some artifacts.

    Raises:
        UsageError: an artifact of that name does not exist.
    """
    check_names(lab, names)
    store = lab.artifacts
    missing = plan.missing(store, names)
    left_out = plan.unavailable(store, missing)
    error = store.unobtainable(missing) if left_out else None
    return ArtifactPlan(
        names=tuple(name for name in missing if name not in left_out),
        steps=plan.steps(store, names, without=left_out),
        unavailable=UnavailableError(error.what, wanted=names, next=error.next) if error else None,
    )


def check_names(lab: Lab, names: Iterable[str]) -> None:
    """Check that the catalogue has artifacts of these names.

    Raises:
        UsageError: it does not.
    """
    if unknown := [name for name in names if name not in lab.artifacts.catalog]:
        known = ", ".join(artifact.name for artifact in lab.artifacts.catalog)
        raise UsageError(f"unknown artifact {', '.join(unknown)}", next=f"name one or more of: {known}")


def steps(lab: Lab, names: Sequence[str]) -> list[Step]:
    """Return the steps that build or download the missing ones of some artifacts; the ones that no source has fail."""
    check_names(lab, names)
    return plan.steps(lab.artifacts, names)


def clean(lab: Lab, *, everything: bool = False) -> Iterator[str]:
    """Delete artifacts that are no longer used; yield a line for each.

    Args:
        lab: the lab.
        everything: also delete those that this version uses, Go's caches, and what `lab initialize` has rendered: the
            next build starts from scratch.
    """
    store = lab.artifacts.offline()
    current = set() if everything else {store.folder(artifact.name) for artifact in store.catalog}
    for reference, size_bytes in () if everything else duplicates.remove(store):
        yield f"deleted the image {reference}, {size_bytes >> 20} MiB: the node image has it inside"
    yield from _clean_images(store, everything=everything)
    for entry in list(store.all_entries()):
        if entry.path not in current:
            shutil.rmtree(entry.path)
            yield f"deleted {entry.name} {entry.version} ({entry.key}), {entry.size_bytes >> 20} MiB"
    if everything:
        for folder in (store.root, store.paths.go, store.paths.initializer):
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
