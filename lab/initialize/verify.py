"""Run the checks of a profile's wires against running clusters: the commands that its README shows."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.base import process, wait
from lab.base.errors import CommandTimeout, UsageError, WaitTimeout
from lab.base.wait import NotYet
from lab.initialize.choices import Choices
from lab.initialize.model import Sources, WireCheck
from lab.initialize.tree import cluster_choices, wires

_COMMAND_S = 20
_SEEN = 300
"""Characters of an answer in a result."""
_KUBECONFIG = "--kubeconfig FILE, or KUBECONFIG in the environment"
_SAME = "the other clusters have another answer"


@dataclass(frozen=True, kw_only=True)
class WireResult:
    """One check in one cluster: what it proves, and what was expected and seen."""

    wire: str
    cluster: str
    proves: str
    command: str
    expected: str
    seen: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Runs checks.

    Args:
        kubectl: the program.
        contexts: each cluster's kubectl context.
        kubeconfig: the value of KUBECONFIG.
        run: runs commands.
        until: waits; replaced in tests.
    """

    kubectl: str | Path
    contexts: Mapping[str, str]
    kubeconfig: str
    run: process.Run = process.run
    until: Callable[..., str] = wait.until

    def check_contexts(self) -> None:
        """Refuse contexts that kubectl does not have, and two of one cluster: its checks would pass for both.

        Raises:
            UsageError: a context is missing, two are of the same cluster, or kubectl cannot read the kubeconfig.
        """
        argv = [self.kubectl, "config", "view", "--output=json"]
        done = self.run(argv, env={"KUBECONFIG": self.kubeconfig}, timeout_s=_COMMAND_S, check=False)
        if done.returncode != 0:
            error = " ".join(done.stderr.split())[:_SEEN] or f"its exit code is {done.returncode}"
            raise UsageError(f"kubectl cannot read the kubeconfig: {error}", where=self.kubeconfig, next=_KUBECONFIG)
        files = [Path(file) for file in self.kubeconfig.split(os.pathsep) if file]
        if not any(file.exists() for file in files):  # kubectl takes it for one without contexts
            raise UsageError("there is no such kubeconfig", where=self.kubeconfig, next=_KUBECONFIG)
        entries = json.loads(done.stdout or "{}").get("contexts") or []
        known = {entry["name"]: entry["context"].get("cluster", "") for entry in entries}
        missing = {name: context for name, context in self.contexts.items() if context not in known}
        for name, context in missing.items():
            raise UsageError(
                f"kubectl has no context {context} for {name}; it has: {', '.join(known) or 'none'}",
                where=self.kubeconfig,
                next=f"--cluster {name}=CONTEXT, or --kubeconfig FILE",
            )
        clusters: dict[str, str] = {}
        for name, context in self.contexts.items():
            other = clusters.setdefault(known[context], name)
            if other != name:
                raise UsageError(
                    f"{context} of {name} and {self.contexts[other]} of {other} are contexts of the same cluster",
                    where=self.kubeconfig,
                    next=f"--cluster {name}=CONTEXT",
                )

    def verify(self, choices: Choices, sources: Sources, *, only: Sequence[str] = ()) -> Iterator[WireResult]:
        """Yield the result of each check; `only` names wires."""
        by_cluster = cluster_choices(choices, sources)
        for wire in wires(choices):
            if only and wire.id not in only:
                continue
            answers: dict[str, str] = {}
            for name, choice in by_cluster.items():
                for check in wire.checks(choice):
                    result = self._run(wire.id, name, check)
                    yield self._compared(result, check, answers)

    def _compared(self, result: WireResult, check: WireCheck, answers: dict[str, str]) -> WireResult:
        """Return the result; for a check whose answer is the same everywhere, compared with the first cluster's."""
        if not check.same or not result.passed:
            return result
        if answers.setdefault(check.proves, result.seen) == result.seen:
            return result
        return replace(result, passed=False, seen=_SAME)

    def _run(self, wire: str, cluster: str, check: WireCheck) -> WireResult:
        seen, passed = "", True
        try:
            seen = self.until(
                f"{cluster}: {check.proves}",
                lambda: self._probe(cluster, check),
                timeout_s=check.within_s,
                interval_s=2,
            )
        except WaitTimeout as error:
            seen, passed = error.last, False
        return WireResult(
            wire=wire,
            cluster=cluster,
            proves=check.proves,
            command=shlex.join(["kubectl", f"--context={self.contexts[cluster]}", *check.ask]),
            expected=check.expected,
            seen=seen,
            passed=passed,
        )

    def _probe(self, cluster: str, check: WireCheck) -> str | NotYet:
        for words in check.before:
            self._kubectl(cluster, words)
        done = self._kubectl(cluster, check.ask)
        answer = done.stderr if check.refused else done.stdout
        if (done.returncode != 0) is check.refused and re.search(check.expects, answer):
            return answer
        return NotYet(f"{done.stdout}\n{done.stderr}".strip()[-_SEEN:] or "no answer")

    def _kubectl(self, cluster: str, words: Sequence[str]) -> process.Completed:
        # Not --request-timeout: kubectl adds it to the query of a request, and the server behind it may refuse that.
        argv = [self.kubectl, f"--context={self.contexts[cluster]}", *words]
        try:
            return self.run(argv, env={"KUBECONFIG": self.kubeconfig}, timeout_s=_COMMAND_S, check=False)
        except CommandTimeout as error:
            return process.Completed(
                argv=error.argv, returncode=-1, stdout="", stderr=error.what, duration_s=_COMMAND_S
            )
