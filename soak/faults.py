"""What a soak breaks, with its undo: the faults of the stage's menu, new certificates, and the engine."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lab.base import process, wait
from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE, Cluster
from lab.clusters import provider
from lab.components import podinfo
from lab.lab import Lab
from lab.mesh import Mesh, issuers
from lab.scenario.actions import Action, Command
from lab.stage.faults import catalog

_SIGNERS = {"istio": ("istio-system", "istiod"), "linkerd": ("linkerd", "linkerd-identity")}
"""By the stack: namespace and Deployment of what signs the workloads' certificates."""
_ROLLOUT_S, _BACK_S, _ASK_S = 120, 240.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `do` and `undo` raise LabError; `undo` returns when it has taken effect, and may be repeated."""

    id: str
    title: str
    do: Callable[[], None]
    undo: Callable[[], None]


def of_lab(
    lab: Lab,
    mesh: Mesh,
    *,
    execute: Callable[[Sequence[Action]], None],
    repair: Callable[[], None],
    engine: str = "",
) -> list[Fault]:
    """Return the faults of a lab.

    Args:
        lab: the lab.
        mesh: its mesh.
        execute: runs the commands of a fault.
        repair: runs `lab up`.
        engine: a shell command that restarts the container engine; without it the engine is left alone.
    """
    return [
        *(_of_menu(one, execute) for one in catalog.of_lab(lab, mesh, shown=lambda path: shlex.quote(str(path)))),
        *(_new_issuer(lab, mesh, cluster, execute, repair) for cluster in lab.clusters.values()),
        *_engine(lab, engine),
    ]


def drawn(faults: Sequence[Fault], *, seed: int, count: int) -> list[Fault]:
    """Return `count` faults: all of them in a random order, then all in another one; a seed fixes the orders."""
    order, found = random.Random(seed), list[Fault]()  # noqa: S311 - the order is not a secret
    while len(found) < count:
        found += order.sample(faults, len(faults))
    return found[:count]


def _of_menu(one: catalog.Breakage, execute: Callable[[Sequence[Action]], None]) -> Fault:
    def undo() -> None:
        execute(one.undo)
        one.until_undone()

    return Fault(id=one.id, title=one.title, do=lambda: execute(one.do), undo=undo)


def _new_issuer(
    lab: Lab, mesh: Mesh, cluster: Cluster, execute: Callable[[Sequence[Action]], None], repair: Callable[[], None]
) -> Fault:
    """A cluster gets another issuer under the same trust anchor, and podinfo's pods get certificates from it."""
    namespace, signer = _SIGNERS[mesh.name]
    own = [(NAMESPACE, podinfo.DEPLOYMENT.name)] if lab.spec.clusters[cluster.name].podinfo.replicas else []

    def ends() -> datetime:
        def found() -> datetime | wait.NotYet:
            for identity in mesh.identities([cluster.name]):
                return identity.issuer_ends
            return wait.NotYet("it does not answer")

        return wait.until(f"{cluster.name}'s issuer", found, timeout_s=_ASK_S)

    def do() -> None:
        before = ends()
        issuers.delete(lab, cluster.name)
        repair()
        execute(list(_restarted(cluster, [(namespace, signer), *own])))
        if ends() <= before:
            raise ClusterError("the issuer is the one of before", where=cluster.name, next="lab status")

    return Fault(
        id=f"new-issuer-{cluster.name}",
        title=f"{cluster.name.title()} gets a new issuer, and podinfo new certificates",
        do=do,
        undo=repair,
    )


def _restarted(cluster: Cluster, deployments: Sequence[tuple[str, str]]) -> Iterator[Command]:
    """Yield commands that restart Deployments, one after the other."""
    for namespace, name in deployments:
        kubectl = f"kubectl --context={cluster.context} --namespace={namespace} rollout"
        yield Command(f"{kubectl} restart deployment {name}")
        yield Command(f"{kubectl} status deployment {name} --timeout={_ROLLOUT_S}s", timeout_s=_ROLLOUT_S + 10)


def _engine(lab: Lab, command: str) -> Iterator[Fault]:
    if not command:
        return

    def undo() -> None:
        for cluster in lab.clusters.values():
            provider().power.start(cluster, timeout_s=_BACK_S)

    yield Fault(
        id="restart-engine",
        title="The container engine is restarted",
        do=lambda: _run(command),
        undo=undo,
    )


def _run(command: str) -> None:
    process.run(["sh", "-c", command], timeout_s=_BACK_S)
