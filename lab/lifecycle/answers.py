"""Real answers: requests that a cluster's frontend sends to an upstream, asked for through its ingress."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lab.base.wait import TransientError
from lab.lab import Lab
from lab.measure import http

_EACH = 12
"""Requests for each cluster that has to answer: with two clusters at random, one is missed once in 4,096 looks."""


@dataclass(frozen=True, kw_only=True)
class FrontendAnswers:
    """Who answered the requests of a cluster's frontend to `upstream`. `problem` is empty where all is well."""

    cluster: str
    upstream: str
    requests: int
    failed: int = 0
    by_cluster: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


def ask(lab: Lab, cluster: str, upstream: str, expected: Collection[str], *, timeout_s: float) -> FrontendAnswers:
    """Let a cluster's frontend call `upstream`, and say whether all `expected` clusters answer and nothing fails."""
    count = _EACH * max(1, len(expected))
    url = f"http://127.0.0.1:{lab.spec.clusters[cluster].ingress_port}/api/answers"
    params: dict[str, str | int] = {"upstream": upstream, "count": count, "parallel": _EACH}
    whose = f"{cluster}'s frontend"
    try:
        found = http.get_json(url, params=params, timeout_s=timeout_s)
    except TransientError as error:
        problem = f"{whose} does not answer through its ingress: {error}"
        return FrontendAnswers(cluster=cluster, upstream=upstream, requests=count, failed=count, problem=problem)
    totals, asked = found["totals"], found["frontend"]["cluster"]
    failed, by_cluster = int(totals["failed"]), dict(totals["by_cluster"])
    problem = ""
    if asked != cluster:
        problem = f"{cluster}'s ingress port leads to {asked}'s frontend"
    elif failed:
        details = [row["error"]["detail"] for row in found["answers"] if row["error"]]
        why = f": {details[0]}" if details else ""
        problem = f"{failed} of {count} requests of {whose} to {upstream} fail{why}"
    elif missing := sorted(set(expected) - set(by_cluster)):
        problem = f"{' and '.join(missing)} answered none of {count} requests of {whose} to {upstream}"
    return FrontendAnswers(
        cluster=cluster, upstream=upstream, requests=count, failed=failed, by_cluster=by_cluster, problem=problem
    )
