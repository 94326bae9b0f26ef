"""The real `istioctl`, for what it does without a cluster: its charts rendered to manifests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab import process


@dataclass(frozen=True)
class Istioctl:
    """An istioctl binary."""

    binary: Path
    run: process.Run = field(default=process.run, repr=False)

    def manifest(self, operator: Path) -> str:
        """Render the charts inside istioctl with the values of an IstioOperator file, and return the YAML.

        Raises:
            CommandError: a value is not one that the charts know.
        """
        argv: list[str | Path] = [self.binary, "manifest", "generate", "--filename", operator]
        return self.run(argv, timeout_s=120).stdout
