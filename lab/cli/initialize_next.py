"""The commands that a person runs after `lab initialize`, or after a check that failed: each can be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lab.initialize.choices import Choices
    from lab.initialize.verify import WireResult


def next_commands(folder: Path, choices: Choices, files: Mapping[str, str]) -> Iterator[str]:
    """Yield lines with the commands that install a folder: on clusters of one's own, and as a lab.

    Args:
        folder: the folder.
        choices: its choices.
        files: its files.
    """
    from lab.initialize import platforms
    from lab.initialize.images import LOCAL
    from lab.initialize.options.components import variable
    from lab.initialize.render import IMAGES

    own = [name for name in files[IMAGES].split() if name.startswith(LOCAL)]
    if own and not choices.registry:
        yield f"first give the nodes {' and '.join(own)}, which no public registry has:"
        yield f"  see Requirements in {folder / 'README.md'}"
    (platform,), (mesh,) = choices.selected["platform"], choices.selected["mesh"]
    if commands := platforms.create(choices):
        yield "next, unless the clusters exist:"
        yield from (f"  {command}" for command in commands)
        yield "then:"
    else:
        yield "next, with your own words for those in capital letters:"
        yield from (f"  {command}" for command in platforms.connect(choices))
    contexts = [context or variable(name) for name, context in platforms.contexts(choices).items()]
    yield f"  sh {shlex.quote(str(folder / 'apply.sh'))} {' '.join(contexts)}"
    if platform == "kind" and mesh != "none":
        yield "or let the lab create the clusters and install the same:"
        yield f"  lab up --profile {shlex.quote(str(folder))}"


def print_check(result: WireResult) -> None:
    """Print a check's result; if it failed, its command, and what that should have printed."""
    typer.echo(f"{'✓' if result.passed else '✗'} {result.wire} {result.cluster}: {result.proves}")
    if not result.passed:
        typer.echo(f"    {result.command}\n    expected: {result.expected}\n    last seen: {result.seen}")


def verify_again(folder: Path, wires: Collection[str], *, contexts: Sequence[str], kubeconfig: Path | None) -> str:
    """Return the command that checks some wires again.

    Args:
        folder: the folder.
        wires: the wires.
        contexts: the values of `--cluster`.
        kubeconfig: the value of `--kubeconfig`.
    """
    options = [
        *(f"--cluster={one}" for one in contexts),
        *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []),
        *(f"--wire={one}" for one in sorted(wires)),
    ]
    return shlex.join(["lab", "initialize", "verify", str(folder), *options])
