"""Act 1, service discovery: copy a Service to another cluster by hand, then export it through the mesh."""

from __future__ import annotations

from lab.base.names import NAMESPACE, Json
from lab.kube import connect
from lab.mesh.capabilities import Capability
from lab.mesh.names import host
from lab.scenario.actions import Observe, Until
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Observation

from .. import refusals
from ..podinfo import MIRROR, SERVICE
from ..probes import Said, frontend_pod, send
from ..refusals import Judgement, judge
from ..seeing import answers, endpoint_pods, endpoints, mirror, object_evidence, pods, service
from . import commands
from .commands import COPY, NAME, SECOND, SECOND_MIRROR

APPEARS_WITHIN_S = 15.0
FOLLOWS_WITHIN_S = 10.0


def _absent(context: Context) -> Observation:
    name = mirror(context, SERVICE)
    obj = connect(context.west).get(service(name))
    response = _send(context, f"http://{host(name)}:9898/api/info")
    verdict, words = judge(response, [refusals.no_name()])
    return Observation(
        holds=obj is None and verdict is Judgement.REFUSED,
        seen=f"{name} {'does not exist' if obj is None else 'exists'}; a request to it: {words}",
        unclear=words if obj is None and verdict is Judgement.UNCLEAR else "",
        evidence=(object_evidence(context.west, service(name), obj), response.evidence),
    )


def _send(context: Context, url: str, *, timeout_s: float = 4.0) -> Said:
    return send(context.west, frontend_pod(context.west), url, container="frontend", timeout_s=timeout_s)


def _refused(context: Context) -> Observation:
    words = str(context.recall("refusal"))
    by_api_server = all(part in words for part in ("spec.clusterIPs", "Invalid value"))
    return Observation(
        holds=by_api_server,
        seen=words.splitlines()[-1][:300] if words else "the copy was accepted",
        unclear=f"expected a refusal by West's API server, but got {words[:300]}"
        if words and not by_api_server
        else "",
        evidence=(Evidence(kind=EvidenceKind.COMMAND, title="output of West's API server", text=words or "nothing"),),
    )


def _copy_points_home(context: Context) -> Observation:
    addresses, evidence = endpoints(context.west, COPY)
    copy = connect(context.west).get(service(COPY))
    in_east = endpoint_pods(context.west, COPY) & pods(context.east)
    return Observation(
        holds=copy is not None and not in_east,
        seen=f"endpoints: {', '.join(addresses) or 'none'}; {len(in_east)} of them in East",
        evidence=(evidence, object_evidence(context.west, service(COPY), copy)),
    )


def _appears(context: Context) -> Observation:
    name = mirror(context, SERVICE)
    counts = answers(context, context.west, name, count=5)
    obj = connect(context.west).get(service(name))
    return Observation(
        holds=obj is not None and counts.only(context.east.name),
        seen=counts.words,
        evidence=(counts.evidence, object_evidence(context.west, service(name), obj)),
    )


def _new_pods_answer(context: Context) -> Observation:
    before = context.recall("pods")
    counts = answers(context, context.west, mirror(context, SERVICE), count=20)
    old = sum(count for pod, count in counts.by_pod.items() if pod in before)
    return Observation(
        holds=counts.only(context.east.name) and old == 0,
        seen=f"{counts.words}: {', '.join(counts.by_pod)}; before: {', '.join(before)}",
        evidence=(counts.evidence,),
    )


def _call_second(context: Context, port: int) -> Said:
    return _send(context, f"http://{mirror(context, SECOND)}.{NAMESPACE}:{port}/api/info", timeout_s=2)


def _port_moved(context: Context) -> Observation:
    new, old = (_call_second(context, port) for port in (commands.NEW_PORT, commands.OLD_PORT))
    refuser = refusals.port_without_service(context.mesh, context.west, mirror(context, SECOND))
    verdict, words = judge(old, [refuser])
    return Observation(
        holds=new.allowed and f"cluster={context.east.name}" in new.body and verdict is Judgement.REFUSED,
        seen=f"at {commands.NEW_PORT}: {new.words}; at {commands.OLD_PORT}: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(new.evidence, old.evidence),
    )


