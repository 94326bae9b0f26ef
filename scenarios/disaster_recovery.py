"""Act 4, disaster recovery: very-important runs in primary and backup, and every request is counted."""

from __future__ import annotations

from lab.base.errors import WaitTimeout
from lab.base.names import NAMESPACE
from lab.clusters import provider
from lab.components import workloads
from lab.kube import connect
from lab.mesh.capabilities import Capability
from lab.mesh.model import Failover
from lab.scenario.context import Context
from lab.scenario.model import Arrow, Check, Observation, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from .loads import QUIET_S, RTO_S, SERVICE, answered, both_loads, keep, loses_nothing, recovers, takes_over
from .outages import cluster_dies, revive
from .seeing import answers, deployment, settled

MIRROR = "podinfo-east"
FAILOVER = Failover(cluster="west", service=SERVICE, primary="west", backup="east")
ACROSS = Failover(cluster="west", service=SERVICE, primary="east", backup="west")
"""The other way round: what is far away is first, so that a cut link is felt."""
_SHIFT_S = 2.0
AT_BACKUP = Failover(cluster="east", service=SERVICE, primary="east", backup="west")
"""The backup's own requests, which come in at its ingress when the primary is gone."""
_PODS = f"--selector=app.kubernetes.io/name={SERVICE}"
_PODS_KILL = f"""\
kubectl --context=west --namespace={NAMESPACE} delete pods {_PODS} --grace-period=0 --force --wait=false
kubectl --context=west --namespace={NAMESPACE} scale deployment {SERVICE} --replicas=0"""
"""The second command keeps new pods from starting, so that the backup is needed on a fast machine, too."""
_TAKES_OVER_S = 5.0
"""Linkerd's proxy waits 3 s for an endpoint before it calls a backend unavailable, and no setting changes that."""
_GATEWAY_KILL = (
    "kubectl --context=east delete pods --all-namespaces --selector=gateway.networking.k8s.io/gateway-name=eastwest "
    "--grace-period=0 --force --wait=false"
)
"""On Istio; on another mesh with the selector of its gateway's pods."""


def _turn_on(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)
    context.mesh.fail_over(FAILOVER)


def _turn_off(context: Context) -> None:
    context.mesh.unfail_over("west", SERVICE)


def _primary_answers(context: Context) -> Observation:
    got = answers(context, context.west, SERVICE, count=100)
    return Observation(holds=got.only("west"), seen=got.words, evidence=(got.evidence,))


def _plan_shift(context: Context) -> None:
    """Move everything to the backup in steps and back at once, without any failure."""
    context.mesh.unfail_over("west", SERVICE)
    context.mesh.split("west", SERVICE, {SERVICE: 100, MIRROR: 0})
    settled(context, SERVICE, "west")
    with both_loads(context) as loads:
        loads.run(_SHIFT_S)
        for west in (75, 50, 25, 0):
            loads.mark(f"{west}:{100 - west}")
            context.mesh.split("west", SERVICE, {SERVICE: west, MIRROR: 100 - west})
            loads.run(_SHIFT_S)
        loads.mark("back to 100:0")
        context.mesh.split("west", SERVICE, {SERVICE: 100, MIRROR: 0})
        loads.run(_SHIFT_S)
        keep(context, "shift", loads.stop())


def _end_shift(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)


def _kill_pods(context: Context) -> None:
    """Kill very-important's pods in the primary without any grace, while both loads run."""
    if SERVICE not in (split.service for split in context.mesh.splits(["west"])):
        _turn_on(context)
        settled(context, SERVICE, "west")
    with both_loads(context) as loads:
        loads.run(QUIET_S)
        loads.mark("pods die")
        context.type(_PODS_KILL)
        _until_backup_answers(context)
        loads.run(QUIET_S)
        loads.mark("pods start")
        _primary_back(context)
        loads.mark("pods are back")
        loads.run(QUIET_S + 6)  # an ejected pod gets requests again after 5 s at the earliest
        keep(context, "pods", loads.stop())


def _until_backup_answers(context: Context) -> None:
    """Return when the backup answers, or after a bounded time: what the loads saw is judged by the checks."""
    try:
        settled(context, SERVICE, "east", timeout_s=RTO_S)
    except WaitTimeout as error:
        context.say(str(error))


def _pin(context: Context) -> None:
    """Pin requests to the primary: the failover route is gone."""
    context.mesh.unfail_over("west", SERVICE)
    context.mesh.split("west", SERVICE, {SERVICE: 100, MIRROR: 0})
    settled(context, SERVICE, "west")


def _unpin(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)


