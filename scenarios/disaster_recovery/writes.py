"""The step in which answers get lost: the proxies send the requests again, and both clusters have executed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lab.scenario.actions import Apply, Command, Delete, NewPhase, Pause, on
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Check, Sabotage, ScenarioStep
from lab.scenario.observation import Observation

from ..podinfo import EAST, NO_PODS, PODS_BACK, SERVICE, WEST, no_split, only_by, split
from ..recorded import recordings
from .common import FAR_FIRST, NEXT, NO_FAR_FIRST, NO_NEXT, NODES, QUIET, answers_again, cut, log_of_next, restored

_LOAD = StepLoad(name="writes", service=SERVICE, entrances=("west", "east"), numbered=True)
_SHOWN = 5
_OLD_PODS = f"--selector='app.kubernetes.io/name={SERVICE},!eastwest.lab/scenario'"
_ENDED = f"wait --for=delete pods {_OLD_PODS} --timeout=90s"
_ANSWERS_DROPPED, _ANSWERS_PASS = cut("east", "west"), restored("east", "west")
_READY = "rollout status deployment podinfo-next --timeout=90s"
_EAST_PODS_BACK = (
    Command(f"{EAST} scale deployment {SERVICE} --replicas={{east_replicas}}"),
    Command(f"{EAST} rollout status deployment {SERVICE} --timeout=90s", timeout_s=100),
)


def _executed(context: Context) -> Mapping[str, Counter[str]]:
    """Return how often each cluster has executed each numbered request."""
    return {
        cluster.name: Counter(line.partition(" ")[2] for line in log_of_next(cluster) if line.startswith("executed "))
        for cluster in (context.east, context.west)
    }


def _all_executed(context: Context) -> Observation:
    """Look whether each request that was answered is in the log of a cluster."""
    recorded = recordings(context, _LOAD)
    requests = [request for recording, _ in recorded for request in recording.requests]
    answered = {request.number for request in requests if request.answered_by is not None}
    executed = set().union(*_executed(context).values())
    missing = sorted(answered - executed, key=lambda number: (len(number), number))
    words = f", {len(missing)} of them not; for example {', '.join(missing[:_SHOWN])}" if missing else ""
    seen = f"{len(answered)} requests answered, {len(executed)} executed{words}"
    holds = bool(answered) and not missing
    return Observation(holds=holds, seen=seen, evidence=tuple(each for _, each in recorded))


def _some_twice(context: Context) -> Observation:
    """Look for requests that both clusters have executed."""
    executed = _executed(context)
    east, west = executed[context.east.name], executed[context.west.name]
    twice = sorted(east.keys() & west.keys(), key=lambda number: (len(number), number))
    most = max((east[number] + west[number] for number in twice), default=0)
    words = f"; for example {', '.join(twice[:_SHOWN])}; at most {most} times" if twice else ""
    lines = [f"{number}: {east[number]} in East, {west[number]} in West" for number in twice]
    counts = [f"{name.title()} executed {sum(one.values())}, {len(one)} different" for name, one in executed.items()]
    evidence = Evidence(
        kind=EvidenceKind.METRIC, title="requests that both clusters executed", text="\n".join([*counts, *lines])
    )
    return Observation(holds=bool(twice), seen=f"{len(twice)} in both clusters{words}", evidence=(evidence,))


STEP = ScenarioStep(
    name="answers_get_lost",
    title="Answers get lost, and requests are executed twice",
    narration="A release that writes down each request, and answers 0.3 s later, runs in both clusters. West's clients "
    "prefer East; East's own clients stay there. Then East's node drops every packet to West: requests arrive, and "
    "their answers do not. The proxies send them again, to West. Both sides write, and some requests are written on "
    "both.",
    requires=NODES,
    before=(
        NEXT,
        Apply("podinfo-next.yaml", to="east"),
        Command(f"{WEST} {_READY}", timeout_s=100),
        Command(f"{EAST} {_READY}", timeout_s=100),
        *FAR_FIRST,
        # Where the mesh merges the Services, East would call pods of both clusters without its own failover.
        on(linkerd=(), istio=Apply("failover-of-backup.yaml", to="east")),
        NO_PODS,
        Command(f"{EAST} scale deployment {SERVICE} --replicas=0"),
        Command(f"{WEST} {_ENDED}", timeout_s=100),
        Command(f"{EAST} {_ENDED}", timeout_s=100),
        only_by("east"),
    ),
    load=_LOAD,
    do=(
        QUIET,
        NewPhase("answers get lost"),
        _ANSWERS_DROPPED,
        answers_again("west"),
        Pause(3, "both sides write"),
        NewPhase("answers arrive"),
        _ANSWERS_PASS,
        answers_again("east"),
    ),
    undo=(
        _ANSWERS_PASS,
        *PODS_BACK,
        *_EAST_PODS_BACK,
        NO_NEXT,
        Delete("podinfo-next.yaml", of="east"),
        *NO_FAR_FIRST,
        on(linkerd=(), istio=Delete("failover-of-backup.yaml", of="east")),
    ),
    checks=(
        Check(
            name="answered_requests_are_written",
            claim="Every request that was answered was executed",
            expected="the logs of the two clusters have every answered request",
            look=_all_executed,
        ),
        Check(
            name="some_are_written_twice",
            claim="Requests whose answers got lost were executed in both clusters",
            expected="the logs of both clusters have them; a client cannot tell",
            look=_some_twice,
        ),
    ),
    alone=True,
    sabotage=Sabotage(
        title="requests are pinned to East, none is sent again to West",
        do=(*NO_FAR_FIRST, split(0), only_by("east")),
        undo=(no_split(),),
        fails="some_are_written_twice",
        before_do=True,
    ),
)
