"""The stacks, each a folder here whose `stack.py` defines `STACK`; `choose` decides which one a lab is built as."""

from lab.stacks.choose import STACKS, Choice, choose, current, mesh, remember
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
