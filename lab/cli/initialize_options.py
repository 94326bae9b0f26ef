"""The options of `lab initialize` and `lab initialize update`: one for each category, with completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


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


def _option(category: str, what: str) -> Any:
    return typer.Option(f"--{category}", autocompletion=_ids(category), help=what, show_default=False, metavar="ID")


_MANY = "one or more, separated by commas, or none"
Platform = Annotated[str | None, _option("platform", "Where the clusters run: kind, gke, …")]
Clusters = Annotated[str | None, _option("clusters", "single, or east-west.")]
MeshName = Annotated[str | None, _option("mesh", "istio, linkerd or none.")]
IngressName = Annotated[str | None, _option("ingress", "istio-gateway, envoy-gateway, contour, … or none.")]
Certificates = Annotated[str | None, _option("certificates", f"Issuers of certificates: {_MANY}.")]
Authentication = Annotated[str | None, _option("authentication", f"In front of the dashboards: {_MANY}.")]
Observability = Annotated[str | None, _option("observability", f"Metrics and traces: {_MANY}.")]
Delivery = Annotated[str | None, _option("delivery", f"CI/CD: {_MANY}.")]
Serverless = Annotated[str | None, _option("serverless", f"Scaling to zero: {_MANY}.")]
Apps = Annotated[str | None, _option("apps", f"Applications of the talk: {_MANY}.")]
Form = Annotated[
    str | None,
    typer.Option("--as", metavar="FORM", help="kustomize, argocd, flux or helmfile.", show_default=False),
]
Registry = Annotated[
    str | None,
    typer.Option("--registry", metavar="HOST", help="A registry that has all images (IMAGES.txt).", show_default=False),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="URL", help="The repository that Argo CD or Flux reads.", show_default=False),
]
Profile = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `lab initialize` wrote.")]
