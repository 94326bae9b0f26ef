"""Push images into the registry of lab.toml, from which existing clusters pull what upstream does not have.

The engine pushes, with the logins of the docker command. An image's tag names its content: one that the registry has is
not pushed again.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.artifacts import registry
from lab.artifacts.store import ArtifactStore
from lab.artifacts.upstream import split
from lab.artifacts.web import WebError
from lab.base import events
from lab.base.errors import ArtifactError, CommandError


def ensure(store: ArtifactStore, names: Sequence[str]) -> list[str]:
    """Push the images that the registry lacks, and return the reference of each.

    Raises:
        ArtifactError: lab.toml names no registry, this machine does not have an image, or the registry does not answer
            or does not take it.
    """
    pushed = [name for name in names if store.is_pushed(name)]
    return [push(store, name) for name in pushed if not _has(store.pulled_as(name))]


def push(store: ArtifactStore, name: str) -> str:
    """Push an image, and return its reference in the registry.

    Raises:
        ArtifactError: this machine does not have it, or the registry does not take it.
    """
    here, there = store.image(name), store.pulled_as(name)
    events.progress(f"pushing {there}")
    store.docker.tag(here, there)
    try:
        store.docker.push(there, on_line=events.progress)
    except CommandError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        host, _ = split(there)
        raise ArtifactError(
            f"the registry did not take {there}: {last}",
            next=f"`docker login {host}`, or another `registry` in lab.toml",
        ) from error
    finally:
        store.docker.remove_image(there)
    return there


def _has(reference: str) -> bool:
    try:
        return bool(registry.digest(reference))
    except WebError as error:
        if error.absent:
            return False
        raise ArtifactError(
            f"the registry of lab.toml: {error}", next="check `registry` under [artifacts] in lab.toml"
        ) from error
