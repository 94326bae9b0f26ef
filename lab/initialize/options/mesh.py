"""The service meshes: the objects are those of the lab's own stacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.base.names import NAMESPACE as APPS
from lab.initialize import edits
from lab.initialize.collector import COLLECTOR, HOST, OTLP_PORT
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, StagedObjects, Upkeep, UpstreamInstall
from lab.initialize.options import upstream
from lab.kube import manifests
from lab.kube.objects import Obj

_LOAD_BALANCED = frozenset({"docker-desktop", "minikube", "k3d", "gke", "eks", "aks", "plain"})
_GATEWAYS = "istio-default-gatewayclass-istio"
"""The ConfigMap with the defaults of Gateways' Deployments and Services."""
TRACES = COLLECTOR
"""Name of the tracing provider in Istio's mesh configuration."""


def gateway_api(choice: ClusterChoice) -> Iterator[StagedObjects]:
    """Yield the Gateway API's CRDs and their policies."""
    crds, policies = choice.sources.crds("gateway-api-manifests"), choice.sources.objects("gateway-api-manifests")
    parts = edits.staged(policies, crds=crds, built_in=ApplyStage.CRDS)
    yield from (replace(part, owner="gateway-api") for part in parts)


def _istio(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from gateway_api(choice)
    for name in ("namespaces", "istio"):
        objects = choice.sources.component("istio", name, choice.cluster).public
        if name == "istio":
            objects = _configured(objects, choice)
        yield from edits.staged([obj for obj in objects if not _is_apps(obj)])
    if len(choice.clusters) > 1:
        gateway = choice.sources.component("istio", "east-west-gateway", choice.cluster)
        yield StagedObjects(stage=ApplyStage.OBJECTS, objects=gateway.public)
        for link in choice.sources.links("istio", choice.cluster):
            yield StagedObjects(stage=ApplyStage.OPERATORS, objects=link.public)


def _is_apps(obj: Obj) -> bool:
    """Return whether an object is the applications' namespace: the wire to the applications labels it."""
    return bool(obj["kind"] == "Namespace" and obj["metadata"]["name"] == APPS)


def _configured(objects: list[Obj], choice: ClusterChoice) -> list[Obj]:
    """Return Istio's objects with the chosen collector, and for load balancers that need node ports."""

    def with_collector(obj: Obj) -> None:
        mesh = manifests.load_document(obj["data"]["mesh"])
        provider = {"service": HOST, "port": OTLP_PORT}
        mesh["extensionProviders"] = [
            *(mesh.get("extensionProviders") or []),
            {"name": TRACES, "opentelemetry": provider},
        ]
        mesh["enableTracing"] = True
        obj["data"]["mesh"] = manifests.dump_document(mesh)

    def without_service(obj: Obj) -> None:
        # The lab's Services have no node ports and no status port; load balancers need the first, clouds the second.
        del obj["data"]["service"]

    if choice.has(COLLECTOR):
        objects = edits.change(objects, "ConfigMap", "istio", with_collector, of="Istio")
    if choice.has(*_LOAD_BALANCED):
        objects = edits.change(objects, "ConfigMap", _GATEWAYS, without_service, of="Istio")
    return objects


def _linkerd(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from gateway_api(choice)
    names = ["linkerd-crds", "linkerd-identity", "linkerd"]
    if len(choice.clusters) > 1:
        names.append("multicluster")
    for name in names:
        yield from edits.staged(choice.sources.component("linkerd", name, choice.cluster).public)


MESH = Category(
    id="mesh",
    title="Service mesh",
    question="Which service mesh?",
    default="istio",
    options=(
        Option(id="none", title="no mesh", says="No mesh: no mTLS, and no calls between clusters."),
        Option(
            id="istio",
            title="Istio",
            says="Envoy beside each pod; Services of the same name in both clusters become one.",
            version="1.31.4",
            license="Apache-2.0",
            manifests=("gateway-api-manifests", "istioctl"),
            parts=_istio,
        ),
        Option(
            id="linkerd",
            title="Linkerd",
            says="A small proxy beside each pod; services of the other cluster get names of their own.",
            version="edge-26.8.3",
            license="Apache-2.0",
            manifests=("gateway-api-manifests", "linkerd"),
            upstream=UpstreamInstall(program="linkerd", commands=upstream.linkerd, kept=gateway_api),
            parts=_linkerd,
        ),
        Option(
            id="smi",
            title="Service Mesh Interface",
            says="A common API of several meshes.",
            upkeep=Upkeep.RETIRED,
            why="CNCF archived SMI in 2023.",
            instead=("istio", "linkerd"),
        ),
    ),
)
