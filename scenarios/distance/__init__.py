"""Act 4, the cost of distance: West and East are 80 ms apart, and every request tells what that costs."""

from __future__ import annotations

from collections.abc import Iterator

from lab.mesh.capabilities import Capability
from lab.scenario.actions import Action, Command, NewPhase, Pause, Until
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from ..latency import Part, costs, slow_more_often
from ..podinfo import (
    FAILOVER,
    KILL_PODS,
    MIRROR,
    NO_FAILOVER,
    NO_PODS,
    PODS_BACK,
    SERVICE,
    by_both,
    no_split,
    only_by,
    split,
)
from ..recorded import RTO_S, answered, nothing_lost
from ..seeing import only

DELAY_MS = 80
SLOW_MS = 300
"""Below the time limits of the proxies for one attempt (1 s), so that only the latency tells."""
_NEARLY, _WITHIN = 0.9, 1.9
"""Shares of the delay: one round trip costs nearly the delay or more, and not yet twice the delay."""
_LITTLE = 0.5
_FAST = 10
"""The percentile to compare: other work on the machine slows some requests and hardly changes it. A distance slows all
requests to the other cluster."""
_SLOW_ROUND_TRIPS, _SLOW_PER_S = 1.5, 1.0
"""A retransmission waits for two round trips or more (RFC 8985, 7.2), so each one counts as slow. About 6 % of the
requests lose a packet: more than two a second of both loads, at the usual rate."""
_SAMPLE = Pause(4, "the load runs with these weights")
_GIVE_UP_S = 30.0
_NETWORK_S = 90.0
_SPLITS = (100, 50, 0)
"""West's percentages of the requests."""

_NEAR = StepLoad(name="near", service=SERVICE)
_FAR = StepLoad(name="far", service=SERVICE)
_LOST = StepLoad(name="lost", service=SERVICE)
_FAILOVER_LOAD = StepLoad(name="far-failover", service=SERVICE)
_SLOW = StepLoad(name="slow", service=SERVICE)


def _network(options: str) -> Command:
    return Command(f"lab network {{west}} {{east}} {options}".strip(), timeout_s=_NETWORK_S)


_DISTANT = _network(f"--delay {DELAY_MS}ms")
_LOSSY = _network(f"--delay {DELAY_MS}ms --loss 3%")
_SIDE_BY_SIDE = _network("--clear")
_AS_BEFORE = _network("{distance}")


def _settled(west: int) -> Until:
    """Return a wait until the proxies use the weights; it gives up quietly, and the load shows what they do."""
    look: Look = {100: only(SERVICE, by="west"), 0: only(SERVICE, by="east")}.get(west, by_both)
    return Until(f"answers as {_phase(west)} says", look, timeout_s=_GIVE_UP_S, successes=2, required=False)


def _phase(west: int) -> str:
    return f"{west}:{100 - west}"


def _by_split() -> Iterator[Action]:
    """Yield the actions that send requests with each split, each as a phase of the load."""
    for west in _SPLITS:
        yield NewPhase(f"to {_phase(west)}")
        yield split(west)
        yield _settled(west)
        yield NewPhase(_phase(west))
        yield _SAMPLE


def _alive(context: Context) -> Observation:
    """Look whether the mesh says that East's gateways and the links to it are alive."""
    gateways = [one for one in context.mesh.gateways() if one.cluster == context.east.name]
    links = [one for one in context.mesh.links() if one.target == context.east.name]
    dead = [f"{one.cluster}/{one.name}: {one.detail}" for one in gateways if not one.alive]
    dead += [f"{one.source} → {one.target}: {one.detail}" for one in links if not one.alive]
    seen = "; ".join(dead) or f"{len(gateways)} gateways of East and {len(links)} links to it are alive"
    evidence = Evidence(kind=EvidenceKind.OBJECT, title="East's gateways and the links to it", text=seen)
    return Observation(holds=bool(gateways) and not dead, seen=seen, evidence=(evidence,))


