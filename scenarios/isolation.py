"""Act 4, isolation: a card payment service in a compliance environment, and who is kept out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.base import pki, wait
from lab.base.concurrency import Threads
from lab.base.names import NAMESPACE, SCENARIO_LABEL
from lab.base.wait import NotYet
from lab.kube import connect
from lab.kube.objects import Ref
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Gateway, Permission, TlsEntrance
from lab.mesh.names import host
from lab.scenario.context import Context
from lab.scenario.model import Arrow, Check, Look, Observation, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from . import cardholder, refusals
from .probes import Probe, Said, TlsClient, frontend_pod, send
from .refusals import Refuser, refused
from .seeing import service

NAME = "isolation"
SERVICE = "podinfo"
OTHER_SERVICE = "ledger"
OTHER_NAMESPACE = "isolation-elsewhere"
_HOST = f"{SERVICE}-east.{NAMESPACE}"
_PORT = 9898
_URL = f"http://{_HOST}:{_PORT}/api/info"
_OTHER_PORT = 8080
_OTHER_URL = f"http://{OTHER_SERVICE}-east.{NAMESPACE}:{_OTHER_PORT}/"
_NAMESPACE = Ref(api_version="v1", kind="Namespace", name=OTHER_NAMESPACE)
_SETTLES_S = 30.0
_GONE_S = 60.0
# The applications, and whatever carries their requests.
_WEST_WRITES = (NAMESPACE, "istio-system", "istio-ingress", "linkerd", "linkerd-multicluster", "emissary")

_OTHER_ACCOUNT = Probe(name="probe-account", cluster="west", meshed=True, account="probe-account")
_ELSEWHERE = Probe(name="probe-elsewhere", cluster="west", meshed=True, account="frontend", namespace=OTHER_NAMESPACE)
_UNMESHED = Probe(name="probe-unmeshed", cluster="west", meshed=False, account="probe-unmeshed")
_LEDGER = Probe(name=OTHER_SERVICE, cluster="east", meshed=True, account=OTHER_SERVICE, port=_OTHER_PORT)
_PROBES = (_OTHER_ACCOUNT, _ELSEWHERE, _UNMESHED, _LEDGER)
_FRONTEND = Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")
PERMISSION = Permission(
    cluster="east", service=SERVICE, callers=(_FRONTEND,), methods=("GET",), paths=("/api/info", "/headers")
)
NOBODY = Permission(cluster="east", service=OTHER_SERVICE, callers=())

Send = Callable[[Context], Said]
By = Callable[[Context], Refuser]
_LISTING, _HEADERS, _ENVIRONMENT = "<title>Directory listing", '"Accept-Encoding"', "HOSTNAME=podinfo-"
"""What the ledger, podinfo's /headers and podinfo's /env answer."""


def _from_frontend(context: Context, url: str = _URL, method: str = "GET") -> Said:
    return send(context.west, frontend_pod(context.west), url, container="frontend", method=method)


def _from(probe: Probe, url: str = _URL) -> Send:
    return lambda context: send(context.west, probe.name, url, namespace=probe.namespace)


def _start(context: Context) -> None:
    """Bring up everyone who will try, and export a second service, so that there is something else to ask."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": OTHER_NAMESPACE,
            "labels": {SCENARIO_LABEL: NAME, "istio-injection": "enabled"},
            "annotations": {"linkerd.io/inject": "enabled"},
        },
    }
    # The only pod of the scenario in East is the ledger's.
    ledger = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": OTHER_SERVICE, "namespace": NAMESPACE, "labels": {SCENARIO_LABEL: NAME}},
        "spec": {
            "selector": {SCENARIO_LABEL: NAME},
            "ports": [{"name": "http", "port": _OTHER_PORT, "targetPort": _OTHER_PORT, "appProtocol": "http"}],
        },
    }
    _wait_for_the_end_of_the_last_run(context)
    context.created_by(NAME, context.west).apply_all([namespace])
    context.created_by(NAME, context.east).apply_all([ledger])
    context.mesh.export(SERVICE, "east")
    context.mesh.export(OTHER_SERVICE, "east")
    with Threads() as threads:
        for started in [threads.submit(probe.start, context, NAME) for probe in _PROBES]:
            started.result()
    context.say("\n".join(f"{name}: {said.words}" for name, said in _everyone(context)))


def _everyone(context: Context) -> list[tuple[str, Said]]:
    return [
        ("frontend", _from_frontend(context)),
        ("another service account", _from(_OTHER_ACCOUNT)(context)),
        ("another namespace", _from(_ELSEWHERE)(context)),
        ("another service of East", _from_frontend(context, _OTHER_URL)),
    ]


