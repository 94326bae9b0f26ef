from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from lab.scenario.steps import StepRunner
from tests.unit.scenarios.kit import FakeRunner, lab_of, steps_of


@pytest.fixture
def context() -> Context:
    mesh = SimpleNamespace(capabilities=frozenset({Capability.SPLIT}))
    return Context(lab=lab_of(), mesh=cast("Any", mesh), env={"KUBECONFIG": "/state/kubeconfig"})


@pytest.fixture
def runner() -> FakeRunner:
    """Commands that begin with `echo` print "hello"; those that begin with `undo` print nothing."""
    return FakeRunner({"echo": "hello\n", "undo": ""})


@pytest.fixture
def steps(context: Context, runner: FakeRunner) -> StepRunner:
    return steps_of(context, runner)
