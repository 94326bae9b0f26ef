"""Act 4, disaster recovery: very-important runs in primary and backup, and every request is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from lab import wait
from lab.clusters import wake
from lab.evidence import Evidence, EvidenceKind
from lab.kube import connect
from lab.load import Load, Recording, steady, through_frontend
from lab.load_stream import StreamLoad, steady_inside
from lab.mesh.model import Capability, Failover
from lab.model import NAMESPACE, Cluster
from lab.scenario import Arrow, Check, Look, Node, Observation, Sabotage, Scenario, ScenarioStep, Topology
from lab.scenario_context import Context
from lab.tools.docker import Docker
from lab.wait import NotYet
from scenarios.seeing import answers, base_url, deployment

SERVICE = "podinfo"
MIRROR = "podinfo-east"
FAILOVER = Failover(cluster="west", service=SERVICE, primary="west", backup="east")
RTO_S = 10.0
_QUIET_S = 3.0
_SHIFT_S = 2.0
_PODS = f"--selector=app.kubernetes.io/name={SERVICE}"
_PODS_KILL = f"kubectl --context=west --namespace={NAMESPACE} delete pods {_PODS} --grace-period=0 --force --wait=false"
_GATEWAY_KILL = (
    "kubectl --context=east delete pods --all-namespaces --selector=gateway.networking.k8s.io/gateway-name=eastwest "
    "--grace-period=0 --force --wait=false"
)
"""On Istio; on another mesh with the selector of its gateway's pods."""
_INSIDE, _INGRESS = "from inside West", "through West's ingress"


@dataclass(frozen=True)
class Loads:
    """The two loads of this scenario, marked and stopped together."""

    parts: tuple[Load | StreamLoad, ...]

    def mark(self, text: str) -> None:
        """Note that something is done now, in both."""
        for part in self.parts:
            part.mark(text)

    def run(self, seconds: float) -> None:
        """Let them go on for so long."""
        self.parts[0].run(seconds)

    def stop(self) -> list[Recording]:
        """End them and return what they saw."""
        return [part.stop() for part in self.parts]


@contextmanager
def _loads(context: Context, *bases: Cluster) -> Iterator[Loads]:
    """Run a load through the ingress (of several clusters, where one may die), and one inside West."""
    urls = [base_url(context, cluster) for cluster in (bases or (context.west,))]
    with (
        steady(_INGRESS, through_frontend(urls, SERVICE), rate_per_s=context.rate_per_s) as outer,
        steady_inside(_INSIDE, urls[0], SERVICE, rate_per_s=context.rate_per_s) as inner,
    ):
        yield Loads((outer, inner))


def _keep(context: Context, name: str, recordings: list[Recording]) -> None:
    context.memo[name] = [recording.as_json() for recording in recordings]
    for recording in recordings:
        context.say(f"{recording.name}, {recording.rate_per_s:g} requests/s")
        context.say("\n".join(f"  {phase.words}" for phase in recording.phases()))


def _recordings(context: Context, name: str) -> list[tuple[Recording, Evidence]]:
    found = []
    for data in context.memo[name]:
        recording = Recording.of_json(data)
        words = "\n".join(phase.words for phase in recording.phases())
        title = f"every request of a load of {recording.rate_per_s:g}/s {recording.name}"
        found.append((recording, Evidence(kind=EvidenceKind.LOAD, title=title, text=words, data=data)))
    return found


def _loses_nothing(name: str) -> Look:
    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        lost = [request for recording, _ in found for request in recording.lost]
        seen = "; ".join(f"{r.name}: {len(r.requests)} sent, {len(r.lost)} lost" for r, _ in found)
        first = f"; the first: {lost[0].error}" if lost else ""
        sent = all(recording.requests for recording, _ in found)
        return Observation(holds=sent and not lost, seen=seen + first, evidence=tuple(e for _, e in found))

    return look


def _recovers(name: str, *, during: str) -> Look:
    """Return a look at the seconds from a mark until requests were answered again for good."""

    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in found]
        times = [phase.rto_s for phase in phases]
        words = [
            f"{r.name}: {p.lost} of {p.sent} lost, "
            + ("did not recover" if p.rto_s is None else f"recovered in {p.rto_s:.1f} s" if p.lost else "no gap")
            for (r, _), p in zip(found, phases, strict=True)
        ]
        holds = all(time is not None and time <= RTO_S for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in found))

    return look


