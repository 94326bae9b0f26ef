"""Print the results of the lifecycle commands: as tables, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from lab.base.step import Step, StepStatus
from lab.cli.output import print_json, table_of
from lab.host.doctor import Finding, Verdict
from lab.lab import Lab
from lab.lifecycle.runner import RunReport

if TYPE_CHECKING:
    from lab.artifacts.bundle.manifest import BundleManifest
    from lab.base.pulled import Pulled
    from lab.clusters.existing.preflight import Preflight
    from lab.lifecycle.answers import FrontendAnswers
    from lab.lifecycle.artifacts import Installed, Listed
    from lab.lifecycle.changes import Change
    from lab.lifecycle.down import OwnedResource
    from lab.lifecycle.status import Status
    from lab.lifecycle.timings import CriticalStep
    from lab.mesh import Gateway, Link


_AFTER = 3
"""Most step names in a cell; the others are only counted."""


def plan(console: Console, steps: Sequence[Step], *, as_json: bool) -> None:
    """Print the steps of a plan in order, with the steps that each waits for: a few of them, all with `as_json`."""
    if as_json:
        fields = ("name", "title", "cluster", "after", "estimate_s")
        print_json(console, [{name: getattr(step, name) for name in fields} for step in steps])
        return
    table = table_of("step", "what", "after")
    for step in steps:
        more = len(step.after) - _AFTER
        after = ", ".join(step.after[:_AFTER]) + (f" and {more} more" if more > 0 else "")
        table.add_row(step.name, step.title, after)
    console.print(table)
    console.print(f"{len(steps)} step{'' if len(steps) == 1 else 's'}; nothing was changed")


def up(
    console: Console,
    lab: Lab,
    report: RunReport,
    left: Sequence[Change],
    *,
    path: Sequence[CriticalStep] = (),
    as_json: bool,
) -> None:
    """Print that the lab is up, how long it took, the URLs, the changes left from earlier, and the critical path."""
    urls = {name: lab.page_url(name) for name in lab.clusters}
    if as_json:
        results = {
            name: {
                "status": result.status.value,
                "began_s": round(result.began_s, 3),
                "duration_s": round(result.duration_s, 3),
                "detail": result.detail,
            }
            for name, result in report.results.items()
        }
        fields = {"lab": lab.spec.name, "duration_s": report.duration_s, "urls": urls, "steps": results}
        fields["pulled"] = {
            "images": report.pulled.images,
            "files": report.pulled.files,
            "size_bytes": report.pulled.size_bytes,
            "images_of_unknown_size": report.pulled.unknown,
        }
        print_json(console, {**fields, "changes": left, **({"critical_path": path} if path else {})})
        return
    if path:
        _critical_path(console, path)
    count = len(report.changed)
    did = f"{count} of {len(report.results)} steps changed something" if count else "nothing had to be changed"
    console.print(f"the lab is up after {report.duration_s:.1f} s; {did}", style="bold green", highlight=False)
    for name, url in urls.items():
        console.print(f"  {name:<8} {url}", highlight=False)
    pulled(console, report.pulled)
    changed(console, left)
    console.print("next: lab status", highlight=False)


def pulled(console: Console, what: Pulled) -> None:
    """Print how many images, files and bytes were pulled; nothing if none were."""
    if not what:
        return
    parts = [_count(number, noun) for number, noun in ((what.images, "image"), (what.files, "file")) if number]
    size = f", {_decimal(what.size_bytes)}" if what.blobs else ""
    unknown = f"; not counted: {_count(what.unknown, 'image')} of unknown size" if what.unknown else ""
    console.print(f"pulled {' and '.join(parts)}{size}{unknown}", highlight=False)


def _decimal(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _critical_path(console: Console, path: Sequence[CriticalStep]) -> None:
    table = table_of("from", "seconds", "step", "what")
    for step in path:
        table.add_row(f"{step.began_s:.1f} s", f"{step.duration_s:.1f}", step.name, step.title)
    console.print(table)


def interrupted(report: RunReport) -> str:
    """Return the steps that are done, failed, stopped and left, and how to continue."""
    results = report.results
    done = [name for name, r in results.items() if r.status in {StepStatus.CHANGED, StepStatus.UNCHANGED}]
    failed = [name for name, r in results.items() if r.status is StepStatus.ERRORED]
    stopped = [name for name, r in results.items() if r.status is StepStatus.NOT_RUN and r.detail]
    left = [name for name, r in results.items() if r.status is StepStatus.NOT_RUN and not r.detail]
    head = f"interrupted after {report.duration_s:.1f} s: {len(done)} of {len(results)} steps are done"
    groups = {"done": done, "failed": failed, "stopped in the middle": stopped, "left": left}
    lines = [f"{words}: {', '.join(names)}" for words, names in groups.items() if names]
    return "\n  ".join([head, *lines]) + "\nnext:  the same command continues from here; `lab down` deletes everything"


_VERDICTS = {Verdict.OK: ("✓", "green"), Verdict.WARN: ("!", "yellow"), Verdict.FAIL: ("✗", "bold red")}


def findings(console: Console, found: Sequence[Finding], *, as_json: bool) -> None:
    """Print the doctor's findings, each with its fix."""
    if as_json:
        print_json(console, found)
        return
    table = Table.grid(padding=(0, 1))
    for finding in found:
        mark, style = _VERDICTS[finding.verdict]
        text = Text(finding.observed)
        if finding.verdict is not Verdict.OK:
            text.append(f"\n{finding.why}", "dim")
            text.append(f"\nfix: {finding.fix}", "bold")
        if finding.undo:
            text.append(f"\nundo: {finding.undo}", "dim")
        table.add_row(Text(mark, style), Text(finding.name, style), text)
    console.print(table)


