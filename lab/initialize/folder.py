"""Read and write a profile: the folder that `lab initialize` wrote, with a record of what it wrote.

The record, `.initializer/base.json`, is the base of a later update's three-way merge. It is not compressed: compressed
bytes differ between versions of zlib, and the same choices shall give the same folder on every machine.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from lab.base import text_file
from lab.base.errors import UsageError
from lab.initialize.choices import FILE_NAME, FORMAT, Choices, parse_query, parse_toml
from lab.lifecycle.render import folder as files_of

RECORD = ".initializer/base.json"
_MOST_BYTES = 1 << 16


def with_record(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files with their record."""
    record = json.dumps({"format": FORMAT, "files": dict(files)}, indent=0, ensure_ascii=False, sort_keys=True)
    return {**files, RECORD: f"{record}\n"}


def check_new(folder: Path) -> None:
    """Check that a folder does not exist, or is empty.

    Raises:
        UsageError: it is a file, a symlink, or not empty.
    """
    if folder.is_dir() and not folder.is_symlink() and any(folder.iterdir()):
        known = (folder / FILE_NAME).is_file()
        update = f"lab initialize update {shlex.quote(str(folder))}"
        raise UsageError(
            "the folder is not empty; nothing was written",
            where=str(folder),
            next=f"{update}; or name another folder" if known else "name another folder",
        )
    files_of.check_writable(folder)


def write(folder: Path, files: Mapping[str, str]) -> int:
    """Write a new folder, all files or none; return their number.

    Raises:
        UsageError: the folder is not empty.
        OSError: it cannot be written, or the disk is full; nothing was left.
    """
    check_new(folder)
    written = files_of.write(folder, with_record(files))
    return len(written) - 1


def choices_of(folder: Path) -> Choices:
    """Return the choices of a profile.

    Raises:
        UsageError: the folder is not a profile, or its choices are not valid.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        raise UsageError(
            f"has no {FILE_NAME}: `lab initialize` did not write it", where=str(folder), next="name another"
        )
    return read_choices(file)


def choices_from(given: str) -> Choices:
    """Return the choices of a URL, or of a file.

    Raises:
        UsageError: the file does not exist, or the choices are not valid.
    """
    if "?" in given and not Path(given).exists():
        return parse_query(given)
    return read_choices(Path(given))


def read_choices(file: Path) -> Choices:
    """Return the choices of a file.

    Raises:
        UsageError: it does not exist, or is not valid.
    """
    if not file.exists():
        raise UsageError(f"there is no file {file}", next="lab initialize --list")
    text_file.check(file, name=FILE_NAME, most_bytes=_MOST_BYTES, option="--from")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is not a text in UTF-8", where=str(file), next=f"name a {FILE_NAME}") from error
    return parse_toml(text, source=str(file))


def recorded(folder: Path) -> dict[str, str]:
    """Return the files as they were written.

    Raises:
        UsageError: the record is missing or damaged, or of a newer version.
    """
    file = folder / RECORD
    again = "write a new folder, and copy your changes into it"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if raw["format"] > FORMAT:
            raise UsageError(
                "a newer version of the lab wrote this folder",
                where=str(file),
                next="install a newer version of the lab: pipx upgrade eastwest-lab",
            )
        files = {str(path): str(text) for path, text in raw["files"].items()}
        _check_inside(files)
    except FileNotFoundError as error:
        raise UsageError("is missing: the update cannot tell your changes", where=str(file), next=again) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"is damaged: {error}", where=str(file), next=again) from error
    return files


def _check_inside(paths: Iterable[str]) -> None:
    """Refuse paths that lead out of the folder: a profile may come from others."""
    for path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path} is outside of the folder")


def current(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the text of those files that exist.

    Raises:
        UsageError: one of them is a folder or a link, or is not text.
    """
    found: dict[str, str] = {}
    for path in paths:
        file = folder / path
        if file.is_symlink() or file.is_dir():
            raise UsageError("is not a regular file", where=str(file), next="move it away, then run the command again")
        if file.is_file():
            try:
                found[path] = file.read_bytes().decode("utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(
                    "is not a text in UTF-8", where=str(file), next="move it away, then run the command again"
                ) from error
    return found


def replace(folder: Path, changed: Mapping[str, str | None]) -> None:
    """Replace files of a folder, all or none; None deletes a file.

    Raises:
        OSError: a file cannot be written, or the disk is full; the folder is as before.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".initializer-") as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        for path, text in changed.items():
            if text is not None:
                target = new / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="")
        done: list[str] = []
        try:
            for path, text in changed.items():
                done.append(path)
                if (folder / path).exists():
                    (old / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).rename(old / path)
                if text is not None:
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (new / path).rename(folder / path)
        except BaseException:
            for path in reversed(done):
                (folder / path).unlink(missing_ok=True)
                if (old / path).exists():
                    (old / path).rename(folder / path)
            raise
        for path, text in changed.items():
            if text is None:
                _remove_empty(folder, (folder / path).parent)


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)
        folder = folder.parent
