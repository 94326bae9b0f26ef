"""The commands that a person runs after `lab initialize`: each can be pasted into any shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.initialize.choices import Choices


@dataclass(frozen=True, kw_only=True)
class _Local:
    """A platform on the person's own machine: how a cluster is created, and what kubectl calls it."""

    create: str
    context: str


_LOCAL = {
    "kind": _Local(create="kind create cluster --name {}", context="kind-{}"),
    "k3d": _Local(create="k3d cluster create {} --k3s-arg '--disable=traefik@server:*'", context="k3d-{}"),
    "minikube": _Local(create="minikube start --profile {}", context="{}"),
}


def next_commands(folder: Path, choices: Choices, files: Mapping[str, str]) -> Iterator[str]:
    """Yield lines with the commands that install a folder: on clusters of one's own, and as a lab.

    Args:
        folder: the folder.
        choices: its choices.
        files: its files.
    """
    from lab.initialize.images import LOCAL
    from lab.initialize.render import IMAGES

    own = [name for name in files[IMAGES].split() if name.startswith(LOCAL)]
    if own and not choices.registry:
        yield f"first give the nodes {' and '.join(own)}, which no public registry has:"
        yield f"  see Requirements in {folder / 'README.md'}"
    (platform,), (mesh,) = choices.selected["platform"], choices.selected["mesh"]
    script = shlex.quote(str(folder / "apply.sh"))
    if (local := _LOCAL.get(platform)) is not None:
        yield "next, unless the clusters exist:"
        yield from (f"  {local.create.format(name)}" for name in choices.clusters)
        yield "then:"
        contexts = [local.context.format(name) for name in choices.clusters]
    else:
        yield "next, with your clusters' names from the first command in the second one:"
        yield "  kubectl config get-contexts --output=name"
        contexts = [f"CONTEXT_{name.upper()}" for name in choices.clusters]
    yield f"  sh {script} {' '.join(contexts)}"
    if platform == "kind" and mesh != "none":
        yield "or let the lab create the clusters and install the same:"
        yield f"  lab up --profile {shlex.quote(str(folder))}"
