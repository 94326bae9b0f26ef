"""`lab watch`: the frontend's page in a terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lab.cli.groups import TRAFFIC
from lab.cli.named import cluster_of, lab_of, need_nodes
from lab.cli.options import AsJson, ConfigFile, cluster_names, upstream_names
from lab.cli.output import Unbroken, out, until_ctrl_c, waiting, warn


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=TRAFFIC)(watch)


def watch(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE",
            autocompletion=upstream_names,
            help="Services that the frontend calls, side by side. Default: podinfo.",
        ),
    ] = None,
    caller: Annotated[
        str,
        typer.Option("--in", autocompletion=cluster_names, help="The cluster whose frontend sends the requests."),
    ] = "west",
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=100, help="Requests per second to each service.")] = 5.0,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, max=86_400, help="End after this time. Default: at q or Ctrl-C.")
    ] = None,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show which cluster answers each request, in this terminal.

    Each letter is one real request: its cluster's letter and colour, or the symbol of a failure. Below: the share of
    each cluster, latencies, lost requests, the proof of mTLS, and marks of steps and commands. Reconnects by itself.

    Keys: q quits, p pauses, + and - change the rate. Without a terminal it prints a line a second; `--json` prints one
    line for each answer.

    Example: lab watch podinfo podinfo-east --rate 10
    """
    from lab.watch import show, target
    from lab.watch.watching import Watching

    lab = lab_of(file)
    frontend = cluster_of(lab, caller).name
    need_nodes(lab)
    base = lab.ingress_url(frontend)
    with waiting("lab watch"):
        names = target.check(base, frontend, services or [], rate_per_s=rate)
    console = out()
    drawn = console.is_terminal and not console.is_dumb_terminal and not as_json
    with until_ctrl_c(), Watching(base, names, rate, facts=drawn) as watching:
        if as_json:
            show.answers(watching, _line, warn, seconds)
        elif drawn:
            show.picture(watching, console, frontend, seconds)
        else:
            show.lines(watching, _line, seconds)


def _line(text: str) -> bool:
    typer.echo(text)
    sys.stdout.flush()
    return not (isinstance(sys.stdout, Unbroken) and sys.stdout.discards)
