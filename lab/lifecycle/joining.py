"""`lab cluster`: a cluster joins a lab that is up, with steps of `lab up`, and leaves it without a lost request.

It is recorded in the state folder first and deleted there last: whatever ends a command in between, the same command
continues, `lab up` completes the cluster, and `lab down` deletes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lab import stacks
from lab.base import wait
from lab.base.concurrency import each
from lab.base.errors import UsageError
from lab.base.step import Step
from lab.base.wait import NotYet
from lab.clusters import NodeStatus, provider
from lab.components import podinfo
from lab.components.gateways import DRAIN_S
from lab.config import joined
from lab.host.doctor.snapshot import HostProbes
from lab.kube import KubeError, connect
from lab.lab import Lab
from lab.lifecycle import answers, distances, plan, runner
from lab.mesh import issuers
from lab.mesh.model import Failover, Split
from lab.mesh.names import direct_name, exported_name
from lab.mesh.protocols import Mesh, TrafficSplits

_APPS = ("podinfo", "frontend")
"""Steps that a cluster's joining and leaving do not need in the other clusters: people may have changed these."""
_LOOPBACK = "127.0.0.1"
_LINKED_S = 60.0
_DRAINED_S = 60.0
_ASK_S = 10.0
_NICE = 15
"""What is added to the niceness of this process and of the programs that it starts; 19 is the most (setpriority(2))."""


def prepared(lab: Lab, cluster: str, *, region: str | None = None, ingress_port: int | None = None) -> Lab:
    """Return the lab with a cluster that joins or has joined; nothing is recorded.

    Raises:
        UsageError: lab.toml has the cluster, a value is not valid or another cluster has it, it joined with other
            values, or the lab has a profile.
    """
    if cluster in lab.spec.joined:
        table = lab.spec.clusters[cluster]
        for option, given, value in (
            ("--region", region, table.region),
            ("--ingress-port", ingress_port, table.ingress_port),
        ):
            if given is not None and given != value:
                raise UsageError(
                    f"{option}: {cluster} joined with {value}, which cannot change",
                    next=f"lab cluster remove {cluster}, then this command again",
                )
        return lab
    if cluster in lab.clusters:
        where = lab.spec.file or "the default lab"
        raise UsageError(f"{cluster} is a cluster of {where}: it is part of the lab without joining", next="lab up")
    if lab.paths.profile.exists():
        what = "a lab with a profile has the profile's clusters only"
        raise UsageError(what, next="lab up --profile none, then this command again")
    if lab.spec.existing:
        what = f"{lab.spec.existing[0]} is an existing cluster, which would not reach a cluster on this machine"
        raise UsageError(what, next=f"add [clusters.{cluster}] with a `context` to lab.toml, then `lab up`")
    probes = HostProbes()
    found = joined.table(
        lab.spec,
        cluster,
        region=region,
        ingress_port=ingress_port,
        is_free=lambda port: probes.port_is_free(_LOOPBACK, port),
    )
    return replace(lab, spec=joined.extended(lab.spec, {cluster: found}))


def record(lab: Lab) -> None:
    """Record the clusters that joined."""
    lab.paths.ensure_state()
    joined.write(lab.paths.joined, {name: lab.spec.clusters[name] for name in lab.spec.joined})


@contextmanager
def in_background(lab: Lab, cluster: str) -> Iterator[None]:
    """Let the other clusters have the processors before a cluster that joins or leaves, and before this process.

    The process keeps its lower priority after the block: only root could raise it again.
    """
    os.nice(_NICE)
    with provider().power.prefer(list(lab.without(cluster).clusters.values())):
        yield


def steps(lab: Lab, cluster: str) -> list[Step]:
    """Return the steps of `lab up` with which a cluster joins: its own, and what the others have to know of it.

    The others get to know it when it answers, so that they send it no request before that.
    """
    own = f"{cluster}/{plan.ANSWERS}"
    late = {
        part.step
        for source in lab.clusters
        if source != cluster
        for part in stacks.current(lab).link_components(lab, source, cluster)
        if part.cluster == source
    }
    not_before = {*late, *(plan.export_step(service, cluster) for service in lab.spec.exports)}
    found = _part(lab, cluster)
    early = tuple(step.name for step in found if step.cluster == cluster)

    def ordered(step: Step) -> Step:
        if step.name == own:
            return replace(step, after=tuple(name for name in step.after if name not in not_before))
        return replace(step, after=tuple(dict.fromkeys((*step.after, *early)))) if step.name in late else step

    return [ordered(step) for step in found]


