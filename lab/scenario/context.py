"""The context of a scenario's acts and checks: the lab, its mesh, and the values kept between steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lab.base import events, process
from lab.base.names import Cluster, Json
from lab.kube import connect
from lab.kube.owned import Owned
from lab.scenario import commands

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh.protocols import Mesh

COMMAND_TIMEOUT_S = 60.0

Role = Literal["east", "west"]
"""A role of lab.toml: scenarios name roles, and the lab's specification names the clusters that have them."""


class StepNotRunError(Exception):
    """What a check raises that looks at what its step's act measured, where no act has left that."""


@dataclass(kw_only=True)
class Context:
    """One lab, its mesh, and what a scenario remembers from step to step.

    `memo` is all that a later step may know of an earlier one; it is plain JSON, so that a walk can be left and
    taken up again in another process. `env` are the variables for typed commands (KUBECONFIG, PATH).
    """

    lab: Lab
    mesh: Mesh
    env: Mapping[str, str] = field(default_factory=dict)
    memo: dict[str, Json] = field(default_factory=dict)
    full: bool = False
    """The whole set, cluster stops included."""
    rate_per_s: float = 50.0
    """Of steady loads."""
    runner: process.Run = process.run
    _printed: list[str] = field(default_factory=list)

    @property
    def east(self) -> Cluster:
        """The shared cluster."""
        return self.lab.east

    @property
    def west(self) -> Cluster:
        """The laptop's cluster."""
        return self.lab.west

    def cluster(self, role: Role) -> Cluster:
        """Return the cluster in a role."""
        return self.east if role == "east" else self.west

    def recall(self, key: str) -> Json:
        """Return what an earlier act has put into `memo` for a check.

        Raises:
            StepNotRunError: no act has.
        """
        if key not in self.memo:
            raise StepNotRunError(key)
        return self.memo[key]

    def created_by(self, scenario: str, cluster: Cluster) -> Owned:
        """Return what a scenario has created in a cluster: it can change and delete nothing else."""
        return self.lab.made_by_scenario(connect(cluster), scenario)

    def command(self, text: str) -> str:
        """Return a command with this lab's names and addresses in place of its placeholders (`commands.render`)."""
        return commands.render(text, self.lab.spec)

    def type(self, command: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run command lines, with placeholders or without, and return their output, which is also the step's.

        Raises:
            CommandError: a command exited with an error.
        """
        output = commands.run(self.command(command), env=self.env, timeout_s=timeout_s, runner=self.runner)
        self.say(output)
        return output

    def say(self, text: str) -> None:
        """Add to what the step printed, and show it as progress."""
        if text.strip():
            self._printed.append(text.rstrip("\n"))
            events.progress(text.strip().splitlines()[-1])

    def take_printed(self) -> str:
        """Return what was printed since the last time."""
        text = "\n".join(self._printed)
        self._printed.clear()
        return text
