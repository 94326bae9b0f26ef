"""What all meshes ask of the weights of a split, and how a split is marked."""

from __future__ import annotations

from collections.abc import Mapping

from lab.errors import ClusterError
from lab.model import LABEL_PREFIX

SPLIT_LABEL = f"{LABEL_PREFIX}/split"
"""On whatever divides requests: the service that they are sent to."""


def check_weights(cluster: str, weights: Mapping[str, int]) -> None:
    """Hold weights against what a split can be.

    Raises:
        ClusterError: one is not from 0 to 100, or all are 0.
    """
    wrong = {name: weight for name, weight in weights.items() if not 0 <= weight <= 100}
    if wrong:
        given = ", ".join(f"{name}={weight}" for name, weight in wrong.items())
        raise ClusterError(f"weights are whole numbers from 0 to 100, not {given}", where=cluster)
    if sum(weights.values()) == 0:
        raise ClusterError(
            "the weights add up to 0, so that nobody would answer", where=cluster, next="give one of them a part"
        )
