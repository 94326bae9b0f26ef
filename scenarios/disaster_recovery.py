"""Act 4, disaster recovery: very-important runs in a primary and a backup cluster, and every request is counted."""

from __future__ import annotations

from lab.base.errors import WaitTimeout
from lab.clusters import provider
from lab.components import workloads
from lab.kube import connect
from lab.mesh.capabilities import Capability
from lab.mesh.model import Failover
from lab.mesh.names import exported_name
from lab.scenario.context import Context
from lab.scenario.model import Arrow, Check, Observation, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from .loads import QUIET_S, RTO_S, SERVICE, answered, both_loads, keep, loses_nothing, recovers, takes_over
from .outages import cluster_dies, revive
from .seeing import answers, deployment, mirror, settled

MIRROR = exported_name(SERVICE, "{east}")
_SHIFT_S = 2.0
_WEST = "kubectl --context={west} --namespace={namespace}"
_PODS = f"--selector=app.kubernetes.io/name={SERVICE}"
_PODS_KILL = f"""\
{_WEST} delete pods {_PODS} --grace-period=0 --force --wait=false
{_WEST} scale deployment {SERVICE} --replicas=0"""
"""The second command prevents new pods, so that a fast machine needs the backup, too."""
_TAKES_OVER_S = 5.0
"""Linkerd's proxy waits 3 s for an endpoint before it treats a backend as unavailable; no setting changes that."""
_GATEWAY_KILL = (
    "kubectl --context={east} delete pods --all-namespaces --selector=gateway.networking.k8s.io/gateway-name=eastwest "
    "--grace-period=0 --force --wait=false"
)
"""On Istio; another mesh has another selector for its gateway's pods."""


def _failover(context: Context) -> Failover:
    east, west = context.east.name, context.west.name
    return Failover(cluster=west, service=SERVICE, primary=west, backup=east)


def _failover_to_west(context: Context) -> Failover:
    """Return West's failover with East as primary, so that a cut link between the clusters matters."""
    east, west = context.east.name, context.west.name
    return Failover(cluster=west, service=SERVICE, primary=east, backup=west)


def _failover_of_backup(context: Context) -> Failover:
    """Return the failover for the backup's own requests, which arrive at its ingress while the primary is down."""
    east, west = context.east.name, context.west.name
    return Failover(cluster=east, service=SERVICE, primary=east, backup=west)


def _weights(context: Context, west: int) -> dict[str, int]:
    return {SERVICE: west, mirror(context, SERVICE): 100 - west}


def _turn_on(context: Context) -> None:
    context.mesh.unsplit(context.west.name, SERVICE)
    context.mesh.fail_over(_failover(context))


def _turn_off(context: Context) -> None:
    context.mesh.unfail_over(context.west.name, SERVICE)


def _primary_answers(context: Context) -> Observation:
    counts = answers(context, context.west, SERVICE, count=100)
    return Observation(holds=counts.only(context.west.name), seen=counts.words, evidence=(counts.evidence,))


def _shift(context: Context) -> None:
    """Shift all requests to the backup in steps, and back at once, without an outage."""
    context.mesh.unfail_over(context.west.name, SERVICE)
    context.mesh.split(context.west.name, SERVICE, _weights(context, 100))
    settled(context, SERVICE, context.west)
    with both_loads(context) as loads:
        loads.run(_SHIFT_S)
        for west in (75, 50, 25, 0):
            loads.mark(f"{west}:{100 - west}")
            context.mesh.split(context.west.name, SERVICE, _weights(context, west))
            loads.run(_SHIFT_S)
        loads.mark("back to 100:0")
        context.mesh.split(context.west.name, SERVICE, _weights(context, 100))
        loads.run(_SHIFT_S)
        keep(context, "shift", loads.stop())


def _end_shift(context: Context) -> None:
    context.mesh.unsplit(context.west.name, SERVICE)


def _kill_pods(context: Context) -> None:
    """Kill very-important's pods in the primary with a grace period of 0 while both loads run."""
    if SERVICE not in (split.service for split in context.mesh.splits([context.west.name])):
        _turn_on(context)
        settled(context, SERVICE, context.west)
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
    """Wait until the backup answers, but not longer than RTO_S: the checks judge the recordings of the loads."""
    try:
        settled(context, SERVICE, context.east, timeout_s=RTO_S)
    except WaitTimeout as error:
        context.say(str(error))


