"""One function per verb. The only place that prints errors and decides exit codes."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from lab import __version__, config, stacks
from lab.base import environment, pki, process
from lab.base.errors import CommandError, LabError, UsageError
from lab.base.paths import Paths
from lab.base.step import Step
from lab.cli import dev, scenarios, tables, traffic
from lab.cli.progress import logging_to, showing
from lab.clusters import kubeconfig as kubeconfigs
from lab.config import LabSpec
from lab.host import doctor as checks
from lab.host.prepare import prepare
from lab.host.sandbox.runtime import Runtime
from lab.lab import Lab
from lab.lifecycle import artifacts as artifact_verbs
from lab.lifecycle import down as teardown
from lab.lifecycle import lock, logs, plan, runner, status
from lab.lifecycle.runner import Interrupted
from lab.tools.docker import explain

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Two real Kubernetes clusters, one mesh across them, and what that gives you.",
    epilog="Exit codes: 0 ok, 1 a check failed, 2 usage or configuration, 3 the lab broke, 130 interrupted.",
)
artifacts_app = typer.Typer(no_args_is_help=True, help="The images, binaries and files that the lab is built from.")
app.add_typer(artifacts_app, name="artifacts")

# Every wrong command line is one of these; Typer has no name of its own for their common base.
_CommandLineError: type[Any] = typer.BadParameter.__base__ or typer.BadParameter

_INTERRUPTED = 130

_out = Console(soft_wrap=False)
_err = Console(stderr=True, soft_wrap=True)


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="LAB_CONFIG", help="The lab.toml to use, instead of the nearest one above."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Print the steps and change nothing.")]
NoInstall = Annotated[bool, typer.Option("--no-install", help="Never install or configure anything on this machine.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Stack = Annotated[str | None, typer.Option("--stack", help="linkerd, istio or auto; overrides lab.toml.")]
Viz = Annotated[
    bool, typer.Option("--viz", help="Also Linkerd's dashboard with its metrics; it stays until `lab down`.")
]
ClusterName = Annotated[
    str | None, typer.Option("--cluster", autocompletion=scenarios.cluster_names, help="One cluster only.")
]


@app.command()
def up(
    file: ConfigFile = None,
    stack: Stack = None,
    viz: Viz = False,
    plan_only: PlanOnly = False,
    no_install: NoInstall = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Bring the whole lab up. Doing it again changes nothing, or mends what is broken."""
    lab = _lab(_spec(file, **({"stack": stack} if stack else {}), **({"viz": True} if viz else {})))
    choice = stacks.choose(lab)
    if plan_only:
        tables.plan(_out, plan.up(lab), as_json=as_json)
        return
    if not as_json:
        _out.print(f"lab {lab.spec.name}: {choice.reason}", markup=False, highlight=False, soft_wrap=True)
    pki.refuse_ended(lab.paths.pki)
    with lock.held(lab.paths, "lab up"):
        _prepare_host(lab, install=not no_install, yes=yes)
        stacks.remember(lab, choice.stack)
        report = _run(lab, plan.up(lab), verb="up", quiet=as_json)
    tables.up(_out, lab, report, as_json=as_json)


@app.command()
def down(file: ConfigFile = None, plan_only: PlanOnly = False, as_json: AsJson = False) -> None:
    """Remove all that the lab made on this machine, except built artifacts. What it does not own stays untouched."""
    lab = _lab(_spec(file))
    if plan_only:
        tables.owned(_out, teardown.owned(lab), as_json=as_json)
        return
    with lock.held(lab.paths, "lab down"):
        gone = teardown.down(lab)
    tables.gone(_out, gone, as_json=as_json)


