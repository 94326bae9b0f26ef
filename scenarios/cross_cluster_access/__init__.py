"""Act 2, cross-cluster access: requests through the gateway, encrypted, with identities; all others are refused."""

from __future__ import annotations

import json
import re
import secrets
from urllib.parse import urlsplit

from lab.base.names import NAMESPACE, Json
from lab.clusters import provider
from lab.measure.capture import CaptureUnavailableError
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Gateway, Hop
from lab.mesh.protocols import CountedIdentities
from lab.scenario.actions import Apply, Command, Delete, on
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import CannotLookError, Observation

from .. import refusals
from ..podinfo import MIRROR, SERVICE, WEST
from ..probes import frontend_pod, send
from ..refusals import ALERTS, Refuser, refused
from ..seeing import answers, identities, mirror

NAME = "cross_cluster_access"
REQUESTS = 100
_URL = f"http://{SERVICE}.{NAMESPACE}:9898/api/info"
_PLAIN_PORT = 18080
_OUTSIDER = "probe-unmeshed"
_START_OUTSIDER = (
    Apply("outsider.yaml", to="west"),
    Command(f"{WEST} wait pod {_OUTSIDER} --for=condition=Ready --timeout=60s", timeout_s=70),
)
_STOP_OUTSIDER = Delete("outsider.yaml", of="west")
_MTLS = "kubectl --context={west} --namespace=istio-system patch peerauthentication default --type=merge --patch"
_PATH_IDENTITY = re.compile(r"(?:URI=|for=|L5d-Client-Id\W+)([\w.:/-]+)")
"""Identities on the path, the caller's first: Istio's X-Forwarded-Client-Cert, Linkerd's two headers."""
_MARKER_HEADER = "x-lab-marker"


def _east_gateway(context: Context) -> Gateway:
    return next(g for g in context.mesh.gateways([context.east.name]) if g.role == "east-west")


def _answered_by_east(context: Context) -> Observation:
    counts = answers(context, context.west, mirror(context, SERVICE), count=REQUESTS)
    return Observation(holds=counts.only(context.east.name), seen=counts.words, evidence=(counts.evidence,))


def _gateway_alive(context: Context) -> Observation:
    gateway = _east_gateway(context)
    alive = "alive" if gateway.alive else gateway.detail
    text = f"{gateway.name} of {gateway.cluster}: {gateway.address}:{gateway.port}, {alive}"
    evidence = Evidence(kind=EvidenceKind.OBJECT, title="East's east-west gateway", text=text)
    return Observation(holds=gateway.alive and gateway.address is not None, seen=text, evidence=(evidence,))


def _both_identities(context: Context) -> Observation:
    ends = identities(context, context.west, mirror(context, SERVICE))
    client, server = _expected_identities(context)
    # If the gateway terminates TLS, podinfo names the gateway instead of itself.
    other, expected = (ends.server, server) if ends.server else (ends.gateway, _east_gateway(context).identity)
    return Observation(
        holds=ends.client == client and other == expected != "",
        seen=f"{ends.client or 'no client identity'} → {other or 'not named'}",
        evidence=(ends.evidence,),
    )


def _counted_identities(context: Context) -> Observation:
    """Read the metrics of every proxy on the path: the frontend's, the gateway's, podinfo's."""
    assert isinstance(context.mesh, CountedIdentities)  # noqa: S101 - the check requires the capability
    east, west = context.east.name, context.west.name
    hops = context.mesh.hops(west, east, SERVICE, caller="frontend")
    client, _ = _expected_identities(context)
    gateway = _east_gateway(context).identity
    sent = [hop for hop in hops if hop.at.startswith(f"{west}/") and hop.server == gateway]
    accepted = [hop for hop in hops if hop.client == client]
    allowed = [hop for hop in hops if hop.at == f"{east}/{SERVICE}" and hop.client == gateway]
    text = "\n".join(f"{hop.at}: {hop.said}" for hop in hops)
    evidence = Evidence(kind=EvidenceKind.METRIC, title="identities in the proxies' metrics", text=text)
    return Observation(
        holds=bool(sent and accepted and allowed),
        seen=f"West's frontend called {gateway} ({_total(sent)} requests); the gateway accepted connections of "
        f"{client} ({_total(accepted)}); podinfo allowed the gateway ({_total(allowed)} requests)",
        evidence=(evidence,),
    )


def _total(hops: list[Hop]) -> int:
    return sum(hop.count for hop in hops)


def _expected_identities(context: Context) -> tuple[str, str]:
    return (
        context.mesh.identity_of(Caller(cluster=context.west.name, namespace=NAMESPACE, service_account="frontend")),
        context.mesh.identity_of(Caller(cluster=context.east.name, namespace=NAMESPACE, service_account=SERVICE)),
    )


