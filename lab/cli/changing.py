"""Commands that change the mesh: hold the lab's lock, or with `--show` print the objects instead of applying them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.named import locked, need_nodes
from lab.cli.output import waiting

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh.protocols import Mesh

Show = Annotated[
    bool,
    typer.Option("--show", help="Print the objects as YAML for kubectl instead of applying them; changes nothing."),
]


@contextmanager
def changing(lab: Lab, command: str, *, show: bool) -> Iterator[Mesh]:
    """Hold the lab's lock while its mesh is changed; with `show`, print what would change, and end the command."""
    from lab import stacks
    from lab.kube.preview import preview

    mesh = stacks.mesh(need_nodes(lab))
    if not show:
        with locked(lab, command), waiting(command):
            yield mesh
        return
    with preview() as planned:
        yield mesh
    typer.echo(planned.text, nl=False)
    raise typer.Exit(0)
