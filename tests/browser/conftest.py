"""Tests in a browser, without clusters."""

from tests.chromium import chromium

__all__ = ["chromium"]
