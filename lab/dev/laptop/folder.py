"""Pack a folder into an archive for a pod, and watch it for changes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import watchfiles

from lab.base.errors import UsageError
from lab.base.paths import APPS
from lab.dev.inpod.runner import MAIN

MAX_MIB = 20
_ATTEMPTS = 5
_DEBOUNCE_MS = 100
_STEP_MS = 20
_TICK_S = 0.2
"""How often the watch looks whether it is over."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP archive knows: the same files give the same archive
_FILTER = watchfiles.DefaultFilter()


def check(folder: Path) -> None:
    """Check that a folder can be run.

    Raises:
        UsageError: it does not exist or has no main.py.
    """
    if not (folder / MAIN).is_file():
        words = f"has no {MAIN}" if folder.is_dir() else "is not a folder"
        example = f"name a folder whose {MAIN} serves HTTP on PORT, such as {APPS / 'my-service'}"
        raise UsageError(f"{folder} {words}", next=example)


def archive(folder: Path) -> bytes:
    """Return the folder's files as a ZIP archive, without files of editors, Python caches and version control.

    If a file vanishes meanwhile (an editor replaces it, or git changes the branch), the folder is packed again.

    Raises:
        UsageError: it is larger than MAX_MIB, a file cannot be read, or files vanish each time.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _pack(folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            vanished = error.filename
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be read: {error.strerror}", next="make it readable") from error
    raise UsageError(f"{vanished} vanished while it was read, {_ATTEMPTS} times", next="wait until nothing changes")


def _pack(folder: Path) -> bytes:
    packed, total = io.BytesIO(), 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        for file in sorted(folder.rglob("*")):
            rel = file.relative_to(folder)
            if not file.is_file() or not _FILTER(watchfiles.Change.modified, str(Path("/") / rel)):
                continue
            total += file.stat().st_size
            if total > MAX_MIB << 20:
                raise UsageError(f"{folder} is larger than {MAX_MIB} MiB", next="keep data out of the service's folder")
            files.writestr(zipfile.ZipInfo(str(rel), _EPOCH), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def saves(folder: Path, over: Event, *, idle_s: float = 5.0) -> Iterator[bool]:
    """Yield True after each change in a folder, and False after each `idle_s` without a change, until `over` is set.

    The first True comes without a change, as soon as the folder is watched: nobody knows what changed before.
    """
    quiet_s, begun = 0.0, False
    for changes in watchfiles.watch(
        folder,
        stop_event=over,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        rust_timeout=round(_TICK_S * 1000),
        yield_on_timeout=True,
        raise_interrupt=True,
    ):
        quiet_s = 0.0 if changes else quiet_s + _TICK_S
        if changes or not begun:
            begun = True
            yield True
        elif quiet_s >= idle_s:
            quiet_s = 0.0
            yield False
