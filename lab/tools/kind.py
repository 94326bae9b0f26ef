"""The real `kind`, in the two verbs that the lab needs. Containers themselves are `lab.tools.docker`'s subject."""

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
        """Create a cluster and return when its API server answers; the nodes may not be Ready yet.

        A cluster that could not be created is left as it is, for a look at what went wrong.

        Args:
            name: of the cluster.
            config: file with kind's own configuration.
            kubeconfig: file to write; nobody else's is touched.
            network: Docker network that the nodes join; it has to be there.
            timeout_s: seconds after which kind is stopped.
        """
        say = events.reporter()

        def on_line(line: str) -> None:
            if found := _STEP.search(line):
                say(f"kind: {found[1]}")

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
            # --wait would also end with 0 on its time-out; the lab looks itself.
            self.run(argv, env={"KIND_EXPERIMENTAL_DOCKER_NETWORK": network}, timeout_s=timeout_s, on_line=on_line)
        except CommandError as error:
            raise docker_errors.explain(error) from error

    def kubeconfig(self, name: str) -> str:
        """Return an existing cluster's kubeconfig as kind writes it."""
        return self.run([self.binary, "get", "kubeconfig", "--name", name], timeout_s=60).stdout
