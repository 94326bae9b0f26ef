"""The lab's frontend: calls podinfo again and again and shows which cluster answered."""

__version__ = "0.1.0"
