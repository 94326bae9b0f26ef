from __future__ import annotations

from tests.unit.scenarios.conftest import context, runner, steps

__all__ = ["context", "runner", "steps"]
