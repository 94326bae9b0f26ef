"""Read a recording: skip and report damaged lines, and read a truncated file up to its last whole line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lab.base.names import Json
from lab.stage.recording import delta
from lab.stage.recording.manifest import CAST, CONSOLES, EVENTS, PAGE, Manifest, RecordingError
from lab.stage.recording.tape import ConsoleEvent, ConsoleTape, Happening, PageEvent, T, Tape, Timeline

_MOST_BYTES = 256 << 20
_MOST_LINE = 16 << 20
_LONGEST_S = 7 * 24 * 3600.0
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,80}")
_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")
_SIZES = range(2, 1001)
_STATE = "stage/state/v1"
_WRONG = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a line of another form raises."""


def read(folder: Path) -> Tape:
    """Read the recording in a folder.

    Raises:
        UsageError: there is none.
        RecordingError: it is of another version of the lab, or nothing of it can be played.
    """
    manifest = Manifest.read(folder)
    problems = list(manifest.notes)
    if not manifest.ended:
        problems.append("the stage still runs, or was killed: what is written so far is played")
    events = Timeline(_Lines(folder / EVENTS, problems).read(_EventReader(problems).take))
    if not any(event.name == "state" for event in events.events):
        what = f"nothing can be replayed: {EVENTS} has no state of a stage"
        raise RecordingError(what, where=str(folder), next="lab report, for another recording")
    page = Timeline(_Lines(folder / PAGE, problems).read(_page_event))
    consoles = {tape.name: tape for tape in _consoles(folder, problems)}
    ends_s = [events.end_s, page.end_s, *(tape.timeline.end_s for tape in consoles.values())]
    return Tape(
        manifest=manifest,
        events=events,
        page=page,
        consoles=consoles,
        problems=tuple(dict.fromkeys(problems)),
        length_s=max(*ends_s, manifest.duration_s if manifest.complete else 0.0),
    )


@dataclass
class _Lines:
    """The lines of a file, each a JSON document; damaged ones are counted."""

    file: Path
    problems: list[str]

    def read(self, take: Callable[[Json, str], T | None]) -> list[T]:
        """Return what `take` makes of each document and its text, in the order of time; what it refuses is left out."""
        damaged, found = 0, list[T]()
        for text, is_whole in self._texts():
            try:
                event = take(json.loads(text), text)
            except _WRONG:
                if is_whole:
                    damaged += 1
                else:
                    self._note("was cut: the end of it is missing")
                continue
            if event is not None:
                found.append(event)
        if damaged:
            self._note(f"{damaged} damaged line{'s are' if damaged > 1 else ' is'} left out")
        return sorted(found, key=lambda event: event.at_s)  # some are kept back for a moment before they are written

    def _texts(self) -> Iterator[tuple[str, bool]]:
        """Yield each line, and whether it has its end."""
        try:
            if self.file.stat().st_size > _MOST_BYTES:
                raise RecordingError(f"is larger than {_MOST_BYTES >> 20} MiB", where=str(self.file), next="lab report")
            with self.file.open("rb") as stream:
                yield from _lines(stream)
        except FileNotFoundError:
            self._note("is missing")
        except OSError as error:
            self._note(f"cannot be read: {error.strerror}")

    def _note(self, words: str) -> None:
        self.problems.append(f"{self.file.name}: {words}")


def _lines(stream: BinaryIO) -> Iterator[tuple[str, bool]]:
    while line := stream.readline(_MOST_LINE):
        if text := line.decode("utf-8", "replace").strip():
            yield text, line.endswith(b"\n")


def _time(value: Json) -> float:
    at_s = float(value)
    if not math.isfinite(at_s) or not 0 <= at_s <= _LONGEST_S:
        raise ValueError(value)
    return at_s


def _name(value: Json) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(value)
    return value


@dataclass
class _EventReader:
    """Puts states and panels together from their changes."""

    problems: list[str]
    _state: Json = None
    _panels: dict[str, Json] = field(default_factory=dict)

    def take(self, document: Json, _: str) -> Happening | None:
        """Return the event of a line."""
        at_s, name, data = _time(document["t"]), _name(document["name"]), document["data"]
        if name == "limit":
            self.problems.append(f"{EVENTS}: {data['words']}")
            return None
        if name == "state":
            before, self._state = self._state, None  # changes after a damaged line have nothing to change
            data = self._state = _whole(before, data)
            if data.get("schema") != _STATE or not isinstance(data.get("steps"), list):
                raise ValueError(name)
        elif name == "panel":
            cluster = str(data["cluster"])
            data = self._panels[cluster] = _whole(self._panels.pop(cluster, None), data)
        elif not isinstance(data, dict):
            raise ValueError(name)
        return Happening(at_s=at_s, name=name, data=data)


def _whole(before: Json, data: Json) -> Json:
    if "whole" in data:
        whole = data["whole"]
    elif before is None:
        raise ValueError("there is nothing to change")
    else:
        whole = delta.apply(before, data["changes"])
    if not isinstance(whole, dict):
        raise ValueError("not a document")  # noqa: TRY004 - the file is at fault
    return whole


def _page_event(document: Json, text: str) -> PageEvent | None:
    at_s, name = _time(document["t"]), _name(document["name"])
    if name == "limit":
        return None
    at, upstream, data = float(document["at"]), _name(document["upstream"]), document["data"]
    if not isinstance(data, dict) or not math.isfinite(at):
        raise ValueError(name)
    key = '"data":'
    # The data as it was written, if it is where the recorder puts it: most lines need not be made again.
    as_written = list(document)[-1] == "data" and text.count(key) == 1
    written = text[text.index(key) + len(key) : -1] if as_written else json.dumps(data)
    return PageEvent(at_s=at_s, at=at, upstream=upstream, name=name, text=written)


def _consoles(folder: Path, problems: list[str]) -> Iterator[ConsoleTape]:
    for file in sorted((folder / CONSOLES).glob(f"*{CAST}"), key=lambda file: file.stem):
        lines = _Lines(file, problems)
        header = _Header()
        events = lines.read(header.take)
        if header.size is None:
            problems.append(f"{file.name}: is not an asciicast of version 2; this console is not shown")
        elif _NAME.fullmatch(file.stem):
            yield ConsoleTape(name=file.stem, size=header.size, timeline=Timeline(events))


@dataclass
class _Header:
    """Reads the first line of a cast, and then its events."""

    size: tuple[int, int] | None = None
    _first: bool = True

    def take(self, document: Json, _: str) -> ConsoleEvent | None:
        """Return the event of a line; None for the first one."""
        if self._first:
            self._first = False
            if document["version"] == 2:
                self.size = _size(document["width"], document["height"])
            return None
        at_s, kind, data = document
        if kind not in {"o", "r", "m"} or not isinstance(data, str):
            if kind == "i":  # what a person typed: other recorders write it
                return None
            raise ValueError(kind)
        if kind == "r":
            match = _SIZE.fullmatch(data)
            if match is None:
                raise ValueError(data)
            _size(int(match[1]), int(match[2]))
        return ConsoleEvent(at_s=_time(at_s), kind=kind, data=data)


def _size(cols: Json, rows: Json) -> tuple[int, int]:
    if not all(isinstance(value, int) and value in _SIZES for value in (cols, rows)):
        raise ValueError(f"{cols}x{rows}")
    return cols, rows
