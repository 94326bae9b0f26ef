"""Small, named edits of upstream's objects. Each fails if the text that it edits is missing: upstream has changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lab.base.errors import ArtifactError
from lab.initialize.model import ApplyStage, StagedObjects
from lab.kube.objects import Obj, in_namespace

_CLUSTER_WIDE = frozenset(
    {
        *("APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "GatewayClass"),
        *("IngressClass", "MutatingWebhookConfiguration", "Namespace", "PriorityClass", "ValidatingAdmissionPolicy"),
        *("ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"),
    }
)
_BUILT_IN = frozenset(
    {
        *("v1", "apps", "batch", "policy", "autoscaling", "admissionregistration.k8s.io", "apiregistration.k8s.io"),
        *("networking.k8s.io", "rbac.authorization.k8s.io", "scheduling.k8s.io", "coordination.k8s.io"),
    }
)
"""Groups of the API server itself; objects of other groups need a CRD, and often its controller."""


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of a value, such as an object, with each of its texts changed; keys stay."""
    match value:
        case dict():
            return {key: each_text(inner, change) for key, inner in value.items()}
        case list():
            return [each_text(inner, change) for inner in value]
        case str():
            return change(value)
        case _:
            return value


def texts(objects: Iterable[Obj], replaced: Mapping[str, str], *, of: str) -> list[Obj]:
    """Return copies in which every value that is exactly one of these texts is replaced.

    Raises:
        ArtifactError: a text is missing.
    """
    used: set[str] = set()

    def replace(text: str) -> str:
        used.update({text} & replaced.keys())
        return replaced.get(text, text)

    changed: list[Obj] = [each_text(obj, replace) for obj in objects]
    if missing := sorted({*replaced} - used):
        raise changed_upstream(of, f"no text {', '.join(missing)}")
    return changed


def change(objects: Iterable[Obj], kind: str, name: str, edit: Callable[[Obj], None], *, of: str) -> list[Obj]:
    """Return the objects, with one of them edited.

    Raises:
        ArtifactError: there is not exactly one such object, or the edit does not find what it changes.
    """
    result = list(objects)
    found = [n for n, obj in enumerate(result) if obj["kind"] == kind and obj["metadata"]["name"] == name]
    if len(found) != 1:
        raise changed_upstream(of, f"{len(found)} objects {kind} {name}")
    edited = copy.deepcopy(result[found[0]])
    try:
        edit(edited)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise changed_upstream(of, f"{kind} {name} has no {error}") from error
    result[found[0]] = edited
    return result


def without(objects: Iterable[Obj], *refs: tuple[str, str], of: str) -> list[Obj]:
    """Return the objects without those of these kinds and names.

    Raises:
        ArtifactError: one of them is missing.
    """
    result = list(objects)
    there = {(obj["kind"], obj["metadata"]["name"]) for obj in result}
    if missing := {*refs} - there:
        raise changed_upstream(of, f"no {', '.join(sorted(' '.join(one) for one in missing))}")
    return [obj for obj in result if (obj["kind"], obj["metadata"]["name"]) not in refs]


def placed(objects: Iterable[Obj], namespace: str) -> list[Obj]:
    """Return the objects, those without a namespace that need one in this one."""
    return [
        obj if obj["kind"] in _CLUSTER_WIDE or obj["metadata"].get("namespace") else in_namespace(obj, namespace)
        for obj in objects
    ]


def container(obj: Obj, name: str) -> Obj:
    """Return a container of a workload.

    Raises:
        StopIteration: it has no such container.
    """
    found: Obj = next(one for one in obj["spec"]["template"]["spec"]["containers"] if one["name"] == name)
    return found


def annotated(obj: Obj, annotations: Mapping[str, str]) -> None:
    """Add annotations to a workload's pods."""
    metadata = obj["spec"]["template"].setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}


def changed_upstream(of: str, observed: str) -> ArtifactError:
    """Return the error of an edit that does not find its text."""
    return ArtifactError(
        f"cannot edit upstream's YAML of {of}: it has {observed}",
        next="`lab artifacts list --verify`; if it is whole, this is a defect of the lab: its version was changed",
    )


def staged(
    objects: Sequence[Obj], *, crds: str = "", built_in: ApplyStage = ApplyStage.OPERATORS
) -> list[StagedObjects]:
    """Divide objects among the stages, by their kinds; objects of CRDs come after their controllers.

    Args:
        objects: the objects.
        crds: more CRDs, as text.
        built_in: the stage of Kubernetes' own kinds.
    """
    by_stage: dict[ApplyStage, list[Obj]] = {stage: [] for stage in ApplyStage}
    for obj in objects:
        by_stage[_stage(obj, built_in)].append(obj)
    parts = [StagedObjects(stage=ApplyStage.CRDS, text=crds)] if crds else []
    return [*parts, *(StagedObjects(stage=stage, objects=found) for stage, found in by_stage.items() if found)]


def _stage(obj: Obj, built_in: ApplyStage) -> ApplyStage:
    if obj["kind"] == "CustomResourceDefinition":
        return ApplyStage.CRDS
    if obj["kind"] == "Namespace":
        return ApplyStage.NAMESPACES
    return built_in if obj["apiVersion"].split("/")[0] in _BUILT_IN else ApplyStage.OBJECTS
