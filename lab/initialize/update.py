"""Update a profile: a three-way merge of what was written, what a person made of it, and what is rendered now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from merge3 import Merge3

from lab.base.errors import UsageError
from lab.initialize import folder as profile
from lab.initialize.choices import FILE_NAME, parse_toml
from lab.initialize.comments import with_comments

_MINE, _NEW = "yours", "lab initialize"
_MARKER = "<<<<<<< "
_BOM = "\ufeff"
"""The byte order mark that some editors write."""


class UpdateKind(Enum):
    """What the update does with a file."""

    ADD = "add"
    REPLACE = "replace"
    MERGE = "merge"
    CONFLICT = "conflict"
    DELETE = "delete"
    KEPT = "kept"
    """The person deleted the file, or edited one that is not needed any more: nothing is done."""


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file: its text before and after; None if it does not exist."""

    path: str
    change: UpdateKind
    before: str | None
    after: str | None

    def diff(self) -> str:
        """Return the difference as a unified diff."""
        old, new = (self.before or "").splitlines(keepends=True), (self.after or "").splitlines(keepends=True)
        before = "/dev/null" if self.before is None else f"a/{self.path}"
        after = "/dev/null" if self.after is None else f"b/{self.path}"
        lines = difflib.unified_diff(old, new, before, after)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True, kw_only=True)
class Update:
    """The changes of an update, and the new record."""

    changes: Sequence[FileChange]
    record: Mapping[str, str]
    is_recorded: bool = False
    """Whether the folder has this record already."""

    @property
    def conflicts(self) -> list[str]:
        """The files that get conflict markers."""
        return [one.path for one in self.changes if one.change is UpdateKind.CONFLICT]

    @property
    def effective(self) -> list[FileChange]:
        """The files that change."""
        return [one for one in self.changes if one.change is not UpdateKind.KEPT]

    def apply(self, folder: Path) -> None:
        """Write all changes, or none.

        Raises:
            OSError: a file cannot be written, or the disk is full; the folder is as before.
        """
        record = profile.with_record(self.record)[profile.RECORD]
        profile.replace(folder, {**{one.path: one.after for one in self.effective}, profile.RECORD: record})


def plan(folder: Path, files: Mapping[str, str]) -> Update:
    """Return the changes that bring a profile to new files, without those that the person's own edits exclude.

    Raises:
        UsageError: the folder is not a profile, its record is damaged, a file is not text, or a file has conflict
            markers of an earlier update.
    """
    profile.recover(folder)
    base = profile.recorded(folder)
    paths = sorted({*base, *files})
    mine = profile.current(folder, paths)
    _refuse_markers(folder, mine)
    changes = [one for path in paths if (one := _change(path, base.get(path), mine.get(path), files.get(path)))]
    return Update(changes=changes, record=files, is_recorded=base == dict(files))


def _refuse_markers(folder: Path, mine: Mapping[str, str]) -> None:
    marked = [path for path, text in mine.items() if _is_marked(_plain(text))]
    if marked:
        raise UsageError(
            f"{', '.join(marked)} has conflict markers ({_MARKER.strip()}) of an earlier update",
            where=str(folder),
            next="resolve them, then run the command again",
        )


def _is_marked(text: str) -> bool:
    return any(line.startswith(_MARKER) for line in text.splitlines())


def _change(path: str, base: str | None, mine: str | None, new: str | None) -> FileChange | None:
    """Return what happens to a file; its line ends, such as those of a Windows checkout, do not count, and stay."""
    if mine is None or "\r" in f"{base}{new}":
        return _change_of(path, base, mine, new)
    one = _change_of(path, base, _plain(mine), new)
    if one is None:
        return None
    return replace(one, before=mine, after=None if one.after is None else _styled(one.after, mine))


def _plain(text: str) -> str:
    return text.removeprefix(_BOM).replace("\r\n", "\n")


def _styled(text: str, like: str) -> str:
    """Return a text with the line ends that most lines of another one have, and with its byte order mark."""
    is_windows = like.count("\r\n") * 2 > like.count("\n")
    return f"{_BOM if like.startswith(_BOM) else ''}{text.replace(chr(10), chr(13) + chr(10)) if is_windows else text}"


def _change_of(path: str, base: str | None, mine: str | None, new: str | None) -> FileChange | None:
    if new in {base, mine}:
        return None
    if path == FILE_NAME and mine is not None and new is not None:
        after = _choices_file(base or "", mine, new)
        return None if after == mine else FileChange(path=path, change=UpdateKind.REPLACE, before=mine, after=after)
    if mine == base:
        kind = UpdateKind.DELETE if new is None else UpdateKind.ADD if mine is None else UpdateKind.REPLACE
        return FileChange(path=path, change=kind, before=mine, after=new)
    if mine is None or new is None:
        return FileChange(path=path, change=UpdateKind.KEPT, before=mine, after=mine)
    merged, is_conflict = _merged(base or "", mine, new)
    kind = UpdateKind.CONFLICT if is_conflict else UpdateKind.MERGE
    return None if merged == mine else FileChange(path=path, change=kind, before=mine, after=merged)


def _choices_file(base: str, mine: str, new: str) -> str:
    """Return initializer.toml with the choices of the other files; a person's comments stay."""
    merged, is_conflict = _merged(base, mine, new)
    if not is_conflict and _same_choices(merged, new):
        return merged
    return mine if _same_choices(mine, new) else with_comments(new, mine)


def _same_choices(one: str, other: str) -> bool:
    try:
        return parse_toml(one) == parse_toml(other)
    except UsageError:
        return False


def _merged(base: str, mine: str, new: str) -> tuple[str, bool]:
    base_lines, my_lines, new_lines = (text.splitlines(keepends=True) for text in (base, mine, new))
    merge = Merge3(base_lines, my_lines, new_lines)
    is_conflict = any(group[0] == "conflict" for group in merge.merge_groups())
    text = "".join(merge.merge_lines(name_a=_MINE, name_b=_NEW))
    return text, is_conflict


def summary(update: Update) -> Iterator[str]:
    """Yield a line for each file."""
    for one in update.changes:
        note = ""
        if one.change is UpdateKind.KEPT:
            note = " (you deleted it)" if one.before is None else " (you edited it; it is not needed any more)"
        yield f"{one.change.value}: {one.path}{note}"
