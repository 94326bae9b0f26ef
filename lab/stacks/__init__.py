"""The stacks, each a folder here whose `stack.py` defines `STACK`; `choose` selects the lab's stack."""

from lab.stacks.choose import STACKS, Choice, choose, current, mesh, remember
from lab.stacks.model import CheckVerdict, ClusterComponent, LinkComponent, Stack, UpstreamCheck

__all__ = [
    "STACKS",
    "CheckVerdict",
    "Choice",
    "ClusterComponent",
    "LinkComponent",
    "Stack",
    "UpstreamCheck",
    "choose",
    "current",
    "mesh",
    "remember",
]
