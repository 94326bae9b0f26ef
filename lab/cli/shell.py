"""`lab shell`: the user's shell, or one command, for one cluster."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from lab.cli.groups import LIFECYCLE
from lab.cli.named import cluster_of, lab_of, need_nodes
from lab.cli.options import ConfigFile, cluster_names
from lab.cli.output import warn


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=LIFECYCLE)(shell)


def shell(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", autocompletion=cluster_names, help="The cluster of plain kubectl.")
    ],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="The command to run, after `--`. Default: your shell, from SHELL."),
    ] = None,
    file: ConfigFile = None,
) -> None:
    """Start your shell with a cluster as kubectl's default.

    The lab's versions of kubectl, linkerd and istioctl come first on PATH, and the prompt shows the cluster. Your own
    kubeconfig does not change. Exits with the exit status of the shell or the command.

    Example: `lab shell west -- kubectl get pods`
    """
    from lab.report import environment
    from lab.shells import Shell, start_files

    lab = lab_of(file)
    known = cluster_of(lab, cluster)
    need_nodes(lab)
    shell = Shell(lab=lab, cluster=known, tools=environment.tools(lab), config=file)
    if command:
        code = shell.run(command, os.environ)
    else:
        asked = os.environ.get("SHELL", "")
        if asked and not start_files.is_known(asked):
            warn(f"the lab cannot set the prompt of {asked}; this is sh")
        code = shell.interactive(os.environ)
    sys.exit(code)  # also 130, which is the command's own here, and not an interruption of the lab
