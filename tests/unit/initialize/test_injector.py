"""Pods that get Linkerd's proxy are created after Linkerd runs."""

from __future__ import annotations

from lab.initialize.injector import after_it
from lab.initialize.model import ApplyStage, StagedObjects
from lab.initialize.objects import namespace
from lab.kube.objects import Obj

INJECTED = {"linkerd.io/inject": "enabled"}


def workload(name: str, in_: str, annotations: dict[str, str] | None = None, kind: str = "Deployment") -> Obj:
    template = {"metadata": {"annotations": annotations or {}}}
    metadata = {"name": name, "namespace": in_}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template}}


def names(objects: list[Obj], stage: ApplyStage, *, spaces: list[Obj] | None = None) -> dict[str, list[str]]:
    """Return the names of the objects in each stage."""
    given = [
        ("a", StagedObjects(stage=stage, objects=objects, text="crds")),
        ("b", StagedObjects(stage=ApplyStage.NAMESPACES)),
    ]
    given.append(("c", StagedObjects(stage=ApplyStage.NAMESPACES, objects=spaces or [])))
    found: dict[str, list[str]] = {}
    for owner, part in after_it(given):
        if owner == "a":
            found[part.stage.value] = [obj["metadata"]["name"] for obj in part.objects]
    return found


def test_workloads_with_the_annotation_come_later_and_the_rest_stays() -> None:
    objects = [
        workload("gateway", "x", INJECTED),
        workload("plain", "x"),
        workload("envoy", "x", INJECTED, "DaemonSet"),
    ]
    assert names(objects, ApplyStage.OPERATORS) == {"3-operators": ["plain"], "4-objects": ["gateway", "envoy"]}


def test_a_namespace_with_the_annotation_counts_unless_a_pod_opts_out() -> None:
    objects = [workload("in", "x"), workload("out", "x", {"linkerd.io/inject": "disabled"}), workload("other", "y")]
    spaces = [namespace("x", annotations=INJECTED), namespace("y")]
    expected = {"3-operators": ["out", "other"], "4-objects": ["in"]}
    assert names(objects, ApplyStage.OPERATORS, spaces=spaces) == expected


def test_a_part_without_other_objects_is_moved_as_a_whole() -> None:
    assert names([workload("in", "x", INJECTED)], ApplyStage.OPERATORS) == {"4-objects": ["in"]}


def test_other_stages_stay() -> None:
    assert names([workload("in", "x", INJECTED)], ApplyStage.WIRING) == {"5-wiring": ["in"]}
