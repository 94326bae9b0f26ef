"""Which metrics are collected: the scrape configuration that Prometheus and the collector share."""

from __future__ import annotations

from typing import Any

from lab.initialize.model import ClusterChoice

_META = "__meta_kubernetes_pod"


def jobs(choice: ClusterChoice) -> list[dict[str, Any]]:
    """Return the scrape jobs: pods that ask for it by their annotations, and Linkerd's proxies.

    Ingresses, Istio's proxies and gateways, Flux, and the options of the initializer have the annotations
    `prometheus.io/scrape`, `prometheus.io/port` and `prometheus.io/path`.
    """
    scraped = [_annotated()]
    if choice.has("linkerd"):
        scraped.append(_linkerd())
    return scraped


def _annotated() -> dict[str, Any]:
    annotation = f"{_META}_annotation_prometheus_io"
    return {
        "job_name": "pods",
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {"source_labels": [f"{annotation}_scrape"], "action": "keep", "regex": "true"},
            {"source_labels": [f"{_META}_phase"], "action": "drop", "regex": "Pending|Succeeded|Failed"},
            # A pod is a target for each of its ports; they all become the same one, which is kept once.
            {
                "source_labels": [f"{_META}_ip", f"{annotation}_port"],
                "action": "replace",
                "regex": "(.+);([0-9]+)",
                "replacement": "$1:$2",
                "target_label": "__address__",
            },
            {
                "source_labels": [f"{annotation}_path"],
                "action": "replace",
                "regex": "(.+)",
                "target_label": "__metrics_path__",
            },
            *_names(),
        ],
    }


def _linkerd() -> dict[str, Any]:
    return {
        "job_name": "linkerd-proxies",
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {
                "source_labels": [f"{_META}_container_name", f"{_META}_container_port_name"],
                "action": "keep",
                "regex": "linkerd-proxy;linkerd-admin",
            },
            *_names(),
        ],
    }


def _names() -> list[dict[str, Any]]:
    return [
        {"source_labels": [f"{_META}_{name}" if name != "namespace" else "__meta_kubernetes_namespace"], **target}
        for name, target in (("namespace", {"target_label": "namespace"}), ("name", {"target_label": "pod"}))
    ]


RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
]
"""What the discovery of pods may read."""
