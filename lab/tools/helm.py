"""Run `helm template`, which needs no cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.base import process


@dataclass(frozen=True)
class Helm:
    """A helm binary."""

    binary: Path
    run: process.Run = field(default=process.run, repr=False)

    def template(self, chart: Path, *, release: str, namespace: str, values: Path) -> str:
        """Render a chart with the values of a YAML file, its CRDs included, and return the YAML.

        Raises:
            CommandError: the chart rejects the values.
        """
        words = ("--include-crds", f"--namespace={namespace}", f"--values={values}")
        argv: list[str | Path] = [self.binary, "template", release, chart, *words]
        return self.run(argv, timeout_s=120).stdout
