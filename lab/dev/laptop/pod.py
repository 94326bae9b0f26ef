"""A folder as a pod: put there once, and again whenever something is saved. No image is built."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
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
"""How long an interrupted start may undo what it did: it deletes objects and waits for nothing."""


@dataclass(frozen=True, kw_only=True)
class Put:
    """A folder was put into its pod. `problem` is what its program said when it did not come up, else empty."""

    pod: str
    seconds: float
    size_bytes: int
    problem: str

    @property
    def words(self) -> str:
        """The result in a line."""
        if self.problem:
            return f"✗ {self.problem}"
        return f"✓ {self.pod} runs it after {self.seconds:.2f} s ({self.size_bytes / 1024:.1f} KiB)"


@dataclass(frozen=True, kw_only=True)
class DevPod:
    """A service of the laptop's cluster that runs a folder."""

    lab: Lab
    service: str
    folder: Path

    def start(self) -> Put:
        """Create the pod and put the folder into it; an error undoes what was created before it.

        Raises:
            UsageError: the folder cannot be run.
            NotOwnedError: another owner created an object of one of the names; nothing was changed.
        """
        folders.check(self.folder)
        parts.checked_name(self.service)
        kube, workload = parts.local(self.lab), parts.runner_of(self.service)
        wanted = parts.wanted(self.lab, workload, self.service, ours_only=True)
        with ExitStack() as undo:
            if kube.get(workload.deployment) is None:  # else an earlier run put it there to stay
                undo.callback(self._stop_in_time)
            parts.owned(self.lab).apply_all(wanted)
            put = self.put()
            if not put.problem:
                kube.wait_ready([workload.deployment], timeout_s=60, what=workload.name)
            undo.pop_all()
        return put

    def put(self) -> Put:
        """Put the folder into the pod, and tell how its program came up; seconds count from the call."""
        began = time.monotonic()
        kube = parts.local(self.lab)
        packed = folders.archive(self.folder)
        pod = parts.pod_of(kube, parts.runner_of(self.service))
        said = json.loads(
            kube.execute(
                pod,
                [parts.PYTHON, "-m", "lab.dev.inpod.runner", "put"],
                namespace=NAMESPACE,
                container=parts.CONTAINER,
                stdin=LENGTH.pack(len(packed)) + packed,
                timeout_s=_PUT_S,
            )
        )
        return Put(pod=pod, seconds=time.monotonic() - began, size_bytes=len(packed), problem=said["problem"])

    def follow(self, over: Event, tell: Callable[[Put], None], *, pod: str = "") -> None:
        """Put the folder whenever something is saved in it, or Kubernetes has made a new pod; until `over`.

        Args:
            over: ends it.
            tell: is given each result.
            pod: which pod has the folder already.

        Raises:
            ClusterError: the pod was deleted, as by `lab reset`.
        """
        kube, workload = parts.local(self.lab), parts.runner_of(self.service)
        for saved in folders.saves(self.folder, over):
            try:
                if not saved and pod in (parts.running(kube, workload) or [pod]) and kube.get(workload.deployment):
                    continue
                put = self.put()
            except TransientError:  # a pod that is just being replaced, or a cluster asleep: the next look tries again
                pod = ""
                continue
            except UsageError as error:  # the folder cannot be packed; the next save tries again
                problem = f"{error}; the pod still runs what it had"
                put = Put(pod=pod, seconds=0, size_bytes=0, problem=problem)
            pod = put.pod
            tell(put)

    def _stop_in_time(self) -> None:
        with cancel.undoing(_UNDO_S):
            self.stop()

    def stop(self) -> None:
        """Take the pod away."""
        parts.remove(self.lab, parts.runner_of(self.service), self.service)
