"""Send requests from a cluster's frontend to an upstream, through the cluster's ingress, and count who answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lab.base.wait import TransientError
from lab.lab import Lab
from lab.measure import http

_EACH = 12
"""Requests for each expected cluster: 24 requests to two random clusters miss one of them once in 8 million times."""


@dataclass(frozen=True, kw_only=True)
class FrontendAnswers:
    """The clusters that answered a frontend's requests to `upstream`; `problem` is empty if all is well.

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


def ask(lab: Lab, cluster: str, upstream: str, expected: Collection[str], *, timeout_s: float) -> FrontendAnswers:
    """Let a cluster's frontend call `upstream`, and check that all `expected` clusters answer and nothing fails."""
    count = _EACH * max(1, len(expected))
    url = f"{lab.ingress_url(cluster)}/api/answers"
    params: dict[str, str | int] = {"upstream": upstream, "count": count, "parallel": _EACH}
    caller = f"{cluster}'s frontend"
    try:
        response = http.get_json(url, params=params, timeout_s=timeout_s)
    except TransientError as error:
        problem = f"{caller} does not answer through its ingress: {error}"
        return FrontendAnswers(
            cluster=cluster, upstream=upstream, requests=count, failed=count, reached=False, problem=problem
        )
    totals, caller_cluster = response["totals"], response["frontend"]["cluster"]
    failed, by_cluster = int(totals["failed"]), dict(totals["by_cluster"])
    problem, missing = "", tuple(sorted(set(expected) - set(by_cluster)))
    if caller_cluster != cluster:
        problem = f"{cluster}'s ingress port leads to {caller_cluster}'s frontend"
    elif failed:
        details = [row["error"]["detail"] for row in response["answers"] if row["error"]]
        why = f": {details[0]}" if details else ""
        problem = f"{failed} of {count} requests of {caller} to {upstream} fail{why}"
    elif missing:
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
