"""Run `kind`: create a cluster, and read its kubeconfig. `lab.tools.docker` handles the node containers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import events, process
from lab.base.errors import CommandError
from lab.tools import docker_errors

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
"""On every node container: the name of its cluster (kind, pkg/cluster/constants)."""

_STEP = re.compile(r"[•✓✗]\s*(.*?)\s*[^\x00-\x7f]*\s*(?:\.\.\.)?\s*$")


@dataclass(frozen=True)
class KindCli:
    """A kind binary."""

    binary: Path
    run: process.Run = field(default=process.run, repr=False)

    def create(self, name: str, *, config: Path, kubeconfig: Path, network: str, timeout_s: float = 600) -> None:
        """Create a cluster and wait until its API server answers; the nodes may not be Ready yet.

        If kind fails, its containers are kept for diagnosis.

        Args:
            name: of the cluster.
            config: file with kind's own configuration.
            kubeconfig: file to write; kind does not change any other.
            network: Docker network that the nodes join; it must exist.
            timeout_s: seconds after which kind is stopped.
        """
        report = events.reporter()

        def on_line(line: str) -> None:
            if step := _STEP.search(line):
                report(f"kind: {step[1]}")

        argv: list[str | Path] = [
            self.binary,
            "create",
            "cluster",
            "--name",
            name,
            "--config",
            config,
            "--kubeconfig",
            kubeconfig,
            "--retain",
        ]
        try:
            # kind's --wait exits with 0 even after its timeout; the lab waits itself.
            self.run(argv, env={"KIND_EXPERIMENTAL_DOCKER_NETWORK": network}, timeout_s=timeout_s, on_line=on_line)
        except CommandError as error:
            raise docker_errors.explain(error) from error

    def kubeconfig(self, name: str) -> str:
        """Return an existing cluster's kubeconfig as kind writes it."""
        return self.run([self.binary, "get", "kubeconfig", "--name", name], timeout_s=60).stdout
