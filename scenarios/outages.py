"""Outages of whole clusters under load: kill a node, start it again."""

from __future__ import annotations

from lab.base import wait
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.clusters import provider
from lab.scenario.context import Context

from .loads import QUIET_S, RTO_S, SERVICE, ingress_load, keep
from .seeing import frontend

_BACK_S = 180.0


def cluster_dies(context: Context, cluster: Cluster, name: str, *entrances: Cluster) -> None:
    """Kill a cluster under a load through the ingresses of `entrances`, start it again, and keep the recording.

    Raises:
        WaitTimeout: a cluster does not answer through its ingress, before or after.
    """
    for each in (context.east, context.west):
        _answers(context, each)
    with ingress_load(context, *entrances) as load:
        load.run(QUIET_S)
        load.mark("cluster dies")
        context.say(f"$ {provider().power.kill(cluster)}")
        load.run(RTO_S + QUIET_S)
        load.mark("cluster starts")
        revive(context, cluster)
        load.mark("cluster is back")
        load.run(QUIET_S + 6)  # an ejected pod gets requests again after 5 s at the earliest
        keep(context, name, [load.stop()])


def revive(context: Context, cluster: Cluster) -> None:
    """Start a cluster's node if it does not run.

    Raises:
        WaitTimeout: the cluster does not answer through its ingress.
    """
    if provider().power.start(cluster, timeout_s=_BACK_S):
        _answers(context, cluster)


def _answers(context: Context, cluster: Cluster) -> None:
    """Wait until requests through a cluster's ingress are answered.

    Pods become Ready about 20 s earlier: until the gateways' proxies have their configuration, nothing listens behind
    the node's port.
    """

    def probe() -> bool | NotYet:
        totals = frontend(context, cluster, f"/api/answers?upstream={SERVICE}&count=10")["totals"]
        return totals["failed"] == 0 or NotYet(f"{totals['failed']} of {totals['requests']} failed")

    # Twice in a row: the proxies learn their endpoints one after the other.
    wait.until(f"answers through {cluster.name}'s ingress", probe, timeout_s=_BACK_S, successes=2)
