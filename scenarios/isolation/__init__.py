"""Act 4, isolation: a card payment service in a compliance environment, and the callers that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.base import pki
from lab.base.concurrency import each
from lab.base.names import NAMESPACE
from lab.kube import connect
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Gateway, TlsEntrance
from lab.mesh.names import host
from lab.scenario.actions import Apply, Command, Delete, On, on
from lab.scenario.card import number
from lab.scenario.context import Context
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from .. import refusals
from ..podinfo import EAST, SERVICE, WEST
from ..probes import Said, TlsClient, frontend_pod, send
from ..refusals import Refuser, refused
from ..seeing import mirror
from . import cardholder

NAME = "isolation"
OTHER_SERVICE = "ledger"
OTHER_NAMESPACE = "isolation-elsewhere"
_PORT = 9898
_INFO = "/api/info"
_OTHER_PORT = 8080
_SETTLES_S = 30.0
_PAYMENT = f"{{west_url}}/api/identity?upstream={SERVICE}-{{east}}"
# The namespaces of the applications and of the proxies and gateways of both stacks.
_WEST_WRITES = (NAMESPACE, "istio-system", "istio-ingress", "linkerd", "linkerd-multicluster", "emissary")

_OTHER_ACCOUNT, _ELSEWHERE, _UNMESHED = "probe-account", "probe-elsewhere", "probe-unmeshed"
_NAMESPACES = {_ELSEWHERE: OTHER_NAMESPACE}
_CALLERS = ("other-account.yaml", "other-namespace.yaml", "unmeshed.yaml")

Send = Callable[[Context], Said]
By = Callable[[Context], Refuser]
_LISTING, _HEADERS, _ENVIRONMENT = "<title>Directory listing", '"Accept-Encoding"', "HOSTNAME=podinfo-"
"""Parts of the responses of the ledger, of podinfo's /headers and of podinfo's /env."""


def _frontend(context: Context) -> Caller:
    return Caller(cluster=context.west.name, namespace=NAMESPACE, service_account="frontend")


def _url(context: Context, path: str = _INFO) -> str:
    return f"http://{mirror(context, SERVICE)}.{NAMESPACE}:{_PORT}{path}"


def _other_url(context: Context) -> str:
    return f"http://{mirror(context, OTHER_SERVICE)}.{NAMESPACE}:{_OTHER_PORT}/"


def _from_frontend(context: Context, url: str = "", method: str = "GET") -> Said:
    url = url or _url(context)
    return send(context.west, frontend_pod(context.west), url, container="frontend", method=method)


def _from(pod: str) -> Send:
    return lambda context: send(context.west, pod, _url(context), namespace=_NAMESPACES.get(pod, NAMESPACE))


def _everyone(context: Context) -> list[tuple[str, Said]]:
    return [
        ("frontend", _from_frontend(context)),
        ("another service account", _from(_OTHER_ACCOUNT)(context)),
        ("another namespace", _from(_ELSEWHERE)(context)),
        ("another service of East", _from_frontend(context, _other_url(context))),
    ]


def _all_in(context: Context) -> Observation:
    responses = _everyone(context)
    return Observation(
        holds=all(response.allowed for _, response in responses),
        seen="; ".join(f"{name}: {response.words}" for name, response in responses),
        evidence=tuple(response.evidence for _, response in responses),
    )


def _refused(request: Send, refuser: By, service: str) -> Look:
    """Return a look that holds if this request is refused while the frontend's own request is allowed."""

    def look(context: Context) -> Observation:
        allowed, other = each(lambda send_one: send_one(context), (_from_frontend, request))
        return refused(other, refuser(context), control=allowed, control_name="the frontend", service=service)

    return look


def _denied(context: Context) -> Refuser:
    return refusals.denial(context.mesh)


