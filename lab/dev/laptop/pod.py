"""`lab dev pod`: copy a folder into a pod, again after each change. No image is built."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event

from lab.base import cancel
from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.base.wait import TransientError
from lab.dev import parts
from lab.dev.inpod.runner import LENGTH
from lab.dev.laptop import folder as folders
from lab.lab import Lab

_PUT_S = 40.0
_UNDO_S = 5.0
"""Time limit of the undo after an interrupted start, which deletes objects and does not wait."""


@dataclass(frozen=True, kw_only=True)
class Put:
    """The result of a copy into the pod; `problem` has the program's output if it did not start, else it is empty.

    `digest` is the sha256 of the copied archive; empty if nothing was copied.
    """

    pod: str
    seconds: float
    size_bytes: int
    problem: str
    digest: str = ""

    @property
    def words(self) -> str:
        """The result as one line."""
        if self.problem:
            return f"✗ {self.problem}"
        return f"✓ updated {self.pod} in {self.seconds:.2f} s ({self.size_bytes / 1024:.1f} KiB)"


@dataclass(frozen=True, kw_only=True)
class DevPod:
    """A service in West that runs a folder."""

    lab: Lab
    service: str
    folder: Path

    def start(self) -> Put:
        """Create the pod and copy the folder into it; after an error, delete what was created.

        Raises:
            UsageError: the folder cannot be run.
            NotOwnedError: an object of that name belongs to another owner; nothing was changed.
        """
        folders.check(self.folder)
        parts.checked_name(self.service)
        kube, workload = parts.local(self.lab), parts.runner_of(self.service)
        wanted = parts.wanted(self.lab, workload, self.service, ours_only=True)
        with ExitStack() as undo:
            if kube.get(workload.deployment) is None:  # else it was deployed earlier with --once
                undo.callback(self._stop_in_time)
            parts.owned(self.lab).apply_all(wanted)
            put = self.put()
            if not put.problem:
                kube.wait_ready([workload.deployment], timeout_s=60, what=workload.name)
            undo.pop_all()
        return put

    def put(self) -> Put:
        """Copy the folder into the pod and return whether its program started; seconds count from the call."""
        began = time.monotonic()
        kube = parts.local(self.lab)
        packed = folders.archive(self.folder)
        pod = parts.pod_of(kube, parts.runner_of(self.service))
        result = json.loads(
            kube.execute(
                pod,
                [parts.PYTHON, "-m", "lab.dev.inpod.runner", "put"],
                namespace=NAMESPACE,
                container=parts.CONTAINER,
                stdin=LENGTH.pack(len(packed)) + packed,
                timeout_s=_PUT_S,
            )
        )
        return Put(
            pod=pod,
            seconds=time.monotonic() - began,
            size_bytes=len(packed),
            problem=result["problem"],
            digest=sha256(packed).hexdigest(),
        )

    def follow(self, over: Event, tell: Callable[[Put], None], *, last: Put) -> None:
        """Copy the folder after each change, and into each new pod, until `over` is set.

        A change since the last copy counts, also one before the folder was watched.

        Args:
            over: ends the loop.
            tell: called with each result.
            last: the last copy.

        Raises:
            ClusterError: the pod was deleted, as by `lab reset`.
        """
        kube, workload = parts.local(self.lab), parts.runner_of(self.service)
        pod, digest = last.pod, last.digest
        for saved in folders.saves(self.folder, over):
            try:
                changed = saved and sha256(folders.archive(self.folder)).hexdigest() != digest
                if not changed and pod in (parts.running(kube, workload) or [pod]) and kube.get(workload.deployment):
                    continue
                put = self.put()
            except TransientError:  # the pod is being replaced, or the cluster is paused: try again later
                pod = ""
                continue
            except UsageError as error:  # the folder cannot be packed: try again after the next change
                problem = f"{error}; the pod still runs the earlier version"
                put = Put(pod=pod, seconds=0, size_bytes=0, problem=problem)
            pod, digest = put.pod, put.digest
            tell(put)

    def _stop_in_time(self) -> None:
        with cancel.undoing(_UNDO_S):
            self.stop()

    def stop(self) -> None:
        """Delete the pod."""
        parts.remove(self.lab, parts.runner_of(self.service), self.service)
