"""Where the files are that recipes start from: in the source tree, or in the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
RECIPES = Path(__file__).resolve().parent / "from_source" / "recipes"
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def find(name: str) -> Path:
    """Return a folder by its name in the catalogue: `apps/…` of the project, anything else of the recipes.

    Raises:
        FileNotFoundError: there is no such folder, which is a defect of the lab.
    """
    if name.startswith("apps/"):
        installed = _PACKAGE / "_apps" / name.removeprefix("apps/")
        folder = installed if installed.is_dir() else _PACKAGE.parent / name
    else:
        folder = RECIPES / name
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