def _answered(name: str, *, during: str, by: str, mostly: float = 0.5) -> Look:
    """Return a look whether a cluster answered at least this part of a phase's requests."""

    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in found]
        shares = [phase.answered_by.get(by, 0) / phase.sent if phase.sent else 0.0 for phase in phases]
        seen = "; ".join(f"{r.name}: {p.words}" for (r, _), p in zip(found, phases, strict=True))
        metric = Evidence(kind=EvidenceKind.METRIC, title=f"who answered: {during}", text=seen)
        return Observation(holds=all(share >= mostly for share in shares), seen=seen, evidence=(metric,))

    return look


def settled(context: Context, cluster: str, *, timeout_s: float = 20) -> None:
    """Return when one cluster answers all of West's requests.

    Raises:
        WaitTimeout: with who answers instead.
    """

    def probe() -> bool | NotYet:
        got = answers(context, context.west, SERVICE, count=30)
        return got.only(cluster) or NotYet(got.words)

    wait.until(f"everything answered by {cluster}", probe, timeout_s=timeout_s)


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
    settled(context, "west")
    with _loads(context) as loads:
        loads.run(_SHIFT_S)
        for west in (75, 50, 25, 0):
            loads.mark(f"{west}:{100 - west}")
            context.mesh.split("west", SERVICE, {SERVICE: west, MIRROR: 100 - west})
            loads.run(_SHIFT_S)
        loads.mark("back to 100:0")
        context.mesh.split("west", SERVICE, {SERVICE: 100, MIRROR: 0})
        loads.run(_SHIFT_S)
        _keep(context, "shift", loads.stop())


def _end_shift(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)


def _kill_pods(context: Context) -> None:
    """Kill very-important's pods in the primary without any grace, while both loads run."""
    west = connect(context.west)
    if SERVICE not in (split.service for split in context.mesh.splits(["west"])):
        _turn_on(context)
        settled(context, "west")
    with _loads(context) as loads:
        loads.run(_QUIET_S)
        loads.mark("pods die")
        context.type(_PODS_KILL)
        loads.run(1.0)
        west.wait_ready([deployment(SERVICE)], timeout_s=60)
        loads.mark("pods are back")
        loads.run(_QUIET_S + 6)  # an ejected pod is asked again after 5 s at the earliest
        _keep(context, "pods", loads.stop())


def _pin(context: Context) -> None:
    """Pin requests to the primary: the failover route is gone."""
    context.mesh.unfail_over("west", SERVICE)
    context.mesh.split("west", SERVICE, {SERVICE: 100, MIRROR: 0})
    settled(context, "west")


def _unpin(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)


def _scale_primary(context: Context, replicas: int) -> None:
    west = connect(context.west)
    west.patch(deployment(SERVICE), {"spec": {"replicas": replicas}})
    west.wait_ready([deployment(SERVICE)], timeout_s=60)


def _kill_gateway(context: Context) -> None:
    """Kill the backup's gateway while the backup answers everything: the worst moment for it."""
    _turn_on(context)
    _scale_primary(context, 0)
    settled(context, "east")
    with _loads(context) as loads:
        loads.run(_QUIET_S)
        loads.mark("gateway dies")
        context.type(_gateway_kill(context))
        loads.run(RTO_S + 2)
        _keep(context, "gateway", loads.stop())


def _gateway_kill(context: Context) -> str:
    gateway = next(g for g in context.mesh.gateways(["east"]) if g.role == "east-west")
    return _GATEWAY_KILL.replace("gateway.networking.k8s.io/gateway-name=eastwest", gateway.pods)


def _primary_back(context: Context) -> None:
    _scale_primary(context, context.lab.spec.clusters["west"].podinfo.replicas)


def _stop_node(context: Context, cluster: Cluster, name: str, *loads_of: Cluster) -> None:
    """Kill a whole cluster under load, and start it again."""
    docker = Docker()
    with _ingress_load(context, *loads_of) as load:
        load.run(_QUIET_S)
        load.mark("cluster dies")
        context.say(f"$ docker kill {cluster.node}")
        docker.stop(cluster.node, grace_s=0)
        load.run(RTO_S + _QUIET_S)
        load.mark("cluster starts")
        began = datetime.now(UTC)
        docker.start(cluster.node)
        wake.wait_until_back(connect(cluster), since=began, timeout_s=180)
        connect(cluster).wait_ready([deployment(SERVICE), deployment("frontend")], timeout_s=120)
        load.mark("cluster is back")
        load.run(_QUIET_S + 6)
        _keep(context, name, [load.stop()])


