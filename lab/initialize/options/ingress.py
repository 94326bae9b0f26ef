"""The ingresses: each is a Gateway on port 80, or Emissary's Listener."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import edits
from lab.initialize.collector import COLLECTOR, OTLP, OTLP_PORT
from lab.initialize.ingresses import EMISSARY_API, INGRESSES, OBSERVABILITY, TRACING, gateway, listeners
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, StagedObjects, Upkeep, UpstreamInstall
from lab.initialize.objects import OPEN_IN_LINKERD, namespace, scraped
from lab.initialize.options import upstream
from lab.initialize.options.mesh import gateway_api
from lab.kube.objects import Obj
from lab.stacks.linkerd import emissary as lab_emissary

_APPLICATIONS = "frontend"
_EMISSARY_VERSION = "4.1.0"
_ENVOY = (
    "docker.io/envoyproxy/envoy:distroless-v1.39.1"
    "@sha256:eb2c01c13125d1629637cb4e4cce7207009fb7cc2c8027f9742758549d15b6f4"
)
"""The default of Envoy Gateway 1.9.1 (api/v1alpha1/shared_types.go)."""


def _istio_gateway(choice: ClusterChoice) -> Iterator[StagedObjects]:
    objects = choice.sources.component("istio", "ingress", choice.cluster).public

    def accept(obj: Obj) -> None:
        """Replace the HTTP listener, so that other namespaces than the applications' can have routes."""
        own = obj["spec"]["listeners"]
        own.remove(next(one for one in own if one["name"] == "http"))
        obj["spec"]["listeners"] = [*listeners(tls=choice.has("cert-manager")), *own]

    changed = edits.change(objects, "Gateway", "ingress", accept, of="the lab's ingress")
    yield StagedObjects(
        stage=ApplyStage.OBJECTS, objects=edits.without(changed, ("HTTPRoute", _APPLICATIONS), of="the lab's ingress")
    )


def _envoy_gateway(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from gateway_api(choice)
    artifact, ingress = "envoy-gateway-manifests", INGRESSES["envoy-gateway"]
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(ingress.namespace)])
    upstream = edits.placed(choice.sources.objects(artifact), ingress.namespace)
    yield from edits.staged(upstream, crds=choice.sources.crds(artifact))
    proxy: Obj = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": {"name": "ingress", "namespace": ingress.namespace},
        "spec": {
            "provider": {
                "type": "Kubernetes",
                "kubernetes": {
                    # Otherwise the names have a hash, and nothing can refer to them.
                    "envoyService": {"name": ingress.service, "type": "LoadBalancer"},
                    "envoyDeployment": {
                        "name": ingress.service,
                        # Its own default, so that it is in IMAGES.txt and can come from another registry.
                        "container": {"image": _ENVOY},
                        **({"pod": {"annotations": _in_linkerd(choice)}} if _in_linkerd(choice) else {}),
                    },
                },
            }
        },
    }
    if choice.has(COLLECTOR):
        backend = {"name": COLLECTOR, "namespace": OBSERVABILITY, "port": OTLP_PORT}
        proxy["spec"]["telemetry"] = {
            "tracing": {"samplingRate": 100, "provider": {"type": "OpenTelemetry", "backendRefs": [backend]}}
        }
    parameters = {
        "group": "gateway.envoyproxy.io",
        "kind": "EnvoyProxy",
        "name": "ingress",
        "namespace": ingress.namespace,
    }
    controller = "gateway.envoyproxy.io/gatewayclass-controller"
    yield StagedObjects(
        stage=ApplyStage.OBJECTS,
        objects=[
            proxy,
            *gateway(ingress, tls=choice.has("cert-manager"), parameters=parameters, controller=controller),
        ],
    )


def _in_linkerd(choice: ClusterChoice) -> dict[str, str]:
    """Return the annotations of an ingress's pods in Linkerd's mesh: browsers have no identity."""
    return OPEN_IN_LINKERD if choice.has("linkerd") else {}


