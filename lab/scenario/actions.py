"""The actions of a step: commands to type, manifests to apply, waits, observations and marks. They are data.

`lab.scenario.executor` executes them. Only commands change a cluster, and each of them is shown exactly as it is
executed: `Apply` and `Delete` are kubectl commands with manifest files of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias

from lab.base.names import Json
from lab.scenario.context import Context, Role
from lab.scenario.observation import Observation

COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Command:
    """Command lines as a person types them, without shell syntax except `|` and a backslash at the end of a line.

    With `refused`, the last line must exit with an error, which is what the step shows.
    """

    text: str
    _: KW_ONLY
    timeout_s: float = COMMAND_TIMEOUT_S
    refused: bool = False
    manifests: tuple[str, ...] = ()
    """The scenario's manifest files in the command, after rendering an `Apply` or a `Delete`."""


@dataclass(frozen=True, init=False)
class Apply:
    """Apply manifest files of the scenario to the cluster in a role, with one command."""

    files: tuple[str, ...]
    to: Role

    def __init__(self, *files: str, to: Role) -> None:
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "to", to)


@dataclass(frozen=True, init=False)
class Delete:
    """Delete the objects in manifest files of the scenario from the cluster in a role, if they exist.

    With `wait` False, the command does not wait until they are gone.
    """

    files: tuple[str, ...]
    of: Role
    wait: bool

    def __init__(self, *files: str, of: Role, wait: bool = True) -> None:
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "wait", wait)


@dataclass(frozen=True)
class Start:
    """Start a command that runs until a later `Stop` with the same text.

    `ready` says when the step can continue. With `says`, the command must also have printed that word: what it does is
    seen before it has done all of it.
    """

    text: str
    _: KW_ONLY
    ready: Callable[[Context], Observation] = field(compare=False, repr=False)
    says: str = ""
    timeout_s: float = COMMAND_TIMEOUT_S


@dataclass(frozen=True)
class Stop:
    """Press Ctrl-C in the terminal of a command that an earlier `Start` started; nothing if it does not run."""

    text: str


@dataclass(frozen=True)
class NewPhase:
    """Begin a new phase of the step's load, such as "pods die"."""

    text: str


@dataclass(frozen=True)
class Pause:
    """Wait for something that cannot be observed."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Until:
    """Wait until an observation holds. A time limit is for the thing to happen.

    With `measured`, the seconds are added to this list in the context's memo. With `required` False, the step continues
    after the time limit, and its checks judge what was measured.
    """

    what: str
    look: Callable[[Context], Observation] = field(compare=False, repr=False)
    _: KW_ONLY
    timeout_s: float
    interval_s: float = 0.5
    successes: int = 1
    measured: str = ""
    required: bool = True


@dataclass(frozen=True)
class Observe:
    """Put an observation into the context's memo, for a check that compares it with a later one."""

    key: str
    look: Callable[[Context], Json] = field(compare=False, repr=False)


@dataclass(frozen=True)
class On:
    """Actions that differ by stack: the stack's name, and its actions."""

    by_stack: Mapping[str, Sequence[Any]]


Action: TypeAlias = Command | Apply | Delete | Start | Stop | NewPhase | Pause | Until | Observe | On


def on(**by_stack: Action | Sequence[Action]) -> On:
    """Return actions that differ by stack: `on(linkerd=Command("…"), istio=Apply("…", to="east"))`.

    `()` says that a stack needs none; a test refuses an `on` without a stack that runs the step.
    """
    return On({name: value if isinstance(value, Sequence) else (value,) for name, value in by_stack.items()})


def of_stack(actions: Sequence[Action], stack: str) -> Iterator[Action]:
    """Yield the actions of one stack, without `On`."""
    for action in actions:
        if isinstance(action, On):
            yield from of_stack(action.by_stack.get(stack, ()), stack)
        else:
            yield action


def kubectl_command(action: Apply | Delete, context: str, paths: Sequence[str]) -> str:
    """Return the command of an `Apply` or a `Delete` for a context; the paths are quoted."""
    verb = "apply"
    if isinstance(action, Delete):
        verb = "delete --ignore-not-found" if action.wait else "delete --ignore-not-found --wait=false"
    return " ".join([f"kubectl --context={context} {verb}", *(f"-f {path}" for path in paths)])
