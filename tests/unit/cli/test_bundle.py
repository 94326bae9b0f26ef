"""`lab bundle` prints what it did and the next command, and its exit code says whether `lab up` can follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.artifacts.bundle import LoadedReport, SavedReport, save
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.names import STACKS
from lab.cli.app import app
from tests.unit.artifacts.bundle_kit import ArchivingDocker
from tests.unit.artifacts.conftest import make_store  # noqa: F401 - a fixture
from tests.unit.cli.conftest import Command

LOADED = LoadedReport(
    file="lab.bundle",
    lab="0.0",
    platform="linux/amd64",
    loaded=("kind",),
    present=("kubectl",),
    other=(),
    stacks=("istio",),
    incomplete=(),
)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Sequence[str]], Path, bool]]:
    """What `save` was called with."""
    calls: list[tuple[dict[str, Sequence[str]], Path, bool]] = []

    def record(_: Any, stacks: dict[str, Sequence[str]], file: Path, *, force: bool) -> SavedReport:
        calls.append((stacks, file, force))
        return SavedReport(
            file=str(file),
            size_bytes=5 << 20,
            sha256="ab" * 32,
            platform="linux/amd64",
            stacks=tuple(stacks),
            artifacts=("kind",),
        )

    monkeypatch.setattr("lab.artifacts.bundle.save", record)
    return calls


def test_save_prints_size_digest_and_the_command_for_the_other_machine(lab: Command, saved: list[Any]) -> None:
    ended = lab("bundle", "save", "a file", "--stack", "istio", "--stack", "linkerd", "--stack", "istio", "--force")
    assert ended.code == 0
    assert "a file: 5 MiB, 1 artifacts of istio, linkerd, for linux/amd64" in ended.out
    assert f"sha256 {'ab' * 32}" in ended.out
    assert "on the other machine: lab bundle load 'a file'" in ended.out
    ((stacks, file, force),) = saved
    assert (list(stacks), file, force) == (["istio", "linkerd"], Path("a file"), True)
    assert "node-image-linkerd" in stacks["linkerd"]


def test_save_takes_the_stack_of_lab_toml(lab: Command, saved: list[Any]) -> None:
    assert lab("bundle", "save", "x", "--json").json["stacks"] == ["istio"]


def test_an_unknown_stack_is_a_usage_error(lab: Command, saved: list[Any]) -> None:
    ended = lab("bundle", "save", "x", "--stack", "auto")
    assert ended.code == 2
    assert f"name one or more of: {', '.join(STACKS)}" in ended.err
    assert saved == []


def test_the_stacks_are_completed() -> None:
    words = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab bundle save x --stack ", "COMP_CWORD": "5"}
    assert CliRunner().invoke(app, [], prog_name="lab", env=words).stdout.split() == list(STACKS)


@pytest.mark.parametrize(
    ("report", "code", "lines"),
    [
        (LOADED, 0, ["✓ loaded: kind", "✓ present already: kubectl", "next: lab up\n"]),
        (replace(LOADED, stacks=("linkerd",)), 0, ["next: lab up --stack linkerd"]),
        (
            replace(LOADED, other=("node-image",), stacks=(), incomplete=("istio",)),
            1,
            ["of another version of the lab (0.0), left out: node-image", "not complete: istio"],
        ),
    ],
)
def test_load_prints_what_fits_and_the_next_command(
    lab: Command, monkeypatch: pytest.MonkeyPatch, report: LoadedReport, code: int, lines: list[str]
) -> None:
    monkeypatch.setattr("lab.artifacts.bundle.load", lambda *_: report)
    ended = lab("bundle", "load", "lab.bundle")
    assert ended.code == code
    for line in lines:
        assert line in ended.out + ended.err
    assert lab("bundle", "load", "lab.bundle", "--json").json["stacks"] == list(report.stacks)


def test_a_missing_file_is_a_usage_error_also_as_json(lab: Command) -> None:
    for command in ("load", "show"):
        ended = lab("bundle", command, "nowhere", "--json")
        assert ended.code == 2
        assert ended.json["error"]["what"] == "nowhere does not exist"


def test_show_lists_the_content_and_needs_no_engine(
    lab: Command,
    folder: Path,
    make_store: Callable[..., ArtifactStore],  # noqa: F811
) -> None:
    store = make_store()
    for name in ("tool", "part", "whole"):
        make(store, name)
    save(store, {"istio": ("tool", "part", "whole")}, folder / "lab.bundle")
    ended = lab("bundle", "show", "lab.bundle")
    assert ended.code == 0
    assert f"tool      1        packages  0 MiB     {store.keys['tool']}" in ended.out
    assert f"whole     2        packages  an image  {store.keys['whole']}" in ended.out
    shown = lab("bundle", "show", "lab.bundle", "--json").json
    assert shown["schema"] == 1
    assert [artifact["name"] for artifact in shown["artifacts"]] == ["tool", "part", "whole"]
    assert shown["size_bytes"] == Path("lab.bundle").stat().st_size


@pytest.fixture
def docker() -> ArchivingDocker:
    """The engine of `make_store`."""
    return ArchivingDocker()