def _outsider_refused(context: Context) -> Observation:
    inside = send(context.west, frontend_pod(context.west), _URL, container="frontend")
    outside = send(context.west, _OUTSIDER, _URL)
    refuser = refusals.service_from_outside(context.mesh, context.west, SERVICE)
    return refused(outside, refuser, control=inside, control_name="in the mesh")


def _gateway_refuses_plain(context: Context) -> Observation:
    gateway = _east_gateway(context)
    url = f"http://{gateway.address}:{gateway.port}/api/info"
    outside = send(context.west, _OUTSIDER, url, headers={"host": f"{SERVICE}.{NAMESPACE}.svc.cluster.local"})
    inside = send(
        context.west,
        frontend_pod(context.west),
        f"http://{mirror(context, SERVICE)}:9898/api/info",
        container="frontend",
    )
    refuser = refusals.plain_text(context.mesh, gateway.address or "", "East's gateway")
    return refused(outside, refuser, control=inside, control_name="through the mesh")


def _capture(context: Context) -> Json:
    """Send a marked request through the mesh and one around it, and return what the wire between the nodes shows."""
    gateway = _east_gateway(context)
    marker = f"marker-{secrets.token_hex(8)}"
    headers = {_MARKER_HEADER: marker}
    try:
        with provider().wire.capture(context.lab, context.west) as capture:
            pod = frontend_pod(context.west)
            url = f"http://{mirror(context, SERVICE)}:9898/headers"
            meshed = send(context.west, pod, url, container="frontend", headers=headers)
            through = capture.take()
            plain = send(context.west, _OUTSIDER, f"http://{gateway.address}:{_PLAIN_PORT}/", headers=headers)
            around = capture.take()
    except CaptureUnavailableError as error:
        raise CannotLookError(str(error)) from error
    to_gateway = [p for p in through if str(gateway.address) in p.ends and gateway.port in p.ports]
    return {
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


def _captured(context: Context) -> Observation:
    packets = _capture(context)
    evidence = Evidence(
        kind=EvidenceKind.CAPTURE,
        title="packets between the nodes during a marked request through the mesh, and during one around it",
        text=json.dumps(packets, indent=1),
        data=packets,
    )
    mesh, around = packets["mesh"], packets["around"]
    return Observation(
        holds=mesh["seen"] and mesh["packets"] > 0 and mesh["plain"] == 0 and around["plain"] > 0,
        seen=f"through the mesh: {mesh['packets']} packets, {mesh['bytes']} bytes, {mesh['plain']} with the marker; "
        f"around it: {around['plain']} with the marker",
        evidence=(evidence,),
    )


def _identity_through_ingress(context: Context) -> Observation:
    route = next(iter(context.mesh.ingress_routes([context.east.name])))
    url = f"http://{route.name}:9898/headers"
    response = send(context.west, frontend_pod(context.west), url, container="frontend")
    client, _ = _expected_identities(context)
    ingress = context.mesh.identity_of(route.carrier)
    path = [name for name in re.findall(_PATH_IDENTITY, response.body) if name in {client, ingress}]
    return Observation(
        holds=response.allowed and path == [client, ingress],
        seen=" → ".join([*path, SERVICE]) if response.allowed else response.words,
        evidence=(response.evidence,),
    )


def _ingress_refuses_strangers(context: Context) -> Observation:
    """Call the ingress's mTLS listener without a certificate, and with the frontend's as the control."""
    route = next(iter(context.mesh.ingress_routes([context.east.name])))
    url = f"http://{route.name}:9898/api/info"
    inside = send(context.west, frontend_pod(context.west), url, container="frontend")
    outside = send(context.west, _OUTSIDER, f"{route.entrance}api/info")
    address = urlsplit(route.entrance).hostname or ""
    ingress = context.mesh.identity_of(route.carrier)
    refuser = (
        Refuser(name=ingress, failures=ALERTS, peer=address, identity=ingress)
        if route.entrance.startswith("https:")
        else refusals.plain_text(context.mesh, address, "East's gateway")
    )
    return refused(outside, refuser, control=inside, control_name="with the frontend's certificate")


SCENARIO = Scenario(
    name=NAME,
    title="Cross-cluster access",
    act="Cross-cluster Access",
    claim="Requests cross clusters through a gateway, encrypted, with identities at both ends; others are refused",
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
            title="West calls East",
            narration=f"West's frontend calls {MIRROR}. East's gateway gets the requests and forwards them to podinfo.",
            do=(
                on(
                    linkerd=(
                        Command("linkerd --context={west} multicluster check", timeout_s=120),
                        Command("linkerd --context={west} multicluster gateways"),
                    ),
                    istio=Command(
                        "istioctl --context={west} --namespace={namespace} proxy-config endpoints deployment/frontend "
                        f"--cluster='outbound|9898|{{east}}|{SERVICE}.{{namespace}}.svc.cluster.local'"
                    ),
                ),
                Command(f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=3'"),
            ),
            checks=(
                Check(
                    name="gateway_is_alive",
                    claim="East's gateway is alive, at an address that West can reach",
                    expected="alive, with an address",
                    look=_gateway_alive,
                ),
                Check(
                    name="east_answers",
                    claim="East answers every request",
                    expected=f"{REQUESTS} of {REQUESTS} by East, none failed",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=100'",
                    look=_answered_by_east,
                    within_s=10,
                ),
            ),
        ),
        ScenarioStep(
            name="identities",
            title="Identities at both ends",
            narration="Each end presents a certificate. East's podinfo sees the identity of West's frontend, not only "
            "an address.",
            do=(Command(f"curl --silent '{{west_url}}/api/identity?upstream={MIRROR}'"),),
            checks=(
                Check(
                    name="identities_on_both_ends",
                    claim="East's podinfo sees the identities of the caller, West's frontend, and of the server",
                    expected="West's frontend → East's podinfo, or East's gateway if it terminates TLS",
                    command=f"curl --silent '{{west_url}}/api/identity?upstream={MIRROR}'",
                    look=_both_identities,
                ),
                Check(
                    name="proxies_count_identities",
                    claim="Every proxy on the path counts requests by the identity at the other end",
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
            narration="A pod without a proxy sends the same request, without a certificate. The service and East's "
            "gateway refuse it.",
            do=(
                *_START_OUTSIDER,
                Command(
                    f"{WEST} exec {_OUTSIDER} -- python3.11 -c "
                    f"'import urllib.request; urllib.request.urlopen(\"{_URL}\", timeout=4)'",
                    refused=True,
                ),
            ),
            undo=(_STOP_OUTSIDER,),
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
                do=(
                    on(
                        linkerd=Apply("plain-text.yaml", to="west"),
                        istio=Command(f"""{_MTLS} '{{"spec":{{"mtls":{{"mode":"PERMISSIVE"}}}}}}'"""),
                    ),
                ),
                undo=(
                    on(
                        linkerd=Delete("plain-text.yaml", of="west"),
                        istio=Command(f"""{_MTLS} '{{"spec":{{"mtls":{{"mode":"STRICT"}}}}}}'"""),
                    ),
                ),
                fails="outsider_is_refused",
            ),
        ),
        ScenarioStep(
            name="through_the_ingress",
            title="Through East's ingress",
            narration="On the talk's slides, East's ingress forwards the request. Here too: West calls another name, "
            "and East's ingress terminates mutual TLS and calls podinfo with its own certificate. podinfo sees both.",
            requires=frozenset({Capability.INGRESS_ROUTE}),
            # Its objects have the address of East's node, which only the running lab knows: `--show` prints them.
            do=(Command(f"lab export {SERVICE} --from {{east}} --by-ingress", timeout_s=120),),
            undo=(Command(f"lab unexport {SERVICE} --from {{east}} --by-ingress", timeout_s=120),),
            checks=(
                Check(
                    name="ingress_carries_identities",
                    claim="podinfo sees the identities of the frontend and of the ingress that forwarded the request",
                    expected="West's frontend → East's ingress → podinfo",
                    look=_identity_through_ingress,
                    within_s=30,
                ),
                Check(
                    name="ingress_refuses_strangers",
                    claim="East's ingress accepts the frontend's certificate and refuses callers without a certificate",
                    expected="with the frontend's certificate: HTTP 200; without: refused by the ingress",
                    look=_ingress_refuses_strangers,
                ),
            ),
        ),
        ScenarioStep(
            name="capture",
            title="The bytes on the wire",
            narration="A request with a marker in a header goes to East through the mesh, and another one around it. "
            "Between the nodes, only the second shows the marker.",
            requires=frozenset({Capability.NODES}),
            before=_START_OUTSIDER,
            do=(
                Apply("plain-server.yaml", to="east"),
                Command(
                    "kubectl --context={east} --namespace={namespace} wait pod probe-plain --for=condition=Ready "
                    "--timeout=60s",
                    timeout_s=70,
                ),
            ),
            undo=(Delete("plain-server.yaml", of="east"), _STOP_OUTSIDER),
            checks=(
                Check(
                    name="wire_shows_nothing",
                    claim="The marker is not readable between the nodes; without the mesh it is",
                    expected="through the mesh: packets, none with the marker; around it: some with the marker",
                    look=_captured,
                ),
            ),
        ),
    ),
    saw="West's requests reach East through one gateway, encrypted from workload to workload. East knows the caller's "
    "identity; the service and the gateway both refuse a client without one.",
    try_next=(
        "The other direction: `lab export podinfo --from {west}`, then East's page at {east_url}.",
        "Delete East's gateway pod, as disaster_recovery does, and watch West's page at {west_url}.",
    ),
)
