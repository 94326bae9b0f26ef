"""Choices → the files of the folder: what all clusters share in `base/`, the rest and the order in `clusters/`.

Nothing here reads a clock, the host or the environment: the same choices and sources give the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab.initialize import injector
from lab.initialize.choices import Choices
from lab.initialize.model import ApplyStage, ClusterChoice, Sources, StagedObjects, Wiring
from lab.initialize.objects import namespace
from lab.initialize.sources import CLUSTERS
from lab.initialize.wires import WIRES
from lab.kube import manifests
from lab.kube.objects import Obj, Ref, annotations_of, labels_of, ref

NAMESPACES = "namespaces"
_KUSTOMIZATION = "kustomization.yaml"


@dataclass(kw_only=True)
class Piece:
    """What one owner has in one stage of one cluster."""

    objects: dict[Ref, Obj] = field(default_factory=dict)
    text: str = ""


StageOwner = tuple[ApplyStage, str]
"""A stage and an owner: an option, a wire, or a name that several share."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The YAML files, and what they contain.

    Args:
        files: the text of each file by its path.
        objects: all objects of each cluster by stage; CRDs that are copied as text are not among them.
    """

    files: Mapping[str, str]
    objects: Mapping[str, Mapping[ApplyStage, Sequence[Obj]]]

    def stages(self, cluster: str) -> list[ApplyStage]:
        """Return the stages of a cluster that have objects."""
        return [stage for stage in ApplyStage if f"clusters/{cluster}/{stage.value}/{_KUSTOMIZATION}" in self.files]


def cluster_choices(
    choices: Choices, sources: Sources, *, clusters: Sequence[str] | None = None
) -> dict[str, ClusterChoice]:
    """Return what the options' functions get for each cluster."""
    return {
        name: ClusterChoice(
            chosen=choices.ids,
            cluster=name,
            clusters=choices.clusters,
            sources=sources,
            source=choices.source,
            referenced=frozenset(choices.unavailable),
        )
        for name in clusters or choices.clusters
    }


def wires(choices: Choices) -> list[Wiring]:
    """Return the wires of the choices."""
    return choices.wires(WIRES)


def tree(choices: Choices, sources: Sources) -> Tree:
    """Return the YAML files.

    Raises:
        ArtifactError: the YAML of an option is missing, or has changed so that it cannot be edited.
    """
    # West is rendered for a single cluster, too: base/ then has only what both share, and a later update to two
    # clusters changes little.
    chosen = cluster_choices(choices, sources, clusters=CLUSTERS)
    by_cluster = {name: pieces(parts(choices, choice)) for name, choice in chosen.items()}
    files: dict[str, str] = {}
    resources: dict[tuple[str, ApplyStage], list[str]] = {}
    keys = list(dict.fromkeys(key for of in by_cluster.values() for key in of))
    for key in sorted(keys, key=lambda one: [*ApplyStage].index(one[0])):
        stage, owner = key
        east, west = (of.get(key, Piece()) for of in by_cluster.values())
        shared = [obj for name, obj in east.objects.items() if west.objects.get(name) == obj]
        text = east.text if east.text == west.text else ""
        if shared or text:
            folder = f"base/{owner}/{stage.value}"
            files |= _folder(folder, _kind(stage), f"{owner}: {_kind(stage)}", text, shared)
            for name in choices.clusters:
                resources.setdefault((name, stage), []).append(f"../../../{folder}")
        common = {ref(obj) for obj in shared}
        for name, piece in zip(CLUSTERS, (east, west), strict=True):
            own = [obj for of, obj in piece.objects.items() if of not in common]
            if name in choices.clusters and own:
                path = f"clusters/{name}/{stage.value}/{owner}.yaml"
                files[path] = _yaml(f"{name}: {owner}: {_kind(stage)}", "", own)
                resources.setdefault((name, stage), []).append(f"{owner}.yaml")
    for (name, stage), paths in resources.items():
        files[f"clusters/{name}/{stage.value}/{_KUSTOMIZATION}"] = kustomization(paths)
    return Tree(files=files, objects={name: _by_stage(by_cluster[name]) for name in choices.clusters})


def pieces(given: Iterable[tuple[str, StagedObjects]]) -> dict[StageOwner, Piece]:
    """Return what each owner has in each stage; namespaces of all owners are joined."""
    by_owner: dict[StageOwner, Piece] = {}
    spaces: dict[str, Obj] = {}
    for owner, part in given:
        if part.stage is ApplyStage.NAMESPACES:
            for obj in part.objects:
                _join(spaces, obj)
            continue
        piece = by_owner.setdefault((part.stage, part.owner or owner), Piece())
        if part.text and part.text not in piece.text:
            piece.text += part.text
        for obj in part.objects:
            if piece.objects.setdefault(ref(obj), obj) != obj:
                raise ValueError(f"{owner} has two objects {ref(obj)}")
    if spaces:
        by_owner[ApplyStage.NAMESPACES, NAMESPACES] = Piece(objects={ref(obj): obj for obj in spaces.values()})
    return by_owner


def parts(
    choices: Choices, choice: ClusterChoice, *, without: Collection[str] = ()
) -> Iterator[tuple[str, StagedObjects]]:
    """Yield the parts of the options, except of some, and of all wires, with the owner of each."""
    own = [(one.id, part) for one in choices.options if one.id not in without for part in one.parts(choice)]
    stages = {ApplyStage.WIRING}
    for owner, part in injector.after_it(own):
        if part.objects or part.text:
            stages.add(part.stage)
        yield owner, part
    for wire in wires(choices):
        # Flux and Argo CD, the last wires with objects of a stage, reconcile those stages that exist.
        for part in wire.parts(replace(choice, stages=frozenset(stages))):
            if part.objects or part.text:
                stages.add(part.stage)
            yield wire.id, part


def _join(spaces: dict[str, Obj], obj: Obj) -> None:
    """Join a Namespace with the one of its name."""
    name = obj["metadata"]["name"]
    known = spaces.get(name, namespace(name))
    labels, annotations = dict(labels_of(known)), dict(annotations_of(known))
    for mine, theirs in ((labels, labels_of(obj)), (annotations, annotations_of(obj))):
        for key, value in theirs.items():
            if mine.setdefault(key, value) != value:
                raise ValueError(f"the namespace {name} has two values of {key}: {mine[key]} and {value}")
    spaces[name] = namespace(name, labels=labels, annotations=annotations)


def _folder(folder: str, file: str, title: str, text: str, objects: Sequence[Obj]) -> dict[str, str]:
    return {
        f"{folder}/{file}.yaml": _yaml(title, text, objects),
        f"{folder}/{_KUSTOMIZATION}": kustomization([f"{file}.yaml"]),
    }


def _kind(stage: ApplyStage) -> str:
    return stage.value.partition("-")[2]


def _yaml(title: str, text: str, objects: Iterable[Obj]) -> str:
    return f"# {title}\n{text}{manifests.dump_all(objects)}"


def kustomization(resources: Sequence[str]) -> str:
    """Return a kustomization.yaml."""
    lines = [f"  - {resource}\n" for resource in resources]
    return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n" + "".join(lines)


def _by_stage(pieces: Mapping[StageOwner, Piece]) -> dict[ApplyStage, list[Obj]]:
    by_stage: dict[ApplyStage, list[Obj]] = {stage: [] for stage in ApplyStage}
    for (stage, _), piece in pieces.items():
        by_stage[stage] += piece.objects.values()
    return by_stage
