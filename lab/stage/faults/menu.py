"""The inject menu: the faults of a lab, what is in place now, and their commands."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from lab.base import cancel, wait
from lab.base.cancel import Cancelled
from lab.base.errors import LabError
from lab.lab import Lab
from lab.mesh import Mesh
from lab.scenario.actions import Action
from lab.stage.faults import catalog, situation
from lab.stage.faults.catalog import Breakage
from lab.stage.faults.situation import Situation
from lab.stage.parts import Declined, Fault

_EVERY_S, _APART_S = 15.0, 2.0
"""Longest and shortest time between two looks at what is broken."""
_END_S = 1.0
_UNKNOWN = "the lab is still being read"


class FaultMenu:
    """Implements `lab.stage.parts.Faults`.

    Args:
        lab: the lab.
        mesh: its mesh.
        do: executes actions in order, such as an executor's `do`; raises LabError if one fails.
        shown: returns a path as a person types it.
    """

    def __init__(
        self,
        lab: Lab,
        mesh: Mesh,
        *,
        do: Callable[[Sequence[Action]], None],
        shown: Callable[[Path], str] = lambda path: shlex.quote(str(path)),
    ) -> None:
        self._lab, self._mesh, self._do = lab, mesh, do
        self._all = {one.id: one for one in catalog.of_lab(lab, mesh, shown=shown)}
        self._now: Situation | None = None
        self._problem = _UNKNOWN
        self._changed: Callable[[], None] = lambda: None
        self._guard = threading.Lock()
        self._nudged = threading.Event()
        self._ending = ExitStack()
        self._token: cancel.Token | None = None
        self._thread: threading.Thread | None = None

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to read what is broken: at once, when nudged, and every 15 s."""
        self._changed = changed
        token = self._token = self._ending.enter_context(cancel.token().child())
        self._thread = threading.Thread(target=self._reading, args=(token,), name="faults", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Read again soon."""
        self._nudged.set()

    def close(self) -> None:
        """End reading, within a second; a command that waits for its answer ends by itself a little later."""
        if self._token is not None:
            self._token.cancel()
            self._ending.close()
        if self._thread is not None:
            self._thread.join(_END_S)

    def list(self) -> Sequence[Fault]:
        """Return all faults, as they were read last."""
        with self._guard:
            now, problem = self._now, self._problem
        return [_shown(one, now, problem) for one in self._all.values()]

    def inject(self, fault_id: str) -> None:
        """Do what a fault says, with the commands that `list` shows."""
        one = self._all[fault_id]
        self._check(one, active=False)
        try:
            self._do(one.do)
        finally:
            self._read()

    def undo(self, fault_id: str) -> None:
        """Undo a fault, and return when the undo has taken effect."""
        one = self._all[fault_id]
        self._check(one, active=True)
        try:
            self._do(one.undo)
            one.until_undone()
        finally:
            self._read()

    def _check(self, one: Breakage, *, active: bool) -> None:
        """Read the lab, and check that a fault can be changed now.

        Raises:
            Declined: it cannot, with the reason.
        """
        self._read()
        fault = next(fault for fault in self.list() if fault.id == one.id)
        if reason := fault.disabled:
            raise Declined(f"{fault.undo_title if active else fault.title}: {reason}")
        if fault.active is not active:
            state = "in place already" if fault.active else "not in place"
            raise Declined(f"{fault.title}: it is {state}")

    def _reading(self, token: cancel.Token) -> None:
        with cancel.using(token), token.calling(self._nudged.set), suppress(Cancelled):
            while True:
                self._nudged.clear()
                began = time.monotonic()
                self._read()
                wait.pause(max(0.0, _APART_S - (time.monotonic() - began)))
                token.check("faults")
                self._nudged.wait(_EVERY_S)
                token.check("faults")

    def _read(self) -> None:
        now, problem = None, ""
        try:
            now = situation.read(self._lab, self._mesh)
        except LabError as error:
            problem = error.what
        with self._guard:
            changed = (now, problem) != (self._now, self._problem)
            self._now, self._problem = now, problem
        if changed:
            self._changed()


def _shown(one: Breakage, now: Situation | None, problem: str) -> Fault:
    return Fault(
        id=one.id,
        title=one.title,
        effect=one.effect,
        undo_title=one.undo_title,
        commands=tuple(command.text for command in one.do),
        undo_commands=tuple(command.text for command in one.undo),
        active=now is not None and one.is_active(now),
        disabled=problem if now is None else one.obstacle(now),
    )
