"""Plan the steps that make missing artifacts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from graphlib import TopologicalSorter

from lab.artifacts import duplicates
from lab.artifacts.decisions import NOWHERE
from lab.artifacts.from_source.builders.go import TOOLCHAIN, minimum
from lab.artifacts.make import make
from lab.artifacts.resolver import LOCAL, MIRROR, PACKAGES, UPSTREAM
from lab.artifacts.store import ArtifactStore
from lab.base.step import Pool, Step, StepResult
from lab.tools import go

_PREFIX = "artifact/"
# These recipes wait for the network or the disk, so a compiler can use the cores at the same time.
_WAITING_RECIPES = {
    "debian-packages",
    "debian-rootfs",
    "wheel",
    "pip-target",
    "pick",
    "go-module-files",
    "go-module-chart",
}
_GO_RECIPES = {"go", "go-module-files", "go-module-chart"}
_VERBS = {UPSTREAM: "pull", MIRROR: "pull", NOWHERE: "pull", LOCAL: "take", PACKAGES: "build"}


def step_name(name: str) -> str:
    """Return the name of the step that makes an artifact."""
    return f"{_PREFIX}{name}"


def missing(store: ArtifactStore, wanted: Iterable[str]) -> list[str]:
    """Return the artifacts to make so that the store has `wanted`; each comes after the artifacts that it needs.

    The needs of an artifact that the store has already are not checked.
    """
    needs: dict[str, tuple[str, ...]] = {}
    left = list(wanted)
    store.keys.closure(left)  # decides where all come from, in parallel
    while left:
        name = left.pop()
        if name not in needs and store.problem(name) is not None:
            needs[name] = _needs(store, name)
            left += needs[name]
    return [name for name in TopologicalSorter(needs).static_order() if name in needs]


def unavailable(store: ArtifactStore, names: Iterable[str]) -> frozenset[str]:
    """Return those of `missing`'s artifacts that cannot be made: no source has them, or a part that they need."""
    found: set[str] = set()
    for name in names:  # each comes after the artifacts that it needs
        if store.decisions[name].source == NOWHERE or not found.isdisjoint(_needs(store, name)):
            found.add(name)
    return frozenset(found)


def steps(store: ArtifactStore, wanted: Collection[str], *, without: Collection[str] = ()) -> list[Step]:
    """Return the steps that make the missing artifacts of `wanted`; empty if none is missing.

    The first step is the start of the longest chain of builds. `duplicates.STEP`, if there is one, makes nothing.

    Args:
        store: the store to make them in.
        wanted: the artifacts.
        without: artifacts to leave out.
    """
    names = [name for name in missing(store, wanted) if name not in without]
    weight = _weights(store, names)
    ordered = sorted(names, key=lambda name: -weight[name])
    made = [_step(store, name, names) for name in ordered]
    last = duplicates.step(store, names, keep=wanted, after=[step.name for step in made])
    return [*made, last] if last is not None else made


def _step(store: ArtifactStore, name: str, names: Sequence[str]) -> Step:
    artifact = store.catalog[name]
    source = store.decisions[name].source

    def run() -> StepResult:
        return make(store, name)

    return Step(
        name=step_name(name),
        title=f"{_VERBS[source]} {artifact.title} {artifact.version_from(upstream=source != PACKAGES)}",
        run=run,
        after=tuple(step_name(need) for need in _needs(store, name) if need in names),
        pool=Pool.WAIT if source != PACKAGES or artifact.recipe in _WAITING_RECIPES else Pool.BUILD,
        estimate_s=store.estimate_s(artifact),
    )


def _needs(store: ArtifactStore, name: str) -> tuple[str, ...]:
    needs = store.keys.needs(name)
    artifact = store.catalog[name]
    if artifact.recipe in _GO_RECIPES and store.keys.is_built(name):
        folder = artifact.options.get("folder")
        if not _has_go(minimum(folder) if folder else go.MINIMUM):
            return (TOOLCHAIN, *needs)
    return needs


@cache
def _has_go(required: tuple[int, int, int]) -> bool:
    return go.on_path(minimum=required) is not None


def _weights(store: ArtifactStore, names: Sequence[str]) -> dict[str, float]:
    """Return the seconds from each artifact's start to the end of the longest chain of builds that need it."""
    weights: dict[str, float] = {}
    for name in reversed(names):  # the artifacts that need it come later in `names`
        dependents = [weights[other] for other in weights if name in _needs(store, other)]
        weights[name] = store.estimate_s(store.catalog[name]) + max(dependents, default=0)
    return weights
