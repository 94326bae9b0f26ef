"""Read a text file that a user names; refuse what is not one before it is opened."""

from __future__ import annotations

from pathlib import Path

from lab.base.errors import UsageError


def check(file: Path, *, name: str, most_bytes: int, option: str) -> None:
    """Refuse a folder, a pipe, a device and a huge file: opening a pipe waits, and a device may never end.

    Args:
        file: the file that the user named.
        name: the usual name of such a file.
        most_bytes: the largest size.
        option: the option that names it, for messages.

    Raises:
        UsageError: it is one of these.
    """
    one = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    if file.is_dir():
        inside = file / name
        fix = f"{option} {inside}" if inside.is_file() else f"name a file with {option}"
        raise UsageError(f"is a folder, not {one}", where=str(file), next=fix)
    if file.exists() and not file.is_file():
        what = "is a pipe or a device; the lab reads this file several times, as do commands that it starts"
        raise UsageError(what, where=str(file), next="write the text into a file, and name that one")
    if file.exists() and (size := file.stat().st_size) > most_bytes:
        what = f"has {size >> 10} KiB; {one} has {most_bytes >> 10} KiB at most"
        raise UsageError(what, where=str(file), next=f"name {one} with {option}")