SCENARIO = Scenario(
    name="distance",
    title="The cost of distance",
    act="Profit",
    claim=f"With {DELAY_MS} ms between the clusters, a request that crosses pays one round trip, and no other does",
    requires=frozenset({Capability.FAILOVER, Capability.SPLIT, Capability.NODES}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="near", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role=f"{DELAY_MS} ms away", services=(SERVICE, "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}"),
            Arrow(source="west/frontend", target=f"east/{SERVICE}", label=f"{DELAY_MS} ms for each round trip"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="near",
            title="Side by side",
            narration="First without a distance: West's frontend sends all requests to West, half of them to East, "
            "and all to East. What follows is compared with these latencies.",
            before=(_SIDE_BY_SIDE,),
            load=_NEAR,
            do=tuple(_by_split()),
            undo=(no_split(), _AS_BEFORE),
            verb=f"lab split {SERVICE} --in {{west}} {SERVICE}=50 {MIRROR}=50",
            checks=(
                Check(
                    name="near_costs_little",
                    claim="Side by side, East is about as fast as West",
                    expected=f"p10 of 0:100 is at most {_LITTLE * DELAY_MS:.0f} ms above p10 of 100:0",
                    look=costs(
                        Part(load=_NEAR, phase="0:100"),
                        Part(load=_NEAR, phase="100:0"),
                        least_ms=float("-inf"),
                        most_ms=_LITTLE * DELAY_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
            ),
        ),
        ScenarioStep(
            name="far",
            title=f"{DELAY_MS} ms apart",
            narration=f"Now a round trip between the two nodes takes {DELAY_MS} ms longer, half of it in each "
            "direction. The same three splits.",
            before=(_DISTANT,),
            load=_FAR,
            do=tuple(_by_split()),
            undo=(no_split(), _AS_BEFORE),
            checks=(
                Check(
                    name="crossing_costs_one_round_trip",
                    claim="A request that crosses costs one round trip more",
                    expected=f"p10 of 0:100 is {_NEARLY * DELAY_MS:.0f} to {_WITHIN * DELAY_MS:.0f} ms above the one "
                    "side by side",
                    look=costs(
                        Part(load=_FAR, phase="0:100"),
                        Part(load=_NEAR, phase="0:100"),
                        least_ms=_NEARLY * DELAY_MS,
                        most_ms=_WITHIN * DELAY_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
                Check(
                    name="staying_costs_nothing",
                    claim="A request that stays in West costs nothing more",
                    expected=f"p10 of 100:0 is at most {_LITTLE * DELAY_MS:.0f} ms above the one side by side",
                    look=costs(
                        Part(load=_FAR, phase="100:0"),
                        Part(load=_NEAR, phase="100:0"),
                        least_ms=float("-inf"),
                        most_ms=_LITTLE * DELAY_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
                Check(
                    name="half_of_them_pay",
                    claim="At 50:50, the requests that East answers pay for the distance",
                    expected=f"p10 of East's answers is {_NEARLY * DELAY_MS:.0f} ms or more above p10 of West's",
                    look=costs(
                        Part(load=_FAR, phase="50:50", by="east"),
                        Part(load=_FAR, phase="50:50", by="west"),
                        least_ms=_NEARLY * DELAY_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
                Check(
                    name="p99_shows_the_distance",
                    claim="At 50:50, p99 shows the distance",
                    expected=f"p99 of 50:50 is {_NEARLY * DELAY_MS:.0f} ms or more above the median side by side",
                    look=costs(
                        Part(load=_FAR, phase="50:50"),
                        Part(load=_NEAR, phase="50:50"),
                        least_ms=_NEARLY * DELAY_MS,
                        percent=99,
                    ),
                ),
            ),
            sabotage=Sabotage(
                title="the distance is cleared before the load begins",
                do=(_SIDE_BY_SIDE,),
                undo=(),
                fails="crossing_costs_one_round_trip",
                before_do=True,
            ),
        ),
        ScenarioStep(
            name="lost_packets",
            title="Lost packets are sent again",
            narration="East answers all requests, and 3 % of the packets get lost in each direction. TCP sends them "
            "again, after it has waited for longer than a round trip. Then no packet gets lost, for comparison.",
            before=(_LOSSY, split(0), only_by("east")),
            load=_LOST,
            do=(
                NewPhase("3 % loss"),
                Pause(10, "the load runs with lost packets"),
                NewPhase("the loss ends"),
                _DISTANT,
                NewPhase("no loss"),
                Pause(6, "the load runs without lost packets"),
            ),
            undo=(no_split(), _AS_BEFORE),
            checks=(
                nothing_lost(_LOST, name="retries_lose_nothing", claim="Lost packets cost no request"),
                Check(
                    name="retries_cost_round_trips",
                    claim="The requests that lost a packet pay at least one further round trip",
                    expected=f"at least {_SLOW_PER_S:.0f} slow moment per second more than without loss; slow is "
                    f"{_SLOW_ROUND_TRIPS * DELAY_MS:.0f} ms above p10 without loss",
                    look=slow_more_often(
                        Part(load=_LOST, phase="3 % loss"),
                        Part(load=_LOST, phase="no loss"),
                        slow_ms=_SLOW_ROUND_TRIPS * DELAY_MS,
                        fast=_FAST,
                        least_per_s=_SLOW_PER_S,
                    ),
                ),
            ),
            alone=True,
            sabotage=Sabotage(
                title="no packet gets lost",
                do=(_DISTANT,),
                undo=(),
                fails="retries_cost_round_trips",
                before_do=True,
            ),
        ),
        ScenarioStep(
            name="far_failover",
            title="The failover works across a distance",
            narration="Requests prefer West. Its pods are killed under load, and the pods of East answer, from "
            f"{DELAY_MS} ms away.",
            before=(_DISTANT, no_split(), *FAILOVER, only_by("west")),
            load=_FAILOVER_LOAD,
            do=(
                NewPhase("West answers"),
                _SAMPLE,
                NewPhase("pods die"),
                KILL_PODS,
                NO_PODS,
                Until("answers by East only", only(SERVICE, by="east"), timeout_s=RTO_S, successes=2, required=False),
                NewPhase("East answers"),
                _SAMPLE,
            ),
            undo=(*PODS_BACK, *NO_FAILOVER, _AS_BEFORE),
            checks=(
                nothing_lost(
                    _FAILOVER_LOAD,
                    name="far_failover_loses_nothing",
                    claim="The death of the pods loses no request, also across a distance",
                ),
                Check(
                    name="far_backup_answers",
                    claim="East answers while West has no pods",
                    expected="East answers at least 95 of 100 requests",
                    look=answered(_FAILOVER_LOAD, during="East answers", by="east", mostly=0.95),
                ),
                Check(
                    name="far_backup_costs_a_round_trip",
                    claim="The backup's answers cost a round trip more",
                    expected=f"p10 of East's answers is {_NEARLY * DELAY_MS:.0f} ms or more above p10 before",
                    look=costs(
                        Part(load=_FAILOVER_LOAD, phase="East answers"),
                        Part(load=_FAILOVER_LOAD, phase="West answers"),
                        least_ms=_NEARLY * DELAY_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
            ),
            alone=True,
            sabotage=Sabotage(
                title="the failover route is removed, requests are pinned to West",
                do=(*NO_FAILOVER, split(100), only_by("west")),
                undo=(no_split(),),
                fails="far_failover_loses_nothing",
                before_do=True,
            ),
        ),
        ScenarioStep(
            name="slow_east",
            title="How a slow East is detected",
            narration=f"East gets slow: {SLOW_MS} ms. It is ready, nothing is refused and nothing is lost, so no "
            "health check says anything. The latency of each cluster's answers does, and the ping of `lab network`.",
            before=(
                *(_SIDE_BY_SIDE, *PODS_BACK, *NO_FAILOVER, split(50)),
                Until("answers by both", by_both, timeout_s=_GIVE_UP_S, successes=2),
            ),
            load=_SLOW,
            do=(
                NewPhase("East is near"),
                _SAMPLE,
                _network(f"--delay {SLOW_MS}ms"),
                NewPhase("East is slow"),
                _SAMPLE,
                _network(""),
            ),
            undo=(no_split(), _AS_BEFORE),
            checks=(
                Check(
                    name="slow_east_is_alive",
                    claim="The mesh says that the slow East is alive",
                    expected="all gateways of East and all links to it are alive",
                    look=_alive,
                    within_s=20,
                ),
                nothing_lost(_SLOW, name="slow_east_loses_nothing", claim="No lost request tells of it"),
                Check(
                    name="latency_names_the_slow_cluster",
                    claim="The latency of each cluster's answers names the slow one",
                    expected=f"p10 of East's answers is {_NEARLY * SLOW_MS:.0f} ms or more above p10 of West's",
                    look=costs(
                        Part(load=_SLOW, phase="East is slow", by="east"),
                        Part(load=_SLOW, phase="East is slow", by="west"),
                        least_ms=_NEARLY * SLOW_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
            ),
        ),
    ),
    saw="Distance costs only the requests that cross, one round trip each, as connections are reused. Lost packets "
    "cost no request, but time. The failover does not mind. A slow cluster looks healthy: only latencies by cluster "
    "tell.",
    try_next=(
        "A distance that stays: `[[links]]` in lab.toml, then `lab up`.",
        "See it on the page: `lab network {west} {east} --delay 200ms`, then the view Timeline.",
    ),
)
