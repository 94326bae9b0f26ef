"""Routes between clusters: reject or forward traffic to other clusters' pod and Service CIDRs.

By default a node rejects such traffic: without a route, the node would send it to this machine's network, where the
addresses belong to other hosts or to none. On a flat network, pod traffic goes to the other cluster's node. A restart
of the node's container clears its routing table, so the node keeps the routes in a file, and a systemd unit restores
them before the kubelet starts pods.

The node has a route to each of its own pods. An answer to a pod that is gone would leave the machine, so the rest of
its own pod CIDR is unreachable, too. The node's own Services need a rule: kube-proxy in iptables mode rewrites only the
ports of a Service, and a request to another port of a Service's address would leave the machine. The rule rejects it,
as kube-proxy rejects requests to a Service without endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from lab.base.concurrency import at_once
from lab.base.errors import CommandError
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.clusters.kind import link
from lab.clusters.kind.distance import record
from lab.clusters.kind.network import node_address
from lab.kube import connect
from lab.lab import Lab
from lab.tools.docker import Docker

_FILE = "/etc/eastwest-lab-routes"
"""A script in the node that adds the routes and the rule. It is written last: if it exists, so does the unit."""
_UNITS = "/etc/systemd/system"
_UNIT = "eastwest-lab-routes.service"
_ADDS = "ip route replace "
"""The beginning of a script line that adds a route."""
_READ = f"set -e; ip route show; iptables -w -S FORWARD; {link.READ}; test ! -e {_FILE} || cat {_FILE}; {record.READ}"
_WRITE = f"""set -e
cat >{_UNITS}/{_UNIT} <<'END'
[Unit]
Description=Routes that keep traffic to pods and Services between the lab's nodes
DefaultDependencies=no
Before=kubelet.service
[Service]
Type=oneshot
ExecStart=/bin/sh {_FILE}
[Install]
WantedBy=multi-user.target
END
mkdir -p {_UNITS}/multi-user.target.wants
ln -sf ../{_UNIT} {_UNITS}/multi-user.target.wants/{_UNIT}
cat >{_FILE}.new
sh -e {_FILE}.new
mv {_FILE}.new {_FILE}
"""


def ensure(docker: Docker, lab: Lab) -> StepResult:
    """Add missing routes and rules to every node's tables, and to the file that survives a restart of the node.

    Routes to clusters that have left the lab are removed from both.
    """
    wanted = wanted_everywhere(lab)
    changed: list[str] = []

    def one(source: str) -> None:
        node, routes = lab.clusters[source].node, wanted[source]
        has = read(docker, node)
        lines = [_line(route) for route in routes]
        stale = [line for line in has if line.startswith(_ADDS) and line not in lines]
        if stale or missing(routes, has) or any(line not in has for line in lines):
            flushes = "".join(f"ip route flush exact {_destination(line)}\n" for line in stale)
            docker.execute(node, ["sh", "-c", flushes + _WRITE], input="".join(f"{line}\n" for line in lines))
            changed.append(source)

    at_once(one, lab.clusters)
    return CHANGED if changed else UNCHANGED


def wanted_everywhere(lab: Lab) -> dict[str, list[str]]:
    """Return the routes and rules of each cluster's node, in the format of `ip route show` and `iptables -S`."""
    to = {name: _wanted(lab, name) for name in lab.clusters}
    return {
        source: [*(r for target in to if target != source for r in to[target]), *_own(lab, source)]
        for source in lab.clusters
    }


def read(docker: Docker, node: str) -> list[str]:
    """Return the lines of a node's routing table, FORWARD chain, cuts, file that survives a restart, and distances."""
    return docker.execute(node, ["sh", "-c", _READ], timeout_s=10).stdout.splitlines()


def tables(docker: Docker, lab: Lab, clusters: Iterable[str]) -> dict[str, list[str]]:
    """Return the lines of `read` for the nodes of several clusters, without nodes that do not answer."""
    found: dict[str, list[str]] = {}

    def one(name: str) -> None:
        with suppress(CommandError):
            found[name] = read(docker, lab.clusters[name].node)

    at_once(one, clusters)
    return found


def missing(wanted: Sequence[str], has: Sequence[str]) -> list[str]:
    """Return the routes and rules that are missing in a node's tables."""
    lines = [" ".join(line.split()) for line in has]
    return [route for route in wanted if not any(f"{line} ".startswith(f"{route} ") for line in lines)]


def _wanted(lab: Lab, target: str) -> list[str]:
    """Return the routes to a cluster's pods and Services, for the nodes of all other clusters."""
    spec = lab.spec.clusters[target]
    nowhere = f"unreachable {spec.service_cidr}"
    if lab.spec.network.flat:
        return [f"{spec.pod_cidr} via {node_address(connect(lab.clusters[target]))}", nowhere]
    return [f"unreachable {spec.pod_cidr}", nowhere]


def _own(lab: Lab, name: str) -> tuple[str, str]:
    """Return the route and the rule of a cluster's node for its own pods and Services."""
    spec = lab.spec.clusters[name]
    rule = f"-A FORWARD -d {spec.service_cidr} -j REJECT --reject-with icmp-port-unreachable"
    return f"unreachable {spec.pod_cidr}", rule


def _line(wanted: str) -> str:
    """Return the script line that adds a route or the rule, unless it exists."""
    if wanted.startswith("-A "):
        rule = wanted.removeprefix("-A ")
        return f"iptables -w -C {rule} 2>/dev/null || iptables -w -A {rule}"
    return f"{_ADDS}{wanted}"


def _destination(line: str) -> str:
    """Return the network of a script line that adds a route."""
    words = line.removeprefix(_ADDS).split()
    return words[1] if words[0] == "unreachable" else words[0]