def _pin(context: Context) -> None:
    """Delete the failover and pin all requests to the primary."""
    context.mesh.unfail_over(context.west.name, SERVICE)
    context.mesh.split(context.west.name, SERVICE, _weights(context, 100))
    settled(context, SERVICE, context.west)


def _unpin(context: Context) -> None:
    context.mesh.unsplit(context.west.name, SERVICE)


def _scale_primary(context: Context, replicas: int) -> None:
    west = connect(context.west)
    workloads.scale(west, deployment(SERVICE), replicas)
    west.wait_ready([deployment(SERVICE)], timeout_s=60)


def _kill_gateway(context: Context) -> None:
    """Kill the backup's gateway while the backup answers all requests."""
    _turn_on(context)
    _scale_primary(context, 0)
    settled(context, SERVICE, context.east)
    with both_loads(context) as loads:
        loads.run(QUIET_S)
        loads.mark("gateway dies")
        context.type(_gateway_kill(context))
        loads.run(RTO_S + 2)
        keep(context, "gateway", loads.stop())
    _primary_back(context)  # the next step needs pods in both clusters


def _gateway_kill(context: Context) -> str:
    gateway = next(g for g in context.mesh.gateways([context.east.name]) if g.role == "east-west")
    return _GATEWAY_KILL.replace("gateway.networking.k8s.io/gateway-name=eastwest", gateway.pods)


def _primary_back(context: Context) -> None:
    _scale_primary(context, context.lab.spec.clusters[context.west.name].podinfo.replicas)


def _cut_link(context: Context) -> None:
    """Drop all packets from West's node to East's while East answers all requests, then restore the link."""
    context.mesh.unfail_over(context.west.name, SERVICE)
    context.mesh.fail_over(_failover_to_west(context))
    settled(context, SERVICE, context.east)
    with both_loads(context) as loads:
        loads.run(QUIET_S)
        loads.mark("link is cut")
        context.say(f"$ {provider().wire.cut(context.west, context.east)}")
        loads.run(RTO_S + QUIET_S)
        loads.mark("link is back")
        provider().wire.restore(context.west, context.east)
        loads.run(RTO_S + QUIET_S)
        keep(context, "link", loads.stop())


def _restore_link(context: Context) -> None:
    provider().wire.restore(context.west, context.east)
    context.mesh.unfail_over(context.west.name, SERVICE)


def _backup_dies(context: Context) -> None:
    _turn_on(context)
    settled(context, SERVICE, context.west)
    cluster_dies(context, context.east, "backup", context.west)


def _primary_dies(context: Context) -> None:
    """Kill the primary's node. With merged Services, East first gets a failover too, or it would call pods of both."""
    _turn_on(context)
    if Capability.MERGED_SERVICE in context.mesh.capabilities:
        context.mesh.fail_over(_failover_of_backup(context))
    settled(context, SERVICE, context.west)
    cluster_dies(context, context.west, "primary", context.west, context.east)


def _primary_lives(context: Context) -> None:
    revive(context, context.west)
    context.mesh.unfail_over(context.east.name, SERVICE)


