"""Run upstream's own checks of the mesh in all clusters, in parallel."""

from __future__ import annotations

from lab import stacks
from lab.base.concurrency import Threads
from lab.lab import Lab
from lab.stacks import UpstreamCheck


def run(lab: Lab) -> list[UpstreamCheck]:
    """Run the checks of the lab's stack.

    Raises:
        LabError: a check program could not run.
    """
    stack = stacks.current(lab)
    with Threads(thread_name_prefix="check") as threads:
        found = threads.map(lambda cluster: stack.checks(lab, cluster), lab.clusters.values())
        return [check for checks in found for check in checks]
