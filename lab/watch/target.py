"""Check the services and the rate of `lab watch` before anything is shown."""

from __future__ import annotations

import difflib
import http.client
from collections.abc import Sequence

from lab.base import wait
from lab.base.errors import LabError, UsageError, WaitTimeout
from lab.base.names import Json
from lab.base.wait import TransientError
from lab.measure import trouble
from lab.measure.stream_load import STREAM_MAX_PER_S, refusal
from lab.watch import facts

_ANSWER_S = 3.0
"""Time in which the frontend has to answer once."""


def check(base: str, frontend: str, names: Sequence[str], *, rate_per_s: float) -> list[str]:
    """Return the upstreams to watch: `names`, or the frontend's default one.

    Args:
        base: URL of the frontend.
        frontend: name of its cluster.
        names: the frontend's names of services.
        rate_per_s: requests per second to each of them.

    Raises:
        UsageError: the frontend does not call such a service.
        LabError: the frontend does not answer, or cannot send that many requests.
    """
    where = f"{frontend}'s frontend at {base}"
    known = _known(base, where)
    chosen = list(dict.fromkeys(names)) or [_default(known)]
    _check_names(chosen, [str(one["name"]) for one in known], where)
    whole = rate_per_s * len(chosen)
    if whole > STREAM_MAX_PER_S:
        raise UsageError(
            f"a frontend sends at most {STREAM_MAX_PER_S:g} requests/s, not {whole:g}",
            where=where,
            next=f"--rate {STREAM_MAX_PER_S / len(chosen):.3g}, or fewer services",
        )
    if reason := refusal(base, chosen[0], rate_per_s=whole):
        raise LabError(
            f"the frontend refuses {whole:g} requests/s: {reason}",
            where=where,
            next="a lower --rate, or close other pages of the frontend",
        )
    return chosen


def _known(base: str, where: str) -> list[Json]:
    def once() -> list[Json]:
        try:
            return facts.upstreams(base)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransientError(trouble.words(error)) from error

    try:
        known = wait.until(f"an answer of {where}", once, timeout_s=_ANSWER_S)
    except WaitTimeout as error:
        what = f"the frontend does not answer through the ingress: {error.last}"
        raise LabError(what, where=where, next="lab status") from error
    if not known:
        raise LabError("the frontend names no upstream", where=where, next="lab status")
    return known


def _default(known: Sequence[Json]) -> str:
    return str(next((one for one in known if one.get("default")), known[0])["name"])


def _check_names(chosen: Sequence[str], known: Sequence[str], where: str) -> None:
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(
                f"the frontend does not call a service {name!r}{hint}", where=where, next=f"one of: {', '.join(known)}"
            )
