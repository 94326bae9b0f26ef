"""How a person gets clusters on each platform, and what kubectl calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.initialize.choices import Choices


@dataclass(frozen=True, kw_only=True)
class PlatformCommands:
    """Commands for one cluster, in which `{}` is its name.

    Args:
        create: creates it on this machine; empty where that costs money or needs more decisions.
        connect: gives kubectl a context for a cluster that exists; capital letters are to be replaced.
        context: the context's name; empty if the provider or the person chooses it.
    """

    create: str = ""
    connect: str = ""
    context: str = ""


_COMMANDS: Mapping[str, PlatformCommands] = {
    "kind": PlatformCommands(create="kind create cluster --name {}", context="kind-{}"),
    "k3d": PlatformCommands(
        create="k3d cluster create {} --k3s-arg '--disable=traefik@server:*'",
        context="k3d-{}",
    ),
    "minikube": PlatformCommands(create="minikube start --profile {}", context="{}"),
    "gke": PlatformCommands(connect="gcloud container clusters get-credentials {} --location=LOCATION"),
    "eks": PlatformCommands(connect="aws eks update-kubeconfig --name={} --alias={}", context="{}"),
    "aks": PlatformCommands(
        connect="az aks get-credentials --resource-group=GROUP --name={} --context={}", context="{}"
    ),
}
"""By the platform's id.

Sources: the reference pages of the programs: `kind create cluster`, `k3d cluster create`, `minikube start`,
`gcloud container clusters get-credentials`, `aws eks update-kubeconfig`, `az aks get-credentials`.
"""
_LIST = "kubectl config get-contexts --output=name"


def create(choices: Choices) -> list[str]:
    """Return the commands that create the clusters on this machine; none where the platform is elsewhere."""
    return _filled(_of(choices).create, choices)


def connect(choices: Choices) -> list[str]:
    """Return the commands that give kubectl the contexts of clusters that exist, and show them if they name none.

    What a person replaces is in capital letters.
    """
    commands = _of(choices)
    if commands.create:
        return []
    return [*_filled(commands.connect, choices), *([] if commands.context else [_LIST])]


def contexts(choices: Choices) -> dict[str, str]:
    """Return the context of each cluster that these commands give; empty if the person or the provider names it."""
    return {name: _of(choices).context.format(name) for name in choices.clusters}


def _of(choices: Choices) -> PlatformCommands:
    (platform,) = choices.selected["platform"]
    return _COMMANDS.get(platform, PlatformCommands())


def _filled(command: str, choices: Choices) -> list[str]:
    return [command.replace("{}", name) for name in choices.clusters] if command else []