def _scale_primary(context: Context, replicas: int) -> None:
    west = connect(context.west)
    workloads.scale(west, deployment(SERVICE), replicas)
    west.wait_ready([deployment(SERVICE)], timeout_s=60)


def _kill_gateway(context: Context) -> None:
    """Kill the backup's gateway while the backup answers everything: the worst moment for it."""
    _turn_on(context)
    _scale_primary(context, 0)
    settled(context, SERVICE, "east")
    with both_loads(context) as loads:
        loads.run(QUIET_S)
        loads.mark("gateway dies")
        context.type(_gateway_kill(context))
        loads.run(RTO_S + 2)
        keep(context, "gateway", loads.stop())
    _primary_back(context)  # what breaks next has both sides again


def _gateway_kill(context: Context) -> str:
    gateway = next(g for g in context.mesh.gateways(["east"]) if g.role == "east-west")
    return _GATEWAY_KILL.replace("gateway.networking.k8s.io/gateway-name=eastwest", gateway.pods)


def _primary_back(context: Context) -> None:
    _scale_primary(context, context.lab.spec.clusters["west"].podinfo.replicas)


def _cut_link(context: Context) -> None:
    """Let West's node drop all that goes to East's, while East answers everything, and then no longer."""
    context.mesh.unfail_over("west", SERVICE)
    context.mesh.fail_over(ACROSS)
    settled(context, SERVICE, "east")
    with both_loads(context) as loads:
        loads.run(QUIET_S)
        loads.mark("link is cut")
        context.say(f"$ {provider().wire.cut(context.west, context.east)}")
        loads.run(RTO_S + QUIET_S)
        loads.mark("link is back")
        provider().wire.restore(context.west, context.east)
        loads.run(RTO_S + QUIET_S)
        keep(context, "link", loads.stop())


def _mend_link(context: Context) -> None:
    provider().wire.restore(context.west, context.east)
    context.mesh.unfail_over("west", SERVICE)


def _backup_dies(context: Context) -> None:
    _turn_on(context)
    settled(context, SERVICE, "west")
    cluster_dies(context, context.east, "backup", context.west)


def _primary_dies(context: Context) -> None:
    """Kill the primary while each cluster prefers its own pods; where names are one, East would spread over both."""
    _turn_on(context)
    if Capability.MERGED_SERVICE in context.mesh.capabilities:
        context.mesh.fail_over(AT_BACKUP)
    settled(context, SERVICE, "west")
    cluster_dies(context, context.west, "primary", context.west, context.east)


def _primary_lives(context: Context) -> None:
    revive(context, context.west)
    context.mesh.unfail_over("east", SERVICE)


