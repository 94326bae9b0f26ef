"""How scenarios look: answers through a frontend, Kubernetes objects, commands. Each look brings its evidence."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.base import wait
from lab.base.names import NAMESPACE, Cluster, Json
from lab.base.wait import NotYet, TransientError
from lab.kube import connect
from lab.kube.manifests import dump
from lab.kube.objects import Obj, Ref
from lab.measure.load import get_json
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind

_TIMEOUT_S = 30.0
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Who answered a number of requests that a frontend sent."""

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
        """Say whether every request was answered by this cluster."""
        return self.by_cluster == {cluster: self.requests}


def base_url(context: Context, cluster: Cluster) -> str:
    """Return where a cluster's ingress is reached on this machine."""
    return f"http://127.0.0.1:{context.lab.spec.clusters[cluster.name].ingress_port}"


def frontend(
    context: Context, cluster: Cluster, path: str, *, headers: Mapping[str, str] | None = None
) -> Mapping[str, Json]:
    """Ask a cluster's frontend through its ingress.

    Raises:
        TransientError: no answer, or not the expected one; a look that waits continues.
    """
    url = base_url(context, cluster)
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
    """Let a cluster's frontend call `upstream`, and tell who answered.

    Args:
        context: of the scenario.
        cluster: whose frontend asks.
        upstream: the frontend's name of whom to call.
        count: number of requests; 500 at most.
        parallel: so many at once.
        connection: "new" for each request, or "reuse".
        headers: sent along; the frontend passes on those that begin with `x-lab-`.
    """
    path = f"/api/answers?upstream={upstream}&count={count}&parallel={parallel}&connection={connection}"
    found = frontend(context, cluster, path, headers=headers)
    totals, rows = found["totals"], found["answers"]
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
            data={"upstream": found["upstream"], "totals": totals},
        ),
    )


def _line(row: Mapping[str, Any]) -> str:
    what = row["error"]["detail"] if row["error"] else f"{row['cluster']} {row['pod']}"
    return f"{row['n']:>4}  {row['sent_at']}  {row['latency_ms']:>8.1f} ms  {what}"


def settled(context: Context, upstream: str, cluster: str, *, timeout_s: float = 20) -> None:
    """Return when one cluster answers all that West's frontend asks `upstream`.

    Raises:
        WaitTimeout: with who answers instead.
    """

    def probe() -> bool | NotYet:
        got = answers(context, context.west, upstream, count=50)
        return got.only(cluster) or NotYet(got.words)

    wait.until(f"everything answered by {cluster}", probe, timeout_s=timeout_s)


@dataclass(frozen=True, kw_only=True)
class SeenIdentities:
    """The identities on both ends of a request, as the target's side saw them; empty where it named none."""

    client: str
    server: str
    gateway: str
    evidence: Evidence


def identities(context: Context, cluster: Cluster, upstream: str) -> SeenIdentities:
    """Let a cluster's frontend ask `upstream` with whose identity its request arrived."""
    path = f"/api/identity?upstream={upstream}"
    found = frontend(context, cluster, path)
    said = found["identity"]
    ends = {end: (said[end] or {}).get("id", "") for end in ("client", "server", "gateway")}
    header = {name: value for name, value in found["headers"].items() if name == said["source"]}
    lines = [f"GET {path}", *(f"{end}: {who or '(not named)'}" for end, who in ends.items()), f"header: {header}"]
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=f"identities on a request of {cluster.name}'s frontend to {upstream}, as the target saw them",
        text="\n".join(lines),
        data=dict(ends),
    )
    return SeenIdentities(client=ends["client"], server=ends["server"], gateway=ends["gateway"], evidence=evidence)


def service(name: str, *, namespace: str = NAMESPACE) -> Ref:
    """Name a Service."""
    return Ref(api_version="v1", kind="Service", name=name, namespace=namespace)


def deployment(name: str, *, namespace: str = NAMESPACE) -> Ref:
    """Name a Deployment."""
    return Ref(api_version="apps/v1", kind="Deployment", name=name, namespace=namespace)


def endpoints(cluster: Cluster, name: str, *, namespace: str = NAMESPACE) -> tuple[tuple[str, ...], Evidence]:
    """Return the addresses behind a Service, as Kubernetes has them in its EndpointSlices."""
    slices = connect(cluster).find(
        "discovery.k8s.io/v1", "EndpointSlice", namespace=namespace, labels={"kubernetes.io/service-name": name}
    )
    found = tuple(
        sorted(address for s in slices for endpoint in s.get("endpoints") or () for address in endpoint["addresses"])
    )
    text = dump({"service": name, "endpoints": list(found)})
    return found, Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: EndpointSlices of {name}", text=text)


def object_evidence(cluster: Cluster, wanted: Ref, found: Obj | None) -> Evidence:
    """Return an object as evidence, or that it does not exist."""
    text = f"{wanted} does not exist"
    if found is not None:
        metadata = {k: v for k, v in found["metadata"].items() if k in {"name", "namespace", "labels", "annotations"}}
        text = dump({**{k: v for k, v in found.items() if k != "status"}, "metadata": metadata})
    return Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: {wanted}", text=text)
