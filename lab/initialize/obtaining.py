"""The artifacts that choices need: which of them are missing, and how they are made."""

from __future__ import annotations

from lab.artifacts import plan
from lab.artifacts.make import make
from lab.base.errors import ArtifactError
from lab.initialize.choices import Choices
from lab.initialize.references import with_references
from lab.initialize.render import artifacts
from lab.initialize.sources import StoreSources


def missing(choices: Choices, sources: StoreSources) -> list[str]:
    """Return the artifacts to make before the choices can be rendered, each after those that it needs.

    Those of options that can only be referenced are not among them.

    Raises:
        ArtifactError: no source has one of the others; the error names it.
    """
    needed = artifacts(with_references(choices, sources))
    if (unavailable := sources.store.unobtainable(needed)) is not None:
        raise ArtifactError(unavailable.what, next=unavailable.next)
    return plan.missing(sources.store, needed)


def obtain(name: str, sources: StoreSources) -> None:
    """Download or build an artifact.

    Raises:
        ArtifactError: that failed.
    """
    make(sources.store, name)
