"""Write rendered files into an empty folder, or compare them with a folder."""

from __future__ import annotations

import difflib
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lab.base.errors import UsageError

_KINDS = frozenset({".md", ".sh", ".yaml"})


def check_writable(folder: Path) -> None:
    """Check that a folder does not exist, or is empty.

    Raises:
        UsageError: it is a file, a symlink, or not empty.
    """
    _check_kind(folder)
    if folder.exists() and any(folder.iterdir()):
        raise _not_empty(folder)


def check_comparable(folder: Path) -> None:
    """Check that a folder exists.

    Raises:
        UsageError: it does not exist, or is a file or a symlink.
    """
    _check_kind(folder)
    if not folder.exists():
        raise UsageError("the folder does not exist", where=str(folder), next=f"lab render {shlex.quote(str(folder))}")


def _not_empty(folder: Path) -> UsageError:
    return UsageError(
        "the folder is not empty; nothing was written",
        where=str(folder),
        next=f"name another folder, or compare: lab render {shlex.quote(str(folder))} --diff",
    )


def _check_kind(folder: Path) -> None:
    if folder.is_symlink():
        raise UsageError("is a symlink, not a folder", where=str(folder), next="name the folder itself")
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder", where=str(folder), next="name a folder")


def write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write all files, or none if that fails or is interrupted; return them. Their modes are those of the umask.

    Args:
        folder: a folder that is empty or does not exist.
        files: the content of each file by its path in the folder.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    moved: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lab-render-") as temporary:
            for name, content in files.items():
                file = Path(temporary) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8", newline="\n")
            for entry in sorted(Path(temporary).iterdir()):
                _move(entry, folder / entry.name, moved)
    except BaseException:
        for path in moved:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in created:
            with suppress(OSError):
                path.rmdir()
        raise
    return [folder / path for path in files]


def _move(entry: Path, target: Path, moved: list[Path]) -> None:
    if target.exists():  # somebody created it after the check
        raise _not_empty(target.parent)
    moved.append(target)
    entry.rename(target)


def differences(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return a unified diff for each file that differs, from the folder's content to the new one.

    A file that would not be written is named only, and only if it is of a kind that is written: the scripts create keys
    in the folder.
    """
    existing = {path.relative_to(folder).as_posix(): path for path in _regular(folder)}
    found = {name: f"Only in {folder}: {name}\n" for name in sorted({*existing} - {*files}) if _is_kind(name)}
    for name, new in files.items():
        path = existing.get(name)
        old = b"" if path is None else path.read_bytes()
        if path is None or old != new.encode():
            before = "/dev/null" if path is None else f"{folder}/{name}"
            found[name] = _unified(old.decode(errors="replace"), new, before, f"new/{name}")
    return found


def _is_kind(name: str) -> bool:
    return Path(name).suffix in _KINDS


def _unified(old: str, new: str, before: str, after: str) -> str:
    parts = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), before, after)
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def _regular(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _regular(path)
        elif path.is_file():
            yield path
