"""Act 3, request routing: split requests between two clusters by weight."""

from __future__ import annotations

from dataclasses import replace

from lab.measure import stats
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Command, NewPhase, Pause, Until, on
from lab.scenario.context import Context
from lab.scenario.evidence import EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from ..podinfo import MIRROR, SERVICE, WEST, no_split, split
from ..recorded import loses_nothing, recordings
from ..sampling import SETTLES_WITHIN_S, settled_split
from ..seeing import answers, only

STICKY = 0.3
"""A connection that sticks to one cluster sends it all requests: a small sample notices that."""
TAKES_EFFECT_WITHIN_S = 5.0
_LOAD = StepLoad(name="shift", service=SERVICE, inside=False)
_PHASE = Pause(3, "the load runs")
_COUNT = f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=200&parallel=20'"
_SMI = f"{SERVICE}=50 {MIRROR}=50"
_FRONTEND = "deployment frontend"
# A Linkerd proxy chooses between TrafficSplits and routes at its first request to a service, and keeps to it while
# requests come, as those of an open page do (lab.stacks.linkerd.traffic_split).
_NEW_PROXY = (
    Command(f"{WEST} rollout restart {_FRONTEND}"),
    Command(f"{WEST} rollout status {_FRONTEND} --timeout=90s", timeout_s=100),
)


def _divided(design: stats.Design, *, connection: str = "new", parallel: int = 20) -> Look:
    """Return a look that waits for the split, and judges East's share of one sample."""

    def look(context: Context) -> Observation:
        return settled_split(
            context,
            context.west,
            SERVICE,
            answering=context.east,
            design=design,
            connection=connection,
            parallel=parallel,
        )

    return look


def _expected(design: stats.Design) -> str:
    return f"East answers {design.counts} ({design.errors}), none failed"


def _takes_effect(context: Context) -> Observation:
    ((recording, evidence),) = recordings(context, _LOAD)
    to_east, to_west = recording.marks
    before_back = replace(recording, requests=tuple(r for r in recording.requests if r.at_s < to_west.at_s))
    east, west = context.east.name, context.west.name
    took_s = (before_back.last_answer_s(west, since=to_east), recording.last_answer_s(east, since=to_west))
    arrived = {r.answered_by for r in before_back.requests if r.at_s >= to_east.at_s} >= {east}
    return Observation(
        holds=arrived and max(took_s) <= TAKES_EFFECT_WITHIN_S,
        seen=f"to East after {took_s[0]:.2f} s, back to West after {took_s[1]:.2f} s",
        evidence=(replace(evidence, kind=EvidenceKind.METRIC, data=None),),
    )


def _weighted(
    name: str, title: str, narration: str, west: int, east: int, *, more: tuple[Check, ...] = ()
) -> ScenarioStep:
    """Return a step that sets a split and counts the answers by cluster."""
    return ScenarioStep(
        name=name,
        title=title,
        narration=narration,
        do=(split(west),),
        undo=(no_split(west),),
        verb=f"lab split {SERVICE} --in {{west}} {SERVICE}={west} {MIRROR}={east}",
        checks=(
            Check(
                name=f"{name}_is_counted",
                claim=f"West answers {west} of 100 requests, East {east}",
                expected=_expected(stats.design_for(east / 100)),
                command=_COUNT,
                look=_divided(stats.design_for(east / 100)),
            ),
            *more,
        ),
        # Without a split, the mesh itself decides: half of the requests to each cluster, or all of them to West.
        sabotage=Sabotage(
            title=f"the split {west}:{east} is removed",
            do=(no_split(west),),
            undo=(),
            fails=f"{name}_is_counted",
        )
        if {west, east} == {90, 10}
        else None,
    )


def _both_answer(context: Context) -> Observation:
    counts = answers(context, context.west, SERVICE, count=50)
    both = {context.east.name, context.west.name} <= set(counts.by_cluster)
    return Observation(holds=both, seen=counts.words, evidence=(counts.evidence,))


