"""How records become JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rich.console import Console

from lab.cli.output import print_json


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    colour: Colour
    shares: Mapping[Colour, float]


@dataclass(frozen=True, kw_only=True)
class Record:
    path: Path
    address: IPv4Address
    network: IPv4Network
    ends: datetime
    inner: tuple[Inner, ...]
    names: frozenset[str]
    note: str = "[bold] → é"


def test_records_become_json_without_markup_or_wrapping() -> None:
    printed = io.StringIO()
    record = Record(
        path=Path("a") / "b",
        address=IPv4Address("192.0.2.1"),
        network=IPv4Network("192.0.2.0/24"),
        ends=datetime(2026, 1, 1, tzinfo=UTC),
        inner=(Inner(colour=Colour.RED, shares={Colour.RED: 0.5}),),
        names=frozenset({"x" * 200}),
    )
    print_json(Console(file=printed, width=40), [record])

    (document,) = json.loads(printed.getvalue())
    assert datetime.fromisoformat(document.pop("ends")) == record.ends
    assert document == {
        "path": str(record.path),
        "address": "192.0.2.1",
        "network": "192.0.2.0/24",
        "inner": [{"colour": "red", "shares": {"red": 0.5}}],
        "names": ["x" * 200],
        "note": "[bold] → é",
    }
    assert printed.getvalue().isascii()
