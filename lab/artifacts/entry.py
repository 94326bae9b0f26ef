"""Entries of the store on disk: folders with a manifest that has the digest and size of each file."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.base.files import file_sha256, write_atomic

MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """Expected digest and size of a file of an entry."""

    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One artifact under one content key, from its manifest. `image` is a reference, `image_id` the engine's id."""

    path: Path
    name: str
    key: str
    version: str
    source: str
    built_at: float
    """Seconds since the epoch."""
    duration_s: float
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    image: str | None = None
    image_id: str | None = None
    baked: tuple[str, ...] = ()
    """References of the images that are inside this one."""
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Size of the entry's files on disk, without images in the engine."""
        return sum(record.size for record in self.files.values())

    def damage(self, *, thorough: bool) -> str | None:
        """Return the first damage of the files; None if they are whole.

        Args:
            thorough: compare digests, which reads every byte; otherwise only check existence and size.
        """
        for rel, record in self.files.items():
            path = self.path / rel
            try:
                status = path.lstat()
            except OSError:
                return f"{rel} is missing"
            if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
                return f"{rel} has {status.st_size} bytes, not {record.size}"
            if thorough and file_sha256(path) != record.sha256:
                return f"{rel} does not have the digest in the manifest"
        return None


def read(folder: Path) -> Entry | None:
    """Read an entry; return None if there is none, or its manifest is invalid."""
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if raw.pop("format") != _FORMAT:
            return None
        files = {rel: FileRecord(**record) for rel, record in raw.pop("files").items()}
        return Entry(path=folder, files=files, baked=tuple(raw.pop("baked")), **raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Return the digest and size of every file in a folder that will become an entry."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(sha256=file_sha256(path), size=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def publish(entry: Entry, made_in: Path) -> None:
    """Move a finished folder into the store atomically.

    A crash leaves the old entry, no entry or the new entry, never a part: the manifest is written before the rename.
    """
    raw = {key: value for key, value in asdict(entry).items() if key != "path"}
    text = json.dumps({"format": _FORMAT, **raw}, indent=1, sort_keys=True)
    write_atomic(made_in / MANIFEST, f"{text}\n", mode=0o644)
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    if entry.path.exists():
        replaced = made_in.with_name(f"{made_in.name}-replaced")
        entry.path.rename(replaced)
        made_in.rename(entry.path)
        shutil.rmtree(replaced)
    else:
        made_in.rename(entry.path)
