"""Commands that create the keys of the lab's own components, for create-secrets.sh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lab.components.rendering import Rendering
from lab.initialize.model import ClusterChoice, Secret, SecretPhase

_PATCH = re.compile(r"(kubectl .*) patch (\S+) (\S+) ")
_CREATE = re.compile(r"--namespace=(\S+) create (secret \w+|configmap) (\S+)")
_CONTEXT = re.compile(r"--context=(east|west)\b")
INSTALLED = "lab-initialize-installed"
"""ConfigMap that is created when upstream's program has installed everything: a killed run leaves some objects."""


def variable(cluster: str) -> str:
    """Return the shell variable with a cluster's kubectl context."""
    return f"CONTEXT_{cluster.upper()}"


def in_shell(command: str) -> str:
    """Return a component's command with the contexts as variables."""
    return _CONTEXT.sub(lambda found: f'--context="${variable(found[1])}"', command)


def linkerd_exists() -> str:
    """Return the rest of a kubectl command that succeeds if the linkerd CLI has installed Linkerd completely."""
    return f"--namespace=linkerd get configmap {INSTALLED}"


def key_commands(choice: ClusterChoice, stack: str, name: str) -> Iterator[Secret]:
    """Yield a component's commands before and after its objects are applied.

    Where the linkerd CLI installs Linkerd, it makes the Secrets, and only the issuer is needed.
    """
    if stack == "linkerd" and stack in choice.referenced:
        title = f"{stack}: the issuer, which `linkerd install` reads"
        yield Secret(title=title, commands=(choice.sources.issuer_command(choice.cluster),), exists=linkerd_exists())
        return
    rendering = choice.sources.component(stack, name, choice.cluster)
    yield from _commands(rendering, title=f"{stack}: the keys of {name}")


def _commands(rendering: Rendering, *, title: str) -> Iterator[Secret]:
    secret = next((obj for obj in rendering.placeholders if obj["kind"] == "Secret"), None)
    if secret is not None and rendering.before:
        yield from _created(map(in_shell, rendering.before), title=title)
    if secret is not None and rendering.after:
        commands = tuple(line for command in rendering.after for line in _when_there(in_shell(command)))
        yield Secret(title=f"{title}: trust their certificates", commands=commands, phase=SecretPhase.TRUST)


def _created(commands: Iterable[str], *, title: str) -> Iterator[Secret]:
    """Yield each object with the commands since the one before: a killed script may have created some of them."""
    block: list[str] = []
    for command in commands:
        block.append(command)
        if found := _CREATE.search(command):
            place, kind, name = found.groups()
            exists = f"--namespace={place} get {kind.split()[0]} {name}"
            yield Secret(title=f"{title}: {name}", commands=tuple(block), exists=exists)
            block = []
    if block:
        raise ValueError(f"{title}: these commands create nothing: {block}")


def _when_there(command: str) -> Iterator[str]:
    """Yield a command; before a patch, the one that waits for its object, which Argo CD or Flux may still create."""
    if found := _PATCH.match(command):
        yield f"{found[1]} wait --for=create --timeout=300s {found[2]}/{found[3]}"
    yield command
