"""`lab load`: send a load to a service or a URL, run a command meanwhile, and report what it cost."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.groups import AFTER_DASHES, TRAFFIC, CommandAfterDashes
from lab.cli.named import cluster_of, lab_of, need_nodes
from lab.cli.options import AsJson, ConfigFile, Rate, cluster_names, upstream_names
from lab.cli.output import err, out, waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lab.lab import Lab
    from lab.measure.target import LoadTarget, ServiceTarget, UrlTarget
    from lab.measure.under_load import UnderLoad

_QUIET_S = 3.0
"""Seconds of load before the command, and at least after it; less in a short load."""
_LONGEST_S = 3600.0
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([sm])")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=TRAFFIC, cls=CommandAfterDashes)(load)


def load(
    context: typer.Context,
    service: Annotated[
        str | None,
        typer.Argument(metavar="SERVICE", autocompletion=upstream_names, help="A Service that a frontend calls."),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="A command to run under load, with its arguments, after `--`."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            autocompletion=cluster_names,
            help="The cluster whose frontend calls SERVICE. Default: the cluster in the role of West.",
        ),
    ] = None,
    inside: Annotated[
        bool, typer.Option("--inside", help="The frontend sends the load itself, without the cluster's ingress.")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Instead of SERVICE: GET this URL; an answer is a status of 2xx.")
    ] = None,
    rate: Rate = None,
    duration: Annotated[
        str, typer.Option("--duration", help="How long the load runs at least: 20s or 2m, from 1s to 60m.")
    ] = "20s",
    fail_on_loss: Annotated[bool, typer.Option("--fail-on-loss", help="Exit with 1 if a request was lost.")] = False,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a load to a service, and run a command meanwhile.

    Reports lost requests, the clusters that answered, the recovery time and the latencies of each phase.

    Every request is sent on time and counted. COMMAND starts after 3 s, with a --duration under 12 s after a quarter of
    it; the load continues for at least the same time after COMMAND. Its start and its end are marks on the timeline. It
    runs without a shell and with an empty standard input; for a service of the lab it has the lab's kubeconfig and
    kubectl.

    Example: lab load podinfo --from west --duration 20s -- kubectl --context=west --namespace=test rollout restart
    deployment/podinfo

    Writes load.json and load.html into runs/ID. If COMMAND fails, the exit code is that of COMMAND.
    """
    from functools import partial

    from lab.base import process
    from lab.measure.load import usual_rate_per_s
    from lab.measure.under_load import UnderLoad, check_program

    if command:
        raise UsageError(
            f"{shlex.join(command)}: a COMMAND comes after `--`",
            next=f"lab load … -- {shlex.join(command)}",
        )
    words = context.meta[AFTER_DASHES]
    seconds = _seconds(duration)
    env: Mapping[str, str] = {}
    target: LoadTarget
    if url is None:
        lab, target = _service_target(service, source, file, inside=inside)
        env = _lab_environment(lab) if words else {}
    else:
        if service:
            raise UsageError(
                f"{service} and {url}: a load has a SERVICE or a --url, not both; a COMMAND comes after `--`",
                next="leave one of them out",
            )
        target = _url_target(url, source, inside=inside)
    if words:
        check_program(words, env)
    rate = usual_rate_per_s() if rate is None else rate
    with waiting("lab load"):
        target.check(rate)
    under_load = UnderLoad(
        loads=[target.load(rate)],
        env=env,
        on_line=lambda line: typer.echo(f"  │ {line}", err=as_json),
        runner=partial(process.run, inherit=True),
    )
    lost = _measured(under_load, words, seconds, as_json=as_json)
    if words and (code := under_load.commands[-1].exit_code):
        err().print(f"error: the command exited with {code}", style="red", markup=False)
        raise SystemExit(code)  # not typer.Exit: its 130 means Ctrl-C, and a command may exit with 130
    if lost and fail_on_loss:
        err().print(f"error: {lost} requests were lost", style="red", markup=False)
        raise typer.Exit(1)


