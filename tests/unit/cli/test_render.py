from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.rendering_kit import ChartFiles, fake_programs


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_programs(monkeypatch)

    def of(*_: Any) -> ChartFiles:
        return ChartFiles(tmp_path / "artifacts")

    monkeypatch.setattr("lab.lab.ArtifactStore.of", of)


def test_render_writes_the_files_and_diff_finds_none_different(lab: Command, folder: Path) -> None:
    ended = lab("render", "out", "--stack", "istio")
    assert (ended.code, "istio stack" in ended.out) == (0, True)
    assert (folder / "out" / "README.md").exists()
    assert lab("render", "out", "--diff").code == 0
    assert not (folder / "state" / "dev" / "pki").exists()


def test_render_names_its_files_as_json(lab: Command, folder: Path) -> None:
    listed = lab("render", "out", "--json").json
    assert listed["stack"] == "istio"
    assert {Path(name) for name in listed["files"]} == {
        path.relative_to(folder) for path in (folder / "out").rglob("*") if path.is_file()
    }


def test_a_changed_file_is_shown_and_is_exit_status_1(lab: Command, folder: Path) -> None:
    lab("render", "out")
    changed = next((folder / "out" / "west").glob("*-podinfo.yaml"))
    changed.write_text(changed.read_text().replace("replicas: 1", "replicas: 7"))
    ended = lab("render", "out", "--diff")
    assert ended.code == 1
    assert "-  replicas: 7\n+  replicas: 1\n" in ended.out
    ended = lab("render", "out", "--diff", "--json")
    assert (ended.code, ended.json["different"]) == (1, [f"west/{changed.name}"])


def test_a_folder_that_is_not_empty_is_refused_with_what_to_do(lab: Command, folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine").touch()
    ended = lab("render", "out")
    assert ended.code == 2
    assert "not empty" in ended.err
    assert "lab render out --diff" in ended.err
    assert [path.name for path in (folder / "out").iterdir()] == ["mine"]


def test_diff_needs_a_folder(lab: Command) -> None:
    ended = lab("render", "nowhere", "--diff")
    assert (ended.code, "does not exist" in ended.err) == (2, True)
