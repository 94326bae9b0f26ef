"""Run upstream's own checks of the mesh in all clusters, in parallel."""

from __future__ import annotations

from lab import stacks
from lab.base.concurrency import Threads
from lab.base.errors import LabError
from lab.lab import Lab
from lab.stacks import UpstreamCheck


def run(lab: Lab) -> list[UpstreamCheck]:
    """Run the checks of the lab's stack.

    Raises:
        LabError: the lab is not up, or a check program could not run.
    """
    if not lab.paths.kubeconfig.exists():
        raise LabError(f"the lab {lab.spec.name} is not up", next="lab up")
    stack = stacks.current(lab)
    with Threads(thread_name_prefix="check") as threads:
        found = threads.map(lambda cluster: stack.checks(lab, cluster), lab.clusters.values())
        return [check for checks in found for check in checks]
