"""Find the recipes' input folders, in the source tree or in the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab.base.paths import APPS

RECIPES = Path(__file__).resolve().parent / "from_source" / "recipes"
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def find(name: str) -> Path:
    """Return the folder with a name from the catalogue: `apps/…` is an application, any other name a recipe.

    Raises:
        FileNotFoundError: the folder does not exist, which is a defect of the lab.
    """
    folder = APPS / name.removeprefix("apps/") if name.startswith("apps/") else RECIPES / name
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return folder


def files(given: Path) -> Iterator[Path]:
    """Yield the files below a folder (or the file itself) in a fixed order, without the caches of tools."""
    if given.is_file():
        yield given
        return
    for path in sorted(given.rglob("*")):
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(given).parts):
            yield path
