"""Run `istioctl`: render its charts to manifests, and analyze a cluster's configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import process
from lab.base.errors import CommandTimeout, LabError

_ANALYZE_S = 60.0
"""Seconds; on a healthy lab the analysis takes about 2."""


@dataclass(frozen=True, kw_only=True)
class AnalysisMessage:
    """One line of istioctl's analysis. `level` is its own word: Info, Warning or Error."""

    code: str
    level: str
    origin: str
    message: str


@dataclass(frozen=True)
class Istioctl:
    """An istioctl binary."""

    binary: Path
    run: process.Run = field(default=process.run, repr=False)

    def manifest(self, operator: Path) -> str:
        """Render the charts inside istioctl with the values of an IstioOperator file, and return the YAML.

        Raises:
            CommandError: the charts do not know a value.
        """
        argv: list[str | Path] = [self.binary, "manifest", "generate", "--filename", operator]
        return self.run(argv, timeout_s=120).stdout

    def analyze(self, kubeconfig: Path, context: str) -> list[AnalysisMessage]:
        """Run `istioctl analyze` on a cluster's configuration, and return its messages.

        Raises:
            LabError: it failed, or did not end: it waits without a limit for lists that it may not read.
        """
        where = ("--kubeconfig", kubeconfig, "--context", context)
        argv: list[str | Path] = [self.binary, "analyze", "--all-namespaces", "--output=json", *where]
        try:
            done = self.run(argv, timeout_s=_ANALYZE_S, check=False)
        except CommandTimeout as error:
            words = (error.stderr.strip() or "nothing").splitlines()[-1]
            raise LabError(
                f"`istioctl analyze` did not end within {_ANALYZE_S:g} s; it last said: {words}",
                where=context,
                next="lab up",
            ) from error
        try:
            return [
                AnalysisMessage(code=f["code"], level=f["level"], origin=f.get("origin", ""), message=f["message"])
                for f in json.loads(done.stdout or "[]") or []
            ]
        except (ValueError, KeyError, TypeError) as error:
            words = (done.stderr.strip() or "nothing").splitlines()[-1]
            raise LabError(f"`istioctl analyze` printed no result; it said: {words}", next="lab status") from error