_CONTOUR_CONFIG = """\
gateway:
  gatewayRef:
    name: ingress
    namespace: projectcontour
disablePermitInsecure: false
accesslog-format: envoy
"""


def _contour(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from gateway_api(choice)
    artifact, ingress = "contour-manifests", INGRESSES["contour"]

    def configure(obj: Obj) -> None:
        if "disablePermitInsecure" not in obj["data"]["contour.yaml"]:
            raise ValueError("disablePermitInsecure")
        obj["data"]["contour.yaml"] = _CONTOUR_CONFIG

    objects = edits.change(choice.sources.objects(artifact), "ConfigMap", "contour", configure, of="Contour")
    objects = edits.change(
        objects, "DaemonSet", "envoy", lambda obj: edits.annotated(obj, _in_linkerd(choice)), of="Contour"
    )
    yield from edits.staged(objects, crds=choice.sources.crds(artifact))
    controller = "projectcontour.io/gateway-controller"
    yield StagedObjects(
        stage=ApplyStage.OBJECTS, objects=gateway(ingress, tls=choice.has("cert-manager"), controller=controller)
    )


def _traefik(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from gateway_api(choice)
    ingress = INGRESSES["traefik"]
    image, own = "docker.io/library/traefik:v3.7.13", "traefik:v3.7"

    def configure(obj: Obj) -> None:
        container = edits.container(obj, "traefik")
        container["args"].remove("--experimental.kubernetesgateway")  # without effect since 3.1
        container["args"] += [
            f"--providers.kubernetesgateway.statusaddress.service.namespace={ingress.namespace}",
            f"--providers.kubernetesgateway.statusaddress.service.name={ingress.service}",
            "--entrypoints.metrics.address=:9100",
            "--metrics.prometheus=true",
            "--metrics.prometheus.entrypoint=metrics",
            "--metrics.prometheus.addrouterslabels=true",
        ]
        if choice.has(COLLECTOR):
            container["args"] += [
                "--tracing.otlp.grpc=true",
                f"--tracing.otlp.grpc.endpoint={OTLP}",
                "--tracing.otlp.grpc.insecure=true",
            ]
        edits.annotated(obj, {**_in_linkerd(choice), **scraped(9100)})

    objects = edits.texts(
        choice.sources.objects("traefik-manifests"), {"default": ingress.namespace, own: image}, of="Traefik"
    )
    objects = edits.change(objects, "Deployment", "traefik", configure, of="Traefik")
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(ingress.namespace)])
    yield from edits.staged(edits.placed(objects, ingress.namespace))
    made = gateway(ingress, tls=choice.has("cert-manager"), controller="traefik.io/gateway-controller")
    yield StagedObjects(stage=ApplyStage.OBJECTS, objects=made)


def _emissary(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(INGRESSES["emissary"].namespace)])
    yield from edits.staged(choice.sources.component("linkerd", "emissary-crds", choice.cluster).public)
    objects = [
        obj for obj in choice.sources.component("linkerd", "ingress", choice.cluster).public if obj["kind"] != "Mapping"
    ]
    if not choice.has("linkerd"):
        objects = [obj for obj in objects if not obj["apiVersion"].startswith("policy.linkerd.io/")]
    objects = edits.change(
        objects, "Deployment", "emissary-ingress", lambda obj: _only(obj, _annotations(choice)), of="Emissary"
    )
    # Its pods are not ready before there is a Listener.
    yield from edits.staged([*objects, *_traces(choice)], built_in=ApplyStage.OBJECTS)


def _annotations(choice: ClusterChoice) -> dict[str, str]:
    """Return the annotations of Emissary's pods; one restarts them when the collector is added or removed."""
    traced = {"eastwest-lab/traces-to": COLLECTOR} if choice.has(COLLECTOR) else {}
    return {**_in_linkerd(choice), **scraped(8877), **traced}


