"""`lab down`: delete everything that the lab owns, and nothing else, and check that nothing is left."""

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
    """List what `down` would remove: containers, the network, contexts in the user's kubeconfig, the state folder.

    Args:
        lab: the lab.
        warn: is told that the user's kubeconfig cannot be read.
    """
    found = provider().owned(lab)
    try:
        found += [
            OwnedResource(kind="context", name=f"{n} in {kubeconfig.user_file()}") for n in kubeconfig.merged(lab)
        ]
    except LabError as error:
        warn(f"{error.where}: {error.what}; contexts of the lab in it, if there are any, stay")
    if lab.paths.state.exists():
        found.append(OwnedResource(kind="folder", name=str(lab.paths.state)))
    return found


def down(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    """Remove all that the lab owns, whatever is left of it, and return what was removed.

    Args:
        lab: the lab.
        warn: is told that the user's kubeconfig cannot be read or changed, which does not stop anything.

    Raises:
        ClusterError: the clusters of this lab's name are another lab's, or something is still there afterwards, which
            the error names; the state stays.
    """
    before = owned(lab, warn=warn)
    _refuse_foreign(lab, before)
    provider().remove(lab)
    _check_gone(provider().owned(lab))  # before the state goes, which holds the keys to what is left
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
    left = [item for item in owned(lab, warn=_said_before) if not (contexts_stay and item.kind == "context")]
    _check_gone(left)
    return [item for item in before if not (contexts_stay and item.kind == "context")]


def _refuse_foreign(lab: Lab, own: Sequence[OwnedResource]) -> None:
    """Return unless the clusters of this lab's name are another lab's, and this one has none."""
    theirs = provider().foreign(lab)
    if theirs and not any(item.kind in {"container", "network"} for item in own):
        raise ClusterError(f"{theirs}; nothing was removed", next="run `lab down` as that user, with that state folder")


def _check_gone(left: Sequence[OwnedResource]) -> None:
    if left:
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        raise ClusterError(f"still there after the removal: {names}", next="lab down again, or remove it by hand")


def _said_before(_: str) -> None:
    """Stay silent: the first look has warned already."""
