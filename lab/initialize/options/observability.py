"""Observability: metrics, traces and their dashboards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from lab.initialize import edits, scraping
from lab.initialize.collector import COLLECTOR, HOST, OTLP_PORT
from lab.initialize.images import PUBLIC
from lab.initialize.ingresses import OBSERVABILITY
from lab.initialize.model import (
    ApplyStage,
    Category,
    ClusterChoice,
    Option,
    Secret,
    StagedObjects,
    UpstreamInstall,
    Url,
)
from lab.initialize.objects import (
    OPEN_IN_LINKERD,
    RESTRICTED,
    account,
    cluster_role,
    config_map,
    deployment,
    namespace,
    probe,
    resources,
    scraped,
    service,
)
from lab.initialize.options import upstream
from lab.initialize.options.components import key_commands
from lab.initialize.urls import public_url
from lab.kube import manifests
from lab.kube.objects import Obj

PROMETHEUS, JAEGER = "prometheus", "jaeger"
_INSECURE_KUBELETS = ("kind", "docker-desktop", "minikube", "k3d")
"""Platforms whose kubelets have certificates that no authority of the cluster signed."""


def _place(choice: ClusterChoice) -> StagedObjects:
    """Return the namespace; in Linkerd's mesh, as its proxies tell their metrics to meshed callers only."""
    annotations = OPEN_IN_LINKERD if choice.has("linkerd") else None
    return StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(OBSERVABILITY, annotations=annotations)])


def _configured(name: str, file: str, content: dict[str, Any]) -> tuple[Obj, dict[str, str], Obj, Obj]:
    """Return a ConfigMap, the annotation that restarts its pods after a change, the volume, and its mount."""
    text = manifests.dump_document(content)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    volume = {"name": "config", "configMap": {"name": name}}
    mount = {"name": "config", "mountPath": f"/etc/{name}", "readOnly": True}
    return config_map(name, OBSERVABILITY, {file: text}), {"checksum/config": digest}, volume, mount


def _prometheus(choice: ClusterChoice) -> Iterator[StagedObjects]:
    own = {
        "job_name": PROMETHEUS,
        "metrics_path": "/prometheus/metrics",
        "static_configs": [{"targets": ["localhost:9090"]}],
    }
    jobs = [own, *scraping.jobs(choice)]
    if choice.has(COLLECTOR):
        # What the collector received; its own metrics are found by its pods' annotations.
        target = f"{HOST}:8889"
        jobs.append({"job_name": COLLECTOR, "honor_labels": True, "static_configs": [{"targets": [target]}]})
    content = {
        # Short, so that KEDA sees the first request soon.
        "global": {"scrape_interval": "5s", "external_labels": {"cluster": choice.cluster}},
        "scrape_configs": jobs,
    }
    config, restart, volume, mount = _configured(PROMETHEUS, "prometheus.yml", content)
    container = {
        "image": PUBLIC["prometheus-server"],
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/data",
            "--storage.tsdb.retention.time=24h",
            "--web.route-prefix=/prometheus/",
            f"--web.external-url={public_url(choice.cluster)}/prometheus/",
        ],
        "ports": [{"name": "http", "containerPort": 9090}],
        "readinessProbe": probe("/prometheus/-/ready", "http"),
        "livenessProbe": probe("/prometheus/-/healthy", "http"),
        "resources": resources("50m", "256Mi", "1Gi"),
        "securityContext": RESTRICTED,
        "volumeMounts": [mount, {"name": "data", "mountPath": "/data"}],
    }
    user = {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    yield _place(choice)
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(PROMETHEUS, OBSERVABILITY, token=True),
            *cluster_role(PROMETHEUS, scraping.RULES, subject_in=OBSERVABILITY),
            config,
            service(PROMETHEUS, OBSERVABILITY, [("http", 9090, "http")]),
            deployment(
                PROMETHEUS,
                OBSERVABILITY,
                container,
                annotations=restart,
                volumes=[volume, {"name": "data", "emptyDir": {}}],
                pod={"securityContext": user},
            ),
        ],
    )