def _all_in(context: Context) -> Observation:
    tried = _everyone(context)
    return Observation(
        holds=all(said.allowed for _, said in tried),
        seen="; ".join(f"{name}: {said.words}" for name, said in tried),
        evidence=tuple(said.evidence for _, said in tried),
    )


def _stop(context: Context) -> None:
    for probe in _PROBES:
        probe.stop(context, NAME)
    context.mesh.unexport(OTHER_SERVICE, "east")
    context.created_by(NAME, context.east).delete(service(OTHER_SERVICE))
    context.created_by(NAME, context.west).delete(_NAMESPACE)


def _wait_for_the_end_of_the_last_run(context: Context) -> None:
    """A namespace goes with all that is in it, which takes seconds; what is put into it meanwhile goes too."""

    def gone() -> bool | NotYet:
        found = connect(context.west).get(_NAMESPACE)
        return found is None or "deletionTimestamp" not in found["metadata"] or NotYet("it is being deleted")

    wait.until(f"namespace {OTHER_NAMESPACE} of the last run is gone", gone, timeout_s=_GONE_S)


def _lock(context: Context) -> None:
    context.mesh.authorize(PERMISSION)
    context.mesh.authorize(NOBODY)
    allowed = ", ".join(context.mesh.identity_of(caller) for caller in PERMISSION.callers)
    context.say(f"{SERVICE} in East: only {allowed}, only {PERMISSION.methods} of {PERMISSION.paths}")
    context.say(f"{OTHER_SERVICE} in East: nobody")


def _unlock(context: Context) -> None:
    context.mesh.unauthorize("east", SERVICE)
    context.mesh.unauthorize("east", OTHER_SERVICE)


def _refused(tried: Send, refuser: By, service: str) -> Look:
    """Return a look: the frontend's own request is allowed, and this one, at the same time, is not."""

    def look(context: Context) -> Observation:
        allowed, other = _from_frontend(context), tried(context)
        return refused(other, refuser(context), control=allowed, control_name="the frontend", service=service)

    return look


def _denied(context: Context) -> Refuser:
    return refusals.denial(context.mesh)


