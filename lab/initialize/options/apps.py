"""The applications of the talk: the objects are those of the lab."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import edits, images
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, Part
from lab.initialize.objects import namespace, scraped
from lab.kube.objects import Obj, labelled

TRACED_AS = "podinfo"
"""The name under which podinfo's own spans come; its proxy has another one."""


def _stack(site: ClusterChoice) -> str:
    """Return the stack whose components are taken; without a mesh, their objects are Istio's."""
    return "linkerd" if site.has("linkerd") else "istio"


def _podinfo(site: ClusterChoice) -> Iterator[Part]:
    objects = list(site.sources.component(_stack(site), "podinfo", site.cluster).public)

    def observed(obj: Obj) -> None:
        edits.annotated(obj, scraped(9898))

    def traced(obj: Obj) -> None:
        endpoint = "http://otel-collector.observability.svc.cluster.local:4317"
        edits.container(obj, "podinfo")["env"] += [
            {"name": "PODINFO_OTEL_SERVICE_NAME", "value": TRACED_AS},
            {"name": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "value": endpoint},
        ]

    def scaled(obj: Obj) -> None:
        # Another apply of the file must not change the number that KEDA has set.
        del obj["spec"]["replicas"]

    wanted = {"prometheus": observed, "otel-collector": traced, "keda": scaled}
    for option, edit in wanted.items():
        if site.has(option):
            objects = edits.change(objects, "Deployment", "podinfo", edit, of="podinfo")
    if site.has("otel-collector") and not site.has("prometheus"):
        objects = edits.change(objects, "Deployment", "podinfo", observed, of="podinfo")
    if site.has("linkerd") and len(site.clusters) > 1 and site.cluster == "east":
        exported = {"mirror.linkerd.io/exported": "true"}
        objects = [labelled(obj, exported) if obj["kind"] == "Service" else obj for obj in objects]
    yield Part(stage=ApplyStage.NAMESPACES, objects=[namespace(APPS)])
    yield Part(stage=ApplyStage.OBJECTS, objects=objects)


def _frontend(site: ClusterChoice) -> Iterator[Part]:
    yield Part(stage=ApplyStage.NAMESPACES, objects=[namespace(APPS)])
    yield Part(stage=ApplyStage.OBJECTS, objects=site.sources.component(_stack(site), "frontend", site.cluster).public)


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