def _traces(choice: ClusterChoice) -> list[Obj]:
    """Return the collector's address for Emissary. It reads this at its start only (emissary's v3bootstrap.py)."""
    if not choice.has(COLLECTOR):
        return []
    return [
        {
            "apiVersion": EMISSARY_API,
            "kind": TRACING,
            "metadata": {"name": COLLECTOR, "namespace": INGRESSES["emissary"].namespace},
            "spec": {"driver": "opentelemetry", "service": f"{COLLECTOR}.{OBSERVABILITY}:{OTLP_PORT}"},
        }
    ]


def _emissary_by_upstream(choice: ClusterChoice) -> Iterator[str]:
    yield from upstream.emissary(choice, _EMISSARY_VERSION, _annotations(choice))


def _emissary_kept(choice: ClusterChoice) -> Iterator[StagedObjects]:
    """Yield the objects that are the lab's own, not of the chart."""
    own = [obj for obj in (*lab_emissary.routes(), *lab_emissary.from_mesh()) if obj["kind"] != "Mapping"]
    if not choice.has("linkerd"):
        own = [obj for obj in own if not obj["apiVersion"].startswith("policy.linkerd.io/")]
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(INGRESSES["emissary"].namespace)])
    yield StagedObjects(stage=ApplyStage.OBJECTS, objects=[*own, *_traces(choice)])


def _only(obj: Obj, annotations: dict[str, str]) -> None:
    """Replace the annotations of the mesh, which the lab's stack always has."""
    template = obj["spec"]["template"]["metadata"]
    kept = {key: value for key, value in template["annotations"].items() if "linkerd.io/" not in key}
    template["annotations"] = {**kept, **annotations}


INGRESS = Category(
    id="ingress",
    title="Ingress",
    question="Which ingress?",
    default="istio-gateway",
    options=(
        Option(id="none", title="no ingress", says="No ingress: services are reached from inside only."),
        Option(
            id="istio-gateway",
            title="Gateway API on Istio",
            says="A Gateway that Istio's control plane runs, with an identity of the mesh.",
            version="1.31.4",
            license="Apache-2.0",
            manifests=("istioctl",),
            parts=_istio_gateway,
        ),
        Option(
            id="emissary",
            title="Emissary-ingress",
            says="Ambassador's ingress, as in the talk, configured by Mappings.",
            version=_EMISSARY_VERSION,
            license="Apache-2.0",
            upkeep=Upkeep.SLOW,
            manifests=("emissary-crds", "emissary-chart", "helm"),
            upstream=UpstreamInstall(program="helm", commands=_emissary_by_upstream, kept=_emissary_kept),
            parts=_emissary,
        ),
        Option(
            id="envoy-gateway",
            title="Envoy Gateway",
            says="Envoy's own implementation of the Gateway API.",
            version="1.9.1",
            license="Apache-2.0",
            manifests=("gateway-api-manifests", "envoy-gateway-manifests"),
            parts=_envoy_gateway,
        ),
        Option(
            id="contour",
            title="Contour",
            says="An Envoy ingress of the CNCF with the Gateway API.",
            version="1.33.8",
            license="Apache-2.0",
            manifests=("gateway-api-manifests", "contour-manifests"),
            parts=_contour,
        ),
        Option(
            id="traefik",
            title="Traefik",
            says="An ingress in one program with the Gateway API.",
            version="3.7.13",
            license="MIT",
            manifests=("gateway-api-manifests", "traefik-manifests"),
            parts=_traefik,
        ),
        Option(
            id="ingress-nginx",
            title="ingress-nginx",
            says="The ingress of the Kubernetes project.",
            license="Apache-2.0",
            upkeep=Upkeep.RETIRED,
            why="The Kubernetes project retired it in March 2026.",
            instead=("envoy-gateway", "contour"),
        ),
    ),
)