def _pod_address(context: Context) -> str:
    labels = {"app.kubernetes.io/name": SERVICE}
    pods = connect(context.east).find("v1", "Pod", namespace=NAMESPACE, labels=labels)
    return str(next(pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")))


def _pod_network(context: Context) -> Said:
    return send(context.west, _UNMESHED, f"http://{_pod_address(context)}:{_PORT}/api/info")


def _gateway(context: Context) -> Gateway:
    return next(g for g in context.mesh.gateways([context.east.name]) if g.role == "east-west")


def _plain_to_gateway(context: Context) -> Said:
    gateway = _gateway(context)
    return send(context.west, _UNMESHED, f"http://{gateway.address}:{gateway.port}/api/info")


def _by_gateway(context: Context) -> Refuser:
    return refusals.plain_text(context.mesh, _gateway(context).address or "", "East's gateway")


def _with_a_certificate_of(context: Context, folder: Path, lab_name: str, entrance: TlsEntrance) -> Said:
    """Send a request to East's gateway with a certificate in the frontend's name, signed by this folder's anchor."""
    west = context.west.name
    domain = context.lab.spec.clusters[west].trust_domain
    issuer = pki.issuer(folder, lab_name=lab_name, cluster=f"issuer-{west}", trust_domain=domain)
    identity = pki.leaf(issuer, context.mesh.identity_of(_frontend(context)))
    url = f"https://{entrance.address}:{entrance.port}/api/info"
    client = TlsClient(entrance=entrance, identity=identity)
    # From a pod without a proxy: with some engines, this machine cannot reach a node's address.
    return send(context.west, _UNMESHED, url, headers={"host": host(SERVICE)}, tls=client)


def _another_anchor(context: Context) -> Observation:
    """Compare two clients that differ in one thing: the trust anchor that signed the frontend's name."""
    lab = context.lab
    entrance = context.mesh.tls_entrance(context.east.name, SERVICE, _PORT)
    own = _with_a_certificate_of(context, lab.paths.pki, lab.spec.name, entrance)
    with TemporaryDirectory() as folder:
        other = _with_a_certificate_of(context, Path(folder), "somebody-else", entrance)
    return refused(other, refusals.bad_certificate(entrance), control=own, control_name="signed by the lab's anchor")


def _never_written_down(context: Context) -> Observation:
    card = number(context.lab.id)
    headers = {cardholder.HEADER: card}
    response = send(
        context.west, frontend_pod(context.west), _url(context, "/headers"), container="frontend", headers=headers
    )
    arrived = card in response.body
    logs = cardholder.in_logs(context.west, card, _WEST_WRITES)
    metrics = cardholder.in_metrics(context.west, card, control=SERVICE)
    places = [*logs.places, *metrics.places]
    controls = f"controls found: logs {'yes' if logs.control else 'no'}, metrics {'yes' if metrics.control else 'no'}"
    return Observation(
        holds=arrived and not places and logs.control and metrics.control,
        seen=f"arrived: {'yes' if arrived else 'no'}; recorded in West: {', '.join(places) or 'nowhere'} "
        f"(logs: {logs.read} containers, metrics: {metrics.read} proxy; {controls})",
        evidence=(logs.evidence, metrics.evidence),
    )


def _check(
    name: str,
    claim: str,
    request: Send,
    *,
    by: By = _denied,
    service: str = refusals.PODINFO,
    requires: frozenset[Capability] = frozenset(),
) -> Check:
    return Check(
        name=name,
        claim=claim,
        expected="refused by the expected proxy or node, while the frontend's request gets HTTP 200",
        look=_refused(request, by, service),
        within_s=_SETTLES_S,
        requires=requires,
    )


_FRONTEND = "frontend.{namespace}.serviceaccount.identity.linkerd.{west_domain}"
_GATEWAY = (
    "kubectl --context={east} --namespace=linkerd-multicluster patch meshtlsauthentication any-meshed "
    "--type=merge --patch"
)
_LOCK = ("only-the-frontend.yaml", "nobody.yaml")
_UNLOCK = (
    Delete(*_LOCK, of="east"),
    on(linkerd=Command(f"""{_GATEWAY} '{{"spec":{{"identities":["*"]}}}}'"""), istio=()),
)
_READY = "--for=condition=Ready --timeout=60s"
_PODS_READY = (
    Command(f"{WEST} wait pods {_OTHER_ACCOUNT} {_UNMESHED} {_READY}", timeout_s=70),
    Command(f"kubectl --context={{west}} --namespace={OTHER_NAMESPACE} wait pods {_ELSEWHERE} {_READY}", timeout_s=70),
    Command(f"{EAST} wait pods {OTHER_SERVICE} {_READY}", timeout_s=70),
)
EXPORT: On = on(
    linkerd=Command(f"{EAST} label service {SERVICE} --overwrite mirror.linkerd.io/exported=true"),
    istio=Apply("export-podinfo.yaml", to="west"),
)
EXPORT_LEDGER: On = on(
    linkerd=Command(f"{EAST} label service {OTHER_SERVICE} --overwrite mirror.linkerd.io/exported=true"),
    istio=(Apply("subsets-ledger.yaml", to="east"), Apply("export-ledger.yaml", to="west")),
)
UNEXPORT_LEDGER: On = on(
    linkerd=(),  # its service mirror deletes the mirror of a Service that was deleted
    istio=(Delete("subsets-ledger.yaml", of="east"), Delete("export-ledger.yaml", of="west")),
)
_BY_REQUEST = frozenset({Capability.AUTHORIZE_REQUEST})

SCENARIO = Scenario(
    name=NAME,
    title="Cluster isolation",
    act="Profit",
    claim="Only the frontend's identity reaches the card payment service, and only with the allowed requests",
    requires=frozenset({Capability.EXPORT, Capability.AUTHORIZE_IDENTITY}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="insecure", services=("frontend", "anybody else")),
            TopologyNode(
                cluster="east", role="compliance-environment", services=("card payment (podinfo)", "everything else")
            ),
        ),
        arrows=(
            Arrow(source="west/frontend", target="east/card payment (podinfo)", label="its identity"),
            Arrow(source="west/anybody else", target="east/everything else", label="refused", allowed=False),
        ),
    ),
    steps=(
        ScenarioStep(
            name="open",
            title="An open mesh",
            narration="In a mesh without permissions, every identity is allowed: another service account and another "
            "namespace reach the service, and the frontend reaches another service of East.",
            before=(
                # Kubernetes would delete new objects in a namespace of an earlier run that is still being deleted.
                Delete("namespace.yaml", of="west"),
                EXPORT,
            ),
            do=(
                Apply("namespace.yaml", *_CALLERS, to="west"),
                Apply("ledger.yaml", to="east"),
                EXPORT_LEDGER,
                *_PODS_READY,
            ),
            undo=(
                UNEXPORT_LEDGER,
                Delete("ledger.yaml", of="east", wait=False),
                Delete(*_CALLERS, "namespace.yaml", of="west", wait=False),
            ),
            checks=(
                Check(
                    name="everybody_gets_in",
                    claim="Without permissions, every caller in the mesh gets an answer",
                    expected="HTTP 200 for all",
                    look=_all_in,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="locked",
            title="Only the frontend, only to pay",
            narration="The card payment service allows one identity, one method and two paths. The other service in "
            "East refuses every caller.",
            do=(
                on(linkerd=Command(f'{_GATEWAY} \'{{"spec":{{"identities":["{_FRONTEND}"]}}}}\''), istio=()),
                Apply(*_LOCK, to="east"),
            ),
            undo=_UNLOCK,
            verb=f"lab authorize {SERVICE} --in {{east}} --from {{west}}/frontend --method GET --path {_INFO} "
            "--path /headers",
            checks=(
                _check("other_account_is_refused", "Another service account is refused", _from(_OTHER_ACCOUNT)),
                _check(
                    "other_namespace_is_refused",
                    "A service account of the same name in another namespace is refused",
                    _from(_ELSEWHERE),
                ),
                _check(
                    "unmeshed_is_refused",
                    "A pod outside of the mesh is refused",
                    _from(_UNMESHED),
                    by=lambda context: refusals.service_from_outside(
                        context.mesh, context.west, mirror(context, SERVICE)
                    ),
                ),
                _check(
                    "gateway_is_no_way_around",
                    "East's gateway refuses a plain request of that pod",
                    _plain_to_gateway,
                    by=_by_gateway,
                ),
                _check(
                    "other_service_is_refused",
                    "Another service behind the same gateway refuses the frontend",
                    lambda context: _from_frontend(context, _other_url(context)),
                    service=_LISTING,
                ),
                _check(
                    "pod_network_is_no_way_around",
                    "West cannot reach East's pod network",
                    _pod_network,
                    by=lambda context: refusals.pod_from_outside(context, _pod_address(context)),
                    requires=frozenset({Capability.NODES}),
                ),
                _check(
                    "other_method_is_refused",
                    "The frontend is refused with another method",
                    lambda context: _from_frontend(context, _url(context, "/headers"), "POST"),
                    service=_HEADERS,
                    requires=_BY_REQUEST,
                ),
                _check(
                    "other_path_is_refused",
                    "The frontend is refused on another path",
                    lambda context: _from_frontend(context, _url(context, "/env")),
                    service=_ENVIRONMENT,
                    requires=_BY_REQUEST,
                ),
                Check(
                    name="another_anchor_is_refused",
                    claim="East's gateway refuses the frontend's name if another trust anchor signed it",
                    expected="refused by the proxy that terminates TLS, while the same client with the lab's signature "
                    "gets HTTP 200",
                    look=_another_anchor,
                    within_s=_SETTLES_S,
                ),
            ),
            sabotage=Sabotage(title="the permission is removed", do=_UNLOCK, undo=(), fails="other_account_is_refused"),
        ),
        ScenarioStep(
            name="card",
            title="A card number passes through",
            narration="The frontend pays with a card number, and the number arrives in East. The lab then "
            "searches West's logs and metrics for it. It also finds a known mark there, so the search works.",
            do=(Command(f"curl --silent --header '{cardholder.HEADER}: {{card}}' '{_PAYMENT}'"),),
            checks=(
                Check(
                    name="card_is_never_written_down",
                    claim="The card number arrives in East, and none of West's logs and metrics contains it",
                    expected="arrived, found nowhere in West, both controls found",
                    look=_never_written_down,
                ),
            ),
        ),
    ),
    saw="One gateway connects two clusters, and only one identity reaches one service through it.",
    try_next=(
        "Read the rules of your mesh: `kubectl --context={east} -n {namespace} get authorizationpolicies -o yaml`.",
        "Add a caller to your mesh's only-the-frontend.yaml in scenarios/isolation, and run `lab run isolation` again.",
    ),
)