SCENARIO = Scenario(
    name="request_routing",
    title="Request routing",
    act="Request Routing",
    claim="Weights split the requests to one name between two clusters, and a change of the weights loses none",
    requires=frozenset({Capability.SPLIT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="West (Docker Desktop)", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role="East (GKE)", services=(SERVICE,)),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}"),
            Arrow(source="west/frontend", target=f"east/{SERVICE}", label="by weight"),
        ),
    ),
    steps=(
        _weighted(
            "half",
            "Half and half",
            "West's frontend calls podinfo. West shall answer half of its requests, East the other half.",
            50,
            50,
            more=(
                Check(
                    name="half_is_not_sticky",
                    claim="The requests of one connection are split as well: by request, not by connection",
                    expected=_expected(stats.design_for(0.5, alternative=STICKY)),
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=100&connection=reuse'",
                    # One after the other: all requests of the sample share one connection.
                    look=_divided(stats.design_for(0.5, alternative=STICKY), connection="reuse", parallel=1),
                ),
            ),
        ),
        _weighted(
            "canary", "A canary: 90 to 10", "Nine of ten requests stay in West, one of ten goes to East.", 90, 10
        ),
        _weighted("all_east", "All to East", "The canary works: all requests go to East.", 0, 100),
        _weighted("all_west", "All back to West", "All requests go to West again.", 100, 0),
        ScenarioStep(
            name="under_load",
            title="Shift under load",
            narration="A steady load runs, and every request is counted: all to East, and back again.",
            before=(
                split(100),
                Until("answers by West only", only(SERVICE, by="west"), timeout_s=SETTLES_WITHIN_S),
            ),
            load=_LOAD,
            do=(
                _PHASE,
                NewPhase("0:100"),
                split(0),
                _PHASE,
                NewPhase("100:0"),
                split(100),
                _PHASE,
            ),
            undo=(no_split(),),
            checks=(
                Check(
                    name="shift_loses_nothing", claim="No request is lost", expected="0 lost", look=loses_nothing(_LOAD)
                ),
                Check(
                    name="shift_takes_effect",
                    claim="A new split takes effect within seconds",
                    expected=f"{TAKES_EFFECT_WITHIN_S:.0f} s or less until the last request by the old weights",
                    look=_takes_effect,
                ),
            ),
        ),
        ScenarioStep(
            name="traffic_split",
            title="The talk's SMI TrafficSplit",
            narration="The talk used an SMI TrafficSplit. Upstream has deprecated it, but with its extension it still "
            "splits requests. A running proxy keeps its old routing, so the frontend restarts.",
            requires=frozenset({Capability.SPLIT_SMI}),
            before=(on(linkerd=no_split()),),
            do=(
                on(
                    linkerd=(
                        Command(f"lab split {SERVICE} --in {{west}} --smi {_SMI}", timeout_s=120),
                        Command("kubectl --context={west} --namespace={namespace} get trafficsplits --output=yaml"),
                        *_NEW_PROXY,
                        Until("answers by both clusters", _both_answer, timeout_s=SETTLES_WITHIN_S),
                    )
                ),
            ),
            undo=(
                on(
                    linkerd=(
                        Command(f"lab unsplit {SERVICE} --in {{west}}", timeout_s=120),
                        *_NEW_PROXY,
                    )
                ),
            ),
            checks=(
                Check(
                    name="traffic_split_is_counted",
                    claim="A TrafficSplit 50:50 splits requests like a route",
                    expected=_expected(stats.design_for(0.5)),
                    command=_COUNT,
                    look=_divided(stats.design_for(0.5)),
                ),
            ),
        ),
    ),
    saw="Weights decide for each request which cluster answers, and an exact test accepts the counts. A change takes "
    "effect within a second or two and loses nothing.",
    try_next=(
        f"Watch {{west_url}} while you type `lab split {SERVICE} --in {{west}} {SERVICE}=70 {MIRROR}=30`.",
        "Read the objects of a split without applying them: add `--show` to that command.",
    ),
)
