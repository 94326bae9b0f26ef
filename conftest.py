"""What `tests/e2e` and `scenarios` share: both can be named in one run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that both understand."""
    group = parser.getgroup("lab")
    group.addoption("--require-lab", action="store_true", help="no lab, or no machine for one, fails instead of skips")
