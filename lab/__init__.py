"""The East/West lab: two real Kubernetes clusters, one mesh across them, and what that gives you."""

from importlib.metadata import version

__version__ = version("eastwest-lab")
