"""The options of `lab initialize` and `lab initialize update`: one for each category, with completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.base.errors import UsageError

if TYPE_CHECKING:
    from lab.initialize.choices import Choices


def _ids(category: str) -> Callable[[str], list[str]]:
    """Return the completion of a category's option: the last word after a comma."""

    def complete(incomplete: str) -> list[str]:
        from lab.initialize.options import BY_ID

        before, comma, last = incomplete.rpartition(",")
        known = [option.id for option in BY_ID[category].options if option.selectable]
        return [f"{before}{comma}{name}" for name in known if name.startswith(last)]

    return complete


def toml_files(incomplete: str) -> list[str]:
    """Return the TOML files whose names begin with `incomplete`."""
    return sorted(str(path) for path in Path().glob(f"{incomplete}*.toml")) if "/" not in incomplete else []


def contexts(incomplete: str) -> list[str]:
    """Return the clusters' names as the beginning of NAME=CONTEXT."""
    return [name for name in ("east=", "west=") if name.startswith(incomplete)]


def contexts_of(choices: Choices, given: Sequence[str]) -> dict[str, str]:
    """Return each cluster's kubectl context: its name, unless a value of `--cluster` names another.

    Raises:
        UsageError: a value is not of the form NAME=CONTEXT, or two clusters have the same context.
    """
    by_cluster = {name: name for name in choices.clusters}
    for words in given:
        name, equals, context = words.partition("=")
        if name not in by_cluster or not equals or not context:
            raise UsageError(
                f"{words!r} is not of the form NAME=CONTEXT with one of the clusters {', '.join(by_cluster)}",
                next="--cluster east=CONTEXT",
            )
        by_cluster[name] = context
    if len({*by_cluster.values()}) < len(by_cluster):
        (context, *_) = by_cluster.values()
        raise UsageError(
            f"{' and '.join(by_cluster)} have the same context {context}: its checks would pass for both",
            next=" ".join(f"--cluster {name}=CONTEXT" for name in by_cluster),
        )
    return by_cluster


def _option(category: str, what: str) -> Any:
    return typer.Option(f"--{category}", autocompletion=_ids(category), help=what, show_default=False, metavar="ID")


# A literal: the options themselves would import PyYAML and more for `--help`. A test compares these with the defaults.
_MANY = "one or more, separated by commas, or none (default)"
Platform = Annotated[
    str | None,
    _option(
        "platform", "Where the clusters run: kind (default), docker-desktop, minikube, k3d, gke, eks, aks, or plain."
    ),
]
Clusters = Annotated[str | None, _option("clusters", "east-west (default), or single: one cluster, East.")]
MeshName = Annotated[str | None, _option("mesh", "istio (default), linkerd, or none.")]
IngressName = Annotated[
    str | None, _option("ingress", "istio-gateway (default), emissary, envoy-gateway, contour, traefik, or none.")
]
Certificates = Annotated[str | None, _option("certificates", f"Issuers of certificates: {_MANY}.")]
Authentication = Annotated[str | None, _option("authentication", f"In front of the dashboards: {_MANY}.")]
Observability = Annotated[str | None, _option("observability", f"Metrics and traces: {_MANY}.")]
Delivery = Annotated[str | None, _option("delivery", f"CI/CD: {_MANY}.")]
Serverless = Annotated[str | None, _option("serverless", f"Scaling to zero: {_MANY}.")]
Apps = Annotated[str | None, _option("apps", f"Applications of the talk: {_MANY}.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="FORM",
        help="Who applies the folder: kustomize (default), that is kubectl; argocd or flux, which --delivery must "
        "have; or helmfile, which adds a file for it.",
        show_default=False,
    ),
]
Registry = Annotated[
    str | None,
    typer.Option(
        "--registry",
        metavar="REGISTRY",
        help="Take all images from this registry, HOST[:PORT][/PREFIX]; IMAGES.txt lists them. Default: upstream's "
        "registries.",
        show_default=False,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="URL",
        help="The repository from which Argo CD or Flux reads the folder: https://, http:// or ssh://; for Flux also "
        "oci://. Default: for Argo CD a value to replace, for Flux a registry in the cluster.",
        show_default=False,
    ),
]
Profile = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `lab initialize` wrote.")]
