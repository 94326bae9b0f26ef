"""Observe a lab: answers through a frontend, identities, Kubernetes objects, each with its evidence."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.base import cancel, events, wait
from lab.base.errors import LabError, WaitTimeout
from lab.base.names import NAMESPACE, Cluster, Json
from lab.base.wait import NotYet, TransientError
from lab.kube import connect
from lab.kube.manifests import dump
from lab.kube.objects import Obj, Ref
from lab.measure import stats
from lab.measure.load import get_json
from lab.mesh.names import exported_name
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Observation

SETTLES_WITHIN_S = 40.0
"""How long proxies may use the old weights of a split; on a busy machine one batch takes 10 s."""
SAMPLE_WITHIN_S = 120.0
"""How long a sample may take; a laptop sends several hundred requests in a second."""
_TIMEOUT_S = 30.0
_SHOWN = 12
_BATCH = 250
"""Requests of a sample in one call of the frontend, which sends no more after 20 s."""
_SETTLING, _SETTLING_ALPHA, _SETTLING_IN_A_ROW = 50, 0.05, 2


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


def base_url(context: Context, cluster: Cluster) -> str:
    """Return the URL of a cluster's ingress on this machine."""
    return f"http://127.0.0.1:{context.lab.spec.clusters[cluster.name].ingress_port}"


