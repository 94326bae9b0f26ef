"""Recorded answers of engines, each with its source (`recorded/engines.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.host.products import ClientFacts, EngineOrigin, recognise
from lab.tools.docker_records import Engine, read_engine

ENGINES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("recorded").joinpath("engines.json").read_text()
)
HERE = ClientFacts(system="Linux", hostname="laptop", kernel="6.1.0", memory_bytes=24 * 2**30)
MAC = ClientFacts(system="Darwin", hostname="laptop", kernel="24.6.0", memory_bytes=24 * 2**30)


def engine_of(name: str) -> Engine:
    """Return what `docker info` says."""
    return read_engine(ENGINES[name]["info"])


def origin_of(name: str, client: ClientFacts = HERE) -> EngineOrigin:
    """Return how the lab recognises an engine."""
    found = ENGINES[name]
    return recognise(engine_of(name), found["components"], found["endpoint"], client)
