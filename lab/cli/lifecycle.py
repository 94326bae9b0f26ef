"""Commands that create, check, repair and delete the lab. Each command imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.base import cancel
from lab.base.errors import LabError, UnavailableError, UsageError
from lab.cli.groups import LIFECYCLE
from lab.cli.named import cluster_of, lab_of, lab_to_be, locked, need_nodes, own_lab, running_lab
from lab.cli.options import AsJson, ConfigFile, NoInstall, OneCluster, PlanOnly, StackName, Yes, cluster_names
from lab.cli.output import done, err, out, until_ctrl_c, waiting, warn

Viz = Annotated[
    bool, typer.Option("--viz", help="Also install Linkerd's dashboard with its metrics; kept until `lab down`.")
]

YesReally = Annotated[
    list[str] | None,
    typer.Option(
        "--yes-really",
        metavar="CONTEXT",
        help="Install into the existing cluster of this context without a question; give it once for each.",
        show_default=False,
    ),
]

Leave = Annotated[
    list[str] | None,
    typer.Option(
        "--leave",
        metavar="CLUSTER",
        help="Forget this existing cluster, and leave what the lab has there, for one that does not exist any more.",
        show_default=False,
    ),
]

ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="FOLDER|FILE|URL",
        help="Bring the lab up with the choices of `lab initialize`: of a folder that it wrote, of an "
        "initializer.toml, or of a URL. Kept until `lab down`; `none` removes the extras. With --plan, the YAML of the "
        "choices must be on this machine: the error names the command that obtains it.",
        show_default=False,
    ),
]

Timings = Annotated[
    bool,
    typer.Option("--timings", help="Also print the critical path: the steps that decided how long it took."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, down, status, doctor, reset, logs, kubeconfig, dashboard, version):
        app.command(rich_help_panel=LIFECYCLE)(command)


def up(
    file: ConfigFile = None,
    stack: StackName = None,
    viz: Viz = False,
    profile: ProfileName = None,
    plan_only: PlanOnly = False,
    no_install: NoInstall = False,
    yes: Yes = False,
    yes_really: YesReally = None,
    timings: Timings = False,
    as_json: AsJson = False,
) -> None:
    """Create the lab, or repair it.

    Changes nothing if the lab is complete. If an artifact is unavailable, names it, pulls the others, and exits with 2.

    Downloads or builds what is missing, then creates a container for each cluster and a network in the container
    engine, files in the state and cache folders, and lab.lock beside lab.toml. Ports are published on 127.0.0.1 only.
    `lab down` deletes the lab.

    If this machine itself needs changes (Docker, a kernel setting), lists each with the command that undoes it, and
    asks once; without a terminal it does not ask.

    Before it installs into an existing cluster ([clusters.NAME] context in lab.toml), it looks at the cluster and
    changes nothing: who, where, rights, what is in the way. Then it asks for the name of the context; without a
    terminal, --yes-really CONTEXT answers.
    """
    from lab import stacks
    from lab.base import pki
    from lab.cli import existing, machine, obtaining, profiles, running, tables
    from lab.lifecycle import changes, plan
    from lab.lifecycle.timings import critical_path
    from lab.report.environment import write_manifests

    named = {"stack": stack} if stack is not None else {}
    lab = lab_to_be(file, profile=profile, **named, **({"viz": True} if viz else {}))
    try:
        stacks.choose(lab)  # refuses before anything changes
    except UnavailableError as error:
        if plan_only:
            raise
        with locked(lab, "lab up"):  # raises the error again, unless an engine that it started has what was missing
            obtaining.obtain(lab, error.wanted, install=not no_install, yes=yes, quiet=as_json, known=error)
        lab = lab.refreshed()
    if plan_only:
        profiles.check_planned(lab)
        for found in existing.look(lab):
            tables.preflight(err(), found)
        tables.plan(out(), plan.up(lab), as_json=as_json)
        return
    pki.refuse_ended(lab.paths.pki)
    with locked(lab, "lab up"):
        lab = profiles.obtain(lab, install=not no_install, yes=yes, quiet=as_json)
        existing.ask(lab, yes_really or ())
        lab = machine.make_ready(lab, install=not no_install, yes=yes)
        choice = stacks.choose(lab)
        if not as_json:
            typer.echo(f"lab {lab.spec.name}: {choice.reason}")
        stacks.remember(lab, choice.stack)
        profiles.remember(lab)
        steps = plan.up(lab)
        report = running.run(lab, steps, verb="up", quiet=as_json)
        write_manifests(lab, choice.stack.name)
        left = changes.now(lab, stacks.mesh(lab))
        notes = list(profiles.finish(lab))
    tables.up(out(), lab, report, left, path=critical_path(steps, report) if timings else (), as_json=as_json)
    for line in () if as_json else notes:
        typer.echo(line)


def down(file: ConfigFile = None, leave: Leave = None, plan_only: PlanOnly = False, as_json: AsJson = False) -> None:
    """Delete the clusters, the network and the state.

    The state is the state folder (keys, kubeconfig, logs) and the lab's contexts in your own kubeconfig. Never touches
    anything that the lab did not create. From an existing cluster, it removes exactly what the lab installed; CRDs that
    others use stay. If a cluster does not answer, nothing on this machine is deleted, and the same command continues.

    Keeps artifacts (`lab artifacts clean --all` deletes them), reports, and what `lab up` changed on this machine
    itself, such as Docker.
    """
    from lab.cli import tables
    from lab.lifecycle import down as teardown

    lab = lab_of(file)
    if plan_only:
        tables.owned(out(), teardown.owned(lab, warn=warn), as_json=as_json)
        return
    with locked(lab, "lab down", alone=True):
        for name in leave or ():
            teardown.leave(lab, name)
        try:
            gone = teardown.down(lab, warn=warn)
        except KeyboardInterrupt:
            with cancel.undoing(cancel.CLEANUP_S):
                names = [f"{item.kind} {item.name}" for item in teardown.owned(lab, warn=warn)]
            warn(f"interrupted; left: {', '.join(names) or 'nothing'}")
            raise
    tables.gone(out(), gone, as_json=as_json)


def status(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the lab, and show changes since `lab up`.

    Changes nothing. Exits with 1 if something is not alive.
    """
    from lab.cli import tables
    from lab.lifecycle import status as lifecycle_status

    found = lifecycle_status.gather(own_lab(file))
    tables.status(out(), found, as_json=as_json)
    if not found.healthy:
        raise typer.Exit(1)


