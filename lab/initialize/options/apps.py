"""The applications of the talk: the objects are those of the lab."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import edits, images
from lab.initialize.collector import COLLECTOR, OTLP
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, StagedObjects
from lab.initialize.objects import namespace, scraped
from lab.kube.objects import Obj, labelled

TRACED_AS = "podinfo"
"""The name under which podinfo's own spans come; its proxy has another one."""


def _stack(choice: ClusterChoice) -> str:
    """Return the stack whose components are taken; without a mesh, their objects are Istio's."""
    return "linkerd" if choice.has("linkerd") else "istio"


def _podinfo(choice: ClusterChoice) -> Iterator[StagedObjects]:
    objects = list(choice.sources.component(_stack(choice), "podinfo", choice.cluster).public)

    def observed(obj: Obj) -> None:
        edits.annotated(obj, scraped(9898))

    def traced(obj: Obj) -> None:
        edits.container(obj, "podinfo")["env"] += [
            {"name": "PODINFO_OTEL_SERVICE_NAME", "value": TRACED_AS},
            {"name": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "value": f"http://{OTLP}"},
        ]

    def scaled(obj: Obj) -> None:
        # Another apply of the file must not change the number that KEDA has set.
        del obj["spec"]["replicas"]

    wanted = {"prometheus": observed, COLLECTOR: traced, "keda": scaled}
    for option, edit in wanted.items():
        if choice.has(option):
            objects = edits.change(objects, "Deployment", "podinfo", edit, of="podinfo")
    if choice.has(COLLECTOR) and not choice.has("prometheus"):
        objects = edits.change(objects, "Deployment", "podinfo", observed, of="podinfo")
    if choice.has("linkerd") and len(choice.clusters) > 1 and choice.cluster == "east":
        exported = {"mirror.linkerd.io/exported": "true"}
        objects = [labelled(obj, exported) if obj["kind"] == "Service" else obj for obj in objects]
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(APPS)])
    yield StagedObjects(stage=ApplyStage.OBJECTS, objects=objects)


def _frontend(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(APPS)])
    yield StagedObjects(
        stage=ApplyStage.OBJECTS, objects=choice.sources.component(_stack(choice), "frontend", choice.cluster).public
    )


APPLICATIONS = Category(
    id="apps",
    title="Applications",
    question="Which applications of the talk?",
    many=True,
    options=(
        Option(
            id="podinfo",
            title="podinfo",
            says="A small web service that says which cluster answers.",
            version="6.9.2",
            license="Apache-2.0",
            parts=_podinfo,
        ),
        Option(
            id="frontend",
            title="the lab's frontend",
            says="A page that calls podinfo in both clusters and shows who answers.",
            license="Apache-2.0",
            parts=_frontend,
            notes=(images.built_by_lab("The frontend's image", "frontend"),),
        ),
    ),
)
