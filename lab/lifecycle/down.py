"""`lab down`: delete everything that the lab owns, and nothing else, then check that nothing is left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence

from lab.base.errors import ClusterError, LabError
from lab.clusters import kubeconfig, provider
from lab.clusters.provider import OwnedResource
from lab.lab import Lab

__all__ = ["OwnedResource", "down", "owned"]


Warn = Callable[[str], None]


def owned(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    """List what `down` would delete: containers, the network, contexts in the user's kubeconfig, the state folder.

    Args:
        lab: the lab.
        warn: called if the user's kubeconfig cannot be read.
    """
    found = provider().owned(lab)
    try:
        found += [
            OwnedResource(kind="context", name=f"{n} in {kubeconfig.user_file()}") for n in kubeconfig.merged(lab)
        ]
    except LabError as error:
        warn(f"{error.where}: {error.what}; contexts of the lab in it stay")
    if lab.paths.state.exists():
        found.append(OwnedResource(kind="folder", name=str(lab.paths.state)))
    return found


def down(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    """Delete everything that the lab owns, also of a half deleted lab, and return what was deleted.

    Args:
        lab: the lab.
        warn: called if the user's kubeconfig cannot be read or changed; the removal continues.

    Raises:
        ClusterError: clusters of this name belong to another lab, or something is left afterwards. The error names
            it, and the state folder stays.
    """
    before = owned(lab, warn=warn)
    _refuse_foreign(lab, before)
    provider().remove(lab)
    _check_gone(provider().owned(lab))  # before the state folder is deleted: it has the keys of what is left
    contexts_stay = False
    try:
        kubeconfig.unmerge(lab)
    except LabError as error:
        contexts_stay = True
        if any(item.kind == "context" for item in before):
            warn(f"{error.where}: {error.what}; the lab's contexts in it stay")
    shutil.rmtree(lab.paths.state, ignore_errors=True)
    with contextlib.suppress(OSError):  # other labs keep their state beside this one's
        lab.paths.state.parent.rmdir()
    left = [item for item in owned(lab, warn=_warned_before) if not (contexts_stay and item.kind == "context")]
    _check_gone(left)
    return [item for item in before if not (contexts_stay and item.kind == "context")]


def _refuse_foreign(lab: Lab, own: Sequence[OwnedResource]) -> None:
    """Raise an error if the clusters of this name belong to another lab, and this lab has none."""
    theirs = provider().foreign(lab)
    if theirs and not any(item.kind in {"container", "network"} for item in own):
        raise ClusterError(f"{theirs}; nothing was removed", next="run `lab down` as that user, with that state folder")


def _check_gone(left: Sequence[OwnedResource]) -> None:
    if left:
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        raise ClusterError(f"still there after the removal: {names}", next="lab down again, or remove it by hand")


def _warned_before(_: str) -> None:
    """Print nothing: the first call of `owned` printed this warning."""
