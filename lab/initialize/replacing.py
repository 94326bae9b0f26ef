"""Replace files of a profile: all or none, also if the process is killed in between.

An update prepares a folder `.initializer-…` inside of the profile, with copies of the files as they are and with the
new files, and then a journal. Only after that it replaces the files, one by one, each atomically. If the process is
killed, the journal stays, and `recover` restores the files from the copies. Without a journal, nothing was replaced
yet, or everything was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lab.base.errors import UsageError
from lab.base.files import file_sha256, write_atomic

PREFIX = ".initializer-"
_JOURNAL, _OLD, _NEW = "journal.json", "old", "new"


def replace(folder: Path, changed: Mapping[str, str | None]) -> None:
    """Replace files of a folder, all or none; None deletes a file. Files keep their modes.

    Raises:
        UsageError: another process replaces files of the folder.
        OSError: a file cannot be written, or the disk is full; the folder is as before.
    """
    with _locked(folder):
        _recover(folder)
        work = Path(tempfile.mkdtemp(dir=folder, prefix=PREFIX))
        try:
            _prepare(folder, work, changed)
            for path, text in changed.items():
                target = folder / path
                if text is None:
                    target.unlink(missing_ok=True)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (work / _NEW / path).replace(target)
        except BaseException:
            _restore(folder, work)
            raise
        _finish(work)
        for path, text in changed.items():
            if text is None:
                _remove_empty(folder, (folder / path).parent)


def recover(folder: Path) -> bool:
    """Restore the files that a killed update has replaced; return whether there was one.

    A file that a person has edited since then stays as it is.

    Raises:
        UsageError: an update is running, or its journal is damaged.
        OSError: a file cannot be restored.
    """
    if not _left(folder):
        return False
    with _locked(folder):
        return _recover(folder)


def _recover(folder: Path) -> bool:
    left = _left(folder)
    is_restored = any((work / _JOURNAL).exists() for work in left)
    for work in left:
        _restore(folder, work)
    return is_restored


def _left(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob(f"{PREFIX}*")) if path.is_dir() and not path.is_symlink()]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change a folder. A file as the lock would stay in the person's repository."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another `lab initialize update` is changing this folder",
                where=str(folder),
                next="wait until it has ended, then run the command again",
            ) from None
        yield
    finally:
        os.close(handle)


def _prepare(folder: Path, work: Path, changed: Mapping[str, str | None]) -> None:
    """Write the new files, copies of the old ones, and at the end the journal."""
    digests: dict[str, str | None] = {}
    for path, text in changed.items():
        target, new, old = folder / path, work / _NEW / path, work / _OLD / path
        if target.exists():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target, old)
            _sync(old)
        if text is not None:
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8", newline="")
            if target.exists():
                shutil.copymode(target, new)
            _sync(new)
        digests[path] = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    write_atomic(work / _JOURNAL, json.dumps(digests))


def _sync(file: Path) -> None:
    """Let the file's content reach the disk before the journal does: a power cut must not lose it."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _restore(folder: Path, work: Path) -> None:
    for path, digest in _journal(work).items():
        target, old = folder / path, work / _OLD / path
        is_new = not target.exists() if digest is None else target.is_file() and file_sha256(target) == digest
        if is_new and old.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            old.replace(target)
        elif is_new and digest is not None:
            target.unlink()
        if not target.exists():
            _remove_empty(folder, target.parent)
    _finish(work)


def _journal(work: Path) -> dict[str, str | None]:
    """Return the digests of the new files; None for a file that is deleted."""
    file = work / _JOURNAL
    try:
        digests: dict[str, str | None] = json.loads(file.read_text(encoding="utf-8"))
        for path in digests.keys():  # noqa: SIM118 - another type than a mapping is damage
            _check_path(work, path)
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"an update was interrupted, and its journal is damaged: {error}",
            where=str(file),
            next=f"take your files from {work / _OLD}, then delete {work}",
        ) from error
    return digests


def _check_path(work: Path, path: str) -> None:
    """Refuse a path that leads out of the folder: a profile may come from others."""
    parts = PurePosixPath(path)
    inside = [work.parent / part for part in (parts, *parts.parents)[:-1]]
    kept = [work / _OLD / part for part in (parts, *parts.parents)]
    if parts.is_absolute() or ".." in parts.parts or any(one.is_symlink() for one in (*inside, *kept)):
        raise ValueError(f"{path} leads out of the folder")


def _finish(work: Path) -> None:
    """Delete the journal first: without it, the rest means nothing."""
    (work / _JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)  # the next command tries again


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root and (not folder.exists() or not any(folder.iterdir())):
        if folder.exists():
            folder.rmdir()
        folder = folder.parent
