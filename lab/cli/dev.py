"""`lab dev`: run a service under development as a pod or as a local process."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base import cancel
from lab.base.errors import LabError, UsageError
from lab.cli.groups import DEVELOPMENT
from lab.cli.named import cluster_of, locked, running_lab
from lab.cli.options import ConfigFile, cluster_names
from lab.cli.output import done, out, until_ctrl_c

if TYPE_CHECKING:
    from lab.dev.laptop.pod import Put
    from lab.lab import Lab

dev_app = typer.Typer(no_args_is_help=True, help="Run your service as a pod or a local process in the lab.")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?")
_UNDO_S = 120.0
"""How long an undo may take after Ctrl-C, including the wait for another command that works on the lab."""

Service = Annotated[str, typer.Option("--service", help="The service under development, in namespace test of West.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (shared, pod, process, stop):
        dev_app.command()(command)
    app.add_typer(dev_app, name="dev", rich_help_panel=DEVELOPMENT)


def shared(
    cluster: Annotated[
        str,
        typer.Option("--in", autocompletion=cluster_names, help="The cluster that gets them; East also exports users."),
    ] = "east",
    file: ConfigFile = None,
) -> None:
    """Deploy the sample's shared services.

    They are backend, users (exported by East as users-east) and large-stuff, for the sample apps/my-service.
    `lab dev stop` deletes them.
    """
    from lab import stacks
    from lab.dev import shared as shared_services
    from lab.mesh.names import exported_name

    lab = running_lab(file)
    target = cluster_of(lab, cluster)
    with locked(lab, "lab dev shared"):
        shared_services.start(lab, stacks.mesh(lab), target)
    known = f"; {lab.west.name} knows {exported_name('users', target.name)}" if target == lab.east else ""
    done(f"backend, users and large-stuff run in {target.name}{known}")


def pod(
    folder: Annotated[Path, typer.Argument(help="A folder with a main.py that serves HTTP on the port in PORT.")],
    service: Service = "my-service",
    once: Annotated[bool, typer.Option("--once", help="Deploy once and exit, without watching for changes.")] = False,
    file: ConfigFile = None,
) -> None:
    """Run a folder as a pod in West, and update it on every save.

    Copies the files into the pod, without an image build. Ctrl-C deletes the pod.
    """
    from lab.dev.laptop.pod import DevPod

    lab = running_lab(file)
    dev = DevPod(lab=lab, service=service, folder=folder)
    with locked(lab, "lab dev pod"):
        first = dev.start()
    if once:
        _print(first)
        typer.echo("the pod keeps running; next: lab dev stop")
        return
    try:
        with until_ctrl_c():
            _print(first)
            typer.echo(f"watching {folder}; Ctrl-C deletes {service}")
            dev.follow(Event(), _print, last=first)
    finally:
        with _undoing(lab, "lab dev pod"):
            dev.stop()
        done(f"deleted {service} from west")


def process(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND", help="The command to start, after `--`. Default: none; you start it yourself."
        ),
    ] = None,
    service: Service = "my-service",
    header: Annotated[
        str | None,
        typer.Option(
            "--header",
            metavar="NAME=VALUE",
            help="Intercept only requests with this header; the pod answers all others.",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="The port that your process listens on; 0: a free port, passed to COMMAND as PORT.",
        ),
    ] = 0,
    file: ConfigFile = None,
) -> None:
    """Let a process on this machine answer a service's requests.

    The process calls the cluster's Services through HTTP_PROXY. The lab listens on loopback addresses only. After
    Ctrl-C the pod answers all requests again.
    """
    from lab import stacks
    from lab.dev.laptop.process import DevProcess
    from lab.measure.under_load import check_program

    wanted = _header(header)
    if command:
        check_program(command, {})
    lab = running_lab(file)
    dev = DevProcess(
        lab=lab,
        mesh=stacks.mesh(lab),
        service=service,
        command=tuple(command or ()),
        port=port,
        header=wanted,
        say=lambda words: typer.echo(f"  {words}"),
    )
    code = 0
    with locked(lab, "lab dev process"):
        dev.__enter__()
    try:
        with until_ctrl_c():
            which = f"requests with {header}" if header else "all requests"
            done(f"port {dev.port} of this machine answers {which} to {service} in west; Ctrl-C ends it")
            if not command:
                words = (f"export {name}={shlex.quote(value)}" for name, value in dev.environment.items())
                typer.echo("to call the cluster's Services from your process:\n  " + "\n  ".join(words))
            code = dev.wait(Event())
    finally:
        with _undoing(lab, "lab dev process"):
            dev.__exit__()
        done(f"removed the intercept of {service}")
    if code:
        raise LabError(f"the command exited with {code}", next="fix it and run `lab dev process` again")


def stop(service: Service = "my-service", file: ConfigFile = None) -> None:
    """Delete everything that `lab dev` created.

    Also after a run that was killed.
    """
    from lab import stacks
    from lab.dev import parts
    from lab.dev import shared as shared_services

    lab = running_lab(file)
    mesh = stacks.mesh(lab)
    with locked(lab, "lab dev stop"):
        mesh.remove_intercept(lab.west.name, service)
        parts.remove_all(lab, service)
        for cluster in (lab.east, lab.west):
            shared_services.stop(lab, mesh, cluster)
    done("deleted everything that `lab dev` created")


@contextmanager
def _undoing(lab: Lab, command: str) -> Iterator[None]:
    """Hold the lab's lock for an undo, also after Ctrl-C; wait for a command that holds it."""
    if cancel.token().cancelled:
        typer.echo(f"undoing what `{command}` did; press Ctrl-C again to stop at once")
    with cancel.undoing(_UNDO_S), locked(lab, command, wait_s=_UNDO_S):
        yield


def _print(put: Put) -> None:
    out(soft_wrap=True).print(put.words, style="red" if put.problem else None, markup=False)


def _header(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, equals, value = text.partition("=")
    if not (equals and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
        raise UsageError(
            f"{text!r} is not an HTTP header", next="give a name and a value of ASCII characters: --header x-lab-dev=me"
        )
    return name, value
