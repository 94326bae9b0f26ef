"""What `lab up` has to obtain before it can start: the doctor asks only for what is needed for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GO = frozenset({"go"})
MODULES = frozenset({"go-module-files", "go-module-chart"})
"""Recipes that download from the Go module proxy and compile nothing."""
PYTHON = frozenset({"wheel", "pip-target"})
DEBIAN = frozenset({"debian-packages", "debian-rootfs", "debian-unpacked"})
ENGINE = frozenset({"bake", "image", "node", "pick", "program-image"})
"""Recipes that put together what other artifacts have, on the engine and without any registry."""
_DOWNLOADS = GO | MODULES | PYTHON | {"debian-packages"}
"""Recipes that use a package registry; those for Debian's file systems unpack what `debian-packages` downloaded."""


@dataclass(frozen=True, kw_only=True)
class ArtifactNeeds:
    """The missing artifacts, and where they come from. Nothing is missing by default."""

    build: Mapping[str, str] = field(default_factory=dict)
    """Artifacts to build here, with their recipes."""
    fetch: tuple[str, ...] = ()
    """Artifacts to pull or download."""
    registries: tuple[str, ...] = ()
    """Hosts of the container registries that images and charts of `fetch` come from."""
    node_image: str | None = None
    """The node image, if the engine has it; a container of it shows what a node sees."""

    @property
    def nothing(self) -> bool:
        """Whether no artifact is missing."""
        return not self.build and not self.fetch

    @property
    def downloads(self) -> tuple[str, ...]:
        """Artifacts whose builds use a package registry; all others put together what is here then."""
        return tuple(name for name, recipe in self.build.items() if recipe in _DOWNLOADS)

    @property
    def go(self) -> bool:
        """Whether Go modules are compiled or downloaded."""
        return not (GO | MODULES).isdisjoint(self.build.values())

    @property
    def python(self) -> bool:
        """Whether Python packages are downloaded."""
        return not PYTHON.isdisjoint(self.build.values())

    @property
    def debian(self) -> bool:
        """Whether Debian packages are downloaded, which needs debootstrap and root."""
        return not DEBIAN.isdisjoint(self.build.values())

    @property
    def from_packages(self) -> bool:
        """Whether programs or file systems are built, not only the frontend's image on upstream's Python image."""
        return self.go or self.debian


NOTHING = ArtifactNeeds()
"""No artifact is missing."""
