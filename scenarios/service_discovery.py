"""Act 1. Services of another cluster: by hand first, then by the mesh."""

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
from .discovery_commands import COPY, SERVICE
from .probes import Said, frontend_pod, send
from .refusals import Judgement, judge
from .seeing import answers, deployment, endpoints, object_evidence, service

NAME = "service_discovery"

MIRROR = "podinfo-east"
APPEARS_WITHIN_S = 15.0
FOLLOWS_WITHIN_S = 10.0


def _unexport(context: Context) -> None:
    context.mesh.unexport(SERVICE, "east")
    context.type(commands.SERVICES)


def _export(context: Context) -> None:
    context.mesh.export(SERVICE, "east")


def _export_and_show(context: Context) -> None:
    _export(context)
    context.type(commands.SERVICES)


def _absent(context: Context) -> Observation:
    found = connect(context.west).get(service(MIRROR))
    said = send(context.west, frontend_pod(context.west), f"http://{host(MIRROR)}:9898/api/info", container="frontend")
    verdict, words = judge(said, [refusals.no_name()])
    return Observation(
        holds=found is None and verdict is Judgement.REFUSED,
        seen=f"{MIRROR} is {'not there' if found is None else 'there'}; asking it: {words}",
        unclear=words if found is None and verdict is Judgement.UNCLEAR else "",
        evidence=(object_evidence(context.west, service(MIRROR), found), said.evidence),
    )


def _copy_as_it_is(context: Context) -> None:
    try:
        context.type(commands.AS_IT_IS)
        context.memo["refusal"] = ""
    except CommandError as error:  # that it is refused is what the step shows
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
        evidence=(Evidence(kind=EvidenceKind.COMMAND, title="what West's API server said", text=words or "nothing"),),
    )


def _remove_copy(context: Context) -> None:
    context.created_by(NAME, context.west).delete(service(COPY))


def _copy_points_home(context: Context) -> Observation:
    addresses, evidence = endpoints(context.west, COPY)
    copy = connect(context.west).get(service(COPY))
    in_east = [a for a in addresses if ip_address(a) in context.lab.spec.clusters["east"].pod_cidr]
    return Observation(
        holds=copy is not None and not in_east,
        seen=f"endpoints: {', '.join(addresses) or 'none'}; {len(in_east)} of them in East",
        evidence=(evidence, object_evidence(context.west, service(COPY), copy)),
    )


def _appears(context: Context) -> Observation:
    got = answers(context, context.west, MIRROR, count=5)
    found = connect(context.west).get(service(MIRROR))
    return Observation(
        holds=found is not None and got.only("east"),
        seen=got.words,
        evidence=(got.evidence, object_evidence(context.west, service(MIRROR), found)),
    )


def _replace_pods(context: Context) -> None:
    context.memo["pods"] = list(answers(context, context.west, MIRROR, count=10).by_pod)
    context.type(commands.RESTART, timeout_s=120)


def _new_pods_answer(context: Context) -> Observation:
    before = context.recall("pods")
    got = answers(context, context.west, MIRROR, count=20)
    old = sum(count for pod, count in got.by_pod.items() if pod in before)
    return Observation(
        holds=got.only("east") and old == 0,
        seen=f"{got.words}: {', '.join(got.by_pod)}; before: {', '.join(before)}",
        evidence=(got.evidence,),
    )


def _relabel(context: Context) -> None:
    """Take East's pods out of the Service by their label; the Deployment makes new ones that have it."""
    context.memo["pods"] = list(answers(context, context.west, MIRROR, count=10).by_pod)
    context.type(commands.RELABEL)
    connect(context.east).wait_ready([deployment(SERVICE)], timeout_s=60)


def _remove_unlabelled(context: Context) -> None:
    list(workloads.delete_strays(connect(context.east)))


