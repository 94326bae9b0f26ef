"""Act 4, capacity: a third cluster joins under load, serves a third of the requests, and leaves again."""

from __future__ import annotations

from lab.config import joined
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Apply, Command, NewPhase, Pause, Until, on
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from ..podinfo import SERVICE, no_split, split
from ..recorded import nothing_lost, recordings
from ..seeing import answers

_FAIR = 1 / 3
"""The least part of its fair share that a cluster must answer: a load's phase has 100 requests or more."""
_QUIET = Pause(2, "the load before the change, and after it")
_SAMPLE = Pause(6, "the load runs with these clusters")
_GIVE_UP_S = 40.0
_JOIN_S, _LEAVE_S = 480.0, 180.0
_TWO, _THREE, _TWO_AGAIN = "two clusters", "three clusters", "two clusters again"

_JOIN_LOAD = StepLoad(name="join", service=SERVICE)
_LEAVE_LOAD = StepLoad(name="leave", service=SERVICE)
_ADD = Command("lab cluster add {third}", timeout_s=_JOIN_S)
_REMOVE = Command("lab cluster remove {third}", timeout_s=_LEAVE_S)
# Where the mesh does not merge the Services of all clusters, a split names those that get requests.
_HALVES = on(linkerd=split(50), istio=())
_THIRDS = on(linkerd=Apply("split-thirds.yaml", to="west"), istio=())
_NO_SPLIT = on(linkerd=no_split(50), istio=())


def _obstacle(context: Context) -> str | None:
    """Return why no cluster can join, and leave again, without harm to what a person has set up."""
    third = joined.spare_name(context.lab.spec)
    if third in context.lab.spec.joined:
        return f"{third} has joined the lab already, and the scenario would remove it; `lab cluster remove {third}`"
    if context.lab.paths.profile.exists():
        return "a lab with a profile has the profile's clusters only; `lab up --profile none`"
    return None


def _clusters(context: Context, *, third: bool) -> list[str]:
    """Return the clusters that answer: where the mesh merges the Services, all of the lab; else those of the split."""
    third_name = joined.spare_name(context.lab.spec)
    merged = Capability.MERGED_SERVICE in context.mesh.capabilities
    others = list(context.lab.clusters) if merged else [context.east.name, context.west.name]
    return [*(name for name in others if name != third_name), *([third_name] if third else [])]


def _all_answer(*, third: bool) -> Look:
    """Return a look that holds if each of the clusters answers a good part of the requests of West's frontend."""

    def look(context: Context) -> Observation:
        counts, wanted = answers(context, context.west, SERVICE, count=60), _clusters(context, third=third)
        fair = all(counts.by_cluster.get(name, 0) * len(wanted) >= _FAIR * counts.requests for name in wanted)
        return Observation(holds=not counts.failed and fair, seen=counts.words, evidence=(counts.evidence,))

    return look


def _shares(load: StepLoad, *, during: str, third: bool) -> Look:
    """Return a look that holds if each of the clusters answered its part of a phase's requests, and no other did."""

    def look(context: Context) -> Observation:
        recorded, wanted = recordings(context, load), _clusters(context, third=third)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in recorded]
        holds = all(
            {*phase.answered_by} <= {*wanted}
            and all(phase.answered_by.get(name, 0) * len(wanted) >= _FAIR * phase.sent > 0 for name in wanted)
            for phase in phases
        )
        seen = "; ".join(f"{r.name}: {p.words}" for (r, _), p in zip(recorded, phases, strict=True))
        metric = Evidence(kind=EvidenceKind.METRIC, title=f"answering clusters: {during}", text=seen)
        return Observation(holds=holds, seen=seen, evidence=(metric,))

    return look


SCENARIO = Scenario(
    name="third_cluster",
    title="A third cluster joins and leaves",
    act="Profit",
    claim="A third cluster joins a running lab, serves a third of the requests, and leaves, without a lost request",
    requires=frozenset({Capability.SPLIT, Capability.NODES}),
    obstacle=_obstacle,
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="the callers", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role="shared", services=(SERVICE, "east-west gateway")),
            TopologyNode(cluster="{third}", role="joins and leaves", services=(SERVICE, "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}"),
            Arrow(source="west/frontend", target=f"east/{SERVICE}"),
            Arrow(source="west/frontend", target=f"{{third}}/{SERVICE}"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="joins",
            title="It joins under load",
            narration="East and West share the requests. Meanwhile the lab creates a third cluster, installs the mesh, "
            "and links it to both. The others get to know it last, when it answers.",
            before=(
                _HALVES,
                Until("answers by both", _all_answer(third=False), timeout_s=_GIVE_UP_S, successes=2),
            ),
            load=_JOIN_LOAD,
            do=(
                NewPhase(_TWO),
                _QUIET,
                NewPhase("it joins"),
                _ADD,
                _THIRDS,
                Until(
                    "answers by all three",
                    _all_answer(third=True),
                    timeout_s=_GIVE_UP_S,
                    successes=2,
                    required=False,
                ),
                NewPhase(_THREE),
                _SAMPLE,
            ),
            undo=(_REMOVE, _NO_SPLIT),
            checks=(
                nothing_lost(
                    _JOIN_LOAD, name="joining_loses_nothing", claim="The cluster joins without a lost request"
                ),
                Check(
                    name="third_cluster_serves",
                    claim="All three clusters serve",
                    expected="each answers at least a third of its fair share",
                    look=_shares(_JOIN_LOAD, during=_THREE, third=True),
                ),
            ),
        ),
        ScenarioStep(
            name="leaves",
            title="It leaves under load",
            narration="First its share of the requests goes to the others. When no request reaches it any more, and "
            "those under way have ended, the lab deletes it.",
            load=_LEAVE_LOAD,
            do=(
                NewPhase(_THREE),
                _QUIET,
                NewPhase("it leaves"),
                _REMOVE,
                NewPhase(_TWO_AGAIN),
                _SAMPLE,
            ),
            undo=(_REMOVE, _NO_SPLIT),
            checks=(
                nothing_lost(
                    _LEAVE_LOAD, name="leaving_loses_nothing", claim="The cluster leaves without a lost request"
                ),
                Check(
                    name="two_clusters_serve",
                    claim="East and West serve alone again",
                    expected="each answers at least a third of its fair share, and no other cluster any",
                    look=_shares(_LEAVE_LOAD, during=_TWO_AGAIN, third=False),
                ),
            ),
            sabotage=Sabotage(
                title="the cluster's node is stopped while it still gets requests",
                do=(Command("docker stop --time 0 {third_node}"),),
                undo=(),
                fails="leaving_loses_nothing",
                before_do=True,
            ),
        ),
    ),
    saw="A cluster can join and leave while the others serve. What matters is the order. When it joins, the callers "
    "get to know it last; when it leaves, they forget it first, and it is deleted when no request reaches it any more.",
    try_next=(
        "Keep one: `lab cluster add {third}`, then `lab status` and the page; `lab cluster remove {third}` undoes it.",
        "A lasting one: a table `[clusters.{third}]` in lab.toml, then `lab up`.",
    ),
)
