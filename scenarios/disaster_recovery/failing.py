"""The step with a primary that is Ready and fails. The requests that still reach it are counted from its own log."""

from __future__ import annotations

from lab.base.names import Json
from lab.scenario.actions import Command, NewPhase, Observe, Pause, Until, on
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Check, Sabotage, ScenarioStep
from lab.scenario.observation import Observation

from ..podinfo import COUNTS_NONE, FAILOVER, NO_FAILOVER, NO_PODS, PODS_BACK, SERVICE, WEST, only_by
from ..recorded import MOST_LOST, RTO_S, answered, loses_little
from ..seeing import only
from .common import NEXT, NO_NEXT, QUIET, answers_again, load, log_of_next

WATCHED_S = 20.0
MOST = 20
"""A proxy tries an endpoint with one to three requests, after growing times: 1, 2, 2 … or 5, 10, 15 … s."""
BEFORE, AFTER = "failing/before", "failing/after"


def answers(context: Context) -> Json:
    """Return how many requests the failing release has answered with 500."""
    return sum(line.startswith("500 ") for line in log_of_next(context.west))


def is_left_alone(context: Context) -> Observation:
    """Look whether next to no requests reached the failing primary while it was watched, and some did before."""
    first, reached = int(context.recall(BEFORE)), int(context.recall(AFTER)) - int(context.recall(BEFORE))
    seen = f"{first} requests reached it before the backup answered, {reached} in the {WATCHED_S:.0f} s after"
    metric = Evidence(kind=EvidenceKind.METRIC, title="answers with 500 of the failing primary", text=seen)
    return Observation(holds=first > 0 and reached <= MOST, seen=seen, evidence=(metric,))


_NEXT = f"{WEST} exec deployment/podinfo-next --container=podinfo-next -- python3.11 -c"
_FAILING_LOAD = load("failing", "west", inside=True)
STEP = ScenarioStep(
    name="ready_but_failing",
    title="The primary is Ready, and fails",
    narration="A new release of very-important runs in the primary. Its pod is Ready, and then it answers 500 "
    "to each request. Kubernetes sees no problem; the callers' proxies do.",
    before=(
        *FAILOVER,
        NEXT,
        Command(f"{WEST} rollout status deployment podinfo-next --timeout=90s", timeout_s=100),
        NO_PODS,
        only_by("west"),
    ),
    load=_FAILING_LOAD,
    do=(
        QUIET,
        NewPhase("primary fails"),
        Command(f"""{_NEXT} "open('/state/fails', 'x')\""""),
        Until("answers by the backup only", only(SERVICE, by="east"), timeout_s=RTO_S, required=False),
        NewPhase("primary still fails"),
        Observe(BEFORE, answers),
        Pause(WATCHED_S, "the primary still fails"),
        Observe(AFTER, answers),
        NewPhase("primary works"),
        Command(f"""{_NEXT} "import os; os.remove('/state/fails')\""""),
        answers_again("west"),
    ),
    undo=(*PODS_BACK, NO_NEXT, *NO_FAILOVER),
    checks=(
        Check(
            name="few_fail_before_the_backup",
            claim="Requests move to the backup after a few failures",
            expected=f"at most {MOST_LOST:.0%} lost",
            look=loses_little(_FAILING_LOAD),
        ),
        Check(
            name="backup_keeps_them",
            claim="The backup answers while the primary fails",
            expected="East answers all requests after the first moment",
            look=answered(_FAILING_LOAD, during="primary still fails", by="east", mostly=1.0),
        ),
        Check(
            name="failing_primary_is_left",
            claim="The failing primary is tried now and then only",
            expected=f"at most {MOST} requests reach it in {WATCHED_S:.0f} s",
            look=is_left_alone,
        ),
        Check(
            name="working_primary_comes_back",
            claim="When the primary works, it answers again",
            expected="West answers again",
            look=answered(_FAILING_LOAD, during="primary works", by="west", mostly=0.1),
        ),
    ),
    alone=True,
    sabotage=Sabotage(
        title="the proxies do not count failures",
        do=(
            on(
                linkerd=COUNTS_NONE,
                istio=Command(
                    f"{WEST} patch destinationrule {SERVICE}-failover --type=merge --patch='"
                    '{"spec": {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 0}}}}\''
                ),
            ),
        ),
        undo=FAILOVER,
        fails="failing_primary_is_left",
        before_do=True,
    ),
)
