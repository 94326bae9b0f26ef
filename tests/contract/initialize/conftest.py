"""The real YAML of all options: from the store, else through the Go module proxy; a missing one skips its tests."""

from __future__ import annotations

import pytest

from lab.artifacts import plan
from lab.artifacts.make import make
from lab.base.errors import LabError
from lab.base.paths import Paths
from lab.initialize.options import OPTIONS
from lab.initialize.sources import NAME, StoreSources

SCHEMAS = "openapi-schemas"


def obtained(sources: StoreSources, artifacts: set[str]) -> dict[str, str]:
    """Make the missing artifacts; return why those that are unavailable are so."""
    missing: dict[str, str] = {}
    for artifact in sorted(artifacts):
        try:
            if (why := sources.store.unobtainable([artifact])) is not None:
                raise why
            for name in plan.missing(sources.store, [artifact]):
                make(sources.store, name)
        except LabError as error:
            missing[artifact] = str(error)
    return missing


@pytest.fixture(scope="session")
def real() -> StoreSources:
    return StoreSources(Paths.of(NAME))


@pytest.fixture(scope="session")
def unavailable(real: StoreSources) -> dict[str, str]:
    """The artifacts that this machine cannot get, each with the reason."""
    return obtained(real, {name for option in OPTIONS.values() for name in option.manifests} | {SCHEMAS})


@pytest.fixture(scope="session")
def sources(real: StoreSources, unavailable: dict[str, str]) -> StoreSources:
    """All real YAML; what is unavailable skips the test that needs it (`possible` in combinations.py)."""
    if SCHEMAS in unavailable or "gateway-api-manifests" in unavailable:
        pytest.skip(f"the Go module proxy is unreachable: {next(iter(unavailable.values()))}")
    return real
