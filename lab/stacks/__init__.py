"""The stacks, and which of them a lab is built as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.base.errors import UsageError
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stacks.istio.stack import IstioStack
from lab.stacks.linkerd.stack import LinkerdStack
from lab.stacks.model import Joint, Part, Stack, UpstreamCheck, Verdict

__all__ = [
    "STACKS",
    "Choice",
    "Joint",
    "Part",
    "Stack",
    "UpstreamCheck",
    "Verdict",
    "choose",
    "current",
    "mesh",
    "remember",
]

_LINKERD, _ISTIO = LinkerdStack(), IstioStack()
STACKS: Mapping[str, Stack] = {_LINKERD.name: _LINKERD, _ISTIO.name: _ISTIO}
"""Every stack by its name; the first that can be had is what "auto" means."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which stack the lab is built as, and why, in one line for people."""

    stack: Stack
    reason: str


def choose(lab: Lab) -> Choice:
    """Choose the stack that lab.toml or --stack asks for, or with "auto" linkerd where it can be had, else istio.

    A lab that is up stays what it is.

    Raises:
        UsageError: the stack that is asked for can't be had here, and each missing artifact with where it was looked
            for; or the lab is up as another one; or it has no dashboard, and one is asked for.
    """
    choice = _choose(lab)
    if lab.spec.viz and not choice.stack.viz:
        raise UsageError(
            f"the dashboard is an extension of Linkerd's, and this lab is {choice.reason}",
            next="leave --viz (or `viz` in lab.toml) away",
        )
    return choice


def _choose(lab: Lab) -> Choice:
    asked, is_up = lab.spec.stack, _remembered(lab)
    if is_up is not None:
        if asked not in {"auto", is_up.name}:
            raise UsageError(
                f"the lab {lab.spec.name} was brought up with the {is_up.name} stack, and keeps it",
                next=f"lab down, then lab up --stack {asked}; or another `name` in lab.toml",
            )
        return Choice(stack=is_up, reason=f"{is_up.title}, as it was brought up")
    if asked == _ISTIO.name:
        return Choice(stack=_ISTIO, reason=f"{_ISTIO.title}, as lab.toml or --stack says")
    missing = lab.artifacts.unobtainable(_LINKERD.artifacts(lab))
    if missing is None:
        return Choice(stack=_LINKERD, reason=_LINKERD.title)
    lines = missing.what.splitlines()
    if asked == _LINKERD.name:
        count = "1 artifact is" if len(lines) == 1 else f"{len(lines)} artifacts are"
        words = f"the linkerd stack can't be had here: {count} missing\n  {missing.what}"
        raise UsageError(words, next=missing.next)
    more = f" (and {len(lines) - 1} more: lab up --stack linkerd names them)" if len(lines) > 1 else ""
    return Choice(stack=_ISTIO, reason=f"{_ISTIO.title}; not Linkerd, since {lines[0]}{more}")


def current(lab: Lab) -> Stack:
    """Return the stack that the lab was brought up with, or is meant to be, whether it can be had or not."""
    return _remembered(lab) or STACKS.get(lab.spec.stack) or choose(lab).stack


def remember(lab: Lab, stack: Stack) -> None:
    """Note with which stack the lab is brought up, until `lab down`."""
    lab.paths.ensure_state()
    lab.paths.stack.write_text(f"{stack.name}\n", encoding="utf-8")


def mesh(lab: Lab) -> Mesh:
    """Return the mesh of the lab's stack."""
    return current(lab).mesh(lab)


def _remembered(lab: Lab) -> Stack | None:
    try:
        return STACKS.get(lab.paths.stack.read_text(encoding="utf-8").strip())
    except OSError:
        # A lab of a version that had only this stack wrote nothing down.
        return _ISTIO if lab.paths.kubeconfig.exists() else None
