"""Negative checks: a refusal counts only when it comes from the expected refuser.

A failed request proves little: a proxy outside of the lab may have answered 404, or a name was misspelt. So every
negative check names the refuser and its way of refusing. There are three outcomes:

| outcome | seen |
| --- | --- |
| REFUSED | the refuser's own signs: its status and header, or a failure at exactly its hop |
| REACHED | an answer of the service: nothing refused the request |
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
from lab.scenario.observation import Observation

from . import seeing
from .probes import Failure, Said

ENDS = frozenset({Failure.RESET, Failure.CLOSED})
"""Failures when a proxy refuses a connection without TLS, before any request."""
ALERTS = frozenset({Failure.TLS_ALERT, *ENDS})
"""Failures when a TLS server refuses a client's certificate; a reset can overtake the alert."""
_ALWAYS = {"date", "connection"}
"""Headers that every HTTP server sends."""
PODINFO = r'"message": *"cluster='
"""A part of the answer of podinfo's /api/info, in every cluster."""


class Judgement(Enum):
    """The result of a request that should be refused."""

    REFUSED = "refused"
    REACHED = "reached"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Refuser:
    """The expected refuser and the signs of its refusal; one sign is enough.

    `answers`: its HTTP answers. `failures`: the failures of requests that it does not answer. `peer`: the address that
    a failed connection must have reached; empty if the failure comes before any connection. `identity`: the name in
    its certificate, if the client uses TLS.
    """

    name: str
    answers: tuple[ProxyAnswer, ...] = ()
    failures: frozenset[Failure] = frozenset()
    peer: str = ""
    identity: str = ""


def judge(response: Said, refusers: Iterable[Refuser], *, service: str = PODINFO) -> tuple[Judgement, str]:
    """Return whether one of the refusers refused a request, and the reason as text.

    Args:
        response: the result of the request.
        refusers: the expected refusers.
        service: a regular expression that the service's own answer matches.
    """
    expected = tuple(refusers)
    for refuser in expected:
        if _is_from(response, refuser):
            return Judgement.REFUSED, f"{response.words}, by {refuser.name}"
    if response.allowed and re.search(service, response.body):
        return Judgement.REACHED, f"{response.words}, answered by the service"
    names = " or ".join(refuser.name for refuser in expected)
    return Judgement.UNCLEAR, f"expected a refusal by {names}, but got {_description(response)}"


def refused(
    response: Said, *refusers: Refuser, control: Said, control_name: str, service: str = PODINFO
) -> Observation:
    """Return the observation of a negative check: a refuser refused this request, and the control got an answer."""
    verdict, words = judge(response, refusers, service=service)
    return Observation(
        holds=verdict is Judgement.REFUSED and control.allowed,
        seen=f"{verdict.value}: {words}; {control_name}: {control.words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(response.evidence, control.evidence),
    )


def no_name() -> Refuser:
    """Return the refuser of an unknown name: the cluster's DNS."""
    return Refuser(name="the cluster's DNS", failures=frozenset({Failure.NO_NAME}))


def denial(mesh: Mesh) -> Refuser:
    """Return the refuser of a caller in the mesh without permission: the service's proxy."""
    return Refuser(name=mesh.refusals.denied.by, answers=(mesh.refusals.denied,))


def no_backend(mesh: Mesh) -> Refuser:
    """Return the refuser of a request to a service without endpoints: the caller's own proxy."""
    return Refuser(name=mesh.refusals.no_backend.by, answers=(mesh.refusals.no_backend,))


def port_without_service(mesh: Mesh, cluster: Cluster, name: str) -> Refuser:
    """Return the refuser of a request to a port that a Service does not have: the caller's own proxy.

    It answers, or closes the connection to the Service's address. The port is unreachable, because the node's routes
    reject packets to a Service address that kube-proxy does not rewrite (lab/clusters/kind/routes.py).
    """
    answer = mesh.refusals.no_backend
    return Refuser(name=answer.by, answers=(answer,), failures=ENDS, peer=_address(cluster, name))


def plain_text(mesh: Mesh, peer: str, name: str) -> Refuser:
    """Return the refuser of plain text at an address: a proxy that closes the connection or answers."""
    plain = mesh.refusals.denied_plain
    return Refuser(name=name, answers=(plain,) if plain else (), failures=ENDS, peer=peer)


def service_from_outside(mesh: Mesh, cluster: Cluster, name: str) -> Refuser:
    """Return the refuser of a pod without a proxy at a Service's address: the proxy behind the Service.

    If the Service has no endpoints for kube-proxy, it is the node.

    Raises:
        KubeError: the Service does not exist.
    """
    address = _address(cluster, name)
    if not seeing.endpoints(cluster, name)[0]:
        # kube-proxy rejects connections to a Service without endpoints; the client reaches no address.
        node = f"{cluster.name}'s node, because {name} has no endpoints outside of the mesh"
        return Refuser(name=node, failures=frozenset({Failure.NO_PORT}))
    return plain_text(mesh, address, f"the proxy behind {name}")


def pod_from_outside(context: Context, address: str) -> Refuser:
    """Return the refuser of a pod of West without a proxy at the address of a pod in East: West's node.

    Its routes reject the packets (lab/clusters/kind/routes.py). On a flat network it is the pod's own proxy.
    """
    if context.lab.spec.network.flat:
        return plain_text(context.mesh, address, "the pod's proxy")
    return Refuser(name=f"the routes of {context.west.name}'s node", failures=frozenset({Failure.UNREACHABLE}))


def bad_certificate(entrance: TlsEntrance) -> Refuser:
    """Return the refuser of an untrusted certificate: the proxy that terminates TLS at an entrance."""
    return Refuser(name=entrance.identity, failures=ALERTS, peer=entrance.address, identity=entrance.identity)


def _address(cluster: Cluster, name: str) -> str:
    """Return a Service's cluster IP.

    Raises:
        KubeError: the Service does not exist.
    """
    service = connect(cluster).get(seeing.service(name))
    if service is None:
        raise KubeError(f"Service {name} does not exist", where=cluster.name)
    return str(service["spec"]["clusterIP"])


def _is_from(response: Said, refuser: Refuser) -> bool:
    if response.status:
        return any(_matches(response, answer) for answer in refuser.answers)
    if response.failure not in refuser.failures:
        return False
    same_hop = response.peer == refuser.peer
    return same_hop and (not refuser.identity or refuser.identity in response.identities)


def _matches(response: Said, answer: ProxyAnswer) -> bool:
    headers = all(re.fullmatch(value, response.headers.get(name, "")) for name, value in answer.headers.items())
    more = response.headers.keys() - answer.headers.keys() - _ALWAYS
    return (
        response.status in answer.statuses
        and headers
        and not (answer.bare and more)
        and bool(re.search(answer.body, response.body))
    )


def _description(response: Said) -> str:
    at = f" from {response.peer}" if response.peer else ""
    if not response.status:
        return f"{response.words}{at}"
    shown = [
        f"{name}: {response.headers[name]}" for name in ("server", "via", "l5d-proxy-error") if name in response.headers
    ]
    body = (response.body.strip().splitlines() or ["empty body"])[0][:80]
    return f"HTTP {response.status}{at} ({', '.join([*shown, body])})"
