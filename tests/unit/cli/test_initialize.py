"""`lab initialize`: every way in gives the same folder; bad input writes nothing. These choices need no downloads."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import ArtifactError
from lab.cli import initialize, initialize_options
from lab.initialize import folder as profile
from lab.initialize.options import CATEGORIES
from lab.initialize.sources import StoreSources
from tests.unit.cli.conftest import Command

SMALL = ("--mesh", "none", "--ingress", "none", "--observability", "prometheus", "--apps", "podinfo")


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_list_has_every_option(lab: Command) -> None:
    ended = lab("initialize", "--list")
    assert ended.code == 0
    assert "retired it in March 2026. Use envoy-gateway or contour." in ended.out
    described = lab("initialize", "--list", "--json").json
    assert [one["category"] for one in described] == [category.id for category in CATEGORIES]
    assert {"id", "version", "license", "upstream", "why"} <= {*described[2]["options"][0]}


def test_every_way_in_gives_the_same_bytes(lab: Command, folder: Path) -> None:
    assert lab("initialize", "flags", *SMALL).code == 0
    first = contents(folder / "flags")
    assert "base/prometheus/3-operators/operators.yaml" in first
    assert lab("initialize", "file", "--from", "flags/initializer.toml").code == 0
    query = json.loads(lab("initialize", "json", *SMALL, "--json").out)["query"]
    assert lab("initialize", "url", "--from", f"https://lab.example/initialize?{query}").code == 0
    assert contents(folder / "file") == contents(folder / "url") == contents(folder / "json") == first


def test_the_form_gives_the_same_bytes(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "Service mesh": ["istoi", "none"],
        "Ingress": ["none"],
        "Observability": ["prometheus"],
        "Applications": ["podinfo"],
    }

    def prompt(text: str, default: str) -> str:
        left = answers.get(text.split(",", maxsplit=1)[0], [])
        return left.pop(0) if left else default

    monkeypatch.setattr(initialize.typer, "prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    ended = lab("initialize", "form")
    assert ended.code == 0, ended.err
    assert "did you mean istio" in ended.err
    assert "retired it in March 2026" in ended.out
    assert lab("initialize", "flags", *SMALL).code == 0
    assert contents(folder / "form") == contents(folder / "flags")


def test_show_writes_nothing(lab: Command, folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    ended = lab("initialize", "out", *SMALL, "--show")
    assert "base/podinfo/4-objects/objects.yaml" in ended.out
    assert "README.md" in lab("initialize", *SMALL, "--show", "--json").json
    assert {path.name for path in folder.iterdir()} - before <= {"cache", "state"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "FOLDER is missing"),
        (("out", "--mesh", "istoi"), "did you mean istio"),
        (("out", "--mesh", "none"), "Either --mesh istio, or --ingress envoy-gateway"),
        (("out", "--from", "nowhere.toml"), "there is no file nowhere.toml"),
        (("out", "--from", "https://x.example/?format=2"), "reads format 1"),
        (("out", "--from", f"https://x.example/?mesh={'a' * 3000}"), "at most 2000"),
        (("out", "--from", "."), "is a folder, not a initializer.toml"),
        (("full", *SMALL), "the folder is not empty"),
        (("lab.toml", *SMALL), "is a file, not a folder"),
    ],
)
def test_bad_input_writes_nothing(lab: Command, folder: Path, words: tuple[str, ...], said: str) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "mine").write_text("mine")
    ended = lab("initialize", *words)
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert "next:" in ended.err
    assert not (folder / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(folder / "out"))

    monkeypatch.setattr("lab.initialize.folder.files_of.write", full)
    ended = lab("initialize", "out", *SMALL)
    assert ended.code == 3
    assert "no space left" in ended.err.lower()


def test_an_update_shows_the_difference_first_and_keeps_edits(lab: Command, folder: Path) -> None:
    lab("initialize", "out", *SMALL)
    readme = folder / "out" / "README.md"
    readme.write_text(f"{readme.read_text()}\nmy notes\n")
    before = contents(folder / "out")
    ended = lab("initialize", "update", "out", "--apps", "none", "--diff")
    assert ended.code == 1
    assert "-  - ../../../base/podinfo/4-objects" in ended.out
    assert contents(folder / "out") == before
    assert lab("initialize", "update", "out", "--apps", "none").code == 2  # no terminal, and no --yes
    assert contents(folder / "out") == before
    assert lab("initialize", "update", "out", "--apps", "none", "--yes").code == 0
    assert "my notes" in readme.read_text()
    assert "apps = []" in (folder / "out" / "initializer.toml").read_text()
    assert not (folder / "out" / "base" / "podinfo").exists()
    ended = lab("initialize", "update", "out")
    assert (ended.code, "is up to date" in ended.out) == (0, True)


def test_a_conflict_ends_with_1_and_names_the_file(lab: Command, folder: Path) -> None:
    lab("initialize", "out", *SMALL)
    file = folder / "out" / "clusters/east/3-operators/prometheus.yaml"
    file.write_text(file.read_text().replace("cluster: east", "cluster: mine"))
    kustomization = folder / "out" / "IMAGES.txt"
    kustomization.write_text(kustomization.read_text().replace("docker.io/prom", "mine.example/prom"))
    ended = lab("initialize", "update", "out", "--registry", "registry.example", "--yes")
    assert ended.code == 1
    assert "IMAGES.txt" in ended.err
    assert "<<<<<<< yours" in kustomization.read_text()
    assert "cluster: mine" in file.read_text()


def test_an_update_of_another_folder_is_refused(lab: Command, folder: Path) -> None:
    (folder / "other").mkdir()
    ended = lab("initialize", "update", "other")
    assert ended.code == 2
    assert "has no initializer.toml" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cluster", "north=x"), "is not of the form NAME=CONTEXT"),
        (("--cluster", "east"), "is not of the form NAME=CONTEXT"),
        (("--wire", "thing"), "thing is not a wire of this folder"),
    ],
)
def test_verify_refuses_unknown_names(lab: Command, words: tuple[str, ...], said: str) -> None:
    lab("initialize", "out", *SMALL)
    ended = lab("initialize", "verify", "out", *words)
    assert ended.code == 2
    assert said in ended.err


def test_verify_needs_kubectl(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    lab("initialize", "out", *SMALL)
    monkeypatch.setattr(initialize.shutil, "which", lambda name: None)
    ended = lab("initialize", "verify", "out")
    assert ended.code == 3
    assert "command not found: kubectl" in ended.err


def test_completion_knows_the_last_word_after_a_comma() -> None:
    complete = initialize_options._ids("observability")
    assert complete("prometheus,ja") == ["prometheus,jaeger"]
    assert "ingress-nginx" not in initialize_options._ids("ingress")("")


def test_a_folder_with_the_name_of_a_command_can_be_written(lab: Command, folder: Path) -> None:
    assert lab("initialize", "./update", *SMALL).code == 0
    assert (folder / "update" / profile.RECORD).is_file()
    assert lab("initialize", "folder", "verify", *SMALL).code == 0
    assert (folder / "verify" / profile.RECORD).is_file()


def test_yaml_that_no_source_has_is_a_warning(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_: StoreSources, artifact: str) -> ArtifactError | None:
        return ArtifactError(f"{artifact} is unavailable here") if artifact == "emissary-chart" else None

    monkeypatch.setattr(StoreSources, "unavailable", unavailable)
    words = ("--mesh", "none", "--ingress", "emissary", "--apps", "podinfo")
    ended = lab("initialize", "out", *words)
    assert ended.code == 0, ended.err
    assert "! the folder does not have the YAML of Emissary-ingress" in ended.err
    assert "emissary-chart is unavailable here" in ended.err
    assert "helm template" in (folder / "out" / "apply.sh").read_text()
    shown = lab("initialize", *words, "--show", "--json")
    assert "README.md" in shown.json
    assert "Emissary-ingress" in shown.err
