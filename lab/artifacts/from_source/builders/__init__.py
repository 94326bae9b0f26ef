"""The recipes by their name in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.artifacts.catalog import Artifact
from lab.artifacts.from_source.builders.bake import Bake
from lab.artifacts.from_source.builders.debian import Packages, Rootfs, Unpacked
from lab.artifacts.from_source.builders.go import GoBuild
from lab.artifacts.from_source.builders.image import ImageBuild
from lab.artifacts.from_source.builders.module import GoModuleChart, GoModuleFiles
from lab.artifacts.from_source.builders.node import NodeBase
from lab.artifacts.from_source.builders.pick import Pick
from lab.artifacts.from_source.builders.program import ProgramImage
from lab.artifacts.from_source.builders.python import PipTarget, Wheel
from lab.artifacts.recipe import Recipe

_BY_NAME: Mapping[str, Callable[..., Recipe]] = {
    "bake": Bake,
    "debian-packages": Packages,
    "debian-rootfs": Rootfs,
    "debian-unpacked": Unpacked,
    "go": GoBuild,
    "go-module-chart": GoModuleChart,
    "go-module-files": GoModuleFiles,
    "image": ImageBuild,
    "node": NodeBase,
    "pick": Pick,
    "pip-target": PipTarget,
    "program-image": ProgramImage,
    "wheel": Wheel,
}


def of(artifact: Artifact) -> Recipe:
    """Return an artifact's recipe with the catalogue's options.

    Raises:
        ValueError: the catalogue names an unknown recipe or option, which is a defect of the lab.
    """
    options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in artifact.options.items()}
    try:
        return _BY_NAME[artifact.recipe or "none"](**options)
    except KeyError as error:
        known = ", ".join(_BY_NAME)
        raise ValueError(f"catalog.toml: {artifact.name}: no recipe {error}; known: {known}") from error
    except TypeError as error:
        raise ValueError(f"catalog.toml: {artifact.name}: {error}") from error
