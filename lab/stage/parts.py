"""The interfaces between the server, a stage, and the parts that other modules provide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.base.errors import LabError
from lab.base.names import Json
from lab.scenario.presenter import Wish
from lab.stage.broker import Broker


class Declined(LabError):
    """A request cannot be done now, for example because a step runs. `what` is the reason, for the screen."""


class Viewer(Protocol):
    """A browser that shows a console. Its methods are called from any thread and return at once."""

    def receive(self, data: bytes) -> None:
        """Show more bytes of the console."""

    def sized(self, cols: int, rows: int) -> None:
        """Note the console's size, which fits all viewers; its bytes are for a screen of this size."""

    def ended(self) -> None:
        """End: the console was closed, or this viewer is too slow."""


class ConsoleFeed(Protocol):
    """A console as the server sees it. Methods can be called from any thread and do not wait."""

    def attach(self, viewer: Viewer) -> bytes:
        """Add a viewer, and return what the console showed last.

        Raises:
            Declined: too many viewers.
        """

    def detach(self, viewer: Viewer) -> None:
        """Remove a viewer."""

    def input(self, viewer: Viewer, keys: str) -> None:
        """Type what a person typed in a viewer."""

    def resize(self, viewer: Viewer, cols: int, rows: int) -> None:
        """Note the size of a viewer. The console has the size that fits all of them."""


class Stage(Protocol):
    """What the server needs of a stage: the live one, or a replay.

    Methods that request something return at once; what happens comes as events of the broker.
    """

    broker: Broker

    def state(self) -> Json:
        """Return the whole state, schema `stage/state/v1`."""

    def panels(self) -> Sequence[Json]:
        """Return the last panel of each cluster."""

    def wish(self, wish: Wish, *, at: str | None, turn: int | None = None) -> None:
        """Do what a presenter wishes.

        Args:
            wish: the request.
            at: the current step that the presenter saw, None at the end.
            turn: the state's `turn` that the presenter saw, if known.

        Raises:
            Declined: a step runs, the presentation has moved since, or the wish is disabled.
        """

    def check_until_green(self, *, at: str | None) -> None:
        """Repeat the checks of the current step until they are green or interrupted.

        Raises:
            Declined: as for `wish`.
        """

    def interrupt(self) -> None:
        """Stop what runs.

        Raises:
            Declined: nothing runs.
        """

    def jump(self, to: str | int) -> None:
        """Move to a step (`scenario/step`) or to the first step of an act (1, 2, …), and undo what lies behind it.

        Raises:
            Declined: a step runs, or there is no such step or act.
        """

    def fault(self, name: str, *, undo: bool) -> None:
        """Inject a fault, or undo it.

        Raises:
            KeyError: there is no such fault.
            Declined: it cannot be done now.
        """

    def mark(self, text: str) -> None:
        """Set a mark on the page's timeline."""

    def console(self, name: str) -> ConsoleFeed:
        """Return a console.

        Raises:
            KeyError: there is no console of this name.
        """


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An entry of the inject menu.

    `effect` says what an audience will see. `disabled` is the reason why it cannot be injected now (while it is active:
    why it cannot be undone). `commands` and `undo_commands` are the lines that run.
    """

    id: str
    title: str
    effect: str
    undo_title: str
    commands: tuple[str, ...] = ()
    undo_commands: tuple[str, ...] = ()
    active: bool = False
    disabled: str | None = None

    def as_json(self) -> Json:
        """Return it as plain JSON."""
        return dict(vars(self))


class Faults(Protocol):
    """The inject menu. `inject` and `undo` are called from the conductor's thread, one at a time."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to read what is broken; `changed` is called from any thread when `list` returns something else."""

    def nudge(self) -> None:
        """Read again soon, because something may have changed; returns at once, from any thread."""

    def close(self) -> None:
        """End reading, within a second."""

    def list(self) -> Sequence[Fault]:
        """Return all faults; called often and from any thread, so it asks no cluster."""

    def inject(self, fault_id: str) -> None:
        """Inject a fault, and return when it has happened.

        Raises:
            KeyError: there is no such fault.
            Declined: it is disabled, or in place already.
            LabError: it failed.
        """

    def undo(self, fault_id: str) -> None:
        """Undo a fault, and return when it is undone. Errors as for `inject`."""


class Panels(Protocol):
    """The live objects of each cluster."""

    def start(self, publish: Callable[[Json], None]) -> None:
        """Begin to watch; `publish` takes the whole panel of one cluster, from any thread."""

    def latest(self) -> Sequence[Json]:
        """Return the last panel of each cluster that was observed."""

    def close(self) -> None:
        """End all watches, within a second."""


class AudiencePart(Protocol):
    """The server for the audience's phones."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to serve; `changed` is called from any thread when `as_json` returns something else.

        Raises:
            LabError: it cannot listen on its address.
        """

    def close(self) -> None:
        """End the server, within two seconds."""

    def as_json(self) -> Json:
        """Return the state's `audience`."""


class NoFaults:
    """An empty inject menu."""

    def start(self, changed: Callable[[], None]) -> None:
        """Read nothing."""

    def nudge(self) -> None:
        """Read nothing."""

    def close(self) -> None:
        """End nothing."""

    def list(self) -> Sequence[Fault]:
        """Return nothing."""
        return ()

    def inject(self, fault_id: str) -> None:
        """Refuse."""
        raise KeyError(fault_id)

    def undo(self, fault_id: str) -> None:
        """Refuse."""
        raise KeyError(fault_id)


class NoPanels:
    """No panels."""

    def start(self, publish: Callable[[Json], None]) -> None:
        """Publish nothing."""

    def latest(self) -> Sequence[Json]:
        """Return nothing."""
        return ()

    def close(self) -> None:
        """End nothing."""
