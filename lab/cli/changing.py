"""Commands that change the mesh: hold the lab's lock, or with `--show` print the changes instead of making them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.named import locked, need_nodes
from lab.cli.output import out, print_json, waiting, warn

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh.protocols import Mesh

Show = Annotated[
    bool,
    typer.Option("--show", help="Print the objects as YAML for kubectl, or kubectl commands, and change nothing."),
]


@contextmanager
def changing(
    lab: Lab, command: str, *, show: bool, as_json: bool = False, json_of_result: bool = False
) -> Iterator[Mesh]:
    """Hold the lab's lock while its mesh is changed; with `show`, print the changes and end the command instead.

    Args:
        lab: the lab.
        command: the command, for the lock and for errors.
        show: whether to print the changes.
        as_json: print them as JSON.
        json_of_result: whether the command has a result of its own for `--json` without `--show`.
    """
    from lab import stacks

    if not show:
        if as_json and not json_of_result:
            raise UsageError("--json prints the changes that --show plans", next=f"{command} … --show --json")
        with locked(need_nodes(lab), command), waiting(command):
            yield stacks.mesh(lab)
        return
    from lab.kube import shown
    from lab.kube.preview import preview

    with preview() as planned, waiting(command):
        yield stacks.mesh(need_nodes(lab))
    for need in planned.needs:
        warn(need)
    if as_json:
        print_json(out(), shown.as_records(planned.writes))
    else:
        typer.echo(shown.as_text(planned.writes), nl=False)
        if len(commands := shown.groups(planned.writes)) > 1 and any(write.object for write in planned.writes):
            warn(f"this is for {len(commands)} kubectl commands: a comment names the command for the objects below it")
    raise typer.Exit