SCENARIO = Scenario(
    name="disaster_recovery",
    title="Disaster recovery",
    act="Profit",
    claim="very-important is answered by the backup when the primary cannot, and each request on the way is counted",
    requires=frozenset({Capability.FAILOVER, Capability.SPLIT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="primary", services=("frontend", "very-important (podinfo)")),
            TopologyNode(cluster="east", role="backup", services=("very-important (podinfo)", "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target="west/very-important (podinfo)"),
            Arrow(source="west/frontend", target="east/very-important (podinfo)", label="when it must"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="planned_shift",
            title="Move without any failure",
            narration="The primary shall be taken down for maintenance. Its requests move to the backup in steps, and "
            "back, while two steady loads count every request.",
            command=f"lab split {SERVICE} --in west {SERVICE}=75 {MIRROR}=25\n"
            f"lab split {SERVICE} --in west {SERVICE}=0 {MIRROR}=100",
            act=_plan_shift,
            undo=_end_shift,
            undo_command=f"lab unsplit {SERVICE} --in west",
            checks=(
                Check(
                    name="planned_shift_loses_nothing",
                    claim="The planned shift loses no request",
                    expected="0 lost, from inside and through the ingress",
                    look=loses_nothing("shift"),
                ),
                Check(
                    name="planned_shift_arrives",
                    claim="After the last step the backup answers",
                    expected="at least 90 of 100 requests of the step 0:100 answered by East",
                    look=answered("shift", during="0:100", by="east", mostly=0.9),
                ),
            ),
        ),
        ScenarioStep(
            name="failover",
            title="Primary first, backup when it must",
            narration="From now on requests stay in the primary while it works.",
            command=f"lab failover {SERVICE} --in west --primary west --backup east",
            act=_turn_on,
            undo=_turn_off,
            undo_command=f"lab unfailover {SERVICE} --in west",
            checks=(
                Check(
                    name="primary_answers",
                    claim="While all is well the primary answers everything",
                    expected="100 of 100 by West",
                    look=_primary_answers,
                    within_s=20,
                ),
            ),
        ),
        ScenarioStep(
            name="pods_die",
            title="very-important dies",
            narration="All pods of very-important in the primary are killed under load, without any grace, and no new "
            "ones start until the backup has answered.",
            command=_PODS_KILL,
            act=_kill_pods,
            undo=_primary_back,
            undo_command=f"kubectl --context=west --namespace={NAMESPACE} scale deployment {SERVICE} --replicas=1",
            checks=(
                Check(
                    name="pod_death_loses_nothing",
                    claim="The death of the pods loses no request",
                    expected="0 lost, from inside and through the ingress",
                    look=loses_nothing("pods"),
                ),
                Check(
                    name="backup_takes_over",
                    claim="The backup answers while the primary's pods are gone",
                    expected="at least half of the requests until new pods start answered by East",
                    look=answered("pods", during="pods die", by="east"),
                ),
                Check(
                    name="backup_answers_soon",
                    claim="What waits for the primary is answered by the backup soon",
                    expected=f"East's first answer within {_TAKES_OVER_S:.0f} s",
                    look=takes_over("pods", during="pods die", by="east", within_s=_TAKES_OVER_S),
                ),
                Check(
                    name="primary_comes_back",
                    claim="When the pods are back, the primary answers again",
                    expected="West answers again after the pods are back",
                    look=answered("pods", during="pods are back", by="west", mostly=0.1),
                ),
            ),
            sabotage=Sabotage(
                title="the failover route is removed, requests are pinned to the primary",
                act=_pin,
                undo=_unpin,
                fails="pod_death_loses_nothing",
                before_act=True,
            ),
        ),
        ScenarioStep(
            name="gateway_dies",
            title="The gateway dies at the worst moment",
            narration="The primary has no pod, the backup answers everything, and its only gateway is killed.",
            command=_GATEWAY_KILL,
            act=_kill_gateway,
            undo=_primary_back,
            checks=(
                Check(
                    name="gateway_death_recovers",
                    claim="Requests are answered again soon after the gateway died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("gateway", during="gateway dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="link_is_cut",
            title="The link is cut",
            narration="This time East is first and West the backup. Then West's node drops every packet to East's: no "
            "connection is closed, nothing answers any more.",
            command="docker exec eastwest-west-control-plane ip route add blackhole EAST",
            act=_cut_link,
            undo=_mend_link,
            undo_command="docker exec eastwest-west-control-plane ip route del blackhole EAST",
            checks=(
                Check(
                    name="cut_link_recovers",
                    claim="Requests are answered again soon after the link was cut",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("link", during="link is cut"),
                ),
                Check(
                    name="near_cluster_takes_over",
                    claim="West's own pods answer while East is out of reach",
                    expected="at least half of the requests until the link is back answered by West",
                    look=answered("link", during="link is cut", by="west"),
                ),
                Check(
                    name="far_cluster_comes_back",
                    claim="When the link is back, East answers again",
                    expected="East answers again after the link is back",
                    look=answered("link", during="link is back", by="east", mostly=0.1),
                ),
            ),
        ),
        ScenarioStep(
            name="backup_cluster_dies",
            title="The backup cluster dies",
            narration="The backup's node is killed while the primary works. Nobody should notice.",
            command="docker kill eastwest-east-control-plane",
            act=_backup_dies,
            undo=lambda context: revive(context, context.east),
            undo_command="docker start eastwest-east-control-plane",
            full_only=True,
            checks=(
                Check(
                    name="backup_cluster_recovers",
                    claim="The death of the backup cluster is not felt for long, if at all",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("backup", during="cluster dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="primary_cluster_dies",
            title="The primary cluster dies",
            narration="The primary's node is killed. Clients know two addresses, and turn to the backup's ingress.",
            command="docker kill eastwest-west-control-plane",
            act=_primary_dies,
            undo=_primary_lives,
            undo_command="docker start eastwest-west-control-plane",
            full_only=True,
            checks=(
                Check(
                    name="primary_cluster_recovers",
                    claim="Clients are answered by the backup soon after the primary cluster died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("primary", during="cluster dies"),
                ),
                Check(
                    name="backup_answers_for_primary",
                    claim="The backup answers while the primary cluster is gone",
                    expected="at least half of the requests until the cluster starts answered by East",
                    look=answered("primary", during="cluster dies", by="east"),
                ),
            ),
        ),
    ),
    saw="A planned shift and the death of pods lose nothing, since requests are retried where a healthy pod is. A "
    "gateway "
    "that everything depends on is gone for the seconds that its successor needs, and the report says for how many.",
    try_next=(
        "Do it faster: `lab run disaster_recovery --rate 100`, and compare with `lab report diff`.",
        "Stop whole clusters, too: `lab run disaster_recovery --full`.",
    ),
)
