"""Platform → metrics-server: the kubelets' certificates differ by platform; and whether Tekton runs pods."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize.images import PUBLIC
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.wires import questions


def _kubelets(choice: ClusterChoice) -> Iterator[WireCheck]:
    del choice
    yield WireCheck(
        proves="metrics-server reads the kubelets' metrics",
        ask=("top", "nodes", "--no-headers"),
        expects=r"(?s)\A(?!.*<unknown>).*\d+m",
        words="CPU and memory of each node",
        within_s=120,
    )
    # The pod from before a wrong change answers as long as the new one cannot read the kubelets.
    yield WireCheck(
        proves="metrics-server does so with its present configuration",
        ask=questions.field(
            "kube-system",
            "deployment",
            "metrics-server",
            "{.spec.replicas} {.status.replicas} {.status.updatedReplicas} {.status.readyReplicas}",
        ),
        expects=r"\A(\d+) \1 \1 \1\s*\Z",
        words="the same number four times",
        within_s=120,
    )


def _task(choice: ClusterChoice) -> Iterator[StagedObjects]:
    """Yield a Task whose step needs no other image than Tekton's own, and a run of it."""
    del choice
    metadata = {"name": "hello", "namespace": "default"}
    step = {"name": "hello", "image": PUBLIC["tekton-nop"], "command": ["/ko-app/nop"]}
    yield StagedObjects(
        stage=ApplyStage.WIRING,
        objects=[
            {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": metadata, "spec": {"steps": [step]}},
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "TaskRun",
                "metadata": metadata,
                "spec": {"taskRef": {"name": "hello"}},
            },
        ],
    )


def _runs(choice: ClusterChoice) -> Iterator[WireCheck]:
    del choice
    yield WireCheck(
        proves="Tekton makes a pod of a TaskRun, and it ends well",
        ask=questions.condition("default", "taskrun", "hello", "Succeeded"),
        expects="True",
        within_s=120,
    )
    # The TaskRun's end stays true when Tekton is gone.
    yield WireCheck(
        proves="Tekton's controller runs",
        ask=questions.field("tekton-pipelines", "deployment", "tekton-pipelines-controller", "{.status.readyReplicas}"),
        expects="[1-9]",
        within_s=120,
    )


WIRES = (
    Wiring(
        id="kubelets",
        says="metrics-server trusts the kubelets of the platform.",
        ends=(frozenset({"metrics-server"}),),
        checks=_kubelets,
    ),
    Wiring(
        id="tasks",
        says="Tekton runs a TaskRun as a pod.",
        ends=(frozenset({"tekton"}),),
        parts=_task,
        checks=_runs,
    ),
)
