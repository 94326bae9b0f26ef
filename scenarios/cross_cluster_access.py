"""Act 2. Requests across clusters: through the gateway, encrypted and with identities, and nobody else gets in."""

from __future__ import annotations

import json
import re
import secrets
from urllib.parse import urlsplit

from lab.base.names import NAMESPACE
from lab.clusters import provider
from lab.measure.capture import CaptureUnavailableError
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Gateway, Hop
from lab.mesh.protocols import CountedIdentities
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import (
    Arrow,
    CannotLookError,
    Check,
    Observation,
    Sabotage,
    Scenario,
    ScenarioStep,
    Topology,
    TopologyNode,
)

from . import refusals
from .probes import Probe, frontend_pod, send
from .refusals import ALERTS, Refuser, refused
from .seeing import answers, identities

NAME = "cross_cluster_access"
SERVICE = "podinfo"
MIRROR = "podinfo-east"
REQUESTS = 100
_URL = f"http://{SERVICE}.{NAMESPACE}:9898/api/info"
_PLAIN_PORT = 18080
_OUTSIDER = Probe(name="probe-unmeshed", cluster="west", meshed=False, account="probe-unmeshed")
_PLAIN_SERVER = Probe(
    name="probe-plain", cluster="east", meshed=False, account="probe-plain", host_network=True, port=_PLAIN_PORT
)
_WHO = re.compile(r"(?:URI=|for=|L5d-Client-Id\W+)([\w.:/-]+)")
"""Who was on the way, nearest to the caller first: Istio's X-Forwarded-Client-Cert, Linkerd's two headers."""
_MARKER_HEADER = "x-lab-marker"


def _east_gateway(context: Context) -> Gateway:
    return next(g for g in context.mesh.gateways(["east"]) if g.role == "east-west")


def _ask(context: Context) -> None:
    context.mesh.export(SERVICE, "east")
    got = answers(context, context.west, MIRROR, count=10)
    context.say(got.evidence.text)


def _answered_by_east(context: Context) -> Observation:
    got = answers(context, context.west, MIRROR, count=REQUESTS)
    return Observation(holds=got.only("east"), seen=got.words, evidence=(got.evidence,))


def _gateway_alive(context: Context) -> Observation:
    gateway = _east_gateway(context)
    alive = "alive" if gateway.alive else gateway.detail
    text = f"{gateway.name} of {gateway.cluster}: {gateway.address}:{gateway.port}, {alive}"
    evidence = Evidence(kind=EvidenceKind.OBJECT, title="East's east-west gateway", text=text)
    return Observation(holds=gateway.alive and gateway.address is not None, seen=text, evidence=(evidence,))


def _show_identities(context: Context) -> None:
    context.say(identities(context, context.west, MIRROR).evidence.text)


def _both_identities(context: Context) -> Observation:
    found = identities(context, context.west, MIRROR)
    client, server = _expected_identities(context)
    # A gateway that ends TLS stands between the two, and podinfo names that instead of itself.
    other, wanted = (found.server, server) if found.server else (found.gateway, _east_gateway(context).identity)
    return Observation(
        holds=found.client == client and other == wanted != "",
        seen=f"{found.client or 'nobody'} → {other or 'not named'}",
        evidence=(found.evidence,),
    )


def _counted_identities(context: Context) -> Observation:
    """Look at every proxy on the way: the frontend's, the gateway's, podinfo's."""
    assert isinstance(context.mesh, CountedIdentities)  # noqa: S101 - the check requires the capability
    hops = context.mesh.hops("west", "east", SERVICE, caller="frontend")
    client, _ = _expected_identities(context)
    gateway = _east_gateway(context).identity
    asked = [hop for hop in hops if hop.at.startswith("west/") and hop.server == gateway]
    taken = [hop for hop in hops if hop.client == client]
    let_in = [hop for hop in hops if hop.at == f"east/{SERVICE}" and hop.client == gateway]
    text = "\n".join(f"{hop.at}: {hop.said}" for hop in hops)
    evidence = Evidence(kind=EvidenceKind.METRIC, title="what the proxies count of each other's identities", text=text)
    return Observation(
        holds=bool(asked and taken and let_in),
        seen=f"West's frontend asked {gateway} ({_total(asked)} requests); it took connections of {client} "
        f"({_total(taken)}); podinfo let it in ({_total(let_in)} requests)",
        evidence=(evidence,),
    )


