"""Read and write a profile: the folder that `lab initialize` wrote, with a record of what it wrote.

The record, `.initializer/base.json`, is the base of a later update's three-way merge. It is not compressed: compressed
bytes differ between versions of zlib, and the same choices shall give the same folder on every machine.
"""

from __future__ import annotations

import errno
import json
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lab.base import text_file
from lab.base.errors import UsageError
from lab.initialize import replacing
from lab.initialize.choices import FILE_NAME, FORMAT, Choices, parse_query, parse_toml
from lab.lifecycle.render import folder as files_of

RECORD = ".initializer/base.json"
_MOST_BYTES = 1 << 16
_MOST_SHOWN = 80


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


def check_creatable(folder: Path) -> None:
    """Check that files can be created where a folder is or will be, by a temporary one. Permissions do not tell it.

    Raises:
        OSError: they cannot.
        ValueError: the name has a null character.
    """
    with suppress(FileNotFoundError):
        folder.stat()
    place = next(path for path in (folder, *folder.absolute().parents) if exists(path))
    with _located(folder), tempfile.TemporaryDirectory(dir=place, prefix=replacing.PREFIX):
        pass


def write(folder: Path, files: Mapping[str, str]) -> int:
    """Write a new folder, all files or none; return their number.

    Raises:
        UsageError: the folder is not empty.
        OSError: it cannot be written, or the disk is full; nothing was left.
    """
    check_new(folder)
    with _located(folder):
        written = files_of.write(folder, with_record(files))
    return len(written) - 1


def choices_of(folder: Path) -> Choices:
    """Return the choices of a profile; before that, undo what a killed update has left.

    Raises:
        UsageError: the folder is not a profile, its choices are not valid, or an update of it is running.
        OSError: what a killed update has left cannot be undone.
    """
    file = folder / FILE_NAME
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "the folder does not exist"
        raise UsageError(
            what, where=str(folder), next=f"name a folder; lab initialize {shlex.quote(str(folder))} writes one"
        )
    if not file.is_file():
        raise UsageError(
            f"has no {FILE_NAME}: it is not a folder of `lab initialize`",
            where=str(folder),
            next="name another, or write a new one: lab initialize FOLDER",
        )
    recover(folder)
    return read_choices(file)


def choices_from(given: str) -> Choices:
    """Return the choices of a URL or its query, of an initializer.toml, or of a folder that has one.

    Raises:
        UsageError: it does not exist, or the choices are not valid.
    """
    ways = f"name an {FILE_NAME}, a folder of `lab initialize`, or a URL that ends in ?mesh=…"
    if not given.strip():  # as a path, it would be the working directory
        raise UsageError("the name of the profile is empty", next=ways)
    path = Path(given)
    if exists(path):
        return choices_of(path) if path.is_dir() else read_choices(path)
    if "?" in given or ("=" in given and "://" not in given):  # README.md of a folder has the query alone
        return parse_query(given)
    what = "the URL names no choices" if "://" in given else "the file or folder does not exist"
    where = given if len(given) <= _MOST_SHOWN else f"{given[:_MOST_SHOWN]}…"
    raise UsageError(what, where=where, next=ways)


def exists(path: Path) -> bool:
    """Return whether a file or folder exists; a URL can be longer than a file's name may be."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.EINVAL}:
            return False
        raise


def read_choices(file: Path) -> Choices:
    """Return the choices of a file that exists.

    Raises:
        UsageError: it is not valid.
    """
    text_file.check(file, name=FILE_NAME, most_bytes=_MOST_BYTES, option="--from")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is not a text in UTF-8", where=str(file), next=f"name an {FILE_NAME}") from error
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
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError("is missing: the update cannot tell your changes", where=str(file), next=again) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
        UsageError: one of them, or a folder that it is in, is something else or a link, or a file is not text.
    """
    texts: dict[str, str] = {}
    for path in paths:
        _check_folders(folder, path)
        file = folder / path
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise _refused(file, "is not a regular file")
        if file.is_file():
            try:
                texts[path] = file.read_bytes().decode("utf-8")
            except UnicodeDecodeError as error:
                raise _refused(file, "is not a text in UTF-8") from error
    return texts


def _check_folders(root: Path, path: str) -> None:
    """Refuse links in place of folders: an update must not write outside of the profile."""
    for part in (*PurePosixPath(path).parents,)[:-1]:
        place = root / part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise _refused(place, "is not a folder")


def _refused(file: Path, what: str) -> UsageError:
    return UsageError(what, where=str(file), next="move it away, then run the command again")


def replace(folder: Path, changed: Mapping[str, str | None]) -> None:
    """Replace files of a folder, all or none; None deletes a file. Files keep their modes.

    Raises:
        UsageError: another process replaces files of the folder.
        OSError: a file cannot be written, or the disk is full; the folder is as before.
    """
    with _located(folder):
        replacing.replace(folder, changed)


def recover(folder: Path) -> bool:
    """Restore the files that a killed update has replaced; return whether there was one.

    Raises:
        UsageError: an update is running, or what was left over is damaged.
        OSError: a file cannot be restored.
    """
    if not folder.is_dir():
        return False
    with _located(folder):
        return replacing.recover(folder)


@contextmanager
def _located(folder: Path) -> Iterator[None]:
    """Let errors name the folder in place of a temporary file, or of nothing: a file's end can be what is too much."""
    try:
        yield
    except OSError as error:
        temporary = (".lab-render-", replacing.PREFIX)
        if error.filename is None or any(part.startswith(temporary) for part in Path(error.filename).parts):
            error.filename = str(folder)
        raise
