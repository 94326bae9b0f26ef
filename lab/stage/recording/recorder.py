"""Record a stage while it runs. Publishers never wait: one thread writes everything as lines, each second.

A recording that cannot continue (a full disk, the limit of its size) says so in a note, and never disturbs the stage.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.base.names import Json
from lab.stage.broker import Broker, StageEvent
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.store import RecordingFiles

_log = logging.getLogger(__name__)
LIMIT = 96 << 20
"""Bytes of a recording. An hour of a presentation takes about a tenth."""
_MOST_WAITING = 16 << 20
"""Bytes of consoles that may wait for the disk."""
_EVERY_S = 1.0
_FIRST_S = 0.1
"""The first state is written soon: without one, nothing can be played."""
_CLOSE_S = 1.0
_CHECKED = frozenset({"green", "red"})

_Work = Callable[[], None]


@dataclass(kw_only=True)
class Recorder:
    """Writes a recording, from `start` until `close`. Its methods can be called from any thread, and return at once.

    Args:
        folder: the folder of the run; it exists.
        manifest: what is recorded; its `began_at` is replaced.
        note: takes a sentence for the presenter.
        limit: bytes of the whole recording.
        every_s: seconds between two writes.
        clock: seconds that never go back.
    """

    folder: Path
    manifest: Manifest
    note: Callable[[str], None] = lambda _: None
    limit: int = LIMIT
    every_s: float = _EVERY_S
    clock: Callable[[], float] = time.monotonic
    _began_s: float = 0.0
    _files: RecordingFiles | None = None
    _notes: list[str] = field(default_factory=list)
    _steps: dict[str, str] = field(default_factory=dict)
    """Each step that was shown, and the last result of its checks: "", "ran", "green" or "red"."""
    _step: str | None = None
    _work: list[_Work] = field(default_factory=list)
    _waiting: int = 0
    _left_out: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _stopped: bool = False
    _thread: threading.Thread | None = None
    problem: str = field(default="", init=False)
    """Why the recording is not whole; empty if it is."""

    def start(self) -> None:
        """Create the files, and begin.

        Raises:
            OSError: they cannot be created.
        """
        self.manifest = replace(self.manifest, began_at=time.time())
        self._began_s = self.clock()
        self.manifest.write(self.folder)
        self._files = RecordingFiles(
            folder=self.folder,
            began_at=self.manifest.began_at,
            limit=self.limit,
            now_s=lambda: self.now_s,
            note=self._say,
        )
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def now_s(self) -> float:
        """Seconds since the recording began."""
        return self.clock() - self._began_s

    def follow(self, broker: Broker, state: Json, panels: Sequence[Json] = ()) -> Callable[[], None]:
        """Record the state now and every event of a broker; return a function that ends this."""
        for name, data in (("state", state), *(("panel", panel) for panel in panels)):
            self.event(name, data)
        return broker.listen(self._listen)

    def _listen(self, event: StageEvent) -> None:
        self.event(event.name, event.data)

    def event(self, name: str, data: Json) -> None:
        """Record an event of the stage."""
        at_s = self.now_s
        self._add(lambda files: self._event(files, at_s, name, data))

    def console(self, name: str, data: bytes) -> None:
        """Record bytes that a console showed."""
        at_s = self.now_s
        self._add(lambda files: files.console(at_s, name, data), size=len(data))

    def console_size(self, name: str, cols: int, rows: int) -> None:
        """Record the size of a console."""
        at_s = self.now_s
        self._add(lambda files: files.size(at_s, name, cols, rows))

    def page(self, upstream: str, name: str, data: Json) -> None:
        """Record an event of the page's stream."""
        at_s, at = self.now_s, time.time()
        self._add(lambda files: files.page(at_s, at, upstream, name, data))

    def describe(self, *, frontend: Json, upstreams: tuple[Json, ...], ingress: bool) -> None:
        """Note what the page's frontend is."""
        self.manifest = replace(self.manifest, frontend=frontend, upstreams=upstreams, ingress=ingress)

    def close(self) -> None:
        """Write everything, and the manifest with the length; returns after a second at most."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    # The thread

    def _add(self, work: Callable[[RecordingFiles], None], *, size: int = 0) -> None:
        with self._guard:
            if self._stopped:
                return
            if self._waiting + size > _MOST_WAITING:
                self._left_out += size
                return
            self._waiting += size
            self._work.append(lambda: work(self._files) if self._files else None)

    def _run(self) -> None:
        pause_s = min(_FIRST_S, self.every_s)
        while not self._stopped:
            over = self._over.wait(pause_s)
            pause_s = self.every_s
            try:
                self._write(all_of_it=over)
            except Exception as error:
                _log.exception("the recording has stopped")
                self._stop(f"the recording has stopped: {_words(error)}; what was recorded until now is kept")
            if over:
                break
        self._finish()

    def _write(self, *, all_of_it: bool) -> None:
        with self._guard:
            work, self._work, self._waiting = self._work, [], 0
            left_out, self._left_out = self._left_out, 0
        for one in work:
            one()
        if left_out:
            self._say(f"{left_out >> 10} KiB of the consoles are not in the recording: the disk is too slow")
        if self._files is not None:
            self._files.flush(self.now_s, all_of_it=all_of_it)

    def _event(self, files: RecordingFiles, at_s: float, name: str, data: Json) -> None:
        files.event(at_s, name, data)
        if name == "console" and data.get("closed"):
            files.console_ended(str(data["name"]))
        if name == "state":
            self._note_steps(data.get("steps", ()))
            step, self._step = self._step, _running(data.get("steps", ()))
            if self._step is not None and self._step != step:
                files.mark(at_s, self._step)

    def _note_steps(self, steps: Sequence[Json]) -> None:
        for one in steps:
            ran = "ran" if one.get("state") in {"done", "failed"} else ""
            result = str(one["checks"]) if one.get("checks") in _CHECKED else ran
            # A step that was undone is idle again, but it ran.
            self._steps[str(one.get("id"))] = result or self._steps.get(str(one.get("id")), "")

    def _say(self, words: str) -> None:
        self._notes.append(words)
        self.note(words)

    def _stop(self, words: str) -> None:
        with self._guard:
            self._stopped = True
            self._work.clear()
            self.problem = words
        self._say(words)

    def _finish(self) -> None:
        """Close the files, and write the manifest as that of a whole recording."""
        complete, duration_s = not self._stopped, self.now_s
        try:
            if self._files is not None:
                self._files.close()
            replace(
                self.manifest,
                complete=complete,
                duration_s=round(duration_s, 3),
                steps=_counts(self._steps),
                notes=tuple(self._notes),
            ).write(self.folder)
        except OSError as error:
            words = f"the end of the recording cannot be written: {_words(error)}"
            self.problem = self.problem or words
            self._say(words)


def _words(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def _running(steps: Sequence[Json]) -> str | None:
    return next((str(one.get("id")) for one in steps if one.get("state") == "running"), None)


def _counts(steps: Mapping[str, str]) -> dict[str, int]:
    """Count the steps: all, those that ran, and those whose checks were green or red."""
    results = list(steps.values())
    ran = sum(bool(result) for result in results)
    return {"all": len(results), "ran": ran, "green": results.count("green"), "red": results.count("red")}
