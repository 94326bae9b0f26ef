"""Istio's routes and permissions, as the stage's live panels show them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.kube.objects import Obj
from lab.stacks.istio import control_plane, ingress
from lab.stacks.istio.export import origin
from lab.stacks.panel import PanelKinds, PolicyKind, http_route, rules, selected, short, some, weights

_NETWORKING = "networking.istio.io/v1"
_SECURITY = "security.istio.io/v1"


def virtual_service(obj: Obj) -> str:
    """Return a VirtualService: "podinfo: 50 % west, 50 % east"."""
    spec = obj.get("spec", {})

    def found() -> Iterator[tuple[str, str]]:
        for rule in [*(spec.get("http") or []), *(spec.get("tcp") or [])]:
            targets = [(_destination(to["destination"]), int(to.get("weight", 1))) for to in rule.get("route") or []]
            delay = ((rule.get("fault") or {}).get("delay") or {}).get("fixedDelay")
            retries = (rule.get("retries") or {}).get("attempts")
            more = (f", {retries} retries" if retries else "") + (f", {delay} later" if delay else "")
            yield _condition(rule), (weights(targets) + more if targets else "")

    return rules(some([short(str(host)) for host in spec.get("hosts") or []]), found())


def _destination(destination: Obj) -> str:
    return str(destination.get("subset") or short(str(destination["host"])))


def _condition(rule: Obj) -> str:
    headers = [
        f"{name}={next(iter(value.values()), '')}"
        for match in rule.get("match") or []
        for name, value in (match.get("headers") or {}).items()
    ]
    return " or ".join(headers)


def destination_rule(obj: Obj) -> str:
    """Return a DestinationRule: "podinfo: first west", or its subsets."""
    spec = obj.get("spec", {})
    locality = ((spec.get("trafficPolicy") or {}).get("loadBalancer") or {}).get("localityLbSetting") or {}
    first = [str(label).partition("=")[2] or str(label) for label in locality.get("failoverPriority") or []]
    subsets = [str(subset["name"]) for subset in spec.get("subsets") or []]
    parts = [f"first {some(first)}"] if first else []
    parts += [f"subsets {some(subsets, 3)}"] if subsets else []
    return rules(short(str(spec.get("host", ""))), [("", "; ".join(parts))])


def authorization(obj: Obj) -> str:
    """Return an AuthorizationPolicy: "podinfo: ALLOW west.example/ns/test/sa/frontend"."""
    spec = obj.get("spec", {})
    callers = [
        str(principal)
        for rule in spec.get("rules") or []
        for one in rule.get("from") or []
        for principal in (one.get("source") or {}).get("principals") or []
    ]
    action = str(spec.get("action", "ALLOW"))
    return f"{selected(spec.get('selector'))}: {action} {some(callers) or ('nobody' if action == 'ALLOW' else 'all')}"


def peer_authentication(obj: Obj) -> str:
    """Return a PeerAuthentication: "all pods: mTLS STRICT"."""
    spec = obj.get("spec", {})
    return f"{selected(spec.get('selector'))}: mTLS {(spec.get('mtls') or {}).get('mode', 'UNSET')}"


def service_entry(obj: Obj) -> str:
    """Return the hosts of a ServiceEntry."""
    return some([short(str(host)) for host in obj.get("spec", {}).get("hosts") or []])


def envoy_filter(obj: Obj) -> str:
    """Return the workload whose proxies an EnvoyFilter changes; for those of the lab, what they do."""
    spec = obj.get("spec", {})
    labels = (spec.get("workloadSelector") or {}).get("labels") or {}
    workload = ", ".join(map(str, labels.values())) or "all pods"
    values = [(one.get("patch") or {}).get("value") or {} for one in spec.get("configPatches") or []]
    if values and all(value == {"include_attempt_count_in_response": True} for value in values):
        return f"{workload}: answers tell their attempts"
    if values and all(value == {"common_lb_config": {"update_merge_window": "0s"}} for value in values):
        clusters = [(one.get("match") or {}).get("cluster") or {} for one in spec["configPatches"]]
        return f"{some([short(str(one.get('service'))) for one in clusters])}: the health of endpoints counts at once"
    return f"changes the proxies of {workload}"


def mirror_of(service: Obj) -> str | None:
    """Return the cluster that exports a Service."""
    found = origin(service)
    return found[1] if found else None


PANEL = PanelKinds(
    namespaces=(ingress.GATEWAY.namespace, control_plane.NAMESPACE),
    policies=(
        PolicyKind(api_version=_NETWORKING, kind="VirtualService", words=virtual_service),
        PolicyKind(api_version=_NETWORKING, kind="DestinationRule", words=destination_rule),
        PolicyKind(api_version=_NETWORKING, kind="ServiceEntry", words=service_entry),
        PolicyKind(api_version="networking.istio.io/v1alpha3", kind="EnvoyFilter", words=envoy_filter),
        PolicyKind(api_version=_SECURITY, kind="AuthorizationPolicy", words=authorization),
        # The one that holds for the whole mesh is in the control plane's namespace.
        PolicyKind(
            api_version=_SECURITY,
            kind="PeerAuthentication",
            words=peer_authentication,
            namespaces=(control_plane.NAMESPACE,),
        ),
        PolicyKind(api_version=ingress.GATEWAY.api_version, kind="HTTPRoute", words=http_route),
    ),
    links=None,  # istiod keeps their state, and the remote clusters' credentials are Secrets
    mirror_of=mirror_of,
)
