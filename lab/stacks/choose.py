"""Choose the stack of a lab, and record it for the time that the lab is up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from lab.base.errors import ArtifactError, UnavailableError, UsageError
from lab.base.files import write_atomic
from lab.base.names import STACKS as STACK_NAMES
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stacks.model import Stack

STACKS: Mapping[str, Stack] = {name: import_module(f"lab.stacks.{name}.stack").STACK for name in STACK_NAMES}
"""Every stack by its name, in the order in which "auto" tries them."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The lab's stack, and the reason for it in one line."""

    stack: Stack
    reason: str


def choose(lab: Lab) -> Choice:
    """Return the stack that lab.toml or --stack names; for "auto", the first whose artifacts are available.

    A lab that is up keeps its stack. After `lab bundle load`, "auto" is the bundle's stack.

    Raises:
        UnavailableError: artifacts of the named stack, or for "auto" of every stack, are unavailable; the error lists
            each with the sources that were tried.
        UsageError: the lab is up with another stack; or `viz` is set and the stack has no dashboard.
    """
    choice = _choose(lab)
    if lab.spec.viz and not choice.stack.viz:
        raise UsageError(
            f"the dashboard is an extension of Linkerd, and this lab is {choice.reason}",
            next="omit --viz (or `viz` in lab.toml)",
        )
    return choice


def _choose(lab: Lab) -> Choice:
    named, is_up = lab.spec.stack, _remembered(lab)
    if is_up is not None:
        if named not in {"auto", is_up.name}:
            raise UsageError(
                f"the lab {lab.spec.name} was brought up with the {is_up.name} stack, and keeps it",
                next=f"lab down, then lab up --stack {named}; or another `name` in lab.toml",
            )
        return Choice(stack=_extended(lab, is_up), reason=f"{is_up.title}, as it was brought up")
    if named != "auto":
        return _named(lab, _extended(lab, STACKS[named]))
    if (loaded := _loaded(lab)) is not None:
        return Choice(stack=loaded, reason=f"{loaded.title}, from the loaded bundle")
    chosen, skipped = _first_available(lab)
    if chosen is None:
        nearest = min(STACKS.values(), key=lambda stack: len(_lines(_unavailable(lab, stack))))
        raise UnavailableError(
            f"no stack is available here: {'; '.join(skipped)}", wanted=nearest.artifacts(lab), next="lab doctor"
        )
    return Choice(stack=chosen, reason="; ".join([chosen.title, *skipped]))


def _lines(unavailable: ArtifactError | None) -> list[str]:
    """Return the unavailable artifacts, a line for each."""
    return unavailable.what.splitlines() if unavailable else []


def _loaded(lab: Lab) -> Stack | None:
    """Return the first stack whose artifacts all come from a loaded bundle; asks no registry."""
    return next((stack for stack in STACKS.values() if lab.artifacts.is_from_bundle(stack.artifacts(lab))), None)


def _first_available(lab: Lab) -> tuple[Stack | None, list[str]]:
    """Return the first stack whose artifacts are available, and for each one before it why it is not."""
    skipped: list[str] = []
    for stack in STACKS.values():
        unavailable = _unavailable(lab, stack)
        if unavailable is None:
            return stack, skipped
        first, *more = _lines(unavailable)
        count = f" (and {len(more)} more: lab up --stack {stack.name} lists them)" if more else ""
        skipped.append(f"not the {stack.name} stack, because {first.strip()}{count}")
    return None, skipped


def _named(lab: Lab, stack: Stack) -> Choice:
    unavailable = _unavailable(lab, stack)
    if unavailable is None:
        who = "the profile" if lab.extension is not None else "lab.toml or --stack"
        return Choice(stack=stack, reason=f"{stack.title}, as {who} says")
    lines = _lines(unavailable)
    count = "1 artifact is" if len(lines) == 1 else f"{len(lines)} artifacts are"
    raise UnavailableError(
        f"the {stack.name} stack is unavailable here: {count} missing\n  {unavailable.what}",
        wanted=stack.artifacts(lab),
        next=unavailable.next,
    )


def _unavailable(lab: Lab, stack: Stack) -> ArtifactError | None:
    return lab.artifacts.unobtainable(stack.artifacts(lab))


def current(lab: Lab) -> Stack:
    """Return the stack of a lab that is up, else the one for `lab up`, whether its artifacts are available or not."""
    named = _remembered(lab) or STACKS.get(lab.spec.stack) or _loaded(lab)
    return _extended(lab, named or _first_available(lab)[0] or next(iter(STACKS.values())))


def _extended(lab: Lab, stack: Stack) -> Stack:
    """Return the stack with the components of the lab's profile, if it has one."""
    if lab.extension is None:
        return stack
    extended: Stack = lab.extension.extended(stack)
    return extended


def remember(lab: Lab, stack: Stack) -> None:
    """Record the lab's stack, until `lab down`."""
    lab.paths.ensure_state()
    write_atomic(lab.paths.stack, f"{stack.name}\n")


def mesh(lab: Lab) -> Mesh:
    """Return the mesh of the lab's stack."""
    return current(lab).mesh(lab)


def _remembered(lab: Lab) -> Stack | None:
    try:
        return STACKS.get(lab.paths.stack.read_text(encoding="utf-8").strip())
    except OSError:
        return None