def _collector(choice: ClusterChoice) -> Iterator[StagedObjects]:
    config, restart, volume, mount = _configured(COLLECTOR, "config.yaml", _pipelines(choice))
    ports = (("otlp-grpc", OTLP_PORT, "grpc"), ("otlp-http", 4318, "http"), ("metrics", 8889, "http"))
    container = {
        "image": PUBLIC[COLLECTOR],
        "args": [f"--config=/etc/{COLLECTOR}/config.yaml"],
        "ports": [
            *({"name": name, "containerPort": number} for name, number, _ in ports),
            {"name": "telemetry", "containerPort": 8888},
            {"name": "health", "containerPort": 13133},
        ],
        "readinessProbe": probe("/", "health"),
        "livenessProbe": probe("/", "health"),
        "resources": resources("20m", "64Mi", "512Mi"),
        "securityContext": RESTRICTED,
        "volumeMounts": [mount],
    }
    scrapes = not choice.has(PROMETHEUS)
    rbac: Sequence[Obj] = cluster_role(COLLECTOR, scraping.RULES, subject_in=OBSERVABILITY) if scrapes else ()
    yield _place(choice)
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(COLLECTOR, OBSERVABILITY, token=scrapes),
            *rbac,
            config,
            service(COLLECTOR, OBSERVABILITY, ports),
            # Its own metrics; those that it received are at 8889, which the Service has.
            deployment(COLLECTOR, OBSERVABILITY, container, annotations={**restart, **scraped(8888)}, volumes=[volume]),
        ],
    )


_SPANS = {"verbosity": "normal"}
"""The log of spans: the checks of the traces' wires look for the senders in it.

`basic` counts spans without their sender, and `detailed` prints some 30 lines for each. Counters by sender need a
connector, which neither upstream's small distribution nor the lab's build of the collector has.
"""


def _pipelines(choice: ClusterChoice) -> dict[str, Any]:
    """Return the collector's configuration: OTLP in; traces to Jaeger or the log, metrics to Prometheus' format."""
    traces = f"otlp_grpc/{JAEGER}" if choice.has(JAEGER) else "debug"
    receivers: dict[str, Any] = {
        "otlp": {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{OTLP_PORT}"}, "http": {"endpoint": "0.0.0.0:4318"}}}
    }
    # What is not measured any more shall be gone after two minutes; the default is five.
    exporters: dict[str, Any] = {
        "debug": _SPANS,
        "prometheus": {"endpoint": "0.0.0.0:8889", "metric_expiration": "90s"},
    }
    if choice.has(JAEGER):
        exporters[traces] = {
            "endpoint": f"{JAEGER}.{OBSERVABILITY}.svc.cluster.local:{OTLP_PORT}",
            "tls": {"insecure": True},
        }
    if not choice.has(PROMETHEUS):
        # `$` begins a variable in the collector's configuration.
        jobs = edits.each_text(scraping.jobs(choice), lambda text: text.replace("$", "$$"))
        receivers["prometheus"] = {"config": {"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}}
    processors = ["memory_limiter", "batch"]
    return {
        "extensions": {"health_check": {"endpoint": "0.0.0.0:13133"}},
        "receivers": receivers,
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20},
            "batch": {},
        },
        "exporters": exporters,
        "service": {
            "extensions": ["health_check"],
            "telemetry": {
                "metrics": {
                    "readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": 8888}}}}]  # noqa: S104
                }
            },
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": processors, "exporters": [traces]},
                "metrics": {"receivers": list(receivers), "processors": processors, "exporters": ["prometheus"]},
            },
        },
    }


def _jaeger(choice: ClusterChoice) -> Iterator[StagedObjects]:
    content = {
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
            "jaeger_query": {
                "base_path": "/jaeger",
                "storage": {"traces": "memory"},
                "http": {"endpoint": "0.0.0.0:16686"},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{OTLP_PORT}"}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}, "debug": _SPANS},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter", "debug"],
                }
            },
        },
    }
    config, restart, volume, mount = _configured(JAEGER, "config.yaml", content)
    container = {
        "image": PUBLIC[JAEGER],
        "args": [f"--config=/etc/{JAEGER}/config.yaml"],
        "ports": [{"name": "http", "containerPort": 16686}, {"name": "otlp-grpc", "containerPort": OTLP_PORT}],
        "readinessProbe": probe("/jaeger/", "http"),
        "resources": resources("20m", "64Mi", "512Mi"),
        "securityContext": RESTRICTED,
        "volumeMounts": [mount],
    }
    yield _place(choice)
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(JAEGER, OBSERVABILITY),
            config,
            service(JAEGER, OBSERVABILITY, [("http", 16686, "http"), ("otlp-grpc", OTLP_PORT, "grpc")]),
            deployment(JAEGER, OBSERVABILITY, container, annotations=restart, volumes=[volume]),
        ],
    )


