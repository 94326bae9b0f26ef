"""Which machines can build from packages, and what the lab remembers of its decisions."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.decisions import BUILD, Decision, Memory, cannot_build
from lab.artifacts.resolver import UPSTREAM, Match

THING = parse('[t]\ntitle="t"\nkind="image"\nversion="1"\nestimate_s=1\nupstream={ image = "registry.test/t:1" }\n')[
    "t"
]
PULLED = Decision(source=UPSTREAM, match=Match(source=UPSTREAM, name="registry.test/t:1", identity="sha256:1"))


@pytest.mark.parametrize(
    ("system", "machine", "debian", "uid", "why"),
    [
        ("Linux", "x86_64", True, 0, None),
        ("Linux", "x86_64", True, 1000, "only root can build it from packages"),
        ("Linux", "x86_64", False, 0, "only Debian and Ubuntu on amd64 can build it from packages"),
        ("Linux", "aarch64", True, 0, "only Debian and Ubuntu on amd64 can build it from packages"),
        ("Darwin", "arm64", False, 501, "only Debian and Ubuntu on amd64 can build it from packages"),
        ("FreeBSD", "amd64", False, 0, "only Debian and Ubuntu on amd64 can build it from packages"),
    ],
)
def test_only_root_on_debian_builds(  # noqa: PLR0917 - fixtures and one row of the table
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, debian: bool, uid: int, why: str | None
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname=system, machine=machine))
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    if debian:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/debian_version").write_text("12.1\n")
    assert cannot_build(root=tmp_path) == why


@pytest.mark.parametrize("decision", [BUILD, PULLED])
@pytest.mark.parametrize(
    ("age_s", "is_up", "read_only", "holds"),
    [(10, False, False, True), (3600, False, False, False), (3600, True, False, True), (3600, False, True, True)],
)
def test_how_long_a_decision_holds(  # noqa: PLR0917 - fixtures and one row of the table
    tmp_path: Path, decision: Decision, age_s: float, is_up: bool, read_only: bool, holds: bool
) -> None:
    file = tmp_path / "decisions.json"
    Memory(file=file, is_up=False, clock=lambda: 0.0).keep({"t": ("key", decision)})
    later = Memory(file=file, is_up=is_up, read_only=read_only, clock=lambda: age_s)
    assert later.recall(THING, "key") == (decision if holds else None)
    assert later.recall(THING, "another version's key") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"t": 3}', '{"t": {"key": "key"}}', '{"t": {"key": "key", "at": "x"}}']
)
def test_a_damaged_memory_is_no_decision(tmp_path: Path, text: str) -> None:
    file = tmp_path / "decisions.json"
    file.write_text(text)
    memory = Memory(file=file, is_up=True)
    assert memory.recall(THING, "key") is None
    memory.keep({"t": ("key", BUILD)})
    assert memory.recall(THING, "key") == BUILD


def test_a_memory_that_is_only_read_writes_nothing(tmp_path: Path) -> None:
    Memory(file=tmp_path / "decisions.json", is_up=True, read_only=True).keep({"t": ("key", BUILD)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("decision", [BUILD, PULLED])
def test_a_bundles_decision_holds_until_another_version_of_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decision: Decision
) -> None:
    file = tmp_path / "decisions.json"
    Memory(file=file, is_up=False, clock=lambda: 0.0).keep({"t": ("key", decision)}, from_bundle=True)
    later = Memory(file=file, is_up=False, clock=lambda: 1e6)
    assert later.recall(THING, "key") == decision
    assert later.recall(THING, "key", from_bundle=True) == decision
    assert later.recall(THING, "another key", from_bundle=True) is None
    monkeypatch.setattr("lab.artifacts.decisions.__version__", "99")
    assert later.recall(THING, "key") is None
    assert later.recall(THING, "key", from_bundle=True) is None


def test_a_decision_of_this_machine_is_not_a_bundles(tmp_path: Path) -> None:
    memory = Memory(file=tmp_path / "decisions.json", is_up=True)
    memory.keep({"t": ("key", BUILD)})
    assert memory.recall(THING, "key", from_bundle=True) is None
