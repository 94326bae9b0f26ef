"""Find the scenarios: their names without an import, the scenarios on first use."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.scenario.model import Registry
    from lab.scenario.rendering import Target

_INSTALLED, _CHECKOUT = "lab._scenarios", "scenarios"


def _package() -> str:
    """Return the name of the package with the scenarios: in an installed lab, or in a checkout."""
    return _INSTALLED if find_spec(_INSTALLED) else _CHECKOUT


def names() -> tuple[str, ...]:
    """Return the names of all scenarios, in the order of the talk."""
    found: tuple[str, ...] = import_module(_package()).NAMES
    return found


def folder() -> Path:
    """Return the folder with the scenarios and their manifests."""
    return Path(str(import_module(_package()).__file__)).parent


def registry(target: Target) -> Registry:
    """Import every scenario and return them all, rendered for a lab and a stack."""
    # Shell completion needs only names; the import of the step model takes long.
    from lab.scenario.model import Registry  # noqa: PLC0415

    found = Registry()
    for name in names():
        found.add(target.scenario(import_module(f"{_package()}.{name}").SCENARIO))
    return found
