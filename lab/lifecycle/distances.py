"""Distances between clusters: those that lab.toml wants, those that the nodes have, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lab.base import cancel
from lab.base.concurrency import each
from lab.base.distance import Distance
from lab.base.errors import LabError
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.base.wait import TransientError
from lab.clusters import provider
from lab.clusters.provider import Means, OneWay, Ping
from lab.components import frontend
from lab.lab import Lab
from lab.measure import http
from lab.mesh.names import exported_name

Pair = tuple[str, str]
"""Two clusters, in the order of lab.toml."""
_REQUESTS = 9
_REQUESTS_S = 20.0
_UNDO_S = 20.0
"""Time limit of the undo after Ctrl-C: a delay line takes up to 5 s to end."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a distance costs now: a round trip between the nodes, and a request through the mesh.

    `request_ms` is the median, None if no request was answered; `request` says which requests were sent, or why none.
    """

    ping_ms: float | None
    ping: str
    request_ms: float | None
    request: str


def pairs(lab: Lab) -> list[Pair]:
    """Return all pairs of clusters."""
    names = list(lab.clusters)
    return [(first, second) for index, first in enumerate(names) for second in names[index + 1 :]]


def pair_of(lab: Lab, one: str, another: str) -> Pair:
    """Return two clusters as a pair."""
    names = list(lab.clusters)
    return (one, another) if names.index(one) < names.index(another) else (another, one)


def wanted(lab: Lab) -> Mapping[Pair, Distance]:
    """Return the distances of lab.toml."""
    return {pair_of(lab, *link.between): link.distance for link in lab.spec.links}


def patience_s(lab: Lab) -> float:
    """Return how much longer a request may take over the longest distance of lab.toml: four round trips.

    One for TCP, up to two for TLS (TLS 1.2), and one for the request.
    """
    return 4 * max((distance.delay_ms for distance in wanted(lab).values()), default=0.0) / 1_000


def by_pair(lab: Lab, found: Sequence[OneWay]) -> Mapping[Pair, Sequence[OneWay]]:
    """Return what the nodes have set, by pair; no entry for a pair without."""
    sides: dict[Pair, list[OneWay]] = {}
    for one in found:
        if one.target in lab.clusters:
            sides.setdefault(pair_of(lab, one.source, one.target), []).append(one)
    return sides


def is_whole(sides: Sequence[OneWay], distance: Distance) -> bool:
    """Return whether a distance is in effect in both directions."""
    return len(sides) == 2 and all(one.works and one.distance == distance for one in sides)


def put(lab: Lab, pair: Pair, distance: Distance) -> list[str]:
    """Set a distance in both directions, and return the commands that were run.

    Raises:
        ClusterError: the engine's machine cannot delay packets. After this or another error, and after Ctrl-C, neither
            direction has a distance.
    """
    wire = provider().wire
    means = wire.means(lab.clusters[pair[0]])
    try:
        return _both(
            lambda source, target: wire.set_distance(lab, lab.clusters[source], lab.clusters[target], distance, means),
            pair,
        )
    except BaseException:
        with suppress(LabError), cancel.undoing(_UNDO_S):  # the first error tells more
            clear(lab, pair)
        raise


def clear(lab: Lab, pair: Pair) -> list[str]:
    """Clear a distance in both directions, also an incomplete one, and return the commands that were run."""
    wire = provider().wire
    return _both(lambda source, target: wire.clear_distance(lab, lab.clusters[source], lab.clusters[target]), pair)


def shown(lab: Lab, pair: Pair, distance: Distance | None) -> list[str]:
    """Return the commands of `put`, or of `clear` for None, and run nothing."""
    wire = provider().wire
    means = wire.means(lab.clusters[pair[0]]) if distance else Means.LINE
    commands: list[str] = []
    for source, target in _directions(pair):
        ends = lab.clusters[source], lab.clusters[target]
        commands += (
            wire.distance_commands(lab, *ends, distance, means) if distance else wire.clearing_commands(lab, *ends)
        )
    return commands


def ensure(lab: Lab) -> StepResult:
    """Set the distances of lab.toml that the nodes do not have."""
    found = by_pair(lab, provider().wire.state(lab, list(lab.clusters)).distances)
    missing = [pair for pair, distance in wanted(lab).items() if not is_whole(found.get(pair, ()), distance)]
    for pair in missing:
        put(lab, pair, wanted(lab)[pair])
    return CHANGED if missing else UNCHANGED


def reset(lab: Lab) -> Iterator[str]:
    """Set the distances of lab.toml and clear all others; yields a line for each change."""
    found = by_pair(lab, provider().wire.state(lab, list(lab.clusters)).distances)
    for pair in found.keys() - wanted(lab).keys():
        clear(lab, pair)
        yield f"{' and '.join(pair)}: distance cleared"
    for pair, distance in wanted(lab).items():
        if not is_whole(found.get(pair, ()), distance):
            put(lab, pair, distance)
            yield f"{' and '.join(pair)}: distance of lab.toml set: {distance}"


def problems(lab: Lab, found: Sequence[OneWay], running: Collection[str]) -> Iterator[str]:
    """Yield the distances of lab.toml that packets do not notice, between clusters whose nodes run."""
    sides = by_pair(lab, found)
    for pair, distance in wanted(lab).items():
        if set(pair) <= set(running) and not sides.get(pair):
            yield f"{' and '.join(pair)}: the distance of lab.toml ({distance}) is not set; packets pass without it"
        elif set(pair) <= set(running) and (words := broken(pair, sides[pair])):
            yield f"{' and '.join(pair)}: the distance of lab.toml ({distance}) is incomplete: {words}"


def text(sides: Sequence[OneWay]) -> str:
    """Return what is set between two clusters: "80 ms", or each direction if they differ."""
    if len({one.distance for one in sides}) == 1:
        return str(sides[0].distance)
    return " and ".join(f"{one.distance} from {one.source} to {one.target}" for one in sides)


def broken(pair: Pair, sides: Sequence[OneWay]) -> str:
    """Return what is missing of a distance, as part of a sentence; empty if both directions are as they were set.

    A direction's means can have stopped, a restart of its node can have removed it, and an interrupted command can have
    left the directions unequal.
    """
    set_up = {one.source: one for one in sides}
    words = []
    for source, target in _directions(pair):
        one = set_up.get(source)
        if one is None or not one.distance:
            words.append(f"packets from {source} to {target} have no distance")
        elif not one.works:
            words.append(f"the {one.means.value} from {source} to {target} has stopped")
    if any(not one.distance for one in sides):
        words.append("a delay line without a distance is left")
    return "; ".join(words)


def measure(lab: Lab, source: str, target: str) -> Measured:
    """Measure a round trip from a cluster's node to another's, and a request through the mesh."""
    ping: Ping = provider().wire.ping(lab.clusters[source], lab.clusters[target])
    request_ms, request = _request(lab, source, target)
    return Measured(ping_ms=ping.median_ms, ping=ping.how, request_ms=request_ms, request=request)


def _request(lab: Lab, source: str, target: str) -> tuple[float | None, str]:
    known = frontend.upstream_names(lab, lab.clusters[source])
    names = [
        name
        for service, sources in lab.spec.exports.items()
        if target in sources and (name := exported_name(service, target)) in known
    ]
    if not names:
        return None, f"{source}'s frontend calls no service of {target}"
    words = f"{_REQUESTS} requests, one after the other, from {source}'s frontend to {names[0]}, through the mesh"
    url = f"{lab.ingress_url(source)}/api/answers"
    try:
        answer = http.get_json(url, params={"upstream": names[0], "count": _REQUESTS}, timeout_s=_REQUESTS_S)
    except TransientError as error:
        return None, f"{words}: {error}"
    totals = answer["totals"]
    failed = f"; {totals['failed']} of them failed" if totals["failed"] else ""
    return totals["latency_ms"]["p50"], words + failed


def _both(act: Callable[[str, str], list[str]], pair: Pair) -> list[str]:
    """Do something in both directions, and return all commands."""
    return [command for commands in each(lambda ends: act(*ends), _directions(pair)) for command in commands]


def _directions(pair: Pair) -> tuple[Pair, Pair]:
    return pair, (pair[1], pair[0])
