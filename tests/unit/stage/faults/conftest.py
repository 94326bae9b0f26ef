from __future__ import annotations

import pytest

from lab.lab import Lab
from lab.stacks import STACKS
from lab.stage.faults import catalog, situation
from tests.unit.fake_api import FakeApi
from tests.unit.stage.faults.world import World


@pytest.fixture(params=STACKS)
def world(request: pytest.FixtureRequest, lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(lab, request.param, apis)
    for module in (catalog, situation):
        monkeypatch.setattr(module, "provider", lambda: made)
    return made