def frontend(
    context: Context, cluster: Cluster, path: str, *, headers: Mapping[str, str] | None = None
) -> Mapping[str, Json]:
    """Get a path of a cluster's frontend through its ingress.

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


def _line(row: Mapping[str, Any]) -> str:
    result = row["error"]["detail"] if row["error"] else f"{row['cluster']} {row['pod']}"
    return f"{row['n']:>4}  {row['sent_at']}  {row['latency_ms']:>8.1f} ms  {result}"


def settled(context: Context, upstream: str, cluster: Cluster, *, timeout_s: float = 20) -> None:
    """Wait until one cluster answers all requests of West's frontend to `upstream`.

    Raises:
        WaitTimeout: another cluster still answers; with the last counts.
    """

    def probe() -> bool | NotYet:
        counts = answers(context, context.west, upstream, count=50)
        return counts.only(cluster.name) or NotYet(counts.words)

    wait.until(f"{cluster.name} to answer every request", probe, timeout_s=timeout_s)


def settled_split(
    context: Context,
    caller: Cluster,
    upstream: str,
    *,
    answering: Cluster,
    design: stats.Design,
    connection: str = "new",
    parallel: int = 20,
    settles_within_s: float = SETTLES_WITHIN_S,
    sample_within_s: float = SAMPLE_WITHIN_S,
) -> Observation:
    """Wait until a split's weights are in effect, then take one sample and judge it once.

    Settling: batches of 50 requests, until two in a row fit the new weights (exact test with a significance level of
    0.05, none failed). Old weights that differ by 25 points or more pass both with a probability below 1 in 100. Where
    they differ by less, a sample that begins during the change may be refused although the new weights are right.

    Settling does not bias the sample. The proxies draw a cluster for each request independently, the batches are not
    part of the sample, and the sample's size and test are fixed before. So its counts have the same distribution
    however many batches came before, and the error rates of the design hold. A wrong split that is close enough to
    pass the batches is the sample's to notice; one that is not fails at the time limit.

    Args:
        context: the scenario's.
        caller: the cluster whose frontend sends the requests.
        upstream: the called service, by the frontend's name for it.
        answering: the cluster whose answers are counted.
        design: the expected share of these answers, the size of the sample and the accepted counts.
        connection: "new" for each request of the sample, or "reuse" for one by one batch. Batches of settling use new
            ones: whether the weights are in effect does not depend on connections.
        parallel: number of requests of the sample at the same time; 1 with "reuse" sends a batch over one connection.
        settles_within_s: time limit for settling.
        sample_within_s: time limit for the sample.

    Raises:
        TransientError: the frontend did not answer.
        LabError: the sample did not end within its time.
        WaitTimeout: the frontend answered no batch of settling.
    """
    unsettled = _unsettled(context, caller, upstream, answering=answering, design=design, within_s=settles_within_s)
    if unsettled is not None:
        seen = f"the weights are not in effect after {settles_within_s:g} s: {unsettled.words}"
        return Observation(holds=False, seen=seen, evidence=(unsettled.evidence,))
    deadline = time.monotonic() + sample_within_s
    batches: list[Answers] = []
    while missing := design.n - sum(batch.requests for batch in batches):
        what = f"sample of {upstream}: {design.n - missing:,} of {design.n:,} requests"
        events.progress(what)
        cancel.token().check(what)
        if batches and time.monotonic() >= deadline:
            raise LabError(f"{what} after {sample_within_s:g} s", where=caller.name, next="lab status")
        count = min(missing, _BATCH)
        batches.append(answers(context, caller, upstream, count=count, parallel=parallel, connection=connection))
    sample = _sum(batches)
    count = sample.by_cluster.get(answering.name, 0)
    p_value = stats.binomial_p_value(count, design.n, design.expected)
    return Observation(
        holds=sample.failed == 0 and count in design,
        seen=f"{sample.words}; p = {p_value:.2g}",
        evidence=(sample.evidence,),
    )


def settling(expected: float, alternative: float) -> stats.Design:
    """Return the test of one batch while a split settles; its power is small, it only waits for the old weights."""
    return stats.design(n=_SETTLING, expected=expected, alternative=alternative, alpha=_SETTLING_ALPHA)


def _unsettled(
    context: Context, caller: Cluster, upstream: str, *, answering: Cluster, design: stats.Design, within_s: float
) -> Answers | None:
    """Wait until batches fit the weights; return None then, or the last batch after the time limit."""
    fits = settling(design.expected, design.alternative)
    last: Answers | None = None

    def probe() -> bool | NotYet:
        nonlocal last
        last = answers(context, caller, upstream, count=_SETTLING)
        fit = last.requests == fits.n and not last.failed and last.by_cluster.get(answering.name, 0) in fits
        return fit or NotYet(last.words)

    try:
        wait.until(
            f"{caller.name} to use the weights of {upstream}",
            probe,
            timeout_s=within_s,
            interval_s=0.1,
            successes=_SETTLING_IN_A_ROW,
        )
    except WaitTimeout:
        if last is None:  # the frontend did not answer: nothing is known about the weights
            raise
        return last
    return None


def _sum(batches: Sequence[Answers]) -> Answers:
    """Return the answers of several batches as one; the evidence has the rows of the first batch."""
    by_cluster: Counter[str] = Counter()
    by_pod: Counter[str] = Counter()
    for batch in batches:
        by_cluster.update(batch.by_cluster)
        by_pod.update(batch.by_pod)
    total = replace(
        batches[0],
        requests=sum(batch.requests for batch in batches),
        by_cluster=dict(sorted(by_cluster.items())),
        by_pod=dict(sorted(by_pod.items())),
        failed=sum(batch.failed for batch in batches),
        versions=frozenset().union(*(batch.versions for batch in batches)),
        messages=frozenset().union(*(batch.messages for batch in batches)),
    )
    first = batches[0].evidence
    evidence = replace(
        first,
        title=f"{total.words}, in {len(batches)} batches",
        text="\n".join([first.text, *(f"next batch: {batch.words}" for batch in batches[1:])]),
        data={"requests": total.requests, "by_cluster": dict(total.by_cluster), "failed": total.failed},
    )
    return replace(total, evidence=evidence)


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


def endpoints(cluster: Cluster, name: str, *, namespace: str = NAMESPACE) -> tuple[tuple[str, ...], Evidence]:
    """Return the addresses in a Service's EndpointSlices."""
    slices = connect(cluster).find(
        "discovery.k8s.io/v1", "EndpointSlice", namespace=namespace, labels={"kubernetes.io/service-name": name}
    )
    addresses = tuple(
        sorted(address for s in slices for endpoint in s.get("endpoints") or () for address in endpoint["addresses"])
    )
    text = dump({"service": name, "endpoints": list(addresses)})
    return addresses, Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: EndpointSlices of {name}", text=text)


def object_evidence(cluster: Cluster, reference: Ref, obj: Obj | None) -> Evidence:
    """Return an object as evidence, or the fact that it does not exist."""
    text = f"{reference} does not exist"
    if obj is not None:
        metadata = {k: v for k, v in obj["metadata"].items() if k in {"name", "namespace", "labels", "annotations"}}
        text = dump({**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata})
    return Evidence(kind=EvidenceKind.OBJECT, title=f"{cluster.name}: {reference}", text=text)
