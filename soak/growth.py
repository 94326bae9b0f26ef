"""Memory, open files, connections and objects of the clusters, and whether they grow."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from lab.base.concurrency import at_once
from lab.base.errors import ClusterError
from lab.kube import connect
from lab.lab import Lab
from lab.tools.docker import Docker

_MIB = 1 << 20
# The first line is the pages of all processes without those that are shared (proc(5)); the last one the established
# connections (state 01) of each network namespace. A process can end while it is read.
_SCRIPT = """
cat /proc/[0-9]*/statm 2>/dev/null | awk '{ pages += $2 - $3 } END { print pages }'
getconf PAGESIZE
ls /proc/[0-9]*/fd 2>/dev/null | grep -c '^[0-9][0-9]*$'
for process in /proc/[0-9]*; do echo "$(readlink $process/ns/net) $process"; done 2>/dev/null |
  grep ^net: | sort -u -k1,1 | while read -r _ process; do cat $process/net/tcp $process/net/tcp6; done 2>/dev/null |
  awk '$4 == "01" { count++ } END { print count + 0 }'
"""
_COUNTS = ("apiserver_resource_objects", "apiserver_storage_objects")
"""Gauges of the API server, the newer name first (Kubernetes, apiserver/pkg/storage/etcd3/metrics)."""
_OWN_ENDS = frozenset({"events", "leases", "replicasets"})
"""Kinds that Kubernetes keeps for a while: events for an hour, a Deployment's last ten ReplicaSets."""
LEAST = 9
"""Samples of a cluster without which growth is not judged."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measurement of a cluster's node and its pods.

    `at_s`: seconds since the load began. `memory_mib`: of all processes. `connections`: established ones.
    """

    at_s: float
    cluster: str
    memory_mib: float
    files: float
    connections: float
    objects: float


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much a figure may rise: by a share of its first value, and by an amount on top, for small ones."""

    name: str
    unit: str
    of: Callable[[Sample], float]
    share: float
    amount: float


LIMITS = (
    Limit(name="memory", unit="MiB", of=lambda one: one.memory_mib, share=0.10, amount=50),
    Limit(name="open files", unit="", of=lambda one: one.files, share=0.10, amount=100),
    Limit(name="connections", unit="", of=lambda one: one.connections, share=0.25, amount=200),
    Limit(name="objects", unit="", of=lambda one: one.objects, share=0.02, amount=10),
)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A figure of a cluster early and late in the run, as medians; `grows` is None if the run was too short."""

    cluster: str
    name: str
    unit: str
    early: float
    late: float
    grows: bool | None


def take(docker: Docker, lab: Lab, at_s: float) -> list[Sample]:
    """Measure all clusters at once.

    Raises:
        LabError: a node or its API server does not answer.
    """
    found = dict[str, Sample]()

    def one(name: str) -> None:
        cluster = lab.clusters[name]
        words = docker.execute(cluster.node, ["sh", "-c", _SCRIPT], timeout_s=30).stdout.split()
        pages, size, files, connections = map(float, words)
        found[name] = Sample(
            at_s=at_s,
            cluster=name,
            memory_mib=pages * size / _MIB,
            files=files,
            connections=connections,
            objects=objects(connect(cluster).read("/metrics", timeout_s=30)),
        )

    at_once(one, lab.clusters)
    return [found[name] for name in lab.clusters]


def objects(metrics: str) -> float:
    """Return the number of objects, from the metrics of an API server.

    Raises:
        ClusterError: the metrics do not have it.
    """
    lines = [line for line in metrics.splitlines() if line.startswith(_COUNTS)]
    counts = [
        (family.name, sample)
        for family in text_string_to_metric_families("\n".join(lines) + "\n")
        for sample in family.samples
    ]
    for name in _COUNTS:
        if of_name := [sample for family, sample in counts if family == name]:
            return sum(one.value for one in of_name if one.labels["resource"] not in _OWN_ENDS and one.value > 0)
    raise ClusterError("the API server does not count its objects", next="kubectl get --raw /metrics")


def judge(samples: Sequence[Sample]) -> list[Growth]:
    """Compare the second fifth of the run with the last one, for each cluster and figure; the first is a warm-up."""
    found = []
    for cluster in dict.fromkeys(sample.cluster for sample in samples):
        own = [sample for sample in samples if sample.cluster == cluster]
        fifth = max(1, len(own) // 5)
        for limit in LIMITS:
            early = statistics.median(map(limit.of, own[fifth : 2 * fifth] or own))
            late = statistics.median(map(limit.of, own[-fifth:]))
            grows = late > early * (1 + limit.share) + limit.amount if len(own) >= LEAST else None
            found.append(Growth(cluster=cluster, name=limit.name, unit=limit.unit, early=early, late=late, grows=grows))
    return found
