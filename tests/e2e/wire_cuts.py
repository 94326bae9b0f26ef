"""The smallest change that cuts each wire of a profile in East, and what restores it beside `lab up`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Kubectl = Callable[..., str]
"""Runs kubectl against East, and returns what it prints."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a wire is cut.

    Args:
        what: the change, in words.
        cut: makes it.
        restore: undoes what `lab up` does not, because the lab does not own it.
    """

    what: str
    cut: Callable[[Kubectl], None]
    restore: Callable[[Kubectl], None] = lambda _: None


def _run(*commands: Sequence[str]) -> Callable[[Kubectl], None]:
    def run(kubectl: Kubectl) -> None:
        for words in commands:
            kubectl(*words)

    return run


def _delete(kind: str, name: str, namespace: str) -> Callable[[Kubectl], None]:
    return _run(("--namespace", namespace, "delete", kind, name, "--wait=false"))


def _unscraped(namespace: str, selector: str) -> Cut:
    """Let Prometheus find no pod: the wire is an annotation."""

    def annotated(value: str) -> Callable[[Kubectl], None]:
        pods = ("--namespace", namespace, "annotate", "pod", f"--selector={selector}", "--overwrite")
        return _run((*pods, f"prometheus.io/scrape={value}"))

    return Cut(what=f"no annotation of {selector}", cut=annotated("false"), restore=annotated("true"))


def _without_insecure_kubelets(kubectl: Kubectl) -> None:
    place = ("--namespace", "kube-system")
    found = json.loads(kubectl(*place, "get", "deployment", "metrics-server", "--output=json"))
    arguments = found["spec"]["template"]["spec"]["containers"][0]["args"]
    at = f"/spec/template/spec/containers/0/args/{arguments.index('--kubelet-insecure-tls')}"
    patch = json.dumps([{"op": "remove", "path": at}])
    kubectl(*place, "patch", "deployment", "metrics-server", "--type=json", f"--patch={patch}")


def _injected(value: str) -> Callable[[Kubectl], None]:
    labels = {"sidecar.istio.io/inject": None if value == "default" else value}
    patch = json.dumps({"spec": {"template": {"metadata": {"labels": labels}}}})
    place = ("--namespace", "test")
    return _run(
        (*place, "patch", "deployment", "frontend", "--type=merge", f"--patch={patch}"),
        (*place, "rollout", "status", "deployment/frontend", "--timeout=120s"),
    )


# Each of the three traces' wires is cut at its own sender, while the two others go on: a check that took another
# sender's spans for its own would stay green. The collector's Service is not touched: connections that are open
# survive the end of its endpoints, unless a proxy is between.


def _untraced_gateway(kubectl: Kubectl) -> None:
    """Let Istio's gateway send no spans: an object of its namespace comes before the mesh's."""
    obj = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "cut", "namespace": "istio-ingress"},
        "spec": {"tracing": [{"disableSpanReporting": True}]},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(obj))
        file.flush()
        kubectl("apply", "--server-side", f"--filename={file.name}")


def _untraced_podinfo() -> Callable[[Kubectl], None]:
    """Remove podinfo's name in traces: it sends no spans then, but its proxy does."""
    place = ("--namespace", "test")
    return _run(
        (*place, "set", "env", "deployment/podinfo", "PODINFO_OTEL_SERVICE_NAME-"),
        (*place, "rollout", "status", "deployment/podinfo", "--timeout=120s"),
    )


CUTS: Mapping[str, Cut] = {
    "links": Cut(what="no credentials for West", cut=_delete("secret", "istio-remote-secret-west", "istio-system")),
    "injection": Cut(what="frontend without a proxy", cut=_injected("false"), restore=_injected("default")),
    "routing": Cut(what="no route to podinfo", cut=_delete("httproute", "podinfo", "test")),
    "guard": Cut(what="no route to oauth2-proxy", cut=_delete("httproute", "authentication", "auth")),
    "metrics-ingress": _unscraped("istio-ingress", "gateway.networking.k8s.io/gateway-name=ingress"),
    "metrics-mesh": _unscraped("istio-system", "app=istiod"),
    "metrics-apps": _unscraped("test", "app.kubernetes.io/name=podinfo"),
    "traces-ingress": Cut(
        what="no spans of the gateway", cut=_untraced_gateway, restore=_delete("telemetry", "cut", "istio-ingress")
    ),
    "traces-mesh": Cut(what="no Telemetry", cut=_delete("telemetry", "traces", "istio-system")),
    "traces-apps": Cut(what="no spans of podinfo", cut=_untraced_podinfo()),
    "scaling": Cut(what="no ScaledObject", cut=_delete("scaledobject", "podinfo", "test")),
    "flux": Cut(what="no source", cut=_delete("ocirepository", "eastwest", "flux-system")),
    "kubelets": Cut(what="metrics-server does not trust the kubelets", cut=_without_insecure_kubelets),
    "tasks": Cut(what="no TaskRun", cut=_delete("taskrun", "hello", "default")),
}
"""By the wire's id; `trust` is cut by another anchor, in a test of its own."""
