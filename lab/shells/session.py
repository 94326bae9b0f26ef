"""Start the user's shell, or one command, with the environment of a cluster.

Everything that a shell reads is in a folder of its own (0700) below the lab's state: a kubeconfig whose current context
is the cluster's, and the shell's start files (`lab.shells.start_files`). The folder is deleted when the shell ends. A
folder is named by its process, so that the next shell deletes folders of killed processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.base import process
from lab.base.files import write_atomic
from lab.base.names import NAMESPACE, Cluster
from lab.base.scratch import scratch
from lab.clusters import kubeconfig
from lab.lab import Lab
from lab.shells import start_files
from lab.shells.start_files import Settings

CLUSTER = "LAB_CLUSTER"
"""The variable with the name of the shell's cluster."""
_ONLY_OF_PROMPTS = ("PS1", "PROMPT")


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A shell for a cluster.

    `tools` are the folders of the lab's programs, first on PATH; `config` is the lab.toml for `lab` commands inside, if
    one was named.
    """

    lab: Lab
    cluster: Cluster
    tools: Sequence[Path]
    config: Path | None = None

    def interactive(self, environ: Mapping[str, str]) -> int:
        """Run the shell that SHELL names until it ends, and return its exit status.

        Raises:
            ClusterError: the cluster is not in the lab's kubeconfig.
        """
        with self.prepared(environ) as (argv, env):
            return process.foreground(argv, env=env)

    @contextmanager
    def prepared(
        self, environ: Mapping[str, str], *, marks: str = ""
    ) -> Iterator[tuple[Sequence[str], Mapping[str, str]]]:
        """Yield the command line of the shell that SHELL names, and its environment; its files exist in the block.

        Args:
            environ: the user's environment.
            marks: the id of the marks that it prints (`lab.shells.start_files`); without an id it prints none.

        Raises:
            ClusterError: the cluster is not in the lab's kubeconfig.
        """
        with self._folder() as folder:
            env = self._environment(environ, folder)
            started = start_files.write(folder, self._settings(env, marks), environ=env)
            yield started.argv, {**env, **started.env}

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run one command, and return its exit status.

        Raises:
            ClusterError: the cluster is not in the lab's kubeconfig.
            LabError: the command does not exist.
        """
        with self._folder() as folder:
            return process.foreground(command, env=self._environment(environ, folder))

    def _environment(self, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
        # A prompt that was exported from the shell of another cluster would name both clusters.
        inner = CLUSTER in environ
        kept = {name: value for name, value in environ.items() if not (inner and name in _ONLY_OF_PROMPTS)}
        path = dict.fromkeys([*map(str, self.tools), *environ.get("PATH", os.defpath).split(os.pathsep)])
        own = {"KUBECONFIG": str(folder / "kubeconfig"), "PATH": os.pathsep.join(path), CLUSTER: self.cluster.name}
        return {**kept, **own, **({"LAB_CONFIG": str(self.config.absolute())} if self.config else {})}

    def _settings(self, env: Mapping[str, str], marks: str) -> Settings:
        return Settings(
            cluster=self.cluster.name,
            color=self.lab.spec.clusters[self.cluster.name].podinfo.color,
            variables={name: env[name] for name in ("KUBECONFIG", CLUSTER, "LAB_CONFIG") if name in env},
            tools=os.pathsep.join(map(str, self.tools)),
            marks=marks,
        )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """Make the folder with the kubeconfig, and delete it after the block."""
        content = kubeconfig.with_current(self.lab, self.cluster.name, namespace=NAMESPACE)
        parent = self.lab.paths.state / "shells"
        self.lab.paths.ensure_state()
        with scratch(parent) as folder:
            write_atomic(folder / "kubeconfig", content, mode=0o600)
            yield folder