@app.command(name="status")
def show_status(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show clusters, gateways, links, exported services, identities and URLs on one screen."""
    tables.status(_out, status.gather(_lab(_spec(file))), as_json=as_json)


@app.command()
def doctor(
    file: ConfigFile = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended, after asking.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take out what --fix put into the engine.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine lacks, each finding with its fix."""
    lab = _lab(_spec(file))
    if undo:
        removed = Runtime().uninstall()
        _out.print("the engine is as it was before" if removed else "there is nothing to take out")
        return
    if fix:
        for done in checks.fix(_look(lab), confirm=None if yes else _confirm()):
            _out.print(f"✓ {done}", markup=False, highlight=False)
    findings = _look(lab)
    tables.findings(_out, findings, as_json=as_json)
    if checks.failures(findings):
        raise typer.Exit(3)


@app.command()
def kubeconfig(
    file: ConfigFile = None,
    merge: Annotated[bool, typer.Option("--merge", help="Put the lab's contexts into your own kubeconfig.")] = False,
    unmerge: Annotated[bool, typer.Option("--unmerge", help="Take them out of it again.")] = False,
) -> None:
    """Print the path of the lab's own kubeconfig; yours is changed only with --merge, its current context never."""
    lab = _lab(_spec(file))
    if merge and unmerge:
        raise UsageError("--merge and --unmerge exclude each other")
    if merge:
        _out.print(f"✓ {kubeconfigs.merge(lab)}", highlight=False, soft_wrap=True)
    elif unmerge:
        _out.print(f"✓ {kubeconfigs.unmerge(lab)}", highlight=False, soft_wrap=True)
    elif not lab.paths.kubeconfig.exists():
        raise LabError(f"the lab {lab.spec.name} has no kubeconfig yet", next="lab up")
    else:
        typer.echo(lab.paths.kubeconfig)


@app.command(name="logs")
def show_logs(
    workload: Annotated[
        str | None, typer.Argument(help="A workload such as istiod or frontend; none: the last run.")
    ] = None,
    cluster: ClusterName = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines from the end.")] = 50,
    export_to: Annotated[Path | None, typer.Option("--export", help="Collect everything into this new folder.")] = None,
    file: ConfigFile = None,
) -> None:
    """Show what the last run did, or what a workload says, or collect it all for a report."""
    lab = _lab(_spec(file))
    names = [_cluster(lab, cluster)] if cluster else list(lab.clusters)
    if export_to is not None:
        _out.print(f"✓ {logs.collect(lab, names, export_to)}", highlight=False, soft_wrap=True)
    elif workload is None:
        typer.echo(_last_run(lab.paths, lines))
    else:
        for line in logs.of_workload(lab, names, workload, lines):
            typer.echo(line)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the lab's version and what it installs."""
    tables.version(_out, __version__, artifact_verbs.versions(), as_json=as_json)


@artifacts_app.command(name="list")
def artifacts_list(
    file: ConfigFile = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file again and check its digest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every artifact: version, source, size, whether it is there."""
    lab = _lab(_spec(file))
    found = artifact_verbs.listing(lab, stacks.current(lab).artifacts(lab), verify=verify)
    tables.artifacts(_out, found, as_json=as_json)


@artifacts_app.command(name="build")
def artifacts_build(
    names: Annotated[list[str] | None, typer.Argument(help="Artifacts; none: all that the lab needs.")] = None,
    file: ConfigFile = None,
    plan_only: PlanOnly = False,
    no_install: NoInstall = False,
    yes: Yes = False,
) -> None:
    """Build or fetch what is missing. An interrupted build goes on where it was."""
    lab = _lab(_spec(file))
    steps = artifact_verbs.steps(lab, names or stacks.current(lab).artifacts(lab))
    if plan_only:
        tables.plan(_out, steps, as_json=False)
        return
    with lock.held(lab.paths, "lab artifacts build"):
        _prepare_host(lab, install=not no_install, yes=yes)
        _run(lab, steps, verb="artifacts", quiet=False)


@artifacts_app.command(name="clean")
def artifacts_clean(
    file: ConfigFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what this version of the lab uses.")] = False,
) -> None:
    """Delete artifacts that this version of the lab does not use, images included; with --all every one."""
    lab = _lab(_spec(file))
    with lock.held(lab.paths, "lab artifacts clean"):
        for line in artifact_verbs.clean(lab, everything=everything):
            _out.print(f"✓ {line}", highlight=False)


scenarios.register(app)
traffic.register(app)
dev.register(app)


def _spec(file: Path | None, **overrides: str | bool) -> LabSpec:
    return config.load(file or config.find(), overrides=overrides)


def _lab(spec: LabSpec) -> Lab:
    return Lab.of(spec)


def _cluster(lab: Lab, name: str) -> str:
    if name not in lab.clusters:
        raise UsageError(f"there is no cluster {name!r}", next=f"one of: {', '.join(lab.clusters)}")
    return name


def _confirm() -> Callable[[str], bool] | None:
    """Return how to ask a person; None where nobody is there."""
    return (lambda question: typer.confirm(question, default=True)) if sys.stdin.isatty() else None


def _look(lab: Lab) -> list[checks.Finding]:
    ready, hosts = artifact_verbs.ready(lab, stacks.current(lab).artifacts(lab)), artifact_verbs.registries(lab)
    return checks.run(lab.spec, lab.paths, artifacts_ready=ready, registries=hosts)


def _prepare_host(lab: Lab, *, install: bool, yes: bool) -> None:
    """Hold the machine against the lab's needs, and mend what may be mended, before anything else is changed."""
    findings = prepare(
        lab.spec,
        lab.paths,
        install=install,
        confirm=None if yes else _confirm(),
        say=lambda words: _err.print(words, markup=False, highlight=False),
        artifacts_ready=artifact_verbs.ready(lab, stacks.current(lab).artifacts(lab)),
        registries=artifact_verbs.registries(lab),
    )
    for finding in checks.warnings(findings):
        _err.print(f"! {finding.name}: {finding.observed}. Fix: {finding.fix}", markup=False, highlight=False)


def _run(lab: Lab, steps: Sequence[Step], *, verb: str, quiet: bool) -> runner.RunReport:
    """Run a plan with a view for the person and a log for later."""
    with _log_file(lab.paths, verb) as note, showing(steps, Console(stderr=True, quiet=quiet)) as show:

        def sink(event: Any) -> None:
            note(event)
            show(event)

        return runner.run(steps, sink=sink, build_jobs=lab.spec.resources.build_jobs)


@contextmanager
def _log_file(paths: Paths, verb: str) -> Iterator[Callable[[Any], None]]:
    paths.logs.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{verb}.log"
    with os.fdopen(os.open(paths.logs / name, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))
        log = logging.getLogger("lab")
        log.setLevel(logging.DEBUG)
        log.addHandler(handler)
        try:
            yield logging_to(log)
        finally:
            log.removeHandler(handler)


def _last_run(paths: Paths, lines: int) -> str:
    runs = sorted(paths.logs.glob("*.log")) if paths.logs.exists() else []
    if not runs:
        raise LabError("no run has left a log yet", next="lab up")
    text = runs[-1].read_text(encoding="utf-8").splitlines()
    return "\n".join([f"{runs[-1]}, last {min(lines, len(text))} of {len(text)} lines", *text[-lines:]])


def _fail(error: LabError) -> NoReturn:
    _err.print(
        f"error: {error.where + ': ' if error.where else ''}{error.what}", style="red", markup=False, highlight=False
    )
    if error.next:
        _err.print(f"next:  {error.next}", markup=False, highlight=False)
    if "--json" in sys.argv:
        typer.echo(json.dumps({"error": {"what": error.what, "where": error.where, "next": error.next}}))
    sys.exit(error.exit_code)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line and exit with the lab's exit codes."""
    signal.signal(signal.SIGTERM, _stop)
    environment.keep_loopback_direct()
    try:
        code = app(standalone_mode=False)
    except CommandError as error:
        _fail(explain(error))
    except LabError as error:
        _fail(error)
    except Interrupted as stopped:
        _err.print(tables.interrupted(stopped.report), highlight=False)
        sys.exit(_INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except _CommandLineError as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read our output has gone, as `lab status | head` does; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    if code == _INTERRUPTED:  # also what Typer makes of Ctrl-C
        process.stop_all()
        _err.print("interrupted")
    sys.exit(code or 0)
