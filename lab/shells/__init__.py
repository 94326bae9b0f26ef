"""A shell of the user for one cluster: its environment, and what it reads when it starts."""

from lab.shells.session import Shell

__all__ = ["Shell"]
