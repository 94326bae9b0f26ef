"""The artifacts that a lab's clusters need of a stack, by who creates the clusters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.lab import Lab


def of_clusters(lab: Lab, node_image: str, images: Sequence[str]) -> tuple[str, ...]:
    """Return kind and the nodes' image for created clusters, and for existing ones the images that are pushed.

    An existing cluster pulls the other images from upstream's registries; this machine does not need them.
    """
    created = ("kind", node_image) if lab.created.clusters else ()
    return (*created, *(pushed(lab, images) if lab.spec.existing else ()))


def pushed(lab: Lab, images: Iterable[str]) -> list[str]:
    """Return the images that existing clusters pull from the lab's own registry: upstream does not have them."""
    return [name for name in images if lab.artifacts.is_pushed(name)]
