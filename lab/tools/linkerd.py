"""Run `linkerd`: render its charts to manifests, generate links, and run its checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.base import process
from lab.base.errors import LabError

_RENDER_S = 60


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One line of upstream's checks. `result` is upstream's own word: success, warning or error."""

    category: str
    description: str
    result: str
    hint: str = ""
    said: str = ""


@dataclass(frozen=True)
class LinkerdCli:
    """A linkerd binary."""

    binary: Path
    run: process.Run = field(default=process.run, repr=False)

    def crds(self) -> str:
        """Render the control plane's CRDs as YAML, without those of the Gateway API."""
        return self._render("install", "--crds", "--ignore-cluster", "--set=installGatewayAPI=false")

    def control_plane(self, *, anchor: Path, issuer: Path, issuer_key: Path, values: Path) -> str:
        """Render the control plane as YAML; every rendering has new keys for its webhooks.

        Args:
            anchor: the trust anchor's certificate.
            issuer: the issuer's certificate, which the anchor has signed.
            issuer_key: the issuer's key.
            values: further values of the chart, as YAML.

        Raises:
            CommandError: the certificates do not belong together, or a value is wrong.
        """
        return self._render(
            "install",
            "--ignore-cluster",
            f"--identity-trust-anchors-file={anchor}",
            f"--identity-issuer-certificate-file={issuer}",
            f"--identity-issuer-key-file={issuer_key}",
            f"--values={values}",
        )

    def multicluster(self, values: Path) -> str:
        """Render the multi-cluster extension as YAML."""
        return self._render("multicluster", "install", "--ignore-cluster", f"--values={values}")

    def viz(self, values: Path) -> str:
        """Render the dashboard with its metrics as YAML."""
        return self._render("viz", "install", "--ignore-cluster", f"--values={values}")

    def dashboard(self, *, kubeconfig: Path, context: str, port: int, on_url: Callable[[str], None]) -> None:
        """Serve a cluster's dashboard on 127.0.0.1 until it is stopped.

        Args:
            kubeconfig: with the cluster's context.
            context: of the cluster.
            port: of this machine; 0 for any that is free.
            on_url: called with the URL when the dashboard is ready.

        Raises:
            CommandError: the cluster has no dashboard, or the port is taken.
        """
        where = (f"--kubeconfig={kubeconfig}", f"--context={context}")
        words = ("--show=url", f"--port={port}", "--address=127.0.0.1", "--wait=10s")

        def on_line(line: str) -> None:
            # linkerd also prints the URL of Grafana, which the extension does not contain any more.
            if line.startswith("http") and not line.endswith("/grafana"):
                on_url(line)

        self.run([self.binary, "viz", "dashboard", *words, *where], on_line=on_line)

    def link(
        self, *, kubeconfig: Path, context: str, name: str, server: str, without_labels: Sequence[str] = ()
    ) -> str:
        """Generate, from a target cluster, the Link and credentials that a source cluster needs; YAML with a token.

        Args:
            kubeconfig: with the target's context.
            context: of the target.
            name: the target's name in the source.
            server: URL of the target's API server for the source.
            without_labels: labels that are not copied from services to their mirrors.

        Raises:
            CommandError: the target has no gateway, or its gateway no address.
        """
        where = (f"--kubeconfig={kubeconfig}", f"--context={context}")
        target = (f"--cluster-name={name}", f"--api-server-address={server}")
        excluded = [f"--excluded-labels={','.join(without_labels)}"] if without_labels else []
        return self._render("multicluster", "link-gen", *where, *target, *excluded)

    def gateways(self, *, kubeconfig: Path, context: str, timeout_s: float) -> list[Mapping[str, Any]]:
        """Return the state of the target gateways, as a source cluster's service mirrors report it.

        Raises:
            CommandError: the cluster does not answer in time.
        """
        where = (f"--kubeconfig={kubeconfig}", f"--context={context}", f"--wait={timeout_s:.1f}s")
        output = self.run(
            [self.binary, "multicluster", "gateways", "--output=json", *where], timeout_s=timeout_s + 2
        ).stdout
        gateways: list[Mapping[str, Any]] = json.loads(output or "[]") or []
        return gateways

    def proxy_metrics(self, workload: str, *, namespace: str, kubeconfig: Path, context: str) -> str:
        """Return the metrics of a workload's proxies (`deploy/NAME`), in Prometheus' text format.

        Raises:
            CommandError: the workload does not exist, or the cluster does not answer.
        """
        where = (f"--kubeconfig={kubeconfig}", f"--context={context}", f"--namespace={namespace}")
        return self.run([self.binary, "diagnostics", "proxy-metrics", workload, *where], timeout_s=_RENDER_S).stdout

    def check(self, *, kubeconfig: Path, context: str, wait_s: int = 20) -> list[CheckLine]:
        """Run `linkerd check`, which runs its extensions' checks as well, and return all lines.

        Raises:
            LabError: its output is not the documented JSON.
        """
        where = (f"--kubeconfig={kubeconfig}", f"--context={context}")
        argv: list[str | Path] = [self.binary, "check", "--output=json", f"--wait={wait_s}s", *where]
        done = self.run(argv, timeout_s=wait_s * 3 + 60, check=False)
        return parse_check(done.stdout, said=done.stderr)

    def _render(self, *words: str) -> str:
        argv: list[str | Path] = [self.binary, *words]
        return self.run(argv, timeout_s=_RENDER_S).stdout


def parse_check(text: str, *, said: str = "") -> list[CheckLine]:
    """Parse the output of `linkerd check --output=json`: one document of its own, and one of its extensions."""
    decoder, rest = json.JSONDecoder(), text.strip()
    categories: list[Mapping[str, Any]] = []
    try:
        while rest:
            document, end = decoder.raw_decode(rest)
            categories += document["categories"] or ()
            rest = rest[end:].lstrip()
        if not categories:
            raise ValueError("no category")  # noqa: TRY301 - handled like invalid JSON
        return [
            CheckLine(
                category=category["categoryName"],
                description=line["description"],
                result=line["result"],
                hint=line.get("hint", ""),
                said=line.get("error", ""),
            )
            for category in categories
            for line in category["checks"] or ()
        ]
    except (ValueError, KeyError, TypeError) as error:
        words = (said.strip() or text.strip() or "nothing").splitlines()[-1]
        raise LabError(f"`linkerd check` printed no result; it said: {words}", next="lab status") from error