def _move_port(context: Context) -> None:
    """Export a second name of podinfo, let it be answered, and give it another port."""
    context.type(f"{commands.EXPOSE}\n{commands.IS_HTTP}")
    context.mesh.export(commands.SECOND, "east")

    def answered() -> bool | NotYet:
        said = _ask_second(context, commands.OLD_PORT)
        return said.allowed or NotYet(said.words)

    wait.until(f"{commands.SECOND}-east answers at {commands.OLD_PORT}", answered, timeout_s=FOLLOWS_WITHIN_S)
    context.type(commands.MOVE_PORT)
    context.mesh.export(commands.SECOND, "east")


def _ask_second(context: Context, port: int) -> Said:
    pod = frontend_pod(context.west)
    url = f"http://{commands.SECOND}-east.{NAMESPACE}:{port}/api/info"
    return send(context.west, pod, url, container="frontend", timeout_s=2)


def _port_moved(context: Context) -> Observation:
    new, old = (_ask_second(context, port) for port in (commands.NEW_PORT, commands.OLD_PORT))
    refuser = refusals.port_without_service(context.mesh, context.west, f"{commands.SECOND}-east")
    verdict, words = judge(old, [refuser])
    return Observation(
        holds=new.allowed and "cluster=east" in new.body and verdict is Judgement.REFUSED,
        seen=f"at {commands.NEW_PORT}: {new.words}; at {commands.OLD_PORT}: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(new.evidence, old.evidence),
    )


def _remove_second(context: Context) -> None:
    context.mesh.unexport(commands.SECOND, "east")
    context.created_by(NAME, context.east).delete(service(commands.SECOND))


def _no_pods(context: Context) -> None:
    context.type(commands.SCALE.format(replicas=0))


def _pods_as_wanted(context: Context) -> None:
    replicas = context.lab.spec.clusters["east"].podinfo.replicas
    workloads.scale(connect(context.east), deployment(SERVICE), replicas)
    connect(context.east).wait_ready([deployment(SERVICE)], timeout_s=60)


def _nobody_answers(context: Context) -> Observation:
    got = answers(context, context.west, MIRROR, count=5)
    said = send(context.west, frontend_pod(context.west), f"http://{host(MIRROR)}:9898/api/info", container="frontend")
    verdict, words = judge(said, [refusals.no_backend(context.mesh)])
    return Observation(
        holds=got.failed == 5 and verdict is Judgement.REFUSED,
        seen=f"{got.words}; one more: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(got.evidence, said.evidence),
    )


def _cut_link(context: Context) -> None:
    """Remove what West sees of East, and return when its proxies have forgotten it, too."""
    context.mesh.unlink("west", "east")

    def forgotten() -> bool | NotYet:
        got = answers(context, context.west, MIRROR, count=5)
        return got.failed == 5 or NotYet(got.words)

    wait.until("West's proxies know nothing of East", forgotten, timeout_s=30)


def _link(context: Context) -> None:
    context.mesh.link("west", "east")


