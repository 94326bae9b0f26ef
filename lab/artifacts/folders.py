"""Where the files are that recipes start from: in the source tree, or in the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab.base.paths import APPS

RECIPES = Path(__file__).resolve().parent / "from_source" / "recipes"
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def find(name: str) -> Path:
    """Return a folder by its name in the catalogue: `apps/…` of the applications, anything else of the recipes.

    Raises:
        FileNotFoundError: there is no such folder, which is a defect of the lab.
    """
    folder = APPS / name.removeprefix("apps/") if name.startswith("apps/") else RECIPES / name
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return folder


def files(given: Path) -> Iterator[Path]:
    """Yield every file below a folder, or the file, in the same order everywhere, without what tools leave behind."""
    if given.is_file():
        yield given
        return
    for path in sorted(given.rglob("*")):
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(given).parts):
            yield path