def _pod_address(context: Context) -> str:
    labels = {"app.kubernetes.io/name": SERVICE}
    pods = connect(context.east).find("v1", "Pod", namespace=NAMESPACE, labels=labels)
    return str(next(pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")))


def _pod_network(context: Context) -> Said:
    return send(context.west, _UNMESHED.name, f"http://{_pod_address(context)}:{_PORT}/api/info")


def _gateway(context: Context) -> Gateway:
    return next(g for g in context.mesh.gateways(["east"]) if g.role == "east-west")


def _plain_to_gateway(context: Context) -> Said:
    gateway = _gateway(context)
    return send(context.west, _UNMESHED.name, f"http://{gateway.address}:{gateway.port}/api/info")


def _by_gateway(context: Context) -> Refuser:
    return refusals.plain_text(context.mesh, _gateway(context).address or "", "East's gateway")


def _with_a_certificate_of(context: Context, folder: Path, lab_name: str, entrance: TlsEntrance) -> Said:
    """Ask as the frontend, straight at East's gateway, with a certificate for it that this folder's authority signs."""
    domain = context.lab.spec.clusters["west"].trust_domain
    issuer = pki.issuer(folder, lab_name=lab_name, cluster="issuer-west", trust_domain=domain)
    identity = pki.leaf(issuer, context.mesh.identity_of(_FRONTEND))
    url = f"https://{entrance.address}:{entrance.port}/api/info"
    client = TlsClient(entrance=entrance, identity=identity)
    # From a pod without a proxy: not every engine lets this machine reach a node's address.
    return send(context.west, _UNMESHED.name, url, headers={"host": host(SERVICE)}, tls=client)


def _another_anchor(context: Context) -> Observation:
    """Two clients that differ in one thing: who signed the frontend's name."""
    lab = context.lab
    entrance = context.mesh.tls_entrance("east", SERVICE, _PORT)
    own = _with_a_certificate_of(context, lab.paths.pki, lab.spec.name, entrance)
    with TemporaryDirectory() as folder:
        other = _with_a_certificate_of(context, Path(folder), "somebody-else", entrance)
    return refused(other, refusals.bad_certificate(entrance), control=own, control_name="signed by the lab's anchor")


def _pay(context: Context) -> None:
    card = cardholder.number()
    context.memo["card"] = card
    said = send(
        context.west,
        frontend_pod(context.west),
        f"http://{_HOST}:{_PORT}/headers",
        container="frontend",
        headers={cardholder.HEADER: card},
    )
    context.memo["arrived"] = card in said.body
    context.say(f"{said.words}; the card number arrived: {card in said.body}")


def _never_written_down(context: Context) -> Observation:
    card, arrived = context.recall("card"), context.recall("arrived")
    logs = cardholder.in_logs(context.west, card, _WEST_WRITES)
    metrics = cardholder.in_metrics(context.west, card, control=SERVICE)
    places = [*logs.places, *metrics.places]
    controls = f"controls found: logs {'yes' if logs.control else 'no'}, metrics {'yes' if metrics.control else 'no'}"
    return Observation(
        holds=arrived and not places and logs.control and metrics.control,
        seen=f"arrived: {'yes' if arrived else 'no'}; written down in West: {places or 'nowhere'} "
        f"(logs: {logs.read} containers, metrics: {metrics.read} proxy; {controls})",
        evidence=(logs.evidence, metrics.evidence),
    )


def _check(
    name: str,
    claim: str,
    tried: Send,
    *,
    by: By = _denied,
    service: str = refusals.PODINFO,
    requires: frozenset[Capability] = frozenset(),
) -> Check:
    return Check(
        name=name,
        claim=claim,
        expected="refused by the proxy or node that has to, while the frontend's request gets HTTP 200",
        look=_refused(tried, by, service),
        within_s=_SETTLES_S,
        requires=requires,
    )


_BY_REQUEST = frozenset({Capability.AUTHORIZE_REQUEST})

SCENARIO = Scenario(
    name=NAME,
    title="Cluster isolation",
    act="Profit",
    claim="Only the frontend's identity reaches the card payment service, and only what it may ask",
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
            narration="In a mesh without permissions every identity gets in: another service account, another "
            "namespace, and also another service of East is reached.",
            act=_start,
            undo=_stop,
            checks=(
                Check(
                    name="everybody_gets_in",
                    claim="Without a permission everybody in the mesh is answered",
                    expected="HTTP 200 for all",
                    look=_all_in,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="locked",
            title="Only the frontend, only to pay",
            narration="The card payment service lets in one identity, for one method and two paths. Everything else in "
            "East lets in nobody.",
            command="kubectl --context=east --namespace=test get authorizationpolicies",
            act=_lock,
            undo=_unlock,
            undo_command="lab reset",
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
                    by=lambda context: refusals.service_from_outside(context.mesh, context.west, f"{SERVICE}-east"),
                ),
                _check(
                    "gateway_is_no_way_around",
                    "So is its plain request to East's gateway",
                    _plain_to_gateway,
                    by=_by_gateway,
                ),
                _check(
                    "other_service_is_refused",
                    "The frontend itself is refused by another service behind the same gateway",
                    lambda context: _from_frontend(context, _OTHER_URL),
                    service=_LISTING,
                ),
                _check(
                    "pod_network_is_no_way_around",
                    "East's pod network is not reached from West",
                    _pod_network,
                    by=lambda context: refusals.pod_from_outside(context, _pod_address(context)),
                ),
                _check(
                    "other_method_is_refused",
                    "The frontend is refused with another method",
                    lambda context: _from_frontend(context, f"http://{_HOST}:{_PORT}/headers", "POST"),
                    service=_HEADERS,
                    requires=_BY_REQUEST,
                ),
                _check(
                    "other_path_is_refused",
                    "The frontend is refused on another path",
                    lambda context: _from_frontend(context, f"http://{_HOST}:{_PORT}/env"),
                    service=_ENVIRONMENT,
                    requires=_BY_REQUEST,
                ),
                Check(
                    name="another_anchor_is_refused",
                    claim="The frontend's own name, signed by another trust anchor, is refused at East's gateway",
                    expected="refused by the proxy that ends TLS there, while the same client with the lab's signature "
                    "gets HTTP 200",
                    look=_another_anchor,
                    within_s=_SETTLES_S,
                ),
            ),
            sabotage=Sabotage(
                title="the permission is removed", act=_unlock, undo=_unlock, fails="other_account_is_refused"
            ),
        ),
        ScenarioStep(
            name="card",
            title="A card number passes through",
            narration="The frontend pays with a card number that was made up for this run. It arrives in East. West's "
            "logs and metrics are then searched for it; a mark put there on purpose shows that the search finds.",
            act=_pay,
            checks=(
                Check(
                    name="card_is_never_written_down",
                    claim="The card number arrives in East, and stands in none of West's logs and metrics",
                    expected="arrived, found nowhere in West, both controls found",
                    look=_never_written_down,
                ),
            ),
        ),
    ),
    saw="One gateway connects two clusters, and yet a single identity gets through it to a single service.",
    try_next=(
        "Read the rule that your mesh made of it: `kubectl --context=east -n test get authorizationpolicies -o yaml`.",
        "Add yourself: change `PERMISSION` in scenarios/isolation.py and run `lab run isolation` again.",
    ),
)