def knowing(lab: Lab) -> list[Step]:
    """Return the steps of `lab up` with which clusters know each other, without those of applications."""
    return _part(lab)


def _part(lab: Lab, cluster: str = "") -> list[Step]:
    """Return the steps of `lab up` of a cluster, and those with which clusters know each other, without other apps."""
    every = {step.name: step for step in plan.up(lab)}
    links = {
        part.step
        for source in lab.clusters
        for target in lab.clusters
        if source != target
        for part in stacks.current(lab).link_components(lab, source, target)
    }
    own = f"{cluster}/{plan.ANSWERS}"
    left = [name for name, step in every.items() if name in links or step.cluster in {None, cluster}]
    kept: set[str] = set()
    while left:
        name = left.pop()
        apps_of_another = every[name].cluster not in {None, cluster} and name.rpartition("/")[2] in _APPS
        if name not in kept and not apps_of_another:
            kept.add(name)
            left += every[name].after if name != own else ()
    return [
        replace(step, after=tuple(need for need in step.after if need in kept))
        for name, step in every.items()
        if name in kept
    ]


def wait_linked(lab: Lab, cluster: str) -> None:
    """Wait until the meshes say that all links from and to a cluster are alive.

    Raises:
        WaitTimeout: one is not.
    """
    mesh = stacks.mesh(lab)

    def alive() -> bool | NotYet:
        dead = [link for link in mesh.links() if cluster in {link.source, link.target} and not link.alive]
        return not dead or NotYet("; ".join(f"{link.source} → {link.target}: {link.detail}" for link in dead))

    wait.until(f"the links of {cluster}", alive, timeout_s=_LINKED_S, next="lab status")


def refuse_of_file(lab: Lab, cluster: str) -> None:
    """Refuse to let a cluster of lab.toml leave.

    Raises:
        UsageError: lab.toml has it.
    """
    if cluster in lab.spec.joined:
        return
    where = lab.spec.file or "the default lab"
    raise UsageError(
        f"{cluster} is a cluster of {where}; only clusters that joined by `lab cluster add` can leave",
        next=f"lab split or lab failover, which move requests; or lab down, then delete [clusters.{cluster}] there",
    )


def leave(lab: Lab, cluster: str) -> Iterator[str]:
    """Let a cluster leave, and yield a line for each change.

    First requests are sent elsewhere; when none reaches the cluster any more, and those under way have ended, it is
    deleted. A cluster that does not run, or is half created, leaves as well.

    Raises:
        WaitTimeout: requests still reach it.
    """
    rest = lab.without(cluster)
    runs = _runs(lab, cluster)
    mesh = stacks.mesh(lab if runs else rest)  # a mesh with a cluster that does not answer can change no split
    yield from _redirect(mesh, rest, cluster)
    if runs:
        for route in mesh.ingress_routes([cluster]):
            mesh.remove_ingress_route(route.service, cluster)
            yield f"{cluster}: ingress route to {route.service} removed"
    stacks.mesh(lab).forget(cluster)
    yield f"{', '.join(rest.clusters)}: links to {cluster} and its exports removed"
    wait.until(
        f"requests to {cluster} to end",
        lambda: _is_quiet(rest, cluster),
        timeout_s=_DRAINED_S,
        successes=3,
        next=f"lab cluster remove {cluster}",
    )
    if runs:
        wait.rest(f"requests under way to {cluster} end", DRAIN_S)
    _join_wires(lab, cluster, runs=runs)
    provider().remove_cluster(lab, lab.clusters[cluster])
    yield f"{cluster}: cluster deleted"
    runner.run(knowing(rest), sink=lambda _: None)
    _delete_keys(lab, cluster)
    record(rest)


