"""Act 1, service discovery: copy a Service to another cluster by hand, then export it through the mesh."""

from __future__ import annotations

from ipaddress import ip_address

from lab.base import wait
from lab.base.errors import CommandError
from lab.base.names import NAMESPACE
from lab.base.wait import NotYet
from lab.components import workloads
from lab.kube import connect
from lab.mesh.names import host
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Arrow, Check, Observation, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from . import discovery_commands as commands
from . import refusals
from .discovery_commands import COPY, MIRROR, SECOND, SECOND_MIRROR, SERVICE
from .probes import Said, frontend_pod, send
from .refusals import Judgement, judge
from .seeing import answers, deployment, endpoints, mirror, object_evidence, service

NAME = "service_discovery"

APPEARS_WITHIN_S = 15.0
FOLLOWS_WITHIN_S = 10.0


def _unexport(context: Context) -> None:
    context.mesh.unexport(SERVICE, context.east.name)
    context.type(commands.SERVICES)


def _export(context: Context) -> None:
    context.mesh.export(SERVICE, context.east.name)


def _export_and_show(context: Context) -> None:
    _export(context)
    context.type(commands.SERVICES)


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


def _copy_as_it_is(context: Context) -> None:
    try:
        context.type(commands.AS_IT_IS)
        context.memo["refusal"] = ""
    except CommandError as error:  # the step shows this refusal
        context.memo["refusal"] = error.stderr.strip()
        context.say(error.stderr)


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


def _remove_copy(context: Context) -> None:
    context.created_by(NAME, context.west).delete(service(COPY))


def _copy_points_home(context: Context) -> Observation:
    addresses, evidence = endpoints(context.west, COPY)
    copy = connect(context.west).get(service(COPY))
    in_east = [a for a in addresses if ip_address(a) in context.lab.spec.clusters[context.east.name].pod_cidr]
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


def _replace_pods(context: Context) -> None:
    context.memo["pods"] = list(answers(context, context.west, mirror(context, SERVICE), count=10).by_pod)
    context.type(commands.RESTART, timeout_s=120)


def _new_pods_answer(context: Context) -> Observation:
    before = context.recall("pods")
    counts = answers(context, context.west, mirror(context, SERVICE), count=20)
    old = sum(count for pod, count in counts.by_pod.items() if pod in before)
    return Observation(
        holds=counts.only(context.east.name) and old == 0,
        seen=f"{counts.words}: {', '.join(counts.by_pod)}; before: {', '.join(before)}",
        evidence=(counts.evidence,),
    )


def _relabel(context: Context) -> None:
    """Remove the Service's label from East's pods; the Deployment creates new pods that have it."""
    context.memo["pods"] = list(answers(context, context.west, mirror(context, SERVICE), count=10).by_pod)
    context.type(commands.RELABEL)
    connect(context.east).wait_ready([deployment(SERVICE)], timeout_s=60)


def _remove_unlabelled(context: Context) -> None:
    list(workloads.delete_strays(connect(context.east)))


def _move_port(context: Context) -> None:
    """Export a second Service of podinfo's pods, wait for an answer, and change its port."""
    context.type(f"{commands.EXPOSE}\n{commands.IS_HTTP}")
    context.mesh.export(SECOND, context.east.name)

    def answered() -> bool | NotYet:
        response = _call_second(context, commands.OLD_PORT)
        return response.allowed or NotYet(response.words)

    name = mirror(context, SECOND)
    wait.until(f"an answer of {name} at port {commands.OLD_PORT}", answered, timeout_s=FOLLOWS_WITHIN_S)
    context.type(commands.MOVE_PORT)
    context.mesh.export(SECOND, context.east.name)


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


def _remove_second(context: Context) -> None:
    context.mesh.unexport(SECOND, context.east.name)
    context.created_by(NAME, context.east).delete(service(SECOND))


def _no_pods(context: Context) -> None:
    context.type(commands.scale(0))


def _restore_pods(context: Context) -> None:
    replicas = context.lab.spec.clusters[context.east.name].podinfo.replicas
    workloads.scale(connect(context.east), deployment(SERVICE), replicas)
    connect(context.east).wait_ready([deployment(SERVICE)], timeout_s=60)


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


def _cut_link(context: Context) -> None:
    """Delete West's link to East, and wait until West's proxies have no endpoints of East."""
    context.mesh.unlink(context.west.name, context.east.name)

    def forgotten() -> bool | NotYet:
        counts = answers(context, context.west, mirror(context, SERVICE), count=5)
        return counts.failed == 5 or NotYet(counts.words)

    wait.until("West's proxies to forget East's endpoints", forgotten, timeout_s=30)


