from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.cli.app import main
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Node, NodeStatus
from lab.lab import Lab
from lab.mesh.capabilities import Capability
from lab.scenario.page_marks import PageMarks


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@dataclass
class FakeMesh:
    """A mesh that notes what is asked of it. `answers` are what its methods return; an unexpected one fails loudly."""

    answers: Mapping[str, Any]
    name: str = "istio"
    capabilities: frozenset[Capability] = frozenset(Capability)
    called: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.answers:
            raise AttributeError(name)

        def method(*arguments: Any, **options: Any) -> Any:
            self.called.append((name, *arguments, *options.items()))
            return self.answers[name]

        return method


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with a lab.toml; state, cache and runs are in it."""
    (tmp_path / "lab.toml").write_text('name = "dev"\nstack = "istio"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it
    for name in ("STATE", "CACHE", "RUNS"):
        monkeypatch.setenv(f"LAB_{name}_DIR", str(tmp_path / name.lower()))
    for name in ("LAB_CONFIG", "LAB_LOCAL_DIR"):
        monkeypatch.setenv(name, "")  # so that a value that the command itself sets is undone as well
        monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    return tmp_path


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process, as `lab` does."""

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lab", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ended(code=int(ended.value.code or 0), out=printed.out, err=printed.err)

    return run


@pytest.fixture
def up(folder: Path) -> Path:
    """The lab looks as if it were up: it has a kubeconfig."""
    state = folder / "state" / "dev"
    state.mkdir(parents=True)
    (state / "kubeconfig").write_text("{}")
    (state / "stack").write_text("istio\n")
    return state


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeMesh]:
    """Let the lab's mesh be a fake that answers so."""

    def use(**answers: Any) -> FakeMesh:
        made = FakeMesh(answers)
        monkeypatch.setattr("lab.stacks.mesh", lambda _: made)
        return made

    return use


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, NodeStatus]:
    """What the engine has of each cluster's node; running unless a test says otherwise."""
    found = dict.fromkeys(("east", "west"), NodeStatus.RUNNING)

    def look(_: KindProvider, lab: Lab) -> dict[str, Node]:
        return {
            name: Node(name=f"{lab.spec.name}-{name}-control-plane", status=found[name])
            for name in found
            if name in lab.clusters
        }

    monkeypatch.setattr(KindProvider, "look", look)
    return found


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The owners of clusters of this lab's name that are another lab's; none unless a test says otherwise."""
    found: list[str] = []
    monkeypatch.setattr(KindProvider, "foreign", lambda *_: next(iter(found), ""))
    return found


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The kind and text of the marks for the page, in place of requests to a lab that may be up on this machine."""
    found: list[tuple[str, str]] = []

    def send(_: PageMarks, text: str, kind: str, *, intended: bool) -> None:
        assert intended
        found.append((kind, text))

    monkeypatch.setattr(PageMarks, "start", lambda _: None)
    monkeypatch.setattr(PageMarks, "send", send)
    return found
