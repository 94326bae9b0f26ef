"""Observe a lab: answers through a frontend, identities, Kubernetes objects, each with its evidence."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.base.names import NAMESPACE, Cluster, Json
from lab.base.wait import TransientError
from lab.kube import connect
from lab.kube.manifests import dump
from lab.kube.objects import Obj, Ref
from lab.measure.load import get_json
from lab.mesh.names import exported_name
from lab.scenario.context import Context, Role
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.observation import Look, Observation

_TIMEOUT_S = 30.0
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Counts of the answers to requests that a frontend sent, by cluster and by pod."""

    requests: int
    by_cluster: Mapping[str, int]
    by_pod: Mapping[str, int]
    failed: int
    evidence: Evidence
    versions: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        """The counts as text."""
        by = ", ".join(f"{name} {count}" for name, count in self.by_cluster.items()) or "nobody"
        return f"{self.requests} requests, answered by {by}" + (f", {self.failed} failed" if self.failed else "")

    def only(self, cluster: str) -> bool:
        """Return whether this cluster answered every request."""
        return self.by_cluster == {cluster: self.requests}


def mirror(context: Context, service: str) -> str:
    """Return the name in West of a service that East exports."""
    return exported_name(service, context.east.name)


def frontend(
    context: Context, cluster: Cluster, path: str, *, headers: Mapping[str, str] | None = None
) -> Mapping[str, Json]:
    """Get a path of a cluster's frontend through its ingress.

    Raises:
        TransientError: no answer, or not the expected one; a look that waits continues.
    """
    url = context.base_url(cluster)
    try:
        return get_json(url, path, timeout_s=_TIMEOUT_S, headers=headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransientError(f"{url}{path}: {type(error).__name__}: {error}") from error


def answers(
    context: Context,
    cluster: Cluster,
    upstream: str,
    *,
    count: int,
    parallel: int = 5,
    connection: str = "new",
    headers: Mapping[str, str] | None = None,
) -> Answers:
    """Let a cluster's frontend send requests to `upstream`, and count the answers by cluster and pod.

    Args:
        context: the scenario's.
        cluster: the caller's cluster.
        upstream: the called service, by the frontend's name for it.
        count: number of requests; 500 at most.
        parallel: number of requests at the same time.
        connection: "new" for each request, or "reuse".
        headers: request headers; the frontend forwards those that begin with `x-lab-`.
    """
    path = f"/api/answers?upstream={upstream}&count={count}&parallel={parallel}&connection={connection}"
    document = frontend(context, cluster, path, headers=headers)
    totals, rows = document["totals"], document["answers"]
    lines = [_line(row) for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"… {len(rows) - _SHOWN} more")
    return Answers(
        requests=totals["requests"],
        by_cluster=totals["by_cluster"],
        by_pod=totals["by_pod"],
        failed=totals["failed"],
        versions=frozenset(row["version"] for row in rows if row["version"]),
        messages=frozenset(row["message"] for row in rows if row["message"]),
        evidence=Evidence(
            kind=EvidenceKind.ANSWERS,
            title=f"{count} requests of {cluster.name}'s frontend to {upstream}",
            text="\n".join(
                [
                    f"GET {path}",
                    *(f"{name}: {value}" for name, value in (headers or {}).items()),
                    f"by cluster: {totals['by_cluster']}, failed: {totals['by_failure']}",
                    *lines,
                ]
            ),
            data={"upstream": document["upstream"], "totals": totals},
        ),
    )


def only(upstream: str, *, by: Role, count: int = 50) -> Look:
    """Return a look that holds if the cluster in a role answers every request of West's frontend to `upstream`."""

    def look(context: Context) -> Observation:
        counts = answers(context, context.west, upstream, count=count)
        return Observation(holds=counts.only(context.cluster(by).name), seen=counts.words, evidence=(counts.evidence,))

    return look


def _line(row: Mapping[str, Any]) -> str:
    result = row["error"]["detail"] if row["error"] else f"{row['cluster']} {row['pod']}"
    return f"{row['n']:>4}  {row['sent_at']}  {row['latency_ms']:>8.1f} ms  {result}"


@dataclass(frozen=True, kw_only=True)
class SeenIdentities:
    """The identities at both ends of a request, as the target saw them; empty if it named none."""

    client: str
    server: str
    gateway: str
    evidence: Evidence


def identities(context: Context, cluster: Cluster, upstream: str) -> SeenIdentities:
    """Let a cluster's frontend ask `upstream` which identities it saw on the request."""
    path = f"/api/identity?upstream={upstream}"
    document = frontend(context, cluster, path)
    identity = document["identity"]
    ends = {end: (identity[end] or {}).get("id", "") for end in ("client", "server", "gateway")}
    header = {name: value for name, value in document["headers"].items() if name == identity["source"]}
    lines = [f"GET {path}", *(f"{end}: {name or '(not named)'}" for end, name in ends.items()), f"header: {header}"]
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=f"identities on a request of {cluster.name}'s frontend to {upstream}, as the target saw them",
        text="\n".join(lines),
        data=dict(ends),
    )
    return SeenIdentities(client=ends["client"], server=ends["server"], gateway=ends["gateway"], evidence=evidence)


def service(name: str, *, namespace: str = NAMESPACE) -> Ref:
    """Return the reference of a Service."""
    return Ref(api_version="v1", kind="Service", name=name, namespace=namespace)


def deployment(name: str, *, namespace: str = NAMESPACE) -> Ref:
    """Return the reference of a Deployment."""
    return Ref(api_version="apps/v1", kind="Deployment", name=name, namespace=namespace)


def _ends(cluster: Cluster, name: str, namespace: str) -> list[Obj]:
    """Return the endpoints in a Service's EndpointSlices."""
    slices = connect(cluster).find(
        "discovery.k8s.io/v1", "EndpointSlice", namespace=namespace, labels={"kubernetes.io/service-name": name}
    )
    return [endpoint for one in slices for endpoint in one.get("endpoints") or ()]


def endpoints(cluster: Cluster, name: str, *, namespace: str = NAMESPACE) -> tuple[tuple[str, ...], Evidence]:
    """Return the addresses in a Service's EndpointSlices."""
    ends = _ends(cluster, name, namespace)
    addresses = tuple(sorted(address for endpoint in ends for address in endpoint["addresses"]))
    text = dump({"service": name, "endpoints": list(addresses)})
    return addresses, Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: EndpointSlices of {name}", text=text)


def endpoint_pods(cluster: Cluster, name: str, *, namespace: str = NAMESPACE) -> set[str]:
    """Return the UIDs of the pods in a Service's EndpointSlices: addresses of two clusters can be the same."""
    ends = _ends(cluster, name, namespace)
    return {str((endpoint.get("targetRef") or {}).get("uid", "")) for endpoint in ends} - {""}


def pods(cluster: Cluster, *, namespace: str = NAMESPACE) -> set[str]:
    """Return the UIDs of all pods in a namespace."""
    return {pod["metadata"]["uid"] for pod in connect(cluster).find("v1", "Pod", namespace=namespace)}


def object_evidence(cluster: Cluster, reference: Ref, obj: Obj | None) -> Evidence:
    """Return an object as evidence, or the fact that it does not exist."""
    text = f"{reference} does not exist"
    if obj is not None:
        metadata = {k: v for k, v in obj["metadata"].items() if k in {"name", "namespace", "labels", "annotations"}}
        text = dump({**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata})
    return Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: {reference}", text=text)