def _total(hops: list[Hop]) -> int:
    return sum(hop.count for hop in hops)


def _expected_identities(context: Context) -> tuple[str, str]:
    return (
        context.mesh.identity_of(Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")),
        context.mesh.identity_of(Caller(cluster="east", namespace=NAMESPACE, service_account=SERVICE)),
    )


def _start_outsider(context: Context) -> None:
    _OUTSIDER.start(context, NAME)
    inside = send(context.west, frontend_pod(context.west), _URL, container="frontend")
    outside = send(context.west, _OUTSIDER.name, _URL)
    context.say(f"from the frontend: {inside.words}\nfrom the pod outside of the mesh: {outside.words}")


def _stop_outsider(context: Context) -> None:
    _OUTSIDER.stop(context, NAME)


def _outsider_refused(context: Context) -> Observation:
    inside = send(context.west, frontend_pod(context.west), _URL, container="frontend")
    outside = send(context.west, _OUTSIDER.name, _URL)
    refuser = refusals.service_from_outside(context.mesh, context.west, SERVICE)
    return refused(outside, refuser, control=inside, control_name="in the mesh")


def _gateway_refuses_plain(context: Context) -> Observation:
    gateway = _east_gateway(context)
    url = f"http://{gateway.address}:{gateway.port}/api/info"
    outside = send(context.west, _OUTSIDER.name, url, headers={"host": f"{SERVICE}.{NAMESPACE}.svc.cluster.local"})
    inside = send(context.west, frontend_pod(context.west), f"http://{MIRROR}:9898/api/info", container="frontend")
    refuser = refusals.plain_text(context.mesh, gateway.address or "", "East's gateway")
    return refused(outside, refuser, control=inside, control_name="through the mesh")


def _allow_plain(context: Context) -> None:
    context.mesh.require_mtls("west", required=False)


def _refuse_plain(context: Context) -> None:
    context.mesh.require_mtls("west")


def _capture_both(context: Context) -> None:
    """Send a marked request through the mesh and one around it, and listen between the nodes."""
    _OUTSIDER.start(context, NAME)
    _PLAIN_SERVER.start(context, NAME)
    gateway = _east_gateway(context)
    marker = f"marker-{secrets.token_hex(8)}"
    headers = {_MARKER_HEADER: marker}
    try:
        with provider().wire.capture(context.lab, context.west) as capture:
            pod = frontend_pod(context.west)
            meshed = send(context.west, pod, f"http://{MIRROR}:9898/headers", container="frontend", headers=headers)
            through = capture.take()
            plain = send(context.west, _OUTSIDER.name, f"http://{gateway.address}:{_PLAIN_PORT}/", headers=headers)
            around = capture.take()
    except CaptureUnavailableError as error:
        context.memo["capture"] = {"unavailable": str(error)}
        return
    to_gateway = [p for p in through if str(gateway.address) in p.ends and gateway.port in p.ports]
    context.memo["capture"] = {
        "mesh": {
            "answer": meshed.words,
            "packets": len(to_gateway),
            "bytes": sum(len(p.payload) for p in to_gateway),
            "plain": sum(marker.encode() in p.payload for p in through),
            "seen": marker in meshed.body,
            "first": next((p.payload[:64].hex(" ") for p in to_gateway if p.payload), ""),
        },
        "around": {
            "answer": plain.words,
            "packets": len(around),
            "plain": sum(marker.encode() in p.payload for p in around),
        },
    }
    context.say(json.dumps(context.memo["capture"], indent=1))


def _captured(context: Context) -> Observation:
    found = context.recall("capture")
    if "unavailable" in found:
        raise CannotLookError(found["unavailable"])
    evidence = Evidence(
        kind=EvidenceKind.CAPTURE,
        title="packets between the nodes while a marked request went through the mesh, and one around it",
        text=json.dumps(found, indent=1),
        data=found,
    )
    mesh, around = found["mesh"], found["around"]
    return Observation(
        holds=mesh["seen"] and mesh["packets"] > 0 and mesh["plain"] == 0 and around["plain"] > 0,
        seen=f"through the mesh: {mesh['packets']} packets, {mesh['bytes']} bytes, {mesh['plain']} with the marker; "
        f"around it: {around['plain']} with the marker",
        evidence=(evidence,),
    )


def _carry(context: Context) -> None:
    if Capability.INGRESS_ROUTE in context.mesh.capabilities:
        carried = context.mesh.add_ingress_route(SERVICE, "east")
        context.say(f"West calls {carried.name}; East's ingress carries it to {SERVICE}")


def _uncarry(context: Context) -> None:
    context.mesh.remove_ingress_route(SERVICE, "east")


def _identity_through_ingress(context: Context) -> Observation:
    carried = next(iter(context.mesh.ingress_routes(["east"])))
    url = f"http://{carried.name}:9898/headers"
    said = send(context.west, frontend_pod(context.west), url, container="frontend")
    client, _ = _expected_identities(context)
    carrier = context.mesh.identity_of(carried.carrier)
    shown = [who for who in re.findall(_WHO, said.body) if who in {client, carrier}]
    return Observation(
        holds=said.allowed and shown == [client, carrier],
        seen=" → ".join([*shown, SERVICE]) if said.allowed else said.words,
        evidence=(said.evidence,),
    )


def _ingress_refuses_strangers(context: Context) -> Observation:
    """Ask the ingress's listener for the mesh without a certificate, where the frontend is answered with its own."""
    carried = next(iter(context.mesh.ingress_routes(["east"])))
    url = f"http://{carried.name}:9898/api/info"
    inside = send(context.west, frontend_pod(context.west), url, container="frontend")
    outside = send(context.west, _OUTSIDER.name, f"{carried.entrance}api/info")
    address = urlsplit(carried.entrance).hostname or ""
    carrier = context.mesh.identity_of(carried.carrier)
    refuser = (
        Refuser(name=carrier, failures=ALERTS, peer=address, identity=carrier)
        if carried.entrance.startswith("https:")
        else refusals.plain_text(context.mesh, address, "East's gateway")
    )
    return refused(outside, refuser, control=inside, control_name="with the frontend's certificate")


def _stop_both(context: Context) -> None:
    _OUTSIDER.stop(context, NAME)
    _PLAIN_SERVER.stop(context, NAME)


SCENARIO = Scenario(
    name=NAME,
    title="Cross-cluster access",
    act="Cross-cluster Access",
    claim="Requests cross clusters through a gateway, encrypted, with identities on both ends; nobody else gets in",
    requires=frozenset({Capability.EXPORT, Capability.MTLS}),
    topology=Topology(
        nodes=(
            TopologyNode(
                cluster="west", role="West (Docker Desktop)", services=("frontend", "a pod outside of the mesh")
            ),
            TopologyNode(cluster="east", role="East (GKE)", services=(SERVICE, "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"east/{SERVICE}", label="mTLS"),
            Arrow(
                source="west/a pod outside of the mesh", target="east/east-west gateway", label="refused", allowed=False
            ),
        ),
    ),
    steps=(
        ScenarioStep(
            name="ask",
            title="West asks East",
            narration=f"West's frontend calls {MIRROR}. Behind that name is East's gateway, and behind it podinfo.",
            command=f"curl 'http://localhost:8080/api/answers?upstream={MIRROR}&count=10'",
            act=_ask,
            checks=(
                Check(
                    name="gateway_is_alive",
                    claim="East's gateway is there at an address that West reaches",
                    expected="alive, with an address",
                    look=_gateway_alive,
                ),
                Check(
                    name="east_answers",
                    claim="Every request is answered by East",
                    expected=f"{REQUESTS} of {REQUESTS} by East, none failed",
                    look=_answered_by_east,
                    within_s=10,
                ),
            ),
        ),
        ScenarioStep(
            name="identities",
            title="Who speaks to whom",
            narration="Each end shows a certificate. East's podinfo sees who West's frontend is, not an address.",
            command=f"curl 'http://localhost:8080/api/identity?upstream={MIRROR}'",
            act=_show_identities,
            checks=(
                Check(
                    name="identities_on_both_ends",
                    claim="East's podinfo sees West's frontend by its identity, and whom that spoke to",
                    expected="West's frontend → East's podinfo, or East's gateway where TLS ends there",
                    look=_both_identities,
                ),
                Check(
                    name="proxies_count_identities",
                    claim="Every proxy on the way counts the identity of the one that it spoke to",
                    expected="the frontend's: East's gateway; the gateway's: West's frontend; podinfo's: the gateway",
                    look=_counted_identities,
                    within_s=10,
                    requires=frozenset({Capability.COUNTED_IDENTITIES}),
                ),
            ),
        ),
        ScenarioStep(
            name="outsider",
            title="A pod outside of the mesh",
            narration="The same request from a pod without a proxy has no certificate. The service refuses it, and so "
            "does East's gateway.",
            command=f"kubectl --context=west --namespace={NAMESPACE} exec {_OUTSIDER.name} -- python3.11 -c "
            f"'import urllib.request; urllib.request.urlopen(\"{_URL}\", timeout=4)'",
            act=_start_outsider,
            undo=_stop_outsider,
            undo_command=f"kubectl --context=west --namespace={NAMESPACE} delete pod,serviceaccount {_OUTSIDER.name}",
            checks=(
                Check(
                    name="outsider_is_refused",
                    claim="podinfo answers the frontend and refuses a client without a certificate",
                    expected="in the mesh: HTTP 200; outside: refused by the proxy behind podinfo",
                    look=_outsider_refused,
                    within_s=10,
                ),
                Check(
                    name="gateway_refuses_plain",
                    claim="East's gateway forwards the mesh's requests and refuses plain ones",
                    expected="through the mesh: HTTP 200; straight to the gateway: refused by it",
                    look=_gateway_refuses_plain,
                ),
            ),
            sabotage=Sabotage(
                title="plain text is allowed in West",
                act=_allow_plain,
                undo=_refuse_plain,
                fails="outsider_is_refused",
            ),
        ),
        ScenarioStep(
            name="through_the_ingress",
            title="Through East's ingress",
            narration="The talk's slides let the ingress on East carry the request. Here too: West calls another name, "
            "East's ingress ends mutual TLS with its own certificate and asks podinfo. podinfo sees both.",
            command=f"lab export {SERVICE} --from east --by-ingress",
            act=_carry,
            undo=_uncarry,
            undo_command=f"lab unexport {SERVICE} --from east --by-ingress",
            checks=(
                Check(
                    name="ingress_carries_identities",
                    claim="podinfo sees the frontend's identity, and behind it the ingress's that carried the request",
                    expected="West's frontend → East's ingress → podinfo",
                    look=_identity_through_ingress,
                    within_s=30,
                    requires=frozenset({Capability.INGRESS_ROUTE}),
                ),
                Check(
                    name="ingress_refuses_strangers",
                    claim="East's ingress takes what the frontend's certificate vouches for, and nobody without one",
                    expected="with the frontend's certificate: HTTP 200; without: refused by the entrance",
                    look=_ingress_refuses_strangers,
                    requires=frozenset({Capability.INGRESS_ROUTE}),
                ),
            ),
        ),
        ScenarioStep(
            name="capture",
            title="What is on the wire",
            narration="A request with a mark in a header goes to East through the mesh, and another one around it. "
            "Between the nodes the mark is only seen in the second.",
            act=_capture_both,
            undo=_stop_both,
            checks=(
                Check(
                    name="wire_shows_nothing",
                    claim="No byte of the request is readable between the nodes, and it would be without the mesh",
                    expected="through the mesh: packets, none with the mark; around it: some with the mark",
                    look=_captured,
                ),
            ),
        ),
    ),
    saw="West's requests reach East through one gateway, encrypted from workload to workload; East knows who asks, and "
    "a client without an identity is refused by service and gateway alike.",
    try_next=(
        "The other way round: `lab export podinfo --from west`, then East's page at http://localhost:8081.",
        "Delete East's gateway pod, as disaster_recovery does, and watch West's page at http://localhost:8080.",
    ),
)
