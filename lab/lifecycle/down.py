"""`lab down`: takes away what the lab owns, and nothing else, and looks again to prove it."""

from __future__ import annotations

import contextlib
import shutil

from lab.base.errors import ClusterError
from lab.clusters import kubeconfig, provider
from lab.clusters.provider import Owned
from lab.lab import Lab

__all__ = ["Owned", "down", "owned"]


def owned(lab: Lab) -> list[Owned]:
    """List what `down` would remove: containers, the network, contexts in the user's kubeconfig, the state folder."""
    found = provider().owned(lab)
    if names := kubeconfig.merged(lab):
        found += [Owned(kind="context", name=f"{name} in {kubeconfig.user_file()}") for name in names]
    if lab.paths.state.exists():
        found.append(Owned(kind="folder", name=str(lab.paths.state)))
    return found


def down(lab: Lab) -> list[Owned]:
    """Remove all that the lab owns, whatever is left of it, and return what was removed.

    Raises:
        ClusterError: something is still there afterwards; the error names it.
    """
    before = owned(lab)
    provider().remove(lab)
    kubeconfig.unmerge(lab)
    shutil.rmtree(lab.paths.state, ignore_errors=True)
    with contextlib.suppress(OSError):  # other labs keep their state beside this one's
        lab.paths.state.parent.rmdir()
    if left := owned(lab):
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        raise ClusterError(f"still there after the removal: {names}", next="lab down again, or remove it by hand")
    return before
