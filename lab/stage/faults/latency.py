"""Slow podinfo down in one cluster, on each stack, and read whether it is slow.

Latency of the network itself would be most realistic, but it needs the kernel's netem module, which the machines of
most container engines lack. So each stack has the next best:

| stack | what answers later | how |
| --- | --- | --- |
| Istio | podinfo's proxy | an EnvoyFilter with Envoy's fault filter: the mesh's own means |
| Linkerd | podinfo itself | podinfo's random delay, between 450 and 550 ms, set by a rollout |

Linkerd cannot inject faults: upstream's way is a split to a service that answers badly, which would take the place of
the splits and failovers that a talk shows. podinfo's delay changes no route. Its new pods start before the old ones
end, so that no request is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import NAMESPACE, Cluster
from lab.components import podinfo
from lab.kube import Kube
from lab.kube.objects import Ref
from lab.scenario.actions import Apply, Command, Delete, kubectl_command

MANIFEST = Path(__file__).with_name("manifests") / "podinfo-latency.yaml"
FILTER = Ref(
    api_version="networking.istio.io/v1alpha3", kind="EnvoyFilter", name="podinfo-latency", namespace=NAMESPACE
)
_ROLLOUT_S = 90


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How podinfo is slowed down on one stack. `shown` in the commands is a path as a person types it."""

    effect: str
    do: Callable[[Cluster, Callable[[Path], str]], tuple[Command, ...]]
    undo: Callable[[Cluster, Callable[[Path], str]], tuple[Command, ...]]
    is_on: Callable[[Kube], bool]


def rollout(cluster: Cluster, deployment: str, namespace: str = NAMESPACE) -> Command:
    """Return the command that waits for a rollout."""
    line = f"kubectl --context={cluster.context} --namespace={namespace} rollout status deployment {deployment}"
    return Command(f"{line} --timeout={_ROLLOUT_S}s", timeout_s=_ROLLOUT_S + 10)


def _apply(cluster: Cluster, shown: Callable[[Path], str]) -> tuple[Command, ...]:
    # The role is not used: the context is given.
    return (Command(kubectl_command(Apply(MANIFEST.name, to="east"), cluster.context, [shown(MANIFEST)])),)


def _delete(cluster: Cluster, shown: Callable[[Path], str]) -> tuple[Command, ...]:
    return (Command(kubectl_command(Delete(MANIFEST.name, of="east"), cluster.context, [shown(MANIFEST)])),)


def _set(cluster: Cluster, _: Callable[[Path], str]) -> tuple[Command, ...]:
    return _environment(cluster, " ".join(f"{name}={value}" for name, value in podinfo.DELAY.items()))


def _unset(cluster: Cluster, _: Callable[[Path], str]) -> tuple[Command, ...]:
    return _environment(cluster, " ".join(f"{name}-" for name in podinfo.DELAY))


def _environment(cluster: Cluster, words: str) -> tuple[Command, ...]:
    name = podinfo.DEPLOYMENT.name
    line = f"kubectl --context={cluster.context} --namespace={NAMESPACE} set env deployment {name} {words}"
    return (Command(line), rollout(cluster, name))


BY_STACK: Mapping[str, Latency] = {
    "istio": Latency(
        effect="podinfo's proxy in {cluster} holds each request back for half a second",
        do=_apply,
        undo=_delete,
        is_on=lambda kube: kube.get(FILTER) is not None,
    ),
    "linkerd": Latency(
        effect="podinfo in {cluster} itself answers half a second later, after a rollout",
        do=_set,
        undo=_unset,
        is_on=lambda kube: podinfo.is_delayed(kube.get(podinfo.DEPLOYMENT)),
    ),
}
"""By the stack's name. On a stack that is missing here, the fault is disabled with the reason."""
