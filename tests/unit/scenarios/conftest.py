from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab import config
from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from tests.unit.scenarios.kit import FakeRunner


@pytest.fixture
def context() -> Context:
    mesh = SimpleNamespace(capabilities=frozenset({Capability.SPLIT}))
    return Context(
        lab=cast("Any", SimpleNamespace(spec=config.parse(""))),
        mesh=cast("Any", mesh),
        runner=FakeRunner({"echo": "hello\n"}),
    )
