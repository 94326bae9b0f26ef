"""The developer's verbs: dev shared, dev pod, dev process, dev stop. `lab.cli.app` takes them in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from lab import stacks
from lab.base.errors import LabError, UsageError
from lab.cli.scenarios import ConfigFile, lab_of
from lab.dev import parts
from lab.dev import shared as shared_services
from lab.dev.laptop.pod import DevPod, Put
from lab.dev.laptop.process import DevProcess
from lab.lab import Lab
from lab.lifecycle import lock

dev_app = typer.Typer(
    no_args_is_help=True,
    help="Your service on the laptop, as a pod or as a plain process; everything else stays in the shared cluster.",
)
_out = Console(soft_wrap=True, highlight=False, markup=False)

Service = Annotated[str, typer.Option("--service", help="The service under development, in namespace test of West.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (shared, pod, process, stop):
        dev_app.command()(verb)
    app.add_typer(dev_app, name="dev")


def shared(file: ConfigFile = None) -> None:
    """Put the sample's shared services into East: backend, users (exported as users-east), large-stuff."""
    lab = _up(file)
    with lock.held(lab.paths, "lab dev shared"):
        shared_services.start(lab, stacks.mesh(lab), lab.east)
    _out.print("✓ backend, users and large-stuff run in east; west knows users-east")


def pod(
    folder: Annotated[Path, typer.Argument(help="A folder whose main.py serves HTTP on the port in PORT.")],
    service: Service = "my-service",
    once: Annotated[bool, typer.Option("--once", help="Put it there, leave it there, watch nothing.")] = False,
    file: ConfigFile = None,
) -> None:
    """Run a folder as a pod on West, and again on every save; no image is built. Ctrl-C takes it away."""
    lab = _up(file)
    made = DevPod(lab=lab, service=service, folder=folder)
    kept = False
    try:
        with lock.held(lab.paths, "lab dev pod"):
            first = made.start()
        _said(first)
        if once:
            kept = True
            _out.print("it stays there; next: lab dev stop")
            return
        _out.print(f"watching {folder}; Ctrl-C takes {service} away")
        made.follow(Event(), _said, pod=first.pod)
    finally:
        if not kept:
            with _waiting(lab, "lab dev pod"):
                made.stop()
            _out.print(f"✓ {service} is gone from west")


def process(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="What to start; none: you start it, with --port."),
    ] = None,
    service: Service = "my-service",
    header: Annotated[
        str, typer.Option("--header", help="NAME=VALUE: only requests with this header; the others go on to the pod.")
    ] = "",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where it listens on 127.0.0.1; 0: a free one, in PORT.")
    ] = 0,
    file: ConfigFile = None,
) -> None:
    """Let a process on this machine answer West's requests, and reach the cluster's names through HTTP_PROXY.

    Nothing listens on anything but 127.0.0.1. Ctrl-C gives the requests back.
    """
    lab = _up(file)
    one = DevProcess(
        lab=lab,
        mesh=stacks.mesh(lab),
        service=service,
        command=tuple(command or ()),
        port=port,
        header=_header(header),
        say=lambda words: _out.print(f"  {words}"),
    )
    code = 0
    with lock.held(lab.paths, "lab dev process"):
        one.__enter__()
    try:
        which = f"requests with {header}" if header else "all requests"
        _out.print(f"✓ {which} to {service} in west are answered by port {one.port} of this machine; Ctrl-C ends it")
        if not command:
            words = (f"export {name}={shlex.quote(value)}" for name, value in one.environment.items())
            _out.print("for a process that reaches the cluster's names:\n  " + "\n  ".join(words))
        code = one.wait(Event())
    finally:
        with _waiting(lab, "lab dev process"):
            one.__exit__()
        _out.print(f"✓ {service} is as it was before")
    if code:
        raise LabError(f"the command ended with {code}", next="mend it and run `lab dev process` again")


def stop(service: Service = "my-service", file: ConfigFile = None) -> None:
    """Take away what `lab dev` has put into the clusters, also what a killed run left."""
    lab = _up(file)
    mesh = stacks.mesh(lab)
    with lock.held(lab.paths, "lab dev stop"):
        mesh.undivert(lab.west.name, service)
        for workload in (parts.agent_of(service), parts.runner_of(service)):
            parts.remove(parts.local(lab), workload, service)
        shared_services.stop(lab, mesh, lab.east)
    _out.print("✓ nothing of `lab dev` is left")


def _said(put: Put) -> None:
    _out.print(put.words, style="red" if put.problem else None)


def _header(text: str) -> tuple[str, str] | None:
    name, equals, value = text.partition("=")
    if text and not (name and equals and value and name.replace("-", "").isalnum()):
        raise UsageError(f"{text!r} is no header", next="give a name and a value: --header x-lab-dev=me")
    return (name, value) if text else None


def _up(file: Path | None) -> Lab:
    lab = lab_of(file)
    if not lab.paths.kubeconfig.exists():
        raise LabError(f"the lab {lab.spec.name} is not up", next="lab up")
    return lab


@contextmanager
def _waiting(lab: Lab, command: str) -> Iterator[None]:
    """Hold the lab's lock, after whoever holds it now: what is to be taken back must not be left for a busy lab."""
    with lock.held(lab.paths, command, wait_s=600):
        yield
