"""A partition: clusters in groups, with all packets between the groups dropped, in both directions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import permutations

Cut = tuple[str, str]
"""A source cluster, and the target cluster that it drops all packets to."""


def cuts_of(clusters: Sequence[str], side: Collection[str]) -> list[Cut]:
    """Return the cuts that separate a side from all other clusters."""
    return [(source, target) for source, target in permutations(clusters, 2) if (source in side) != (target in side)]


def sides(clusters: Sequence[str], cuts: Collection[Cut]) -> list[list[str]]:
    """Return the groups that cuts separate; none if the cuts are not exactly those of a partition."""
    groups: list[list[str]] = []
    for name in clusters:
        near = [group for group in groups if any((name, other) not in cuts for other in group)]
        merged = [other for group in near for other in group]
        groups = [*(group for group in groups if group not in near), [*merged, name]]
    between = {
        (source, target)
        for source, target in permutations(clusters, 2)
        if not any(source in group and target in group for group in groups)
    }
    return sorted(groups, key=lambda group: clusters.index(group[0])) if between and between == set(cuts) else []