def _metrics_server(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact, label = "metrics-server-manifests", {"k8s-app": "metrics-server"}

    def complete(obj: Obj) -> None:
        """Set the labels that upstream's kustomization adds, and what the platform needs."""
        template = obj["spec"]["template"]
        template["metadata"] = {**template.get("metadata", {}), "labels": label}
        obj["spec"]["selector"] = {"matchLabels": label}
        if choice.has(*_INSECURE_KUBELETS):
            edits.container(obj, "metrics-server")["args"].append("--kubelet-insecure-tls")

    image = {"gcr.io/k8s-staging-metrics-server/metrics-server:master": PUBLIC["metrics-server"]}
    objects = edits.texts(choice.sources.objects(artifact), image, of="metrics-server")
    objects = edits.change(objects, "Deployment", "metrics-server", complete, of="metrics-server")
    objects = edits.change(
        objects, "Service", "metrics-server", lambda obj: obj["spec"].update(selector=label), of="metrics-server"
    )
    yield from edits.staged(objects)


def _prometheus_operator(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "prometheus-operator-manifests"
    # Upstream's bundle is for the namespace `default`.
    objects = edits.texts(choice.sources.objects(artifact), {"default": OBSERVABILITY}, of="the Prometheus operator")
    yield _place(choice)
    yield from edits.staged(objects, crds=choice.sources.crds(artifact))


def _linkerd_viz(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield from edits.staged(choice.sources.component("linkerd", "linkerd-viz", choice.cluster).public)


def _viz_keys(choice: ClusterChoice) -> Iterator[Secret]:
    yield from key_commands(choice, "linkerd", "linkerd-viz")


OBSERVABILITY_CATEGORY = Category(
    id="observability",
    title="Observability",
    question="What observes the clusters?",
    many=True,
    options=(
        Option(
            id="metrics-server",
            title="metrics-server",
            says="CPU and memory of nodes and pods, for `kubectl top` and autoscalers.",
            version="0.9.0",
            license="Apache-2.0",
            manifests=("metrics-server-manifests",),
            parts=_metrics_server,
        ),
        Option(
            id=PROMETHEUS,
            title="Prometheus",
            says="Collects metrics of ingress, mesh and applications, and answers queries.",
            version="3.15.1",
            license="Apache-2.0",
            parts=_prometheus,
            urls=(Url(path="/prometheus/", title="Prometheus"),),
        ),
        Option(
            id="prometheus-operator",
            title="the Prometheus operator",
            says="Runs Prometheus servers that Prometheus and ServiceMonitor objects describe.",
            version="0.85.0",
            license="Apache-2.0",
            manifests=("prometheus-operator-manifests",),
            parts=_prometheus_operator,
            notes=("The Prometheus operator is installed without a Prometheus object: write one for your namespaces.",),
        ),
        Option(
            id=COLLECTOR,
            title="the OpenTelemetry collector",
            says="Receives traces and metrics from ingress, mesh and applications, and passes them on.",
            version="0.165.0",
            license="Apache-2.0",
            parts=_collector,
        ),
        Option(
            id=JAEGER,
            title="Jaeger",
            says="Stores traces in memory, and shows them.",
            version="2.13.0",
            license="Apache-2.0",
            parts=_jaeger,
            urls=(Url(path="/jaeger/", title="Jaeger"),),
        ),
        Option(
            id="linkerd-viz",
            title="Linkerd Viz",
            says="Linkerd's dashboard, with a Prometheus of its own.",
            version="edge-26.8.3",
            license="Apache-2.0",
            manifests=("linkerd",),
            upstream=UpstreamInstall(program="linkerd", commands=upstream.linkerd_viz),
            parts=_linkerd_viz,
            secrets=_viz_keys,
            notes=("Open Linkerd's dashboard with `linkerd viz dashboard --context=CONTEXT`.",),
        ),
        Option(
            id="grafana",
            title="Grafana",
            says="Dashboards for Prometheus and other sources.",
            license="AGPL-3.0-only",
            reference=(
                "Its licence is the AGPL: the lab refers to upstream's chart and does not build it.",
                "helm repo add grafana https://grafana.github.io/helm-charts",
                "helm install grafana grafana/grafana --namespace observability --create-namespace",
            ),
        ),
    ),
)
