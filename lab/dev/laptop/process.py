"""`lab dev process`: a process on this machine answers for a service in West."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from threading import Event
from typing import Any, Self

from lab.base import cancel, process, wait
from lab.base.errors import ClusterError, LabError, UsageError
from lab.base.names import NAMESPACE
from lab.base.wait import NotYet
from lab.dev import parts
from lab.dev.laptop import loopback
from lab.dev.laptop.tunnel import Tunnel
from lab.kube import connect
from lab.lab import Lab
from lab.mesh.capabilities import Capability
from lab.mesh.model import Intercept
from lab.mesh.protocols import Mesh

_LISTENS_S = 60.0
UNDO_S = 60.0
"""Time limit of the undo after a start that failed or was interrupted."""
DRAIN_S = 2.0
"""Time that the process continues after its intercept was removed, until every proxy has the new routes."""


@dataclass(kw_only=True)
class DevProcess:
    """A process that answers for a service, while the block runs.

    Args:
        lab: the lab.
        mesh: its mesh.
        service: the service that it answers for.
        command: the command to start; empty if the developer starts the process.
        port: the loopback port that it listens on; 0 for a free one, passed to the command as PORT.
        header: name and value of the header that a request must have; None for all requests.
        cwd: working directory of the command.
        say: called with progress messages.
    """

    lab: Lab
    mesh: Mesh
    service: str
    command: Sequence[str] = ()
    port: int = 0
    header: tuple[str, str] | None = None
    cwd: Path | None = None
    say: Callable[[str], None] = lambda _: None
    child: Any = None
    tunnel: Tunnel = field(init=False)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        parts.checked_name(self.service)
        if Capability.INTERCEPT not in self.mesh.capabilities:
            raise UsageError(f"this stack cannot {Capability.INTERCEPT.value}", next="lab dev pod FOLDER")
        if not self.command and not self.port:
            raise UsageError("neither a command nor a port is given", next="lab dev process --help")
        if not self.command and not loopback.listens(self.port):
            raise UsageError(
                f"nothing listens on port {self.port} of {' or '.join(loopback.ADDRESSES)}",
                next=f"start your process, then `lab dev process --port {self.port}`",
            )
        if self.command and which(self.command[0]) is None:
            raise UsageError(f"command not found: {self.command[0]}", next="name an installed program after `--`")
        self.port = self.port or _free_port()
        self.tunnel = Tunnel(argv=self._argv, port=self.port, say=self.say)

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables for calls into the cluster. HTTP_PROXY has a password: keep it out of logs."""
        proxy = self.tunnel.proxy.url
        around = ",".join(filter(None, [os.environ.get("NO_PROXY", ""), "localhost,127.0.0.1,::1"]))
        return {
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "NO_PROXY": around,
            "no_proxy": around,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
        }

    def __enter__(self) -> Self:
        """Connect the process; after a failure, undo everything."""
        try:
            self._start()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self.say("interrupted: undoing; press Ctrl-C again to stop at once")
            with cancel.undoing(UNDO_S):
                self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the intercept, then stop the process, the tunnel and the agent."""
        self._undo.close()

    def wait(self, over: Event) -> int:
        """Wait until `over` is set (returns 0) or the command has exited (returns its exit status).

        Raises:
            LabError: the agent was deleted, as by `lab reset`.
        """
        kube, workload = parts.local(self.lab), parts.agent_of(self.service)
        while not over.wait(1.0):
            if self.child is not None and self.child.poll() is not None:
                return int(self.child.returncode)
            if not self.tunnel.connected and kube.get(workload.deployment) is None:
                raise LabError(f"{workload.name} was deleted, as `lab reset` does", next="lab dev process …")
        return 0

    def _start(self) -> None:
        kube, workload = parts.local(self.lab), parts.agent_of(self.service)
        wanted = parts.wanted(self.lab, workload, self.service, ours_only=False)
        self._undo.callback(parts.remove, self.lab, workload, self.service)
        parts.owned(self.lab).apply_all(wanted)
        self._undo.enter_context(self.tunnel)
        if self.command:
            self.child = process.start(self.command, env=self.environment, cwd=self.cwd, inherit=True)
            self._undo.callback(process.stop, self.child)
            self._wait_listens(self.child)
        self.tunnel.wait_connected()
        kube.wait_ready([workload.deployment], timeout_s=60, what=workload.name)
        self._undo.callback(self._give_back)
        header, value = self.header or ("", "")
        self.mesh.intercept(
            Intercept(cluster=self.lab.west.name, service=self.service, to=workload.name, header=header, value=value)
        )

    def _give_back(self) -> None:
        if self.mesh.remove_intercept(self.lab.west.name, self.service):
            wait.rest("proxies get the old routes", DRAIN_S)

    def _wait_listens(self, child: Any) -> None:
        def look() -> bool | NotYet:
            if child.poll() is not None:
                raise LabError(f"`{self.command[0]}` exited with {child.returncode} before it listened on a port")
            return loopback.listens(self.port) or NotYet("nothing listens there")

        hint = "make it listen on a loopback address and the port in PORT, or name its port with --port"
        wait.until(f"a process to listen on port {self.port}", look, timeout_s=_LISTENS_S, interval_s=0.2, next=hint)

    def _argv(self) -> Sequence[str | Path]:
        kube = connect(self.lab.west)
        pods = parts.running(kube, parts.agent_of(self.service))
        if not pods:  # no wait here: the tunnel retries, and must be able to end
            raise ClusterError("the agent's pod does not run yet", where=kube.cluster.name)
        return [
            self.lab.artifacts.binary("kubectl"),
            f"--kubeconfig={kube.cluster.kubeconfig}",
            f"--context={kube.cluster.context}",
            f"--namespace={NAMESPACE}",
            *("exec", "--stdin", "--quiet", f"--container={parts.CONTAINER}", pods[0], "--"),
            *(parts.PYTHON, "-m", "lab.dev.inpod.agent", "pipe"),
        ]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