def _measured(under_load: UnderLoad, words: Sequence[str], seconds: float, *, as_json: bool) -> int:
    """Run the load and the command, report them, also after Ctrl-C, and return the number of lost requests."""
    from datetime import UTC, datetime

    from lab.cli import load_tables
    from lab.report.folder import LOAD, RunFolder
    from lab.report.load_report import LOAD_PAGE, LoadReport, write
    from lab.report.session import machine, runs_folder

    began = datetime.now(UTC).isoformat(timespec="seconds")
    stopped: KeyboardInterrupt | None = None
    folder = RunFolder.new(runs_folder())  # before the load: a folder that cannot be written must not cost its result
    try:
        with under_load:
            try:
                _run(under_load, words, seconds, as_json=as_json)
            finally:
                duration_s = under_load.now_s
    except KeyboardInterrupt as error:
        stopped = error
    except BaseException:
        folder.path.rmdir()  # there is nothing to report
        raise
    (recording,) = under_load.recordings
    report = LoadReport(
        id=folder.id,
        started_at=began,
        duration_s=duration_s,
        target=recording.name,
        machine=machine(),
        recording=recording,
        command=under_load.commands[-1] if under_load.commands else None,
        interrupted=stopped is not None,
        under_way=under_load.under_way,
    )
    write(report, folder)
    files = {kind: str(folder.path / name) for kind, name in (("json", LOAD), ("html", LOAD_PAGE))}
    load_tables.load(out(page=True), report, files, as_json=as_json)
    if stopped is not None:
        raise stopped
    return report.lost


def _run(under_load: UnderLoad, words: Sequence[str], seconds: float, *, as_json: bool) -> None:
    """Run the command while the load runs, or wait until the load has run for its time."""

    def say(text: str) -> None:
        typer.echo(f"{under_load.now_s:.1f} s: {text}", err=as_json)

    load = under_load.loads[0]
    quiet_s = min(_QUIET_S, seconds / 4)
    say(f"{load.rate_per_s:g} requests/s to {load.name}")
    with waiting("lab load"):
        under_load.rest(quiet_s if words else seconds)
    if not words:
        return
    say(shlex.join(words))
    done = under_load.run(words)
    say(f"the command exited with {done.exit_code}")
    with waiting("lab load"):
        under_load.rest(max(quiet_s, seconds - under_load.now_s))


def _service_target(
    service: str | None, source: str | None, file: Path | None, *, inside: bool
) -> tuple[Lab, ServiceTarget]:
    from lab.measure.target import ServiceTarget

    if not service:
        raise UsageError("there is neither a SERVICE nor a --url", next="lab load podinfo, or lab load --url URL")
    lab = lab_of(file)
    caller = cluster_of(lab, source or "west").name
    need_nodes(lab)
    return lab, ServiceTarget(service=service, caller=caller, base=lab.ingress_url(caller), inside=inside)


def _lab_environment(lab: Lab) -> Mapping[str, str]:
    from lab.report.environment import environment_of

    return environment_of(lab)


def _url_target(url: str, source: str | None, *, inside: bool) -> UrlTarget:
    from lab.measure.target import UrlTarget

    if source is not None or inside:
        raise UsageError("--from and --inside are for a SERVICE of the lab, not for --url", next="leave them out")
    return UrlTarget.of(url)


def _seconds(text: str) -> float:
    hint = "a number and a unit, such as 20s or 2m"
    if not (match := _DURATION.fullmatch(text)):
        raise UsageError(f"{text!r} is not a duration", where="--duration", next=hint)
    seconds = float(match[1]) * {"s": 1, "m": 60}[match[2]]
    if not 1 <= seconds <= _LONGEST_S:
        raise UsageError(f"{text} is not between 1s and {_LONGEST_S / 60:g}m", where="--duration", next=hint)
    return seconds