def _link(context: Context) -> None:
    context.mesh.link(context.west.name, context.east.name)


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
            command=f"{commands.UNEXPORT}\n{commands.SERVICES}",
            act=_unexport,
            undo=_export,
            undo_command=commands.EXPORT,
            checks=(
                Check(
                    name="name_is_absent",
                    claim=f"West has no {MIRROR}, and a request to it fails",
                    expected="no such Service, no such name",
                    look=_absent,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="copy_as_it_is",
            title="Copy the Service by hand",
            narration="A Service is only YAML: copy it with a new name. It has an address of East, so West refuses it.",
            command=commands.AS_IT_IS,
            act=_copy_as_it_is,
            undo=_remove_copy,
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
            command=commands.EDITED,
            undo=_remove_copy,
            undo_command=commands.REMOVE_COPY,
            checks=(
                Check(
                    name="copy_does_not_reach",
                    claim="None of the copy's endpoints is in East",
                    expected="0 endpoints in East",
                    look=_copy_points_home,
                ),
            ),
        ),
        ScenarioStep(
            name="export",
            title="Export it through the mesh",
            narration="The lab exports East's podinfo. West's control plane watches East's API server through the "
            f"link. {MIRROR} appears, with the same port and with East's pods as endpoints.",
            command=f"{commands.EXPORT}\n{commands.SERVICES}",
            act=_export_and_show,
            checks=(
                Check(
                    name="name_appears",
                    claim=f"{MIRROR} exists, and East answers its requests",
                    expected=f"5 of 5 answers from East within {APPEARS_WITHIN_S:.0f} s",
                    look=_appears,
                    within_s=APPEARS_WITHIN_S,
                ),
            ),
            sabotage=Sabotage(
                title="the link to East's API server is cut", act=_cut_link, undo=_link, fails="name_appears"
            ),
        ),
        ScenarioStep(
            name="new_pods",
            title="East changes: new pods",
            narration="East replaces podinfo's pods. Nothing changes in West, and its requests reach the new pods.",
            command=commands.RESTART,
            act=_replace_pods,
            checks=(
                Check(
                    name="new_pods_answer",
                    claim="East's new pods answer all of West's requests, its old pods none",
                    expected="20 of 20 answers from East, none from a pod that answered before",
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
            command=commands.RELABEL,
            act=_relabel,
            undo=_remove_unlabelled,
            checks=(
                Check(
                    name="unlabelled_pods_are_left_out",
                    claim="Pods with the label answer all of West's requests, pods without it none",
                    expected="20 of 20 answers from East, none from a pod that answered before",
                    look=_new_pods_answer,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="new_port",
            title="East changes: another port",
            narration=f"The lab exports a second Service of East, {SECOND}, and then its port changes. The port "
            "is part of a Service's contract, so this mesh follows the change when the Service is exported again.",
            command=commands.NEW_PORT_STEPS,
            act=_move_port,
            undo=_remove_second,
            undo_command=commands.REMOVE_SECOND,
            checks=(
                Check(
                    name="port_follows",
                    claim=f"{SECOND_MIRROR} answers at its new port, and not at the old one",
                    expected=f"at {commands.NEW_PORT}: HTTP 200 from East; at {commands.OLD_PORT}: refused",
                    look=_port_moved,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="no_pods",
            title="East changes: no pods",
            narration="East scales podinfo to 0. West's Service still exists, without endpoints.",
            command=commands.scale(0),
            act=_no_pods,
            undo=_restore_pods,
            undo_command=commands.scale(1),
            checks=(
                Check(
                    name="nobody_answers",
                    claim="Without pods in East, all of West's requests fail",
                    expected="5 of 5 fail, and a proxy reports that it has no endpoint",
                    look=_nobody_answers,
                    within_s=FOLLOWS_WITHIN_S + 10,
                ),
            ),
        ),
        ScenarioStep(
            name="unexport",
            title="End the export",
            narration="The lab ends the export of East's podinfo, and its name disappears from West.",
            command=f"{commands.UNEXPORT}\n{commands.SERVICES}",
            act=_unexport,
            undo=_export,
            undo_command=commands.EXPORT,
            checks=(
                Check(
                    name="name_disappears",
                    claim=f"West has no {MIRROR} any more, and a request to it fails",
                    expected="no such Service, no such name",
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
