"""Send requests from a cluster's frontend to an upstream, through the cluster's ingress, and count who answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.base.entrances import NoEntranceError
from lab.base.names import Json
from lab.base.wait import TransientError
from lab.lab import Lab
from lab.measure import http
from lab.stacks import Stack

_EACH = 12
"""Requests for each expected cluster: 24 requests to two random clusters miss one of them once in 8 million times.

Of more clusters, 24 requests mostly reach all. Only if not, the frontend sends 12 more at a time, up to this number.
"""

_LEAST_S = 0.5
FRONTEND = ""
"""In place of an upstream: the frontend itself, which calls nobody."""


@dataclass(frozen=True, kw_only=True)
class FrontendAnswers:
    """The clusters that answered a frontend's requests to `upstream`; `problem` is empty if all is well.

    `upstream`: the service; empty for a request to the frontend itself.
    `missing`: the expected clusters that answered no request, although no request failed.
    `reached`: the frontend itself answered through its cluster's ingress.
    """

    cluster: str
    upstream: str
    requests: int
    failed: int = 0
    by_cluster: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    reached: bool = True
    problem: str = ""


def expected_of(lab: Lab, stack: Stack, cluster: str) -> Mapping[str, frozenset[str]]:
    """Return the services that a cluster's frontend calls, each with the clusters that must answer.

    Where none must answer, such as a service without pods, the entry "" stands for the frontend itself.
    """
    upstreams = {upstream: clusters for upstream, clusters in stack.answers(lab, cluster).items() if clusters}
    return upstreams or {FRONTEND: frozenset()}


def ask(lab: Lab, cluster: str, upstream: str, expected: Collection[str], *, timeout_s: float) -> FrontendAnswers:
    """Let a cluster's frontend call `upstream`, and check that all `expected` clusters answer and nothing fails."""
    if upstream == FRONTEND:
        return _ask_frontend(lab, cluster, timeout_s=timeout_s)
    most, count, failed = _EACH * max(1, len(expected)), 0, 0
    answered, answers = Counter[str](), list[Any]()
    caller, caller_cluster, deadline_s = f"{cluster}'s frontend", cluster, time.monotonic() + timeout_s
    while count < most and not failed and caller_cluster == cluster and (count == 0 or set(expected) - set(answered)):
        more = min(most - count, _EACH if count else 2 * _EACH)
        count += more
        try:
            response = _batch(lab, cluster, upstream, more, timeout_s=max(_LEAST_S, deadline_s - time.monotonic()))
        except (TransientError, NoEntranceError) as error:
            return _unreached(cluster, upstream, count, error)
        totals, caller_cluster = response["totals"], response["frontend"]["cluster"]
        failed += int(totals["failed"])
        answered.update(totals["by_cluster"])
        answers += response["answers"]
    by_cluster = dict(sorted(answered.items()))
    problem, missing = _astray(cluster, caller_cluster), tuple(sorted(set(expected) - set(by_cluster)))
    if failed and not problem:
        details = [row["error"]["detail"] for row in answers if row["error"]]
        why = f": {details[0]}" if details else ""
        problem = f"{failed} of {count} requests of {caller} to {upstream} fail{why}"
    elif missing and not problem:
        problem = f"{' and '.join(missing)} answered none of {count} requests of {caller} to {upstream}"
    return FrontendAnswers(
        cluster=cluster,
        upstream=upstream,
        requests=count,
        failed=failed,
        by_cluster=by_cluster,
        missing=() if failed or caller_cluster != cluster else missing,
        problem=problem,
    )


def _batch(lab: Lab, cluster: str, upstream: str, count: int, *, timeout_s: float) -> Json:
    url = f"{lab.ingress_url(cluster)}/api/answers"
    params: dict[str, str | int] = {"upstream": upstream, "count": count, "parallel": _EACH}
    return http.get_json(url, params=params, timeout_s=timeout_s)


def _ask_frontend(lab: Lab, cluster: str, *, timeout_s: float) -> FrontendAnswers:
    """Send one request to a cluster's frontend, for which it calls nobody."""
    try:
        response = http.get_json(f"{lab.ingress_url(cluster)}/api/info", params={}, timeout_s=timeout_s)
    except (TransientError, NoEntranceError) as error:
        return _unreached(cluster, FRONTEND, 1, error)
    return FrontendAnswers(
        cluster=cluster, upstream=FRONTEND, requests=1, problem=_astray(cluster, response["cluster"])
    )


def _unreached(cluster: str, upstream: str, requests: int, error: Exception) -> FrontendAnswers:
    problem = f"{cluster}'s frontend does not answer through its ingress: {error}"
    return FrontendAnswers(
        cluster=cluster, upstream=upstream, requests=requests, failed=requests, reached=False, problem=problem
    )


def _astray(cluster: str, answering: str) -> str:
    return "" if answering == cluster else f"{cluster}'s ingress port leads to {answering}'s frontend"
