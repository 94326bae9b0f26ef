"""The East/West lab: two real Kubernetes clusters, one mesh across them, and what that gives you."""

from typing import TYPE_CHECKING

__version__: str

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        """Return the version late: the library that reads it takes a fifth of the time of `lab --help`."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("eastwest-lab")
