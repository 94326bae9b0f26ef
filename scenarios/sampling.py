"""Wait until the weights of a split are in effect, then take one sample of answers and judge it once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lab.base import cancel, events, wait
from lab.base.errors import LabError, WaitTimeout
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.measure import stats
from lab.scenario.context import Context
from lab.scenario.observation import Observation

from .seeing import Answers, answers

SETTLES_WITHIN_S = 40.0
"""How long proxies may use the old weights of a split; on a busy machine one batch takes 10 s."""
SAMPLE_WITHIN_S = 120.0
"""How long a sample may take; a laptop sends several hundred requests in a second."""
_BATCH = 250
"""Requests of a sample in one call of the frontend, which sends no more after 20 s."""
_SETTLING, _SETTLING_ALPHA, _SETTLING_IN_A_ROW = 50, 0.05, 2


def settled_split(
    context: Context,
    caller: Cluster,
    upstream: str,
    *,
    answering: Cluster,
    design: stats.Design,
    connection: str = "new",
    parallel: int = 20,
    settles_within_s: float = SETTLES_WITHIN_S,
    sample_within_s: float = SAMPLE_WITHIN_S,
) -> Observation:
    """Wait until a split's weights are in effect, then take one sample and judge it once.

    Settling: batches of 50 requests, until two in a row fit the new weights (exact test with a significance level of
    0.05, none failed). Old weights that differ by 25 points or more pass both with a probability below 1 in 100. Where
    they differ by less, a sample that begins during the change may be refused although the new weights are right.

    Settling does not bias the sample. The proxies draw a cluster for each request independently, the batches are not
    part of the sample, and the sample's size and test are fixed before. So its counts have the same distribution
    however many batches came before, and the error rates of the design hold. A wrong split that is close enough to
    pass the batches is the sample's to notice; one that is not fails at the time limit.

    Args:
        context: the scenario's.
        caller: the cluster whose frontend sends the requests.
        upstream: the called service, by the frontend's name for it.
        answering: the cluster whose answers are counted.
        design: the expected share of these answers, the size of the sample and the accepted counts.
        connection: "new" for each request of the sample, or "reuse" for one by one batch. Batches of settling use new
            ones: whether the weights are in effect does not depend on connections.
        parallel: number of requests of the sample at the same time; 1 with "reuse" sends a batch over one connection.
        settles_within_s: time limit for settling.
        sample_within_s: time limit for the sample.

    Raises:
        TransientError: the frontend did not answer.
        LabError: the sample did not end within its time.
        WaitTimeout: the frontend answered no batch of settling.
    """
    unsettled = _unsettled(context, caller, upstream, answering=answering, design=design, within_s=settles_within_s)
    if unsettled is not None:
        seen = f"the weights are not in effect after {settles_within_s:g} s: {unsettled.words}"
        return Observation(holds=False, seen=seen, evidence=(unsettled.evidence,))
    deadline = time.monotonic() + sample_within_s
    batches: list[Answers] = []
    while missing := design.n - sum(batch.requests for batch in batches):
        what = f"sample of {upstream}: {design.n - missing:,} of {design.n:,} requests"
        events.progress(what)
        cancel.token().check(what)
        if batches and time.monotonic() >= deadline:
            raise LabError(f"{what} after {sample_within_s:g} s", where=caller.name, next="lab status")
        count = min(missing, _BATCH)
        batches.append(answers(context, caller, upstream, count=count, parallel=parallel, connection=connection))
    sample = _sum(batches)
    count = sample.by_cluster.get(answering.name, 0)
    p_value = stats.binomial_p_value(count, design.n, design.expected)
    return Observation(
        holds=sample.failed == 0 and count in design,
        seen=f"{sample.words}; p = {p_value:.2g}",
        evidence=(sample.evidence,),
    )


def settling(expected: float, alternative: float) -> stats.Design:
    """Return the test of one batch while a split settles; its power is small, it only waits for the old weights."""
    return stats.design(n=_SETTLING, expected=expected, alternative=alternative, alpha=_SETTLING_ALPHA)


def _unsettled(
    context: Context, caller: Cluster, upstream: str, *, answering: Cluster, design: stats.Design, within_s: float
) -> Answers | None:
    """Wait until batches fit the weights; return None then, or the last batch after the time limit."""
    fits = settling(design.expected, design.alternative)
    last: Answers | None = None

    def probe() -> bool | NotYet:
        nonlocal last
        last = answers(context, caller, upstream, count=_SETTLING)
        fit = last.requests == fits.n and not last.failed and last.by_cluster.get(answering.name, 0) in fits
        return fit or NotYet(last.words)

    try:
        wait.until(
            f"{caller.name} to use the weights of {upstream}",
            probe,
            timeout_s=within_s,
            interval_s=0.1,
            successes=_SETTLING_IN_A_ROW,
        )
    except WaitTimeout:
        if last is None:  # the frontend did not answer: nothing is known about the weights
            raise
        return last
    return None


def _sum(batches: Sequence[Answers]) -> Answers:
    """Return the answers of several batches as one; the evidence has the rows of the first batch."""
    by_cluster: Counter[str] = Counter()
    by_pod: Counter[str] = Counter()
    for batch in batches:
        by_cluster.update(batch.by_cluster)
        by_pod.update(batch.by_pod)
    total = replace(
        batches[0],
        requests=sum(batch.requests for batch in batches),
        by_cluster=dict(sorted(by_cluster.items())),
        by_pod=dict(sorted(by_pod.items())),
        failed=sum(batch.failed for batch in batches),
        versions=frozenset().union(*(batch.versions for batch in batches)),
        messages=frozenset().union(*(batch.messages for batch in batches)),
    )
    first = batches[0].evidence
    evidence = replace(
        first,
        title=f"{total.words}, in {len(batches)} batches",
        text="\n".join([first.text, *(f"next batch: {batch.words}" for batch in batches[1:])]),
        data={"requests": total.requests, "by_cluster": dict(total.by_cluster), "failed": total.failed},
    )
    return replace(total, evidence=evidence)
