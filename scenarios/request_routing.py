"""Act 3. Requests divided between two clusters by weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab.base import wait
from lab.base.wait import NotYet
from lab.measure import stats
from lab.measure.load import steady, through_frontend
from lab.measure.recording import Recording
from lab.mesh.capabilities import Capability
from lab.mesh.protocols import TrafficSplits
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import (
    Act,
    Arrow,
    Check,
    Look,
    Observation,
    Sabotage,
    Scenario,
    ScenarioStep,
    Topology,
    TopologyNode,
)
from lab.stacks.linkerd.traffic_split import CALLERS_REST_S

from .seeing import answers, base_url, settled

SERVICE = "podinfo"
MIRROR = "podinfo-east"
SAMPLE = 200
SETTLES_WITHIN_S = 40.0
"""A look that finds the old split is repeated for so long; on a busy machine one look takes 10 s itself."""
TAKES_EFFECT_WITHIN_S = 5.0
_LOAD_S = 3.0
_RESTED_S = CALLERS_REST_S + 1


def _weights(west: int, east: int) -> Mapping[str, int]:
    return {SERVICE: west, MIRROR: east}


def _split(west: int, east: int) -> Act:
    def act(context: Context) -> None:
        made = context.mesh.split("west", SERVICE, _weights(west, east))
        context.say(f"{made.cluster}: {made.service} → " + ", ".join(f"{n} {w}" for n, w in made.weights.items()))

    return act


def _unsplit(context: Context) -> None:
    context.mesh.unsplit("west", SERVICE)


def _divided(east_percent: int, *, connection: str = "new") -> Look:
    """Return a look that compares who answers with the counts that the exact binomial test accepts."""

    def look(context: Context) -> Observation:
        got = answers(context, context.west, SERVICE, count=SAMPLE, connection=connection)
        east = got.by_cluster.get("east", 0)
        p_value = stats.binomial_p_value(east, SAMPLE, east_percent / 100)
        holds = got.failed == 0 and east in stats.accepted(SAMPLE, east_percent / 100)
        return Observation(holds=holds, seen=f"{got.words}; p = {p_value:.2g}", evidence=(got.evidence,))

    return look


def _expected(east_percent: int) -> str:
    counts = stats.accepted(SAMPLE, east_percent / 100)
    return f"East answers {counts} (exact binomial test, false alarm 1 in 10 000), none failed"


def _shift_under_load(context: Context) -> None:
    """Shift everything from West to East and back while a steady load runs, and keep the recording."""
    _split(100, 0)(context)
    settled(context, SERVICE, "west", timeout_s=SETTLES_WITHIN_S)
    ask = through_frontend([base_url(context, context.west)], SERVICE)
    with steady("through West's ingress", ask, rate_per_s=context.rate_per_s) as load:
        load.run(_LOAD_S)
        load.mark("0:100")
        _split(0, 100)(context)
        load.run(_LOAD_S)
        load.mark("100:0")
        _split(100, 0)(context)
        load.run(_LOAD_S)
        recording = load.stop()
    context.memo["shift"] = recording.as_json()
    context.say("\n".join(phase.words for phase in recording.phases()))


def _recorded(context: Context) -> tuple[Recording, Evidence]:
    data = context.recall("shift")
    recording = Recording.of_json(data)
    words = "\n".join(phase.words for phase in recording.phases())
    title = f"every request of a load of {recording.rate_per_s:g}/s {recording.name}"
    return recording, Evidence(kind=EvidenceKind.LOAD, title=title, text=words, data=data)


def _nothing_lost(context: Context) -> Observation:
    recording, evidence = _recorded(context)
    lost = recording.lost
    first = f"; the first: {lost[0].error}" if lost else ""
    seen = f"{len(recording.requests)} sent, {len(lost)} lost{first}"
    return Observation(holds=not lost and len(recording.requests) > 0, seen=seen, evidence=(evidence,))


def _takes_effect(context: Context) -> Observation:
    recording, evidence = _recorded(context)
    to_east, to_west = recording.marks
    before_back = replace(recording, requests=tuple(r for r in recording.requests if r.at_s < to_west.at_s))
    took_s = (before_back.last_answer_s("west", since=to_east), recording.last_answer_s("east", since=to_west))
    arrived = {r.answered_by for r in before_back.requests if r.at_s >= to_east.at_s} >= {"east"}
    return Observation(
        holds=arrived and max(took_s) <= TAKES_EFFECT_WITHIN_S,
        seen=f"to East after {took_s[0]:.2f} s, back to West after {took_s[1]:.2f} s",
        evidence=(replace(evidence, kind=EvidenceKind.METRIC, data=None),),
    )


def _weighted(
    name: str, title: str, narration: str, west: int, east: int, *, more: tuple[Check, ...] = ()
) -> ScenarioStep:
    """Return the step that sets a split and counts who answers."""
    return ScenarioStep(
        name=name,
        title=title,
        narration=narration,
        command=f"lab split {SERVICE} --in west {SERVICE}={west} {MIRROR}={east}",
        act=_split(west, east),
        undo=_unsplit,
        undo_command=f"lab unsplit {SERVICE} --in west",
        checks=(
            Check(
                name=f"{name}_is_counted",
                claim=f"{west} of 100 requests are answered by West, {east} by East",
                expected=_expected(east),
                look=_divided(east),
                within_s=SETTLES_WITHIN_S,
            ),
            *more,
        ),
        # Without a split the mesh spreads requests as it likes: half and half, or all of them at home.
        sabotage=Sabotage(
            title=f"the split {west}:{east} is removed", act=_unsplit, undo=_unsplit, fails=f"{name}_is_counted"
        )
        if {west, east} == {90, 10}
        else None,
    )


def _split_as_in_the_talk(context: Context) -> None:
    if isinstance(context.mesh, TrafficSplits) and Capability.SPLIT_SMI in context.mesh.capabilities:
        context.mesh.unsplit("west", SERVICE)
        context.mesh.split_smi("west", SERVICE, _weights(50, 50))
        context.say("a TrafficSplit stands; upstream has deprecated it for Gateway API routes")

        def look() -> bool | NotYet:
            got = answers(context, context.west, SERVICE, count=50)
            return {"east", "west"} <= set(got.by_cluster) or NotYet(got.words)

        # Asked more often, callers would never take it up.
        wait.until("the split taken up", look, timeout_s=SETTLES_WITHIN_S, interval_s=_RESTED_S)


def _end_traffic_split(context: Context) -> None:
    if Capability.SPLIT_SMI in context.mesh.capabilities:
        context.mesh.unsplit("west", SERVICE)
        wait.rest("letting the callers' proxies forget which kind of route they found", _RESTED_S)


SCENARIO = Scenario(
    name="request_routing",
    title="Request routing",
    act="Request Routing",
    claim="Requests to one name are divided between two clusters by weight, and a change loses none",
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
            "West's frontend calls podinfo. Half of its requests shall be answered by West, half by East.",
            50,
            50,
            more=(
                Check(
                    name="half_is_not_sticky",
                    claim="One connection's requests are divided as well: the split is by request, not by connection",
                    expected=_expected(50),
                    look=_divided(50, connection="reuse"),
                ),
            ),
        ),
        _weighted("canary", "A canary: 90 to 10", "Nine of ten stay at home, one of ten tries East.", 90, 10),
        _weighted("all_east", "All to East", "The canary lives: everything goes to East.", 0, 100),
        _weighted("all_west", "And back", "And everything comes home.", 100, 0),
        ScenarioStep(
            name="under_load",
            title="Shift it while everybody looks",
            narration="Now with a steady load, every request counted: all to East, and back again.",
            command=f"lab split {SERVICE} --in west {SERVICE}=0 {MIRROR}=100\n"
            f"lab split {SERVICE} --in west {SERVICE}=100 {MIRROR}=0",
            act=_shift_under_load,
            undo=_unsplit,
            undo_command=f"lab unsplit {SERVICE} --in west",
            checks=(
                Check(name="shift_loses_nothing", claim="No request is lost", expected="0 lost", look=_nothing_lost),
                Check(
                    name="shift_takes_effect",
                    claim="A new split takes effect within seconds",
                    expected=f"{TAKES_EFFECT_WITHIN_S:.0f} s or less until the last request went the old way",
                    look=_takes_effect,
                ),
            ),
        ),
        ScenarioStep(
            name="traffic_split",
            title="The talk's own way",
            narration="On stage this was an SMI TrafficSplit. Upstream has deprecated it, but where its extension can "
            "be had, it still divides requests.",
            command=f"lab split {SERVICE} --in west --smi {SERVICE}=50 {MIRROR}=50",
            act=_split_as_in_the_talk,
            undo=_end_traffic_split,
            undo_command=f"lab unsplit {SERVICE} --in west",
            checks=(
                Check(
                    name="traffic_split_is_counted",
                    claim="A TrafficSplit 50:50 divides requests as a route does",
                    expected=_expected(50),
                    look=_divided(50),
                    within_s=SETTLES_WITHIN_S,
                    requires=frozenset({Capability.SPLIT_SMI}),
                ),
            ),
        ),
    ),
    saw="Weights decide who answers, request by request, in counts that an exact test accepts; a change takes effect "
    "within a second or two and loses nothing.",
    try_next=(
        "Look at http://localhost:8080 while you type `lab split podinfo --in west podinfo=70 podinfo-east=30`.",
        "See what your mesh makes of it: `kubectl --context=west -n test get virtualservices,httproutes -o yaml`.",
    ),
)