def _runs(lab: Lab, cluster: str) -> bool:
    if provider().look(lab)[cluster].status is not NodeStatus.RUNNING:
        return False
    try:
        connect(lab.clusters[cluster], timeout_s=_ASK_S).version()
    except KubeError:
        return False
    return True


def _redirect(mesh: Mesh, rest: Lab, cluster: str) -> Iterator[str]:
    """Take a cluster out of splits and failovers of the others."""
    changed = False
    for split in mesh.splits(rest.clusters):
        own = {exported_name(name, cluster) for name in (split.service, direct_name(split.service))}
        if own & split.weights.keys():
            weights = {other: weight for other, weight in split.weights.items() if other not in own}
            yield _split_again(mesh, split, weights)
            changed = True
    for failover in mesh.failovers(rest.clusters):
        if cluster in failover.order:
            yield _fail_over_again(mesh, failover, cluster)
            changed = True
    if changed:
        wait.rest("the proxies use the new routes", DRAIN_S)


def _split_again(mesh: Mesh, split: Split, weights: dict[str, int]) -> str:
    if not any(weights.values()):
        mesh.unsplit(split.cluster, split.service)
        return f"{split.cluster}: split of {split.service} removed"
    if split.smi and isinstance(mesh, TrafficSplits):
        mesh.split_smi(split.cluster, split.service, weights)
    else:
        mesh.split(split.cluster, split.service, weights)
    shown = ", ".join(f"{name} {weight}" for name, weight in weights.items())
    return f"{split.cluster}: {split.service} → {shown}"


def _fail_over_again(mesh: Mesh, failover: Failover, cluster: str) -> str:
    left = [name for name in failover.order if name != cluster]
    if len(left) >= 2:
        try:
            mesh.fail_over(replace(failover, primary=left[0], backup=left[1], further=tuple(left[2:])))
        except UsageError as error:
            why = f", because without {cluster} it cannot be: {error.what}"
        else:
            return f"{failover.cluster}: {failover.service} → {', then '.join(left)}"
    else:
        why = ""
    mesh.unfail_over(failover.cluster, failover.service)
    return f"{failover.cluster}: failover of {failover.service} removed{why}"


def _is_quiet(rest: Lab, cluster: str) -> bool | NotYet:
    """Say whether the frontends of the other clusters get no answer from a cluster; some may not answer at all."""

    def asked(name: str) -> answers.FrontendAnswers:
        return answers.ask(rest, name, podinfo.DEPLOYMENT.name, (), timeout_s=_ASK_S)

    found = dict(zip(rest.clusters, each(asked, list(rest.clusters)), strict=True))
    busy = [f"{count} of {name}'s requests" for name, one in found.items() if (count := one.by_cluster.get(cluster, 0))]
    if not any(one.reached for one in found.values()):
        return NotYet("no frontend answers")
    return not busy or NotYet(f"{cluster} answers {' and '.join(busy)}")


def _join_wires(lab: Lab, cluster: str, *, runs: bool) -> None:
    """Clear distances and cuts between a cluster and the others; the cuts of its own node go with that."""
    state = provider().wire.state(lab, list(lab.clusters))
    for pair in distances.by_pair(lab, state.distances):
        if cluster in pair and runs:
            distances.clear(lab, pair)
    for source, target in state.cuts:
        if target == cluster:
            provider().wire.restore(lab.clusters[source], lab.clusters[target])


def _delete_keys(lab: Lab, cluster: str) -> None:
    """Delete a cluster's issuer, and renderings that contain keys of its webhooks."""
    issuers.delete(lab, cluster)
    for file in lab.paths.rendered.glob("*.json"):
        if (found := re.fullmatch(r"(.+)-[0-9a-f]{16}", file.stem)) and _cluster_of(lab, found[1]) == cluster:
            file.unlink(missing_ok=True)


def _cluster_of(lab: Lab, name: str) -> str | None:
    """Return the cluster at the end of a rendering's name: the longest that fits."""
    return max((one for one in lab.clusters if name.endswith(f"-{one}")), key=len, default=None)