def _nobody_answers(context: Context) -> Observation:
    name = mirror(context, SERVICE)
    counts = answers(context, context.west, name, count=5)
    response = _send(context, f"http://{host(name)}:9898/api/info")
    verdict, words = judge(response, [refusals.no_backend(context.mesh)])
    return Observation(
        holds=counts.failed == 5 and verdict is Judgement.REFUSED,
        seen=f"{counts.words}; one more: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(counts.evidence, response.evidence),
    )


def _answering_pods(context: Context) -> Json:
    return list(answers(context, context.west, mirror(context, SERVICE), count=10).by_pod)


def _second_answers(context: Context) -> Observation:
    response = _call_second(context, commands.OLD_PORT)
    return Observation(holds=response.allowed, seen=response.words, evidence=(response.evidence,))


_PODS = Observe("pods", _answering_pods)


SCENARIO = Scenario(
    name=NAME,
    title="Service discovery",
    act="Service Discovery",
    claim="An exported service gets a name in another cluster and follows every change; a copied Service does not",
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="West (Docker Desktop)", services=("frontend", MIRROR)),
            TopologyNode(cluster="east", role="East (GKE)", services=(SERVICE,)),
        ),
        arrows=(Arrow(source=f"west/{MIRROR}", target=f"east/{SERVICE}", label="follows"),),
    ),
    steps=(
        ScenarioStep(
            name="nothing_there",
            title="West does not know East",
            narration="West's frontend wants to call podinfo in East. West has no Service for it yet.",
            do=(commands.UNEXPORT, commands.SERVICES),
            undo=(commands.EXPORT,),
            verb=f"lab unexport {SERVICE} --from {{east}}",
            checks=(
                Check(
                    name="name_is_absent",
                    claim=f"West has no {MIRROR}, and a request to it fails",
                    expected="no such Service, no such name",
                    command=f"kubectl --context={{west}} --namespace={{namespace}} get service {MIRROR}",
                    look=_absent,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="copy_as_it_is",
            title="Copy the Service by hand",
            narration="A Service is only YAML: copy it with a new name. It has an address of East, so West refuses it.",
            requires=frozenset({Capability.ADDRESSES}),
            do=(commands.COPY_AS_IT_IS,),
            undo=(commands.DELETE_COPY,),
            checks=(
                Check(
                    name="copy_is_refused",
                    claim="West's API server refuses an unchanged copy of East's Service",
                    expected="spec.clusterIPs: Invalid value: the address is outside of West's Service CIDR",
                    look=_refused,
                ),
            ),
        ),
        ScenarioStep(
            name="copy_edited",
            title="Copy it without its address",
            narration="Without the address, West accepts the copy. But a selector finds pods of its own cluster only: "
            "the copy points at West's own podinfo, and nothing updates it when East changes.",
            do=(commands.COPY_EDITED,),
            undo=(commands.DELETE_COPY,),
            checks=(
                Check(
                    name="copy_does_not_reach",
                    claim="None of the copy's endpoints is in East",
                    expected="0 endpoints in East",
                    command="kubectl --context={west} --namespace={namespace} get endpointslices "
                    f"--selector=kubernetes.io/service-name={COPY}",
                    look=_copy_points_home,
                ),
            ),
        ),
        ScenarioStep(
            name="export",
            title="Export it through the mesh",
            narration="Export East's podinfo. West's control plane watches East's API server through the link. "
            f"{MIRROR} appears, with the same port and with East's pods as endpoints.",
            do=(commands.EXPORT, commands.SERVICES),
            verb=f"lab export {SERVICE} --from {{east}}",
            checks=(
                Check(
                    name="name_appears",
                    claim=f"{MIRROR} exists, and East answers its requests",
                    expected=f"5 of 5 answers from East within {APPEARS_WITHIN_S:.0f} s",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=5'",
                    look=_appears,
                    within_s=APPEARS_WITHIN_S,
                ),
            ),
            sabotage=Sabotage(
                title="the export is ended",
                do=(commands.UNEXPORT, Until(f"West to forget {MIRROR}", _absent, timeout_s=30)),
                undo=(commands.EXPORT,),
                fails="name_appears",
            ),
        ),
        ScenarioStep(
            name="new_pods",
            title="East changes: new pods",
            narration="East replaces podinfo's pods. Nothing changes in West, and its requests reach the new pods.",
            before=(_PODS,),
            do=commands.RESTART,
            checks=(
                Check(
                    name="new_pods_answer",
                    claim="East's new pods answer all of West's requests, its old pods none",
                    expected="20 of 20 answers from East, none from a pod that answered before",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=20'",
                    look=_new_pods_answer,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="new_labels",
            title="East changes: other labels",
            narration="East's pods lose the label that the Service selects, and new pods replace them. The old pods "
            "still run, and West sends them no more requests.",
            before=(_PODS,),
            do=commands.RELABEL,
            undo=(commands.DELETE_RELABELLED,),
            checks=(
                Check(
                    name="unlabelled_pods_are_left_out",
                    claim="Pods with the label answer all of West's requests, pods without it none",
                    expected="20 of 20 answers from East, none from a pod that answered before",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=20'",
                    look=_new_pods_answer,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="new_port",
            title="East changes: another port",
            narration=f"Export a second Service of East, {SECOND}, and change its port. The port is part of a "
            "Service's contract: Linkerd follows the change by itself, Istio when the export is applied again.",
            do=(
                *commands.EXPOSE,
                commands.EXPORT_SECOND,
                Until(
                    f"an answer of {SECOND_MIRROR} at port {commands.OLD_PORT}",
                    _second_answers,
                    timeout_s=FOLLOWS_WITHIN_S,
                ),
                commands.MOVE_PORT,
                commands.FOLLOW_PORT,
            ),
            undo=(commands.UNEXPORT_SECOND, commands.DELETE_SECOND),
            verb=f"lab export {SECOND} --from {{east}}",
            checks=(
                Check(
                    name="port_follows",
                    claim=f"{SECOND_MIRROR} answers at its new port, and not at the old one",
                    expected=f"at {commands.NEW_PORT}: HTTP 200 from East; at {commands.OLD_PORT}: refused",
                    command=f"kubectl --context={{west}} --namespace={{namespace}} get service {SECOND_MIRROR}",
                    look=_port_moved,
                    within_s=FOLLOWS_WITHIN_S,
                    # Who answers at a port that a Service does not have, depends on the network behind the nodes.
                    requires=frozenset({Capability.ADDRESSES}),
                ),
            ),
        ),
        ScenarioStep(
            name="no_pods",
            title="East changes: no pods",
            narration="East scales podinfo to 0. West's Service still exists, without endpoints.",
            do=(commands.scale("0"),),
            undo=commands.SCALE_BACK,
            checks=(
                Check(
                    name="nobody_answers",
                    claim="Without pods in East, all of West's requests fail",
                    expected="5 of 5 fail, and a proxy reports that it has no endpoint",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={MIRROR}&count=5'",
                    look=_nobody_answers,
                    within_s=FOLLOWS_WITHIN_S + 10,
                ),
            ),
        ),
        ScenarioStep(
            name="unexport",
            title="End the export",
            narration="End the export of East's podinfo: its name disappears from West.",
            do=(commands.UNEXPORT, commands.SERVICES),
            undo=(commands.EXPORT,),
            verb=f"lab unexport {SERVICE} --from {{east}}",
            checks=(
                Check(
                    name="name_disappears",
                    claim=f"West has no {MIRROR} any more, and a request to it fails",
                    expected="no such Service, no such name",
                    command=f"kubectl --context={{west}} --namespace={{namespace}} get service {MIRROR}",
                    look=_absent,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
    ),
    saw="West refuses a copied Service, or the copy points at the wrong pods and nothing updates it. An exported "
    "Service appears within seconds, follows East's pods, and disappears when the export ends.",
    try_next=(
        "Scale podinfo in East while you watch West's page at {west_url}.",
        "Export it in the other direction: `lab export podinfo --from {west}`, then open East's page at {east_url}.",
    ),
)
