"""Negative checks: a refusal counts only when it comes from the expected refuser.

A request that gets no answer proves little: a proxy outside of the lab may have replied 404, or a name was misspelt.
So every negative check names its refuser and how that one refuses. There are three outcomes:

| outcome | seen |
| --- | --- |
| REFUSED | the refuser's own signs: its status and header, or a failure at exactly its hop |
| REACHED | the service answered: what should be refused is not |
| UNCLEAR | anything else: the check is ERRORED and says what answered |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from lab.base.names import Cluster
from lab.kube import KubeError, connect
from lab.mesh import Mesh
from lab.mesh.model import ProxyAnswer, TlsEntrance
from lab.scenario.context import Context
from lab.scenario.model import Observation

from . import seeing
from .probes import Failure, Said

ENDS = frozenset({Failure.RESET, Failure.CLOSED})
"""How a proxy refuses bytes that are not TLS, before there is any request."""
ALERTS = frozenset({Failure.TLS_ALERT, *ENDS})
"""How a TLS server refuses a client's certificate; the alert is lost where the reset overtakes it."""
_ALWAYS = {"date", "connection"}
"""Headers that every HTTP server writes."""
PODINFO = r'"message": *"cluster='
"""What podinfo's /api/info contains in every cluster."""


class Judgement(Enum):
    """What a request that should be refused came to."""

    REFUSED = "refused"
    REACHED = "reached"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Refuser:
    """Who is expected to refuse, and how: any one of these signs is enough.

    `answers`: its HTTP answers. `failures`: how a request ends there without one. `peer`: the address that a
    connection must have reached for a failure to be the refuser's; empty where the failure itself comes before any
    connection. `identity`: what its certificate says, where the client speaks TLS with it.
    """

    name: str
    answers: tuple[ProxyAnswer, ...] = ()
    failures: frozenset[Failure] = frozenset()
    peer: str = ""
    identity: str = ""


def judge(said: Said, refusers: Iterable[Refuser], *, service: str = PODINFO) -> tuple[Judgement, str]:
    """Say whether one of the refusers refused, with the reason as text.

    Args:
        said: what became of the request.
        refusers: the ones that are expected to refuse it.
        service: a regular expression of what the service itself would answer.
    """
    expected = tuple(refusers)
    for refuser in expected:
        if _is_from(said, refuser):
            return Judgement.REFUSED, f"{said.words}, by {refuser.name}"
    if said.allowed and re.search(service, said.body):
        return Judgement.REACHED, f"{said.words}, answered by the service"
    names = " or ".join(refuser.name for refuser in expected)
    return Judgement.UNCLEAR, f"expected a refusal by {names}, but got {_description(said)}"


def refused(said: Said, *refusers: Refuser, control: Said, control_name: str, service: str = PODINFO) -> Observation:
    """Return the observation of a negative check: this request was refused, and its control was answered."""
    verdict, words = judge(said, refusers, service=service)
    return Observation(
        holds=verdict is Judgement.REFUSED and control.allowed,
        seen=f"{verdict.value}: {words}; {control_name}: {control.words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(said.evidence, control.evidence),
    )


def no_name() -> Refuser:
    """Return the cluster's DNS, which does not know the name."""
    return Refuser(name="the cluster's DNS", failures=frozenset({Failure.NO_NAME}))


def denial(mesh: Mesh) -> Refuser:
    """Return the proxy of the service that a caller of the mesh asks."""
    return Refuser(name=mesh.refusals.denied.by, answers=(mesh.refusals.denied,))


def no_backend(mesh: Mesh) -> Refuser:
    """Return the proxy that reaches no endpoint for a request of its own workload."""
    return Refuser(name=mesh.refusals.no_backend.by, answers=(mesh.refusals.no_backend,))


def port_without_service(mesh: Mesh, cluster: Cluster, name: str) -> Refuser:
    """Return the caller's own proxy, for a port that a Service does not have.

    It answers, or ends the connection that it took at the Service's address: there is no way to the port, since the
    node's rules let nothing out that kube-proxy does not rewrite (lab/clusters/kind/routes.py).
    """
    answer = mesh.refusals.no_backend
    return Refuser(name=answer.by, answers=(answer,), failures=ENDS, peer=_address(cluster, name))


def plain_text(mesh: Mesh, peer: str, name: str) -> Refuser:
    """Return the proxy at an address that refuses plain text: it ends the connection, or answers it."""
    plain = mesh.refusals.denied_plain
    return Refuser(name=name, answers=(plain,) if plain else (), failures=ENDS, peer=peer)


def service_from_outside(mesh: Mesh, cluster: Cluster, name: str) -> Refuser:
    """Return who refuses a pod without a proxy at a Service's address: the node where it has no endpoints of its own.

    Raises:
        KubeError: the Service does not exist.
    """
    address = _address(cluster, name)
    if not seeing.endpoints(cluster, name)[0]:
        # kube-proxy rejects connections to a Service without endpoints; no address is reached.
        node = f"{cluster.name}'s node, where {name} has no endpoints outside of the mesh"
        return Refuser(name=node, failures=frozenset({Failure.NO_PORT}))
    return plain_text(mesh, address, f"the proxy behind {name}")


def pod_from_outside(context: Context, address: str) -> Refuser:
    """Return who refuses a pod of West without a proxy at the address of a pod in East.

    The routes of West's node lead nowhere (lab/clusters/kind/routes.py); on a flat network it is the pod's own proxy.
    """
    if context.lab.spec.network.flat:
        return plain_text(context.mesh, address, "the pod's proxy")
    return Refuser(name=f"the routes of {context.west.name}'s node", failures=frozenset({Failure.UNREACHABLE}))


def bad_certificate(entrance: TlsEntrance) -> Refuser:
    """Return the proxy that ends TLS at an entrance, and refuses a certificate that it does not trust."""
    return Refuser(name=entrance.identity, failures=ALERTS, peer=entrance.address, identity=entrance.identity)


def _address(cluster: Cluster, name: str) -> str:
    """Return a Service's cluster IP.

    Raises:
        KubeError: the Service does not exist.
    """
    found = connect(cluster).get(seeing.service(name))
    if found is None:
        raise KubeError(f"there is no Service {name}", where=cluster.name)
    return str(found["spec"]["clusterIP"])


def _is_from(said: Said, refuser: Refuser) -> bool:
    if said.status:
        return any(_matches(said, answer) for answer in refuser.answers)
    if said.failure not in refuser.failures:
        return False
    here = said.peer == refuser.peer
    return here and (not refuser.identity or refuser.identity in said.identities)


def _matches(said: Said, answer: ProxyAnswer) -> bool:
    headers = all(re.fullmatch(value, said.headers.get(name, "")) for name, value in answer.headers.items())
    more = said.headers.keys() - answer.headers.keys() - _ALWAYS
    return (
        said.status in answer.statuses
        and headers
        and not (answer.bare and more)
        and bool(re.search(answer.body, said.body))
    )


def _description(said: Said) -> str:
    at = f" from {said.peer}" if said.peer else ""
    if not said.status:
        return f"{said.words}{at}"
    shown = [f"{name}: {said.headers[name]}" for name in ("server", "via", "l5d-proxy-error") if name in said.headers]
    body = (said.body.strip().splitlines() or ["empty body"])[0][:80]
    return f"HTTP {said.status}{at} ({', '.join([*shown, body])})"