@contextmanager
def _ingress_load(context: Context, *clusters: Cluster) -> Iterator[Load]:
    urls = [base_url(context, cluster) for cluster in clusters]
    with steady(_INGRESS, through_frontend(urls, SERVICE), rate_per_s=context.rate_per_s) as load:
        yield load


def _start_node(cluster: Cluster) -> None:
    docker = Docker()
    container = docker.container(cluster.node)
    if container is not None and not container.running:
        docker.start(cluster.node)
        wake.wait_until_back(connect(cluster), since=None, timeout_s=180)


def _backup_dies(context: Context) -> None:
    _turn_on(context)
    settled(context, "west")
    _stop_node(context, context.east, "backup", context.west)


def _primary_dies(context: Context) -> None:
    _turn_on(context)
    settled(context, "west")
    _stop_node(context, context.west, "primary", context.west, context.east)


SCENARIO = Scenario(
    name="disaster_recovery",
    title="Disaster recovery",
    act="Profit",
    claim="very-important is answered by the backup when the primary cannot, and each request on the way is counted",
    requires=frozenset({Capability.FAILOVER, Capability.SPLIT}),
    topology=Topology(
        nodes=(
            Node(cluster="west", role="primary", services=("frontend", "very-important (podinfo)")),
            Node(cluster="east", role="backup", services=("very-important (podinfo)", "east-west gateway")),
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
                    look=_loses_nothing("shift"),
                ),
                Check(
                    name="planned_shift_arrives",
                    claim="After the last step the backup answers",
                    expected="at least 90 of 100 requests of the step 0:100 answered by East",
                    look=_answered("shift", during="0:100", by="east", mostly=0.9),
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
            narration="All pods of very-important in the primary are killed, without any grace, under load.",
            command=_PODS_KILL,
            act=_kill_pods,
            undo=_primary_back,
            checks=(
                Check(
                    name="pod_death_loses_nothing",
                    claim="The death of the pods loses no request",
                    expected="0 lost, from inside and through the ingress",
                    look=_loses_nothing("pods"),
                ),
                Check(
                    name="backup_takes_over",
                    claim="The backup answers while the primary's pods are gone",
                    expected="at least half of the requests until the pods are back answered by East",
                    look=_answered("pods", during="pods die", by="east"),
                ),
                Check(
                    name="primary_comes_back",
                    claim="When the pods are back, the primary answers again",
                    expected="West answers again after the pods are back",
                    look=_answered("pods", during="pods are back", by="west", mostly=0.1),
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
                    look=_recovers("gateway", during="gateway dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="backup_cluster_dies",
            title="The backup cluster dies",
            narration="The backup's node is killed while the primary works. Nobody should notice.",
            command="docker kill eastwest-east-control-plane",
            act=_backup_dies,
            undo=lambda context: _start_node(context.east),
            undo_command="docker start eastwest-east-control-plane",
            full_only=True,
            checks=(
                Check(
                    name="backup_cluster_recovers",
                    claim="The death of the backup cluster is not felt for long, if at all",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=_recovers("backup", during="cluster dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="primary_cluster_dies",
            title="The primary cluster dies",
            narration="The primary's node is killed. Clients know two addresses, and turn to the backup's ingress.",
            command="docker kill eastwest-west-control-plane",
            act=_primary_dies,
            undo=lambda context: _start_node(context.west),
            undo_command="docker start eastwest-west-control-plane",
            full_only=True,
            checks=(
                Check(
                    name="primary_cluster_recovers",
                    claim="Clients are answered by the backup soon after the primary cluster died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=_recovers("primary", during="cluster dies"),
                ),
                Check(
                    name="backup_answers_for_primary",
                    claim="The backup answers while the primary cluster is gone",
                    expected="at least half of the requests until the cluster starts answered by East",
                    look=_answered("primary", during="cluster dies", by="east"),
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
