"""One console: a shell in a terminal, the browsers that show it, and the commands that steps type into it.

The shell's marks tell when a prompt is shown, when a command runs, and with which status it has ended. A person may
type in it at any time, but not between the keys of a step. A shell that a person ends is started again.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.errors import LabError
from lab.base.names import Json
from lab.base.terminals import PtyProgram
from lab.stage.osc import EndMark, OutputParser, OutputPart, PromptMark, Question, Shown, StartMark, without_answers
from lab.stage.parts import Viewer
from lab.stage.typed_command import TypedCommand
from lab.stage.typed_line import TypedLine
from lab.stage.viewers import CLEAR, SHOWN_BEFORE, Viewers

_DEFAULT_SIZE = (100, 30)
_SMALLEST = (20, 5)
_CTRL_C = "\x03"
_QUICK_S, _MOST_QUICK = 3.0, 3
"""A shell that ends so soon, so often in a row, is not started again."""

PreparedShell = Callable[[str], AbstractContextManager[tuple[Sequence[str], Mapping[str, str]]]]
"""Takes the id of the marks; its block has the shell's command line and environment."""


@dataclass(kw_only=True)
class Console:
    """A `ConsoleFeed`: one shell of the user, in a terminal of its own.

    Args:
        name: the console's name, in URLs and texts.
        cluster: the cluster of its shell.
        shell: prepares the shell.
        cwd: the folder in which the shell starts.
        restarts: start the shell again if it ends.
        changed: called after a change of `as_json`.
        note: takes a sentence for the presenter.
        shown: takes everything that the console shows, for a recording; it does not answer questions of programs.
        resized: takes each size, in columns and rows.
    """

    name: str
    cluster: str
    shell: PreparedShell
    cwd: Path
    restarts: bool = True
    changed: Callable[[Console], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    shown: Callable[[str, bytes], None] = lambda *_: None
    resized: Callable[[str, int, int], None] = lambda *_: None
    _program: PtyProgram | None = None
    _command: TypedCommand | None = None
    _line: TypedLine = field(default_factory=TypedLine)
    _typing: bool = False
    _loses: bool = False
    """What a person typed last was lost."""
    _cwd_now: str = ""
    _has_prompt: bool = False
    _closed: bool = False
    _replay: bytearray = field(default_factory=bytearray)
    _viewers: Viewers = field(default_factory=Viewers)
    _sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    _size: tuple[int, int] = _DEFAULT_SIZE
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _thread: threading.Thread | None = None
    _told: Json = None

    @property
    def title(self) -> str:
        """What people call it: "west's console"."""
        return f"{self.name}'s console"

    def open(self) -> None:
        """Start the shell."""
        context = copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=f"console-{self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the shell and what runs in it, and all viewers; return after a second at most."""
        with self._guard:
            self._closed = True
            program = self._program
        if program is not None:
            program.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1)
        with self._guard:
            self._viewers.end()

    @property
    def is_alive(self) -> bool:
        """Whether its shell runs."""
        return self._program is not None

    @property
    def is_ready(self) -> bool:
        """Whether it shows a prompt with an empty line, and no step types."""
        with self._guard:
            return self.is_alive and self._line.is_ready and self._command is None

    @property
    def has_prompt(self) -> bool:
        """Whether its shell has shown a prompt with the stage's marks."""
        return self._has_prompt

    @property
    def is_elsewhere(self) -> bool:
        """Whether a person has gone to another folder."""
        now = self._cwd_now
        try:
            return bool(now) and not Path(now).samefile(self.cwd)
        except OSError:  # the folder was deleted
            return True

    def as_json(self) -> Json:
        """Return its entry in the state."""
        with self._guard:
            title = self.cluster if self.name == self.cluster else f"{self.cluster}, another terminal"
            busy = self._command is not None or not self._line.is_empty
            return {
                "name": self.name,
                "cluster": self.cluster,
                "title": title,
                "alive": self.is_alive,
                "busy": self.is_alive and busy,
            }

    # For steps

    def type(self, text: str, on_line: Callable[[str], None], *, pause: Callable[[], None]) -> TypedCommand | None:
        """Type a command line, key by key, and Enter; return the command, or None if the console is not ready.

        Args:
            text: the line.
            on_line: takes each line of output, from another thread.
            pause: waits between two keys; if it raises, what was typed is deleted.
        """
        with self._guard:
            program = self._program
            if program is None or not self.is_ready:
                return None
            command = self._command = TypedCommand(on_line)
            self._typing = True
        self._tell_change()
        try:
            for key in text:
                program.write(key.encode())
                pause()
        except BaseException:
            with self._guard:
                self._command = None
                self._line.type("\x03")
            program.write(b"\x03")
            raise
        else:
            with self._guard:
                command.entered = True
                self._line.type("\r")
            program.write(b"\r")
            return command
        finally:
            with self._guard:
                self._typing = False

    def press_ctrl_c(self) -> None:
        """Interrupt what runs in the console."""
        with self._guard:
            if self._command is not None:
                self._command.interrupted = True
            if self._program is not None:
                self._program.write(b"\x03")

    def forget(self, command: TypedCommand) -> None:
        """Wait no longer for the end of a command."""
        with self._guard:
            if self._command is command:
                self._command = None
        self._tell_change()

    # For browsers

    def attach(self, viewer: Viewer) -> bytes:
        """Add a viewer, and return what the console showed last."""
        with self._guard:
            self._viewers.add(viewer, self._size)
            return CLEAR.encode() + bytes(self._replay)

    def detach(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        with self._guard:
            self._viewers.remove(viewer)
            if self._sizes.pop(id(viewer), None) is not None:
                self._fit()

    def input(self, viewer: Viewer, keys: str) -> None:
        """Type what a person typed in a viewer; between the keys of a step, it is lost."""
        with self._guard:
            typed = without_answers(keys)
            if viewer is not self._viewers.first:
                keys = typed  # the first viewer answers for the terminal
            if self._program is None or self._typing or not keys:
                return
            taken = self._program.write(keys.encode("utf-8", "replace"), drops=keys == _CTRL_C)
            if taken:
                self._line.type(typed, kept=self._program.reads_lines)
            loses, self._loses = not taken and not self._loses, not taken
        if loses:
            self.note(f"{self.title} got more keys than its program reads: the rest of them is lost")
        self._tell_change()

    def resize(self, viewer: Viewer, cols: int, rows: int) -> None:
        """Note the size of a viewer."""
        with self._guard:
            if viewer in self._viewers:
                self._sizes[id(viewer)] = (cols, rows)
                self._fit()

    def _fit(self) -> None:
        if not self._sizes:
            return
        cols, rows = (min(sizes) for sizes in zip(*self._sizes.values(), strict=True))
        size = (max(cols, _SMALLEST[0]), max(rows, _SMALLEST[1]))
        if size != self._size:
            self._size = size
            self.resized(self.name, *size)
            self._viewers.resize(size)
            if self._program is not None:
                self._program.resize(*size)

    # The thread that reads

    def _run(self) -> None:
        quick = 0
        while not self._closed:
            began = time.monotonic()
            try:
                self._one_shell()
            except (LabError, OSError) as error:
                self.note(f"{self.title} cannot start: {error}")
                break
            quick = quick + 1 if time.monotonic() - began < _QUICK_S else 0
            if self._closed or not self.restarts:
                break
            if quick >= _MOST_QUICK:
                self.note(f"{self.title} ends as soon as it starts: look at your shell's start files")
                break
            self.note(f"{self.title} has ended; the stage starts it again")
        self._tell_change()

    def _one_shell(self) -> None:
        """Run one shell to its end."""
        marks = secrets.token_hex(8)
        with self.shell(marks) as (argv, env):
            cols, rows = self._size
            self.resized(self.name, cols, rows)
            program = PtyProgram(argv, env=env, cols=cols, rows=rows, cwd=self.cwd)
            try:
                with self._guard:
                    self._program, self._line, self._has_prompt = program, TypedLine(), False
                    if self._closed:
                        return
                self._tell_change()
                parser = OutputParser(marks)
                while data := program.read():
                    for part in parser.feed(data):
                        self._take(part)
                    self._tell_change()
                self._show(parser.rest())
            finally:
                with self._guard:
                    self._program = None
                    command, self._command = self._command, None
                program.release()
                if command is not None:
                    command.tell()
                    command.ended.set()
                self._tell_change()

    def _take(self, part: OutputPart) -> None:
        with self._guard:
            command, has_ended = self._command, False
            match part:
                case Shown(data=data):
                    self._show(data)
                    if command is not None:
                        command.show(data, has_starts=self._line.has_starts)
                case Question():
                    self._answer(part)
                case StartMark():
                    self._line.start()
                    if command is not None:
                        command.start()
                case EndMark(status=status):
                    self._line.end()
                    if command is not None:
                        command.end(status)
                case PromptMark(has_starts=has_starts, cwd=cwd):
                    self._cwd_now, self._has_prompt = cwd, True
                    self._line.prompt(has_starts=has_starts)
                    # A shell also shows its prompt again after a change of size: only after an end it is the next one.
                    if command is not None and command.status is not None:
                        self._command, has_ended = None, True
        if command is not None:
            command.tell()
            if has_ended:
                command.ended.set()

    def _show(self, data: bytes) -> None:
        with self._guard:
            self._replay += data
            if len(self._replay) > SHOWN_BEFORE:
                del self._replay[:-SHOWN_BEFORE]
                line_end = self._replay.find(b"\n", 0, 4096)  # begin with a whole line
                del self._replay[: line_end + 1]
            self._viewers.show(data)
            self.shown(self.name, data)

    def _answer(self, question: Question) -> None:
        if self._program is None:
            return
        if question.answer is not None:
            self._program.write(question.answer)
        elif (viewer := self._viewers.first) is not None:
            viewer.receive(question.data)
        else:
            self._program.write(b"\x1b[1;1R")

    def _tell_change(self) -> None:
        now = self.as_json()
        with self._guard:
            if now == self._told:
                return
            self._told = now
        self.changed(self)
