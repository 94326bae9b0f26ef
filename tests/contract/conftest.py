from __future__ import annotations

import pytest

from lab.base.errors import HostError
from lab.tools.docker import Docker


@pytest.fixture(scope="session")
def engine() -> Docker:
    """The real engine."""
    docker = Docker()
    try:
        docker.info()
    except HostError as error:
        pytest.skip(f"no container engine to test against: {error.what}")
    return docker