SCENARIO = Scenario(
    name=NAME,
    title="Service discovery",
    act="Service Discovery",
    claim="A service of one cluster gets a name in another one that follows it by itself, which a copy does not",
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
            title="West knows nothing of East",
            narration="West has a frontend that wants to ask podinfo in East. Nobody in West knows that name yet.",
            command=f"lab unexport {SERVICE} --from east\n{commands.SERVICES}",
            act=_unexport,
            undo=_export,
            undo_command=f"lab export {SERVICE} --from east",
            checks=(
                Check(
                    name="name_is_absent",
                    claim=f"West has no {MIRROR}, and asking it fails",
                    expected="no such Service, no such name",
                    look=_absent,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="copy_as_it_is",
            title="Copy the Service by hand",
            narration="A Service is only YAML: copy it under a new name. Its address is East's, and West refuses it.",
            command=commands.AS_IT_IS,
            act=_copy_as_it_is,
            undo=_remove_copy,
            checks=(
                Check(
                    name="copy_is_refused",
                    claim="West's API server refuses the Service as it is in East",
                    expected="spec.clusterIPs: Invalid value: an address that is not West's to give",
                    look=_refused,
                ),
            ),
        ),
        ScenarioStep(
            name="copy_edited",
            title="Copy it without its address",
            narration="Without the address West takes it. But a selector finds pods of its own cluster only: the copy "
            "points at West's own podinfo, and no one would change it when East changes.",
            command=commands.EDITED,
            undo=_remove_copy,
            undo_command=f"kubectl --context=west --namespace={NAMESPACE} delete service {COPY}",
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
            narration="East's podinfo is exported. West's control plane watches East's API server through the link, "
            f"and {MIRROR} appears: same port, East's pods behind it.",
            command=f"lab export {SERVICE} --from east\n{commands.SERVICES}",
            act=_export_and_show,
            checks=(
                Check(
                    name="name_appears",
                    claim=f"{MIRROR} is there, and East answers it",
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
            narration="East replaces podinfo's pods. Nobody tells West, and yet its requests reach the new ones.",
            command=commands.RESTART,
            act=_replace_pods,
            checks=(
                Check(
                    name="new_pods_answer",
                    claim="East's new pods answer West's requests, and no old one",
                    expected="20 of 20 answers from East, none of a pod that answered before",
                    look=_new_pods_answer,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="new_labels",
            title="East changes: other labels",
            narration="East's pods lose the label by which the Service finds them, and others take their place. The "
            "old ones still run, and West no longer asks them.",
            command=commands.RELABEL,
            act=_relabel,
            undo=_remove_unlabelled,
            checks=(
                Check(
                    name="unlabelled_pods_are_left_out",
                    claim="Pods with the label answer West's requests, and none without it",
                    expected="20 of 20 answers from East, none of a pod that answered before",
                    look=_new_pods_answer,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="new_port",
            title="East changes: another port",
            narration=f"A second service of East, {commands.SECOND}, is exported, then moved to another port. "
            "A Service's port is part of its contract, so in this mesh it follows when the export is said again.",
            command="\n".join(
                (
                    commands.EXPOSE,
                    commands.IS_HTTP,
                    f"lab export {commands.SECOND} --from east",
                    commands.MOVE_PORT,
                    f"lab export {commands.SECOND} --from east",
                )
            ),
            act=_move_port,
            undo=_remove_second,
            undo_command=f"lab unexport {commands.SECOND} --from east\n"
            f"kubectl --context=east --namespace={NAMESPACE} delete service {commands.SECOND}",
            checks=(
                Check(
                    name="port_follows",
                    claim=f"{commands.SECOND}-east answers at its new port, and not at the old one",
                    expected=f"at {commands.NEW_PORT}: HTTP 200 from East; at {commands.OLD_PORT}: refused",
                    look=_port_moved,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
        ScenarioStep(
            name="no_pods",
            title="East changes: no pods",
            narration="East scales podinfo to nothing. West's name is still there, and nobody is behind it.",
            command=commands.SCALE.format(replicas=0),
            act=_no_pods,
            undo=_pods_as_wanted,
            undo_command=commands.SCALE.format(replicas=1),
            checks=(
                Check(
                    name="nobody_answers",
                    claim="Without pods in East no request of West is answered, by anybody",
                    expected="5 of 5 fail, and a proxy says that it reaches no endpoint",
                    look=_nobody_answers,
                    within_s=FOLLOWS_WITHIN_S + 10,
                ),
            ),
        ),
        ScenarioStep(
            name="unexport",
            title="Take it back",
            narration="East's podinfo is not exported any longer, and its name disappears from West.",
            command=f"lab unexport {SERVICE} --from east\n{commands.SERVICES}",
            act=_unexport,
            undo=_export,
            undo_command=f"lab export {SERVICE} --from east",
            checks=(
                Check(
                    name="name_disappears",
                    claim=f"West has no {MIRROR} any more, and asking it fails",
                    expected="no such Service, no such name",
                    look=_absent,
                    within_s=FOLLOWS_WITHIN_S,
                ),
            ),
        ),
    ),
    saw="A copied Service is refused, or points at the wrong pods, and is stale at once. An exported one is there "
    "within "
    "seconds, follows East's pods by itself, and disappears when the export ends.",
    try_next=(
        "Scale podinfo in East while you look at West's page at http://localhost:8080.",
        "Export it the other way round: `lab export podinfo --from west`, and ask East's page at http://localhost:8081.",
    ),
)