def preflight(console: Console, found: Preflight) -> None:
    """Print what was found in an existing cluster."""
    title = Text.assemble((found.cluster, "bold"), f": the existing cluster {found.context}")
    console.print(title)
    findings(console, found.findings, as_json=False)


def version(console: Console, own: str, installs: Sequence[Installed], *, as_json: bool) -> None:
    """Print the lab's version, the versions that it installs, and their sources."""
    if as_json:
        print_json(console, {"lab": own, "installs": {one.title: one for one in installs}})
        return
    console.print(f"lab {own}", highlight=False)
    table = Table.grid(padding=(0, 2))
    for one in installs:
        table.add_row(f"  {one.title}", one.version, one.source or "not pulled or built yet")
    console.print(table)


def artifacts(console: Console, listed: Sequence[Listed], *, as_json: bool) -> None:
    """Print every artifact."""
    if as_json:
        print_json(console, listed)
        return
    table = table_of("artifact", "version", "source", "size", "build", "state", whole=("artifact",))
    for item in listed:
        size_bytes = item.size_bytes or item.pulled_bytes
        size = f"{size_bytes / 2**20:.0f} MiB" if size_bytes else ""
        state = Text(item.state, "green" if item.there else "yellow")
        name = Text(item.name, "bold" if item.wanted else "")
        table.add_row(name, item.version, item.source, size, f"{item.seconds:.0f} s", state)
    console.print(table)
    console.print("bold: used by `lab up` directly; the others are parts of these", style="dim", highlight=False)


def bundle(console: Console, manifest: BundleManifest, size_bytes: int, *, as_json: bool) -> None:
    """Print the content of a bundle."""
    if as_json:
        print_json(console, {**manifest.model_dump(mode="json", by_alias=True), "size_bytes": size_bytes})
        return
    stacks = ", ".join(manifest.stacks)
    console.print(f"{stacks}; saved by lab {manifest.lab}, for {manifest.platform}", highlight=False, markup=False)
    table = table_of("artifact", "version", "source", "size", "key", whole=("artifact", "key"))
    for item in manifest.artifacts:
        size = f"{item.size_bytes / 2**20:.0f} MiB" if item.files else "an image"
        table.add_row(item.name, item.version, item.source, size, item.key)
    console.print(table)
    images = f", images {manifest.images.size / 2**20:.0f} MiB" if manifest.images else ""
    total = f"{manifest.size_bytes / 2**20:.0f} MiB{images}; the file has {size_bytes / 2**20:.0f} MiB"
    console.print(f"{len(manifest.artifacts)} artifacts, {total}", highlight=False, markup=False)


def owned(console: Console, items: Sequence[OwnedResource], *, as_json: bool) -> None:
    """Print what `lab down` would delete."""
    if as_json:
        print_json(console, items)
        return
    for item in items:
        console.print(f"  {item.kind} {item.name}", markup=False, highlight=False)
    count = "1 object" if len(items) == 1 else f"{len(items)} objects"
    console.print(f"{count} of the lab would be deleted; nothing was changed", highlight=False)


def gone(console: Console, items: Sequence[OwnedResource], *, as_json: bool) -> None:
    """Print what `lab down` has deleted."""
    if as_json:
        print_json(console, items)
        return
    for item in items:
        console.print(f"✓ {item.kind} {item.name}", markup=False, highlight=False)
    console.print("the lab is deleted; its built artifacts stay" if items else "nothing to delete", highlight=False)


def _sign(alive: bool, detail: str = "") -> Text:  # noqa: FBT001 - one flag, and the name says which
    return Text("✓ alive", "green") if alive else Text(f"✗ {detail or 'not alive'}", "red")