SCENARIO = Scenario(
    name="disaster_recovery",
    title="Disaster recovery",
    act="Profit",
    claim="When the primary fails, the backup answers for very-important, and every request is counted",
    requires=frozenset({Capability.FAILOVER, Capability.SPLIT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="primary", services=("frontend", "very-important (podinfo)")),
            TopologyNode(cluster="east", role="backup", services=("very-important (podinfo)", "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target="west/very-important (podinfo)"),
            Arrow(source="west/frontend", target="east/very-important (podinfo)", label="if the primary fails"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="planned_shift",
            title="Move without an outage",
            narration="The primary needs maintenance. Its requests move to the backup in steps, and back, while two "
            "steady loads count every request.",
            command=f"lab split {SERVICE} --in {{west}} {SERVICE}=75 {MIRROR}=25\n"
            f"lab split {SERVICE} --in {{west}} {SERVICE}=0 {MIRROR}=100",
            act=_shift,
            undo=_end_shift,
            undo_command=f"lab unsplit {SERVICE} --in {{west}}",
            checks=(
                Check(
                    name="planned_shift_loses_nothing",
                    claim="The planned shift loses no request",
                    expected="0 lost, from inside West and through its ingress",
                    look=loses_nothing("shift"),
                ),
                Check(
                    name="planned_shift_arrives",
                    claim="After the last step the backup answers",
                    expected="East answers at least 90 of 100 requests of the step 0:100",
                    look=answered("shift", during="0:100", by="east", mostly=0.9),
                ),
            ),
        ),
        ScenarioStep(
            name="failover",
            title="Prefer the primary, fail over to the backup",
            narration="From now on, requests stay in the primary while it works.",
            command=f"lab failover {SERVICE} --in {{west}} --primary {{west}} --backup {{east}}",
            act=_turn_on,
            undo=_turn_off,
            undo_command=f"lab unfailover {SERVICE} --in {{west}}",
            checks=(
                Check(
                    name="primary_answers",
                    claim="While the primary works, it answers all requests",
                    expected="100 of 100 by West",
                    look=_primary_answers,
                    within_s=20,
                ),
            ),
        ),
        ScenarioStep(
            name="pods_die",
            title="The pods of very-important die",
            narration="All pods of very-important in the primary are killed under load, with a grace period of 0. New "
            "pods start only after the backup has answered.",
            command=_PODS_KILL,
            act=_kill_pods,
            undo=_primary_back,
            undo_command=f"{_WEST} scale deployment {SERVICE} --replicas=1",
            checks=(
                Check(
                    name="pod_death_loses_nothing",
                    claim="The death of the pods loses no request",
                    expected="0 lost, from inside West and through its ingress",
                    look=loses_nothing("pods"),
                ),
                Check(
                    name="backup_takes_over",
                    claim="The backup answers while the primary's pods are gone",
                    expected="East answers at least half of the requests until new pods start",
                    look=answered("pods", during="pods die", by="east"),
                ),
                Check(
                    name="backup_answers_soon",
                    claim="The backup soon answers the requests that wait for the primary",
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
            title="The backup's only gateway dies",
            narration="The primary has no pods, and the backup answers all requests. Then its only gateway is killed.",
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
            narration="Now East is the primary and West the backup. Then West's node drops every packet to East's "
            "node: no connection is closed, and nothing answers.",
            command="docker exec {west_node} ip route add blackhole EAST",
            act=_cut_link,
            undo=_restore_link,
            undo_command="docker exec {west_node} ip route del blackhole EAST",
            checks=(
                Check(
                    name="cut_link_recovers",
                    claim="Requests are answered again soon after the link was cut",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("link", during="link is cut"),
                ),
                Check(
                    name="near_cluster_takes_over",
                    claim="West's own pods answer while East is unreachable",
                    expected="West answers at least half of the requests until the link is back",
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
            narration="The backup's node is killed while the primary works. Callers should not notice.",
            command="docker kill {east_node}",
            act=_backup_dies,
            undo=lambda context: revive(context, context.east),
            undo_command="docker start {east_node}",
            full_only=True,
            checks=(
                Check(
                    name="backup_cluster_recovers",
                    claim="Requests are answered again soon after the backup cluster died, if any failed",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("backup", during="cluster dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="primary_cluster_dies",
            title="The primary cluster dies",
            narration="The primary's node is killed. Clients know both ingress addresses and switch to the backup's.",
            command="docker kill {west_node}",
            act=_primary_dies,
            undo=_primary_lives,
            undo_command="docker start {west_node}",
            full_only=True,
            checks=(
                Check(
                    name="primary_cluster_recovers",
                    claim="The backup answers clients soon after the primary cluster died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers("primary", during="cluster dies"),
                ),
                Check(
                    name="backup_answers_for_primary",
                    claim="The backup answers while the primary cluster is down",
                    expected="East answers at least half of the requests until the cluster starts",
                    look=answered("primary", during="cluster dies", by="east"),
                ),
            ),
        ),
    ),
    saw="A planned shift and the death of pods lose nothing, because the proxies retry requests at healthy pods. When "
    "the only gateway dies, requests fail until its successor is ready; the report says for how many seconds.",
    try_next=(
        "Raise the rate: `lab run disaster_recovery --rate 100`, then compare with `lab report diff`.",
        "Also stop whole clusters: `lab run disaster_recovery --full`.",
    ),
)
