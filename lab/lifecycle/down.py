"""`lab down`: delete everything that the lab owns, and nothing else, then check that nothing is left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence

from lab.base.errors import ClusterError, LabError, UsageError
from lab.clusters import kubeconfig, provider
from lab.clusters.provider import OwnedResource
from lab.lab import Lab

__all__ = ["OwnedResource", "down", "leave", "owned"]


Warn = Callable[[str], None]


def owned(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    """List what `down` would delete: containers, the network, contexts in the user's kubeconfig, the state folder.

    Args:
        lab: the lab.
        warn: called if the user's kubeconfig cannot be read, or if another lab's clusters of this name stay.

    Raises:
        ClusterError: clusters of this name belong to another lab, and nothing belongs to this one.
    """
    found = _listed(lab, warn=warn)
    if not any(item.kind in {"container", "network", "cluster"} for item in found) and (
        theirs := provider().foreign(lab)
    ):
        if not found:
            what = f"{theirs}; nothing was removed"
            raise ClusterError(what, next="run `lab down` as that user, with that state folder")
        warn(f"{theirs}, and stays")
    return found


def _listed(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    found = provider().owned(lab)
    try:
        found += [
            OwnedResource(kind="context", name=f"{n} in {kubeconfig.user_file()}") for n in kubeconfig.merged(lab)
        ]
    except LabError as error:
        warn(f"{error.where}: {error.what}; contexts of the lab in it stay")
    if lab.paths.has_state:
        found.append(OwnedResource(kind="folder", name=str(lab.paths.state)))
    return found


def leave(lab: Lab, cluster: str) -> None:
    """Forget an existing cluster, and leave what the lab has there.

    Raises:
        UsageError: the lab is in no existing cluster of that name.
    """
    known = kubeconfig.existing(lab.paths.kubeconfig)
    if cluster not in known:
        raise UsageError(
            f"the lab is in no existing cluster {cluster!r}",
            next=f"one of: {', '.join(known)}" if known else "lab down",
        )
    provider().abandon(lab, cluster)


def down(lab: Lab, *, warn: Warn) -> list[OwnedResource]:
    """Delete everything that the lab owns, also of a half deleted lab, and return what was deleted.

    Args:
        lab: the lab.
        warn: as for `owned`, and called if the user's kubeconfig cannot be changed; the removal continues.

    Raises:
        ClusterError: clusters of this name belong to another lab, and nothing belongs to this one; or something is
            left afterwards: the error names it, and the state folder stays.
    """
    before = owned(lab, warn=warn)
    for words in provider().remove(lab):
        warn(words)
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
    left = [item for item in _listed(lab, warn=_warned_before) if not (contexts_stay and item.kind == "context")]
    _check_gone(left)
    return [item for item in before if not (contexts_stay and item.kind == "context")]


def _check_gone(left: Sequence[OwnedResource]) -> None:
    if left:
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        raise ClusterError(f"still there after the removal: {names}", next="lab down again, or remove it by hand")


def _warned_before(_: str) -> None:
    """Print nothing: the first call of `owned` printed this warning."""