def _clusters(status: Status) -> Table:
    columns = ("cluster", "stands in for", "node", "version", "address", "frontend")
    clusters = table_of(*columns, whole=("address", "frontend"))
    for cluster in status.clusters.values():
        node = Text(cluster.node, "green") if not cluster.trouble else Text(cluster.trouble, "red")
        url = Text(cluster.url, "bold" if not cluster.trouble else "dim")
        clusters.add_row(
            Text(cluster.name, "bold"), cluster.stands_in_for, node, cluster.version or "-", cluster.address or "-", url
        )
    return clusters


def _pods(gateway: Gateway) -> Text:
    """Return how many pods of a gateway that is alive are ready, unless it has one and needs one."""
    if not gateway.alive or gateway.ready == gateway.wanted == 1:
        return Text()
    return Text(f", {gateway.ready} of {gateway.wanted} ready", "" if not gateway.problem else "yellow")


def _more(link: Link) -> str:
    """Return the details of a link that is alive: mirrored services and latency."""
    if not link.alive:
        return ""
    services = "" if link.services is None else f", {link.services} service{'s' if link.services != 1 else ''}"
    return services + ("" if link.latency_ms is None else f", {link.latency_ms:g} ms")


def status(console: Console, status: Status, *, as_json: bool) -> None:
    """Print the status of a lab on one screen."""
    if as_json:
        print_json(console, status)
        return
    console.print(Text.assemble(("lab ", ""), (status.lab, "bold"), f", {status.stack} stack"), highlight=False)
    parts = [_clusters(status)]
    if status.gateways or status.links:
        gateways = table_of("gateway", "role", "address", "state", whole=("gateway", "address"))
        for gateway in status.gateways:
            address = f"{gateway.address}:{gateway.port}" if gateway.address else "-"
            name = f"{gateway.cluster}/{gateway.name}"
            gateways.add_row(name, gateway.role, address, _sign(gateway.alive, gateway.detail).append(_pods(gateway)))
        for link in status.links:
            name = f"{link.source} → {link.target}"
            server = (link.server or "-").removeprefix("https://")
            gateways.add_row(name, "link", server, _sign(link.alive, link.detail).append(_more(link)))
        parts.append(gateways)
    if (services := _services(status)).row_count:
        parts.append(services)
    if status.identities:
        identities = table_of("identities", "trust anchor", "anchor until", "issuer until")
        for identity in status.identities:
            days = (f"{identity.anchor_ends:%Y-%m-%d}", f"{identity.issuer_ends:%Y-%m-%d}")
            identities.add_row(identity.names, identity.anchor_fingerprint[:16], *days)
        parts.append(identities)
    console.print(Group(*parts))
    _sources(console, status)
    for answers in status.answers:
        if not answers.problem:
            console.print(f"✓ {_answered(answers)}", style="green")
    changed(console, status.changes)
    for problem in status.problems:
        console.print(f"✗ {problem}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if status.healthy:
        alive = all(link.alive for link in status.links)
        words = "everything is alive" if alive else "nothing is broken besides the changes"
        console.print(words, style="green", end="; ")
    else:
        console.print(f"something is not alive; next: {status.next}", style="bold red", end="; ")
    console.print(f"checked in {status.took_s:.1f} s; kubeconfig: {status.kubeconfig}", highlight=False, soft_wrap=True)


def _answered(answers: FrontendAnswers) -> str:
    if not answers.upstream:
        return f"{answers.cluster}'s frontend answers through its ingress"
    by = ", ".join(f"{name} {count}" for name, count in answers.by_cluster.items()) or "nobody"
    return f"{answers.requests} requests from {answers.cluster}'s frontend to {answers.upstream}: answered by {by}"


def _sources(console: Console, status: Status) -> None:
    """Print where the lab's artifacts came from."""
    counts = Counter(one.source for one in status.artifacts)
    words = ", ".join(f"{count} {source}" for source, count in sorted(counts.items()))
    if words:
        console.print(f"artifacts: {words} (`lab artifacts list`)", highlight=False)


def changed(console: Console, found: Sequence[Change]) -> None:
    """Print changes since `lab up`, and the command that undoes them."""
    for change in found:
        words = f"! changed in {change.cluster}: {change.effect}"
        console.print(words, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if found:
        console.print("  `lab reset` undoes these changes", style="yellow", highlight=False)


def _services(status: Status) -> Table:
    """Return the table of exported services."""
    services = table_of("service", "is", "seen in", "endpoints")
    for export in status.exports:
        count = "?" if export.endpoints is None else str(export.endpoints)
        origin = f"{export.service} of {export.source}"
        services.add_row(Text(export.name, "bold"), origin, ", ".join(export.seen_in), count)
    return services