def doctor(
    file: ConfigFile = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Show the changes that fix problems, ask once, then make them.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo", help="Remove the container runtime that --fix installed; packages and sysctl settings stay."
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Also write a report for a bug report, without secrets and names, to FILE."),
    ] = False,
    report_file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="For --report. Default: lab-doctor-report.md.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine and print a fix for each problem.

    Checks the container engine too, wherever it runs, if needed in a short container. Changes nothing without --fix
    or --undo. Exits with 3 if something prevents the lab.
    """
    from lab.cli import machine, tables
    from lab.host import doctor as checks
    from lab.host.sandbox.runtime import Runtime

    if report_file is not None and not report:
        raise UsageError(f"{report_file} is only for --report", next=f"lab doctor --report {report_file}")
    if report and (fix or undo):
        raise UsageError("--report changes nothing", next="use --report without --fix and --undo")
    if report:
        _write_report(file, report_file, as_json=as_json)
        return
    lab = lab_of(file)
    if undo:
        typer.echo(
            "removed the lab's container runtime; packages and sysctl settings stay"
            if Runtime().uninstall()
            else "nothing to remove: the lab's container runtime is not installed"
        )
        return
    if fix:
        machine.fix(lab, yes=yes)
    findings = machine.findings(lab)
    tables.findings(out(), findings, as_json=as_json)
    if checks.failures(findings):
        raise typer.Exit(3)


def _write_report(file: Path | None, target: Path | None, *, as_json: bool) -> None:
    """Print the findings, write the report, and print its path last; a lab.toml with mistakes is part of the report."""
    from lab import config, stacks
    from lab.cli import machine, tables
    from lab.host import doctor as checks
    from lab.lab import Lab
    from lab.lifecycle import problem_report

    target = target or Path(problem_report.FILE_NAME)
    problem_report.check_target(target)
    lab, problem = None, None
    try:
        lab = lab_of(file)
    except LabError as error:
        problem = error
    findings = machine.findings(lab or Lab.of(config.parse("")))
    tables.findings(out(), findings, as_json=as_json)
    stack = stacks.current(lab) if lab is not None else None
    found = file or config.find()
    written = problem_report.write(target, findings=findings, lab=lab, stack=stack, config=found, problem=problem)
    typer.echo(f"report: {written.absolute()} (look through it before you send it)", err=as_json)
    if problem is not None:
        raise problem
    if checks.failures(findings):
        raise typer.Exit(3)


def reset(file: ConfigFile = None) -> None:
    """Undo what scenarios, commands and people changed.

    The clusters of lab.toml stay; stopped ones are started. Those that joined by `lab cluster add` leave. Splits,
    failovers, permissions, intercepts, cuts, and the workloads of scenarios and `lab dev` are removed. Distances and
    the number of gateways become those of lab.toml. A node that a drain cordoned accepts pods again.
    """
    from lab import stacks
    from lab.lifecycle import reset as lifecycle_reset
    from lab.scenario.position import Position

    lab = own_lab(file)
    with locked(lab, "lab reset", alone=True), waiting("lab reset"):
        for line in lifecycle_reset.reset(lab, stacks.mesh(lab)):
            done(line)
        Position.read(lab.paths.walk).forget()


def logs(
    workload: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKLOAD", help="A workload, such as istiod or frontend. Default: the log of the last run."
        ),
    ] = None,
    cluster: OneCluster = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of lines from the end.")] = 50,
    export_to: Annotated[
        Path | None, typer.Option("--export", metavar="FOLDER", help="Write all logs and objects into this new folder.")
    ] = None,
    file: ConfigFile = None,
) -> None:
    """Show the log of the last run or a workload, or collect all.

    Keys and tokens are left out.
    """
    from lab.cli import running
    from lab.lifecycle import logs as lifecycle_logs

    lab = lab_of(file)
    names = [cluster_of(lab, cluster).name] if cluster is not None else list(lab.clusters)
    if export_to is not None:
        done(lifecycle_logs.collect(lab, names, export_to))
    elif workload is None:
        typer.echo(running.last_run(lab.paths, lines))
    else:
        for line in lifecycle_logs.of_workload(need_nodes(lab), names, workload, lines):
            typer.echo(line)


def kubeconfig(
    file: ConfigFile = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add the lab's contexts to your own kubeconfig.")] = False,
    unmerge: Annotated[
        bool, typer.Option("--unmerge", help="Remove the lab's contexts from your own kubeconfig.")
    ] = False,
) -> None:
    """Print the path of the lab's kubeconfig.

    Only --merge and --unmerge change your own kubeconfig. Its current context never changes.
    """
    from lab.clusters import kubeconfig as kubeconfigs

    lab = lab_of(file)
    if merge and unmerge:
        raise UsageError("--merge and --unmerge cannot be used together", next="give one of them")
    if merge:
        done(kubeconfigs.merge(lab))
    elif unmerge:
        done(kubeconfigs.unmerge(lab))
    elif not lab.paths.kubeconfig.exists():
        own_lab(file)
        raise LabError(f"the lab {lab.spec.name} has no kubeconfig yet", next="lab up")
    else:
        typer.echo(lab.paths.kubeconfig)


def dashboard(
    cluster: Annotated[
        str, typer.Option("--in", autocompletion=cluster_names, help="The cluster whose dashboard is served.")
    ] = "west",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: any free port.")] = 50750,
    file: ConfigFile = None,
) -> None:
    """Serve a cluster's Linkerd dashboard until Ctrl-C.

    Install the dashboard first: `lab up --viz`.
    """
    from lab import stacks

    lab = running_lab(file)
    known = cluster_of(lab, cluster)

    def say(url: str) -> None:
        typer.echo(f"{cluster}'s dashboard: {url} (Ctrl-C ends it)")

    with until_ctrl_c():
        stacks.current(lab).dashboard(lab, known, port=port, on_url=say)


def version(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print the versions of the lab and its parts, with sources."""
    from lab import __version__
    from lab.cli import tables
    from lab.lifecycle import artifacts

    tables.version(out(), __version__, artifacts.installable(lab_of(file)), as_json=as_json)
