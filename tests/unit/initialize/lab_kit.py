"""A lab that is nowhere, with a profile, and a store that has some programs of profiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import config
from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.initialize import lab_profile
from lab.initialize.lab_profile import LabProfile
from lab.lab import Lab
from tests.unit.conftest import Artifacts

TOML = 'name = "dev"\n[clusters.east]\ningress_port = 27081\n[clusters.west]\ningress_port = 27080\n'
SMALL = "?mesh=istio&authentication=oauth2-proxy,oidc-provider&observability=prometheus,otel-collector"
"""Choices whose extras the lab itself writes: no YAML of upstream's is needed."""


@dataclass
class Store(Artifacts):
    """A store that can build some images, and whose other images nodes pull."""

    obtainable: Sequence[str] = ("oauth2-proxy", "oidc-provider")
    lacks: Sequence[str] = ()

    @property
    def catalog(self) -> Any:
        return (*self.obtainable, "prometheus-server")

    def problem(self, name: str) -> str | None:
        return "it is missing" if name in self.lacks else None

    def entry(self, name: str) -> None:
        return None

    def reference(self, name: str) -> str:
        return f"eastwest-lab/{name}:key"

    def unobtainable(self, names: Iterable[str]) -> ArtifactError | None:
        wanted = list(names)
        if len(wanted) == 1 and wanted[0] in self.catalog:
            return None if wanted[0] in self.obtainable else ArtifactError(f"{wanted[0]} is nowhere")
        return super().unobtainable(wanted)


def a_lab(folder: Path, *, toml: str = TOML, store: Store | None = None) -> Lab:
    """Return a lab without a profile."""
    paths = Paths(cache=folder / "cache", state=folder / "state" / "dev")
    return Lab(spec=config.parse(toml), paths=paths, artifacts=store or Store())  # type: ignore[arg-type]


def with_profile(folder: Path, query: str = SMALL, **options: Any) -> Lab:
    """Return a lab with the profile of a URL."""
    return lab_profile.chosen(a_lab(folder, **options), query)


def of(lab: Lab) -> LabProfile:
    """Return the profile of a lab."""
    assert isinstance(lab.extension, LabProfile)
    return lab.extension


def without(lab: Lab) -> Lab:
    """Return the lab after `--profile none`."""
    return replace(lab, extension=LabProfile(choices=None))
