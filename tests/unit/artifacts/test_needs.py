"""What `lab up` has to build or fetch: the doctor asks for nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.artifacts.keys import LOCAL, PACKAGES, UPSTREAM
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.lifecycle import artifacts


@pytest.fixture
def needs(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    def needs(sources: dict[str, str]) -> Any:
        monkeypatch.setattr(store.keys, "source", lambda name: sources.get(name, PACKAGES))
        lab: Any = SimpleNamespace(spec=config.parse(""), artifacts=store, node_image=None)
        stack: Any = SimpleNamespace(artifacts=lambda _: ("whole",), node_image="whole")
        return artifacts.needs(lab, stack)

    return needs


def test_nothing_is_needed_when_all_is_there(store: ArtifactStore, needs: Any) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    found = needs({})
    assert found.nothing
    assert found.node_image == store.reference("whole")


def test_what_is_missing_is_built_or_fetched_one_by_one(needs: Any) -> None:
    assert set(needs({}).build) == {"tool", "part", "whole"}
    found = needs({"tool": UPSTREAM, "part": LOCAL})
    assert dict(found.build) == {"whole": "assemble"}
    assert set(found.fetch) == {"tool", "part"}
    assert found.node_image is None
    assert needs({"tool": UPSTREAM, "part": LOCAL, "whole": UPSTREAM}).build == {}
